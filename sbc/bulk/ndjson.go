package bulk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"
)

// openNDJSON reads one JSON object a line; empty lines are none.
func (r *Reader) openNDJSON(known []column) {
	lines := bufio.NewReaderSize(r.source, MaxRow)
	r.next = func(row *Row) error {
		for {
			r.source.since = 0
			line, err := lines.ReadSlice('\n')
			if errors.Is(err, bufio.ErrBufferFull) {
				row.fault("#", "too_long", fmt.Sprintf("is longer than %d bytes", MaxRow))
				return r.skip(lines)
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")))
			if len(line) > 0 {
				r.line(row, line, known)
				return nil
			}
			if err != nil {
				return io.EOF
			}
		}
	}
}

// skip reads to the end of a line that is too long.
func (r *Reader) skip(lines *bufio.Reader) error {
	for {
		r.source.since = 0
		switch _, err := lines.ReadSlice('\n'); {
		case err == nil, errors.Is(err, io.EOF):
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// line understands one line.
func (r *Reader) line(row *Row, line []byte, known []column) {
	if !utf8.Valid(line) {
		row.fault("#", "encoding", "is not UTF-8")
		return
	}
	var value any
	if err := json.Unmarshal(line, &value); err != nil {
		row.fault("#", "syntax", "is not JSON: "+err.Error())
		return
	}
	fields, ok := value.(map[string]any)
	if !ok {
		row.fault("#", "type", "must be an object")
		return
	}
	for _, given := range slices.Sorted(maps.Keys(fields)) {
		name := r.canonical(given)
		if !has(known, name) {
			row.fault("#/"+given, "unknown", "is not a field of this kind")
			continue
		}
		row.set(name, given, fields[given])
	}
}
