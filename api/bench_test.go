package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func BenchmarkNew(b *testing.B) {
	m := newMemory()
	for b.Loop() {
		if _, err := New(Options{Store: m, Config: manager{m}, Records: m, Calls: &live{}, Status: &node{m: m},
			Explain: (&fixture{}).explain, Resolve: resolved}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoadSpecification is what a process pays once at its start.
func BenchmarkLoadSpecification(b *testing.B) {
	for b.Loop() {
		doc, err := loadSpec()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := compileOperations(doc); err != nil {
			b.Fatal(err)
		}
	}
}

// serve runs one request again and again; make must give a fresh one.
func serve(b *testing.B, h http.Handler, status int, fresh func() *http.Request) {
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, fresh())
		if w.Code != status {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}

func BenchmarkGetTrunk(b *testing.B) {
	f := start(b, true)
	serve(b, f.h, 200, func() *http.Request {
		r := httptest.NewRequest("GET", f.trunk(), nil)
		r.Header.Set("Authorization", "Bearer "+adminKey)
		return r
	})
}

func BenchmarkCreateTrunkDryRun(b *testing.B) {
	f := start(b, true)
	body := trunkBody(f, "bench")
	serve(b, f.h, 201, func() *http.Request {
		r := httptest.NewRequest("POST", "/v1/trunks?dry_run=true", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+adminKey)
		r.Header.Set("Content-Type", "application/json")
		return r
	})
}

func BenchmarkList1000Trunks(b *testing.B) {
	f := start(b, true)
	err := f.m.update(false, func(tx sbc.Tx) error {
		for i := range 1000 {
			t := sbc.New(sbc.KindTrunk).(*sbc.Trunk)
			t.ID, t.Name, t.TenantID, t.RealmID = fmt.Sprintf("trk_%04d",
				i), fmt.Sprint(i), sbc.DefaultTenantID, f.ids[sbc.KindRealm]
			if err := tx.Put(t); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	serve(b, f.h, 200, func() *http.Request {
		r := httptest.NewRequest("GET", "/v1/trunks?limit=1000", nil)
		r.Header.Set("Authorization", "Bearer "+adminKey)
		return r
	})
}

// BenchmarkValidateBody is what the specification's check of a body costs, decoding apart. Bar: 25 µs.
func BenchmarkValidateBody(b *testing.B) {
	doc := parsed(b)
	spec, err := prepared()
	if err != nil {
		b.Fatal(err)
	}
	op := spec.ops["POST /v1/trunks"]
	body, err := object(doc.Components.Examples["TrunkWrite"].Value.Value)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if faults := op.validateBody(body); faults != nil {
			b.Fatal(faults)
		}
	}
}

func BenchmarkFaultyBody(b *testing.B) {
	spec, err := prepared()
	if err != nil {
		b.Fatal(err)
	}
	op := spec.ops["POST /v1/trunks"]
	body := map[string]any{"name": "", "max_calls": -1.0, "colour": "red", "failover_codes": []any{"200"}}
	b.ReportAllocs()
	for b.Loop() {
		if faults := op.validateBody(body); len(faults) != 5 {
			b.Fatal(faults)
		}
	}
}

func BenchmarkCursor(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		c := makeCursor("listTrunks /v1/trunks  name=x", "trk_06bq4v700h6thqyqqw80n6pgs1")
		if _, err := openCursor("listTrunks /v1/trunks  name=x", &c); err != nil {
			b.Fatal(err)
		}
	}
}
