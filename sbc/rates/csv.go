package rates

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/sbc"
)

// MaxFaults is how many faults of one upload are told, the first ones; one more says how many there are.
const MaxFaults = 10_000

// The columns. The first two must be there; the order is free.
const (
	columnPrefix     = "prefix"
	columnPerMinute  = "per_minute"
	columnConnection = "connection"
	columnMinimum    = "minimum_s"
	columnIncrement  = "increment_s"
	columnFrom       = "from"
	columnUntil      = "until"
	columnName       = "name"
)

func columns() []string {
	return []string{columnPrefix, columnPerMinute, columnConnection, columnMinimum, columnIncrement, columnFrom, columnUntil, columnName}
}

// maxName bounds a rate's name in characters, maxStep minimum and increment in seconds.
const (
	maxName = 128
	maxStep = 3600
)

// Read makes a table of CSV (RFC 4180, or with semicolons) whose first line names the columns. Every bad field is a fault whose pointer
// is "#/<row>/<column>"; rows count from 1, the header left out. Where there are faults there is no table. The error is the
// reader's.
func Read(r io.Reader) (*Table, []sbc.Fault, error) {
	p := &parser{build: newBuilder(), dates: map[string]int64{}}
	buffered := bufio.NewReaderSize(r, 64<<10)
	p.in = csv.NewReader(buffered)
	p.in.ReuseRecord, p.in.FieldsPerRecord = true, -1
	start, err := buffered.Peek(3)
	if err == nil && string(start) == "\xef\xbb\xbf" {
		_, err = buffered.Discard(3)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	first, err := buffered.Peek(4096) // less, at the end
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	if line, _, _ := bytes.Cut(first, []byte("\n")); bytes.Contains(line, []byte(";")) && !bytes.Contains(line, []byte(",")) {
		p.in.Comma = ';'
	}
	if err := p.all(); err != nil {
		return nil, nil, err
	}
	if p.bad > len(p.faults) {
		p.faults = append(p.faults, sbc.Fault{Pointer: "#", Code: "too_many",
			Detail: fmt.Sprintf("there are %d faults in all; the first %d are told", p.bad, len(p.faults))})
	}
	if len(p.faults) > 0 {
		return nil, p.faults, nil
	}
	return p.table, nil, nil
}

// parser is one table being read.
type parser struct {
	in    *csv.Reader
	build *builder
	table *Table
	// place is the field of each of columns, -1 where the header does not name it.
	place  [8]int
	row    int
	rows   []int32 // of each rate that was added
	fields []string
	faults []sbc.Fault
	bad    int
	// wrong is set once the row has a fault.
	wrong bool
	dates map[string]int64
}

// fault tells of a bad field.
func (p *parser) fault(row int, column, code, format string, args ...any) {
	p.wrong = true
	if p.bad++; len(p.faults) >= MaxFaults {
		return
	}
	at := fmt.Sprintf("#/%d", row)
	if column != "" {
		at += "/" + column
	}
	p.faults = append(p.faults, sbc.Fault{Pointer: at, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// all reads header and rows.
func (p *parser) all() error {
	if ok, err := p.header(); err != nil || !ok {
		return err
	}
	for {
		fields, err := p.in.Read()
		var broken *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			p.end()
			return nil
		case errors.As(err, &broken):
			p.row++
			p.fault(p.row, "", "csv", "line %d, column %d: %v", broken.Line, broken.Column, broken.Err)
			continue
		case err != nil:
			return err
		}
		if p.row++; p.row > MaxRates {
			p.fault(p.row, "", "too_many", "at most %d rates are allowed", MaxRates)
			return nil
		}
		p.fields, p.wrong = fields, false
		p.take()
	}
}

// header finds the columns; false where the rows cannot be read.
func (p *parser) header() (bool, error) {
	names, err := p.in.Read()
	var broken *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		names = nil
	case errors.As(err, &broken):
		p.fault(0, "", "csv", "line %d, column %d: %v", broken.Line, broken.Column, broken.Err)
		return false, nil
	case err != nil:
		return false, err
	}
	for i := range p.place {
		p.place[i] = -1
	}
	known := columns()
	for i, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		switch at := slices.Index(known, name); {
		case at < 0:
			p.fault(0, "", "unknown", "column %d, %q, is none of %s", i+1, clip(name), strings.Join(known, ", "))
		case p.place[at] >= 0:
			p.fault(0, name, "double", "is named twice, as columns %d and %d", p.place[at]+1, i+1)
		default:
			p.place[at] = i
		}
	}
	for i, name := range known[:2] {
		if p.place[i] < 0 {
			p.fault(0, name, "required", "the first line must name the column %s", name)
		}
	}
	return p.bad == 0, nil
}

// text is a field of the row, "" where it is not there.
func (p *parser) text(column int) string {
	if at := p.place[column]; at >= 0 && at < len(p.fields) {
		return strings.TrimSpace(p.fields[at])
	}
	return ""
}

// take reads one row.
func (p *parser) take() {
	if most := 1 + slices.Max(p.place[:]); len(p.fields) > most {
		p.fault(p.row, "", "csv", "has %d fields; the header names %d columns", len(p.fields), most)
	}
	prefix := strings.TrimPrefix(p.text(0), "+")
	if len(prefix) > maxDigits || !isDigits(prefix) {
		p.fault(p.row, columnPrefix, "pattern", "%q is not a prefix: at most %d digits, a + before them or none", clip(p.text(0)), maxDigits)
	}
	var c terms
	price := p.amount(1, columnPerMinute)
	c.connection = p.amount(2, columnConnection)
	c.minimum, c.increment = p.seconds(3, columnMinimum, 0), p.seconds(4, columnIncrement, 1)
	c.from, c.until = p.date(5, columnFrom), p.date(6, columnUntil)
	if c.until != 0 && c.until <= c.from {
		p.fault(p.row, columnUntil, "order", "must be after from")
	}
	name := p.text(7)
	if n := utf8.RuneCountInString(name); n > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		p.fault(p.row, columnName, "pattern", "must be UTF-8 of at most %d characters, none of them a control character", maxName)
	}
	if !p.wrong {
		p.build.add(pack(prefix), price, c, name)
		p.rows = append(p.rows, int32(p.row))
	}
}

