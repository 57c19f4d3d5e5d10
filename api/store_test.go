package api

import (
	"context"
	"errors"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/storage"
)

// The tests of this file run over the real store (SQLite in memory), where the others run over the fake of memory_test.go: what
// the fake promises has to be what storage does.

// realManager is the Provisioner over the real store: without compiling, which is config's part.
type realManager struct{ s storage.Store }

func (p realManager) Update(ctx context.Context, dryRun bool, change func(tx sbc.Tx) error) error {
	back := errors.New("dry run")
	err := p.s.Update(ctx, func(tx sbc.Tx) error {
		if err := change(tx); err != nil || !dryRun {
			return err
		}
		return back
	})
	if errors.Is(err, back) {
		return nil
	}
	return err
}

// realNode tells the revision of the real store.
type realNode struct {
	*node
	s storage.Store
}

func (n realNode) ConfigStatus() sbc.ConfigStatus {
	r, err := n.s.Revision(context.Background())
	status := sbc.ConfigStatus{Revision: r, Active: r, Since: n.m.now}
	if err != nil {
		status.LastError = err.Error()
	}
	return status
}

// overStore is the fixture over a real store that holds the same resources and records.
func overStore(t *testing.T, f *fixture) *fixture {
	t.Helper()
	store, err := storage.Open(t.Context(), "sqlite::memory:", storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	all := memoryTx{f.m, &f.m.state}.everything()
	err = store.Update(t.Context(), func(tx sbc.Tx) error {
		for _, r := range all {
			if r.Base().ID == sbc.DefaultTenantID {
				continue // a store is born with it
			}
			if err := tx.Put(r); err != nil {
				return err
			}
			if owner, ok := r.(sbc.BlobOwner); ok {
				for _, b := range owner.Blobs() {
					if _, err := tx.PutBlob(b, f.m.state.blobs[b.OwnerID+" "+b.Name].content); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.AppendCDRs(t.Context(), f.m.cdrs); err != nil {
		t.Fatal(err)
	}
	g := *f
	g.t, g.real = t, store
	g.h, err = New(Options{
		Store: store, Config: realManager{store}, Records: store, Blobs: store,
		Jobs: f.jobs, Imports: imports(t, f.jobs, store), Calls: f.calls, Status: realNode{f.node, store}, Registrations: f.contacts,
		Explain: f.explain, Resolve: resolved, ValidateResponses: true, Events: f.happened, Follow: f.follow, DecodeAudio: decoded, TestHeaders: tried,
		EncodeAudio: func(audio []byte) []byte { return []byte(wav(string(audio))) }, Rates: f.rates, Numbers: tables{},
		Voicemail:  f.box,
		Bans:       &jail{bans: []sbc.Ban{seededBan(parsed(t))}},
		LimitUsage: func(string) []sbc.LimitUsage { return nil },
		Effective:  (&fixture{}).effective, Diagnose: (&fixture{}).diagnose, Register: registered,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &g
}

func TestExamplesWorkOverTheRealStore(t *testing.T) {
	t.Parallel()
	f := start(t)
	doc := parsed(t)
	reading := overStore(t, f) // who reads changes nothing
	walk(doc, func(path, method string, item *openapi3.PathItem, o *openapi3.Operation) {
		t.Run(o.OperationID, func(t *testing.T) {
			f.t, reading.t = t, t
			over := reading
			kind, _ := o.Extensions["x-kind"].(string)
			f.seed(doc)
			switch {
			case method == "DELETE":
				f.orphan(f.ids[sbc.Kind(kind)])
			case method == "POST" && kind != "":
				f.rename()
			}
			if method != "GET" {
				over = overStore(t, f)
			}
			body, contentType := exampleBody(t, o)
			r := over.do(method, examplePath(path, item)+exampleQuery(o), body, "Content-Type", contentType)
			if r.status >= 400 {
				t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
			}
		})
	})
}

func TestGeneratedRequestsOverTheRealStore(t *testing.T) {
	t.Parallel()
	f := overStore(t, start(t))
	all := targets(parsed(t))
	rapid.Check(t, func(rt *rapid.T) {
		for range 12 {
			shoot(rt, f, rapid.SampledFrom(all).Draw(rt, "operation"))
		}
	})
}

func TestRepetitionAndSyncOverTheRealStore(t *testing.T) {
	t.Parallel()
	f := overStore(t, start(t))
	first := f.do("POST", "/v1/trunks", trunkBody(f, "x"), "Idempotency-Key", "a").is(201)
	again := f.do("POST", "/v1/trunks", trunkBody(f, "x"), "Idempotency-Key", "a").is(201)
	read := f.do("GET", first.header.Get("Location"), "").is(200)
	if string(first.body) != string(again.body) || string(first.body) != string(read.body) {
		t.Errorf("first %s\nagain %s\nread  %s", first.body, again.body, read.body)
	}
	r := f.do("POST", "/v1/trunks", trunkBody(f, "x"))
	r.problem(409, "conflict")
	equal(t, r.pointers(), []string{"#/name"})
	for _, path := range []string{"trunks", "api-keys", "tenants"} {
		body := map[string]string{"trunks": trunkBody(f, "y"), "api-keys": `{"name":"k","scopes":["admin"]}`,
			"tenants": `{"name":"k"}`}[path]
		f.do("PUT", "/v1/"+path+"/by-external-id/a%2Fb", body).is(201)
		f.do("PUT", "/v1/"+path+"/by-external-id/a%2Fb", body).is(200)
	}
	f.do("DELETE", f.trunk(), "").problem(409, "referenced")
	if got := len(f.as(tenantKey, "GET", "/v1/tenants", "").is(200).json()["items"].([]any)); got != 1 {
		t.Errorf("%d tenants", got)
	}
}
