package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// read gives all rows of a table, and what ended it.
func read(t *testing.T, contentType, table string, kind sbc.Kind) (rows []Row, err error) {
	t.Helper()
	r, err := NewReader(strings.NewReader(table), contentType, kind)
	for err == nil {
		var row Row
		if row, err = r.Next(); err == nil {
			rows = append(rows, row)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return rows, err
}

func TestCSVCellsAreValues(t *testing.T) {
	rows, err := read(t, CSV, "domain;username;max_calls;do_not_disturb;group_ids;forwarding.busy.target;custom.a.b;custom;labels.x/y;display_name\r\n"+
		"example.com;anna;3;TRUE;g1; +49;z;;eu;\\N\r\n"+
		"example.com;berta;3.5;yes;\"[\"\"a;b\"\"]\";;;\"{\"\"n\"\":[1]}\";;\"multi; part\"\r\n", sbc.KindSubscriber)
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	want := []map[string]any{{
		"domain_id": "example.com", "username": "anna", "max_calls": 3.0, "do_not_disturb": true, "group_ids": []any{"g1"},
		"forwarding": map[string]any{"busy": map[string]any{"target": " +49"}}, "custom": map[string]any{"a.b": "z"},
		"labels": map[string]any{"x/y": "eu"}, "display_name": nil,
	}, {
		"domain_id": "example.com", "username": "berta", "max_calls": 3.5, "do_not_disturb": "yes", "group_ids": []any{"a;b"},
		"custom": map[string]any{"n": []any{1.0}}, "display_name": "multi; part",
	}}
	for i, w := range want {
		if !reflect.DeepEqual(rows[i].Fields, w) || len(rows[i].Faults) > 0 {
			t.Errorf("row %d is %v %v, want %v", i+1, rows[i].Fields, rows[i].Faults, w)
		}
	}
	if got := rows[0].At("#/domain_id"); got != "#/domain" {
		t.Errorf("the domain is at %s", got)
	}
}

func TestHeadsAreChecked(t *testing.T) {
	for _, c := range []struct{ head, code string }{
		{"", "header"}, {"colour", "unknown"}, {"username,username", "duplicate"}, {"forwarding.nobody", "unknown"}, {"username.x", "unknown"},
		{"forwarding", "unknown"},
	} {
		_, err := NewReader(strings.NewReader(c.head), CSV, sbc.KindSubscriber)
		var e *sbc.Error
		if !errors.As(err, &e) || e.Code != sbc.CodeInvalid || e.Faults[0].Code != c.code {
			t.Errorf("%q: %v, want %s", c.head, err, c.code)
		}
	}
}

// TestRowsAreBounded: neither a row nor a table without end is taken in.
func TestRowsAreBounded(t *testing.T) {
	rows, err := read(t, CSV, "username\n\"a\n"+strings.Repeat("b\n", MaxRow), sbc.KindSubscriber)
	if !errors.Is(err, errLong) || len(rows) != 0 {
		t.Errorf("a quote without end: %d rows, %v", len(rows), err)
	}
	for _, more := range []int{0, 2} {
		r, err := NewReader(strings.NewReader(strings.Repeat("{}\n\n", 100+more)), NDJSON, sbc.KindGroup)
		if err != nil {
			t.Fatal(err)
		}
		r.most = 100
		n := 0
		for ; err == nil; n++ {
			_, err = r.Next()
		}
		if n != 101 || errors.Is(err, io.EOF) != (more == 0) {
			t.Errorf("%d rows of %d, %v", n-1, 100+more, err)
		}
	}
}

// TestTablesCanBeReadBack writes awkward values in both forms and reads them.
func TestTablesCanBeReadBack(t *testing.T) {
	s := sbc.New(sbc.KindSubscriber).(*sbc.Subscriber)
	s.Username, s.DisplayName, s.CallerIdentities = "anna", `"x", y;`, []string{"a;b", "[c]", "d"}
	s.Labels, s.Custom = map[string]string{"a.b": "c,d"}, map[string]any{"n": 1.5, "l": []any{"x", nil}}
	s.HA1, s.Forwarding.Busy.Voicemail = strings.Repeat("0", 32), true
	for _, form := range []string{CSV, NDJSON} {
		var b bytes.Buffer
		w, err := NewWriter(&b, form, sbc.KindSubscriber, "ha1")
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Write(fields), w.Flush()); err != nil {
			t.Fatal(err)
		}
		rows, err := read(t, form, b.String(), sbc.KindSubscriber)
		if err != nil || len(rows) != 1 || len(rows[0].Faults) > 0 {
			t.Fatal(form, rows, err)
		}
		raw, err = json.Marshal(rows[0].Fields)
		if err != nil {
			t.Fatal(err)
		}
		back := sbc.New(sbc.KindSubscriber).(*sbc.Subscriber)
		if err := json.Unmarshal(raw, back); err != nil {
			t.Fatal(err)
		}
		back.HA1 = s.HA1
		if fmt.Sprint(back) != fmt.Sprint(s) {
			t.Errorf("%s:\n%v\nwas\n%v", form, back, s)
		}
	}
}
