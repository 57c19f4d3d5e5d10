package sql

import (
	"context"
	stdsql "database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
)

// coded is an error as SQLite's driver gives it.
type coded int

func (c coded) Error() string { return fmt.Sprint("code ", int(c)) }
func (c coded) Code() int     { return int(c) }

func TestTranslate(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want sbc.Code
	}{
		"one of ours":                   {fmt.Errorf("x: %w", sbc.Errorf(sbc.CodeReferenced, "y")), sbc.CodeReferenced},
		"timeout":                       {context.DeadlineExceeded, sbc.CodeUnavailable},
		"connection cut":                {fmt.Errorf("x: %w", io.ErrUnexpectedEOF), sbc.CodeUnavailable},
		"closed":                        {stdsql.ErrConnDone, sbc.CodeUnavailable},
		"anything else":                 {errors.New("x"), sbc.CodeInternal},
		"postgres value":                {&pgconn.PgError{Code: "22P05"}, sbc.CodeInvalid},
		"postgres index entry too long": {&pgconn.PgError{Code: "54000"}, sbc.CodeInvalid},
		"postgres unique":               {&pgconn.PgError{Code: "23505"}, sbc.CodeConflict},
		"postgres disk full":            {&pgconn.PgError{Code: "53100"}, sbc.CodeUnavailable},
		"postgres read only":            {&pgconn.PgError{Code: "25006"}, sbc.CodeUnavailable},
		"postgres lock":                 {&pgconn.PgError{Code: "55P03"}, sbc.CodeUnavailable},
		"postgres shutting down":        {&pgconn.PgError{Code: "57P01"}, sbc.CodeUnavailable},
		"postgres no database":          {&pgconn.PgError{Code: "3D000"}, sbc.CodeUnavailable},
		"postgres failed transaction":   {&pgconn.PgError{Code: "25P02"}, sbc.CodeInternal},
		"postgres syntax":               {&pgconn.PgError{Code: "42601"}, sbc.CodeInternal},
		"postgres strange":              {&pgconn.PgError{Code: "1"}, sbc.CodeInternal},
		"sqlite busy":                   {coded(5), sbc.CodeUnavailable},
		"sqlite full":                   {coded(13), sbc.CodeUnavailable},
		"sqlite I/O, extended":          {coded(10 | 3<<8), sbc.CodeUnavailable},
		"sqlite unique, extended":       {coded(19 | 8<<8), sbc.CodeConflict},
		"sqlite too big":                {coded(18), sbc.CodeInvalid},
		"sqlite syntax":                 {coded(1), sbc.CodeInternal},
	} {
		got := translate(fmt.Errorf("wrapped: %w", c.err))
		if sbc.CodeOf(got) != c.want || !errors.Is(got, c.err) {
			t.Errorf("%s: got %v, want %s", name, got, c.want)
		}
	}
	if translate(nil) != nil {
		t.Error("no error became one")
	}
}

// TestZeroSurvives: a zero that was written on purpose is not read as the default, whatever the kind. (A field with omitempty and
// a default that is not zero would break this.)
func TestZeroSurvives(t *testing.T) {
	for _, kind := range sbc.Kinds() {
		zero := reflect.New(reflect.TypeOf(sbc.New(kind)).Elem()).Interface().(sbc.Resource)
		d, err := document(zero)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeResource(kind, d)
		if err != nil || !reflect.DeepEqual(got, zero) {
			t.Errorf("%s: got %+v, %v", kind, got, err)
		}
		if got, err = decodeResource(kind, "{}"); err != nil || !reflect.DeepEqual(got, sbc.New(kind)) {
			t.Errorf("%s: a document without a field does not give its default: %+v, %v", kind, got, err)
		}
	}
	if _, err := decodeResource("x", "{}"); sbc.CodeOf(err) != sbc.CodeInternal {
		t.Errorf("unknown kind: %v", err)
	}
	if _, err := decodeResource(sbc.KindRealm, "{"); sbc.CodeOf(err) != sbc.CodeInternal {
		t.Errorf("broken document: %v", err)
	}
}

