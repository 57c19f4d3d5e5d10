package bulk

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/sbc"
)

// null stands in a cell for "the default", as it stands for NULL in the dumps of databases. An empty cell says nothing.
const null = `\N`

// head is what a column of a table is about.
type head struct {
	given string
	column
	// key is the name within an open column.
	key string
}

// openCSV reads the first line. Between the cells stands what stands there most: comma, semicolon or tab.
func (r *Reader) openCSV(known []column) error {
	buffered := bufio.NewReaderSize(r.source, 64<<10)
	start, _ := buffered.Peek(64 << 10) // an error comes again when it is read
	if bytes.HasPrefix(start, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(3) // it was peeked
		start = start[3:]
	}
	line, _, _ := bytes.Cut(start, []byte("\n"))
	table := csv.NewReader(buffered)
	table.FieldsPerRecord, table.ReuseRecord = -1, true
	for _, comma := range []byte{';', '\t'} {
		if bytes.Count(line, []byte{comma}) > bytes.Count(line, []byte{byte(table.Comma)}) {
			table.Comma = rune(comma)
		}
	}
	first, err := table.Read()
	if err != nil {
		return sbc.Invalid([]sbc.Fault{{Pointer: "#", Code: "header",
			Detail: "the first line must name the columns: " + err.Error()}})
	}
	heads, faults := r.heads(first, known)
	if len(faults) > 0 {
		return sbc.Invalid(faults)
	}
	r.next = func(row *Row) error { return r.record(table, heads, row) }
	return nil
}

// heads finds the field of each column.
func (r *Reader) heads(names []string, known []column) (heads []head, faults []sbc.Fault) {
	for i, given := range names {
		given = strings.TrimSpace(given)
		h := head{given: given}
		first, rest, _ := strings.Cut(given, ".")
		name := r.canonical(first)
		full := strings.TrimSuffix(name+"."+rest, ".")
		fault := func(code, detail string) {
			faults = append(faults, sbc.Fault{Pointer: "#/" + given, Code: code, Detail: fmt.Sprintf("column %d: %s", i+1, detail)})
		}
		at := slices.IndexFunc(known, func(c column) bool {
			return c.name() == full || c.open && c.path[0] == name && rest != ""
		})
		switch {
		case at < 0:
			fault("unknown", fmt.Sprintf("there is no field %q", given))
			continue
		case slices.ContainsFunc(heads, func(h head) bool { return h.given == given }):
			fault("duplicate", fmt.Sprintf("%q stands there twice", given))
		}
		h.column = known[at]
		if h.open {
			h.key = rest
		}
		heads = append(heads, h)
	}
	return heads, faults
}

// record reads one line.
func (r *Reader) record(table *csv.Reader, heads []head, row *Row) error {
	r.source.since = 0
	cells, err := table.Read()
	var syntax *csv.ParseError
	switch {
	case errors.As(err, &syntax) && !errors.Is(err, errLong):
		row.fault("#", "syntax", err.Error())
		return nil
	case err != nil:
		return err
	case len(cells) != len(heads):
		row.fault("#", "columns", fmt.Sprintf("has %d cells; the first line names %d columns", len(cells), len(heads)))
	}
	for i, h := range heads {
		if i < len(cells) && cells[i] != "" {
			r.cell(row, h, cells[i])
		}
	}
	return nil
}

// cell puts the value of a cell into its field.
func (r *Reader) cell(row *Row, h head, cell string) {
	if !utf8.ValidString(cell) {
		row.fault("#/"+strings.ReplaceAll(h.given, ".", "/"), "encoding", "is not UTF-8")
		return
	}
	var value any
	if cell != null {
		value = valueOf(h, cell)
	}
	path := h.path
	if h.key != "" {
		path = append(path[:len(path):len(path)], h.key)
	}
	if len(path) == 1 {
		first, _, _ := strings.Cut(h.given, ".")
		row.set(path[0], first, value)
		return
	}
	into := row.Fields
	for _, name := range path[:len(path)-1] {
		inner, ok := into[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			into[name] = inner
		}
		into = inner
	}
	into[path[len(path)-1]] = value
}

// valueOf reads a cell as the field wants it. What cannot be read so stays a text, and the field's own rule refuses it.
func valueOf(h head, cell string) any {
	cut := strings.TrimSpace(cell)
	switch {
	case h.form == number:
		if n, err := strconv.ParseFloat(cut, 64); err == nil {
			return n
		}
	case h.form == truth:
		switch strings.ToLower(cut) {
		case "true", "1":
			return true
		case "false", "0":
			return false
		}
	case h.form == list && !strings.HasPrefix(cut, "["):
		var words []any
		for word := range strings.SplitSeq(cell, ";") {
			words = append(words, strings.TrimSpace(word))
		}
		return words
	case h.form == list, h.form == object && h.key == "":
		var v any
		if err := json.Unmarshal([]byte(cell), &v); err == nil {
			return v
		}
	}
	return cell
}
