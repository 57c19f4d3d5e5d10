package bulk

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// MaxRow bounds one row, in bytes; MaxRows the rows of a body.
const (
	MaxRow  = 1 << 20
	MaxRows = 1_000_000
)

// Row is one row of a table.
type Row struct {
	// Number counts from 1, without the header.
	Number int
	// Fields are the values by the names that the API has for them; what is nil is to have its default.
	Fields map[string]any
	// Given are the names that the row itself uses, by those of Fields, where they differ.
	Given map[string]string
	// Faults are what was wrong with the row before anything of it could be understood.
	Faults []sbc.Fault
	// End is how many bytes of the body have been read with it.
	End int64
}

// At translates a pointer into Fields into one to what the row calls it.
func (r *Row) At(pointer string) string {
	name, rest, deep := strings.Cut(strings.TrimPrefix(pointer, "#/"), "/")
	given, other := r.Given[name]
	if !other {
		return pointer
	}
	if !deep || r.Fields[name] == nil {
		return "#/" + given
	}
	return "#/" + given + "/" + rest
}

// set puts a value under its name; two names of one field must not say different things.
func (r *Row) set(name, given string, value any) {
	if before, twice := r.Fields[name]; twice && !reflect.DeepEqual(before, value) {
		was := name
		if g, ok := r.Given[name]; ok {
			was = g
		}
		r.fault("#/"+given, "conflict", fmt.Sprintf("says something else than %s, which is the same field", was))
		return
	}
	r.Fields[name] = value
	if given != name {
		if r.Given == nil {
			r.Given = map[string]string{}
		}
		r.Given[name] = given
	}
}

func (r *Row) fault(pointer, code, detail string) {
	r.Faults = append(r.Faults, sbc.Fault{Pointer: pointer, Code: code, Detail: detail})
}

// Reader reads a table row by row.
type Reader struct {
	source  *counted
	next    func(*Row) error
	number  int
	most    int // rows
	synonym map[string]string
}

// NewReader begins to read a table of a kind. Its errors are about the head of the table (sbc.CodeInvalid).
func NewReader(source io.Reader, contentType string, kind sbc.Kind) (*Reader, error) {
	r := &Reader{source: &counted{Reader: source}, synonym: synonyms(kind), most: MaxRows}
	known := columnsOf(kind)
	for given, name := range r.synonym {
		if !has(known, name) || has(known, given) && kind != sbc.KindAlias {
			delete(r.synonym, given)
		}
	}
	if contentType == CSV {
		return r, r.openCSV(known)
	}
	r.openNDJSON(known)
	return r, nil
}

func has(columns []column, name string) bool {
	for _, c := range columns {
		if c.path[0] == name {
			return true
		}
	}
	return false
}

// Next gives the next row, io.EOF after the last one. Any other error is the end of what can be read.
func (r *Reader) Next() (Row, error) {
	r.number++
	row := Row{Number: r.number, Fields: map[string]any{}}
	if r.number > r.most {
		if err := r.next(&Row{Fields: map[string]any{}}); err == io.EOF {
			return row, io.EOF
		}
		return row, fmt.Errorf("there are more than %d rows; send several imports", r.most)
	}
	err := r.next(&row)
	row.End = r.source.read
	return row, err
}

// canonical is the field that a name means.
func (r *Reader) canonical(given string) string {
	if name, ok := r.synonym[given]; ok {
		return name
	}
	return given
}

// counted counts what is read, in all and since the last row, and stops where a row has no end.
type counted struct {
	io.Reader
	read, since int64
}

// errLong says that a row is too long to be one.
var errLong = fmt.Errorf("a row is longer than %d bytes: is a quote not closed?", MaxRow)

func (c *counted) Read(p []byte) (int, error) {
	if c.since > MaxRow {
		return 0, errLong
	}
	n, err := c.Reader.Read(p)
	c.read += int64(n)
	c.since += int64(n)
	return n, err
}