// FuzzText: whatever comes in, what goes to the database is text that both can hold, and a filter finds it again.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a\x00b", `\u0000`, `\\u0000`, "\xff", strings.Repeat("電", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := text(s)
		if !utf8.ValidString(got) || strings.ContainsRune(got, 0) || utf8.RuneCountInString(got) > maxText || text(got) != got {
			t.Errorf("text(%q) = %q", s, got)
		}
		d, err := document(map[string]string{"s": s})
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]string
		if err := json.Unmarshal([]byte(d), &back); err != nil || strings.ContainsRune(back["s"], 0) {
			t.Errorf("document(%q) = %s, %v", s, d, err)
		}
	})
}

func openFile(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "x", "y.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestConstraintsAreTheNet: even what Put would overlook cannot be written.
func TestConstraintsAreTheNet(t *testing.T) {
	s := openFile(t, Options{})
	for name, statement := range map[string]string{
		"reference to nothing": "INSERT INTO resource_refs (from_id, pointer, to_id) VALUES ('ten_default', '#/x', 'rlm_none')",
		"same name": "INSERT INTO resources (id, kind, name, revision, created_at, updated_at, document) " +
			"VALUES ('ten_2', 'tenant', 'default', 1, 1, 1, '{}')",
	} {
		if err := translate(s.write.Exec(statement).Error); sbc.CodeOf(err) != sbc.CodeConflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.read.Exec("DELETE FROM resources").Error; err == nil {
		t.Error("the connections for reading can write")
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	s := openFile(t, Options{Registerer: registry})
	up := func() float64 {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "sbc_store_up" {
				return f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		t.Fatal("no such metric")
		return 0
	}
	if up() != 1 {
		t.Error("the store is not up")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Revision(ctx); err == nil || up() != 1 {
		t.Errorf("a caller who went away took the store down: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 0)
	defer cancel()
	if _, err := s.Revision(ctx); sbc.CodeOf(err) != sbc.CodeUnavailable || up() != 0 {
		t.Errorf("a store that does not answer is up: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openFile(t, Options{Registerer: registry}) // the next store may use the same registry
}

func TestMissingMigration(t *testing.T) {
	s := openFile(t, Options{NoMigrate: true})
	if _, err := s.Revision(t.Context()); sbc.CodeOf(err) != sbc.CodeInternal {
		t.Errorf("got %v", err)
	}
}

// TestDocumentsThatCome: records may bring their JSON; what is there already, also within one batch, is left as it is, and the
// sequence has no gap.
func TestDocumentsThatCome(t *testing.T) {
	s := openFile(t, Options{})
	var batch []sbc.CDR
	var documents []string
	for i := range 3*cdrChunk + 5 {
		c := sbc.CDR{ID: fmt.Sprint("cdr_", i), Caller: "x", Sequence: 99, EndReason: sbc.EndBusy}
		batch, documents = append(batch, c), append(documents, string(c.AppendJSON(nil)))
	}
	add := func(n int) {
		t.Helper()
		if err := s.AppendCDRDocuments(t.Context(), batch[:n], documents[:n]); err != nil {
			t.Fatal(err)
		}
	}
	add(7)
	add(7)
	batch[9].ID, batch[9].Caller = batch[8].ID, "later"
	add(len(batch))
	got, err := s.CDRs(t.Context(), sbc.CDRQuery{Limit: 1000})
	if err != nil || len(got) != len(batch)-1 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	for i, c := range got {
		if c.Sequence != int64(i+1) || c.Caller != "x" {
			t.Errorf("record %d is %s of %s with the sequence %d", i, c.ID, c.Caller, c.Sequence)
		}
	}
	if one, err := s.CDR(t.Context(), "", "cdr_8"); err != nil || one.Sequence != 9 {
		t.Errorf("got %+v, %v", one, err)
	}
}