// amount reads money; a field of a column that may be left out may be empty.
func (p *parser) amount(column int, name string) int64 {
	s := p.text(column)
	if s == "" && column != 1 {
		return 0
	}
	v, err := sbc.ParseMoney(s)
	if err != nil {
		p.fault(p.row, name, "amount", "%v", err)
	}
	return v
}

// seconds reads minimum or increment.
func (p *parser) seconds(column int, name string, least int) int32 {
	s := p.text(column)
	if s == "" {
		return int32(least)
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < least || v > maxStep || !isDigits(s) {
		p.fault(p.row, name, "range", "%q is not a number of seconds from %d to %d", clip(s), least, maxStep)
		return 0
	}
	return int32(v)
}

// date reads a moment.
func (p *parser) date(column int, name string) int64 {
	s := p.text(column)
	if s == "" {
		return 0
	}
	if v, ok := p.dates[s]; ok {
		return v
	}
	at, err := time.Parse(time.DateOnly, s)
	if err != nil {
		at, err = time.Parse(time.RFC3339, s)
	}
	if err != nil || at.Year() < 1971 || at.Year() > 9998 || at.Nanosecond() != 0 {
		p.fault(p.row, name, "date", "%q is neither a date such as 2026-12-01 (from 00:00 UTC on) nor a moment such as 2026-12-01T00:00:00+01:00", clip(s))
		return 0
	}
	if len(p.dates) < 10_000 {
		p.dates[strings.Clone(s)] = at.Unix()
	}
	return at.Unix()
}

// end makes the table and finds rates that are there twice.
func (p *parser) end() {
	p.table = p.build.finish(func(first, second int) {
		p.fault(int(p.rows[second]), columnPrefix, "double", "has the same prefix and from as row %d", p.rows[first])
	})
}

// Write writes a table as Read takes it, in order of prefix and from.
func (t *Table) Write(w io.Writer) error {
	out := csv.NewWriter(w)
	record := columns()
	if err := out.Write(record); err != nil {
		return err
	}
	for i := range t.keys {
		r := t.row(i)
		record[0], record[1], record[2] = r.Prefix, sbc.FormatMoney(r.PerMinute), sbc.FormatMoney(r.Connection)
		record[3], record[4] = strconv.Itoa(r.MinimumS), strconv.Itoa(r.IncrementS)
		record[5], record[6], record[7] = date(r.From), date(r.Until), r.Name
		if err := out.Write(record); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// clip bounds what of a bad field is shown.
func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "?") + "…"
	}
	return s
}
