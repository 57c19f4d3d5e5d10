package bulk

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// Writer writes a table that a Reader can read.
type Writer struct {
	table   *csv.Writer // nil: one JSON object a line
	plain   io.Writer
	columns []column
	without []string
}

// NewWriter begins a table of a kind; fields that are not to be seen are left out.
func NewWriter(w io.Writer, contentType string, kind sbc.Kind, without ...string) (*Writer, error) {
	t := &Writer{plain: w, without: without}
	if contentType != CSV {
		return t, nil
	}
	t.table = csv.NewWriter(w)
	t.columns = slices.DeleteFunc(columnsOf(kind), func(c column) bool { return slices.Contains(without, c.path[0]) })
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name()
	}
	return t, t.table.Write(names)
}

// Write adds a row. Its fields are those of a resource as JSON (numbers as json.Number).
func (t *Writer) Write(fields map[string]any) error {
	for _, name := range t.without {
		delete(fields, name)
	}
	if t.table == nil {
		return json.NewEncoder(t.plain).Encode(fields)
	}
	cells := make([]string, len(t.columns))
	for i, c := range t.columns {
		var value any = fields
		for _, name := range c.path {
			inner, _ := value.(map[string]any)
			value = inner[name]
		}
		var err error
		if cells[i], err = cellOf(value); err != nil {
			return err
		}
	}
	return t.table.Write(cells)
}

// Flush gives on what was written.
func (t *Writer) Flush() error {
	if t.table == nil {
		return nil
	}
	t.table.Flush()
	return t.table.Error()
}

// cellOf spells a value for a cell. What is empty is an empty cell.
func cellOf(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool, json.Number, float64:
		return fmt.Sprint(v), nil
	case []any:
		if words, plain := wordsOf(v); plain {
			return strings.Join(words, ";"), nil
		}
	case map[string]any:
		if len(v) == 0 {
			return "", nil
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// wordsOf tells whether a list can be told apart with ";" between its words.
func wordsOf(list []any) (words []string, plain bool) {
	for _, v := range list {
		word, ok := v.(string)
		if !ok || word == "" || strings.ContainsAny(word, ";[\\") || strings.TrimSpace(word) != word {
			return nil, false
		}
		words = append(words, word)
	}
	return words, true
}
