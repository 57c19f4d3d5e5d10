package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
)

// Keys of the fixture. They are as good as any: their hashes are put into the store.
const (
	adminKey  = "0b7d1f4a9c3e5826f1d07a4b9e2c6d83"
	tenantKey = "1b7d1f4a9c3e5826f1d07a4b9e2c6d84" // administrator of the other tenant
	readerKey = "2b7d1f4a9c3e5826f1d07a4b9e2c6d85" // may read trunks in the default tenant
	syncKey   = "3b7d1f4a9c3e5826f1d07a4b9e2c6d86" // may write keys and trunks, system-wide
)

// fixture is a running API over memory, with one resource of every kind under the id of the specification's examples.
type fixture struct {
	t        testing.TB
	h        http.Handler
	m        *memory
	calls    *live
	contacts *contacts
	node     *node
	jobs     *memoryJobs
	real     sbc.Provisioning // the store, where it is a real one
	logs     *lockedBuffer
	ids      map[sbc.Kind]string

	events []sbc.Event
	usage  []sbc.LimitUsage
	jail   *jail
	box    *box
}

// wav stands for a WAV file: the decoder of the tests takes what begins like one, and the rest is audio.
func wav(audio string) string { return "RIFF" + audio }

func decoded(file []byte, most int) ([]byte, error) {
	audio, ok := bytes.CutPrefix(file, []byte("RIFF"))
	switch {
	case !ok:
		return nil, errors.New("this is no WAV file")
	case len(audio) > most:
		return nil, errors.New("the audio is too long")
	}
	return audio, nil
}

// tried takes any message that begins well, and puts a line of the first rule behind it.
func tried(p *sbc.HeaderProfile, _ sbc.HeaderStage, message string, fields map[string]string) (HeaderTrial, error) {
	if err := sbc.Invalid(p.Validate()); err != nil {
		e := asError(err)
		for i := range e.Faults {
			e.Faults[i].Pointer = "#/profile" + strings.TrimPrefix(e.Faults[i].Pointer, "#")
		}
		return HeaderTrial{}, e
	}
	if !strings.HasPrefix(message, "INVITE ") {
		return HeaderTrial{}, sbc.Invalid([]sbc.Fault{{Pointer: "#/message", Code: "syntax", Detail: "is no message"}})
	}
	t := HeaderTrial{Before: message, After: message}
	if len(p.Rules) > 0 {
		t.After, t.Applied = message+p.Rules[0].Header+": "+fields["trunk.name"]+"\r\n", []int{0}
	}
	return t, nil
}

// happened is an event log.
func (f *fixture) happened(q sbc.EventQuery) (page []sbc.Event, missed bool) {
	for _, e := range f.events {
		if e.ID > q.After && len(page) < q.Limit && (q.TenantID == "" || q.TenantID == e.TenantID) &&
			(q.Type == "" || q.Type == e.Type) && (q.CallID == "" || q.CallID == e.CallID) {
			page = append(page, e)
		}
	}
	return page, q.After != "" && q.After < "evt_2"
}

// follow gives what happened so far, and then is over.
func (f *fixture) follow(q sbc.EventQuery) (sbc.EventFeed, error) {
	q.Limit = 1000
	events, missed := f.happened(q)
	feed := &shortFeed{events: events, wake: make(chan struct{})}
	if close(feed.wake); missed {
		feed.missed = "evt_2"
	}
	return feed, nil
}

// shortFeed is a feed of what there is.
type shortFeed struct {
	events []sbc.Event
	missed string
	wake   chan struct{}
}

func (s *shortFeed) Wake() <-chan struct{} { return s.wake }

func (s *shortFeed) Read() ([]sbc.Event, string) { return s.events, s.missed }

func (s *shortFeed) Close(bool) {}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// example finds the example of a path parameter or schema's body in the specification.
func exampleID(doc *openapi3.T, parameter string) string {
	id, _ := doc.Components.Parameters[parameter].Value.Example.(string)
	return id
}

// once parses the specification for the tests, which only read it. It is not the server's own, which is changed when compiled.
var once = sync.OnceValues(loadSpec)

func parsed(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := once()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// start builds the fixture; responses are validated unless fast.
func start(t testing.TB, fast ...bool) *fixture {
	t.Helper()
	f := &fixture{t: t, m: newMemory(), calls: &live{}, contacts: &contacts{}, logs: &lockedBuffer{}, jail: &jail{}, box: &box{}}
	f.node = &node{m: f.m, ready: []sbc.Condition{{Type: "store", OK: true}}}
	registry := prometheus.NewRegistry()
	f.jobs = &memoryJobs{jobs: map[string]sbc.Job{}, faults: map[string][]sbc.JobError{}, cancelled: map[string]bool{}}
	h, err := New(Options{
		Store: f.m, Config: manager{f.m}, Records: f.m, Blobs: f.m, Jobs: f.jobs, Imports: imports(t, f.jobs, f.m),
		Calls: f.calls, Registrations: f.contacts, Status: f.node,
		Gatherer: registry, Registerer: registry, Version: "0.1.0-test",
		Explain:           f.explain,
		Resolve:           resolved,
		Events:            f.happened,
		Follow:            f.follow,
		Bans:              f.jail,
		Voicemail:         f.box,
		LimitUsage:        func(string) []sbc.LimitUsage { return slices.Clone(f.usage) },
		Effective:         f.effective,
		Diagnose:          f.diagnose,
		Register:          registered,
		DecodeAudio:       decoded,
		EncodeAudio:       func(audio []byte) []byte { return []byte(wav(string(audio))) },
		Rates:             f.rates,
		Numbers:           tables{},
		TestHeaders:       tried,
		Log:               slog.New(slog.NewTextHandler(f.logs, nil)),
		ValidateResponses: len(fast) == 0,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.h = h
	f.ids = map[sbc.Kind]string{}
	doc := parsed(t)
	for _, kind := range sbc.Kinds() {
		f.ids[kind] = exampleID(doc, schemaName(kind)+"ID")
	}
	f.seed(doc)
	return f
}

// resolved leads every name to one address.
func resolved(_ context.Context, name string, port int, _ sbc.Transport) sbc.DNSLookup {
	return sbc.DNSLookup{
		Name: name, Port: port, Transport: sbc.TransportAuto, Questions: []sbc.DNSQuestion{},
		Candidates: []sbc.DNSCandidate{{Address: "192.0.2.10", Port: 5060, Transport: sbc.TransportUDP}},
	}
}

func (f *fixture) explain(_ context.Context, r sbc.ExplainRequest) (sbc.Explanation, error) {
	if r.Callee == "unavailable" {
		return sbc.Explanation{}, sbc.Errorf(sbc.CodeUnavailable, "no snapshot yet")
	}
	return sbc.Explanation{Outcome: sbc.OutcomeRoute, TrunkID: f.ids[sbc.KindTrunk], Number: r.Callee}, nil
}

// seed fills the store anew.
func (f *fixture) seed(doc *openapi3.T) {
	fresh := newMemory()
	f.m.mu.Lock()
	f.m.state, f.m.cdrs, f.m.fail = fresh.state, nil, nil
	f.jail.bans = []sbc.Ban{seededBan(doc)}
	f.box.seed(doc)
	f.m.mu.Unlock()
	err := f.m.update(false, func(tx sbc.Tx) error {
		def := sbc.New(sbc.KindTenant)
		def.Base().ID, def.Base().Name = sbc.DefaultTenantID, "default"
		all := []sbc.Resource{def}
		for i, k := range []struct {
			key, tenant string
			scopes      []sbc.Scope
		}{
			{adminKey, "", []sbc.Scope{sbc.ScopeAdmin}}, {tenantKey, f.ids[sbc.KindTenant], []sbc.Scope{sbc.ScopeAdmin}},
			{readerKey, sbc.DefaultTenantID, []sbc.Scope{"trunks:read"}}, {syncKey, "", []sbc.Scope{"api-keys:write",
				"trunks:write"}},
		} {
			key := &sbc.APIKey{Meta: sbc.Meta{ID: "key_" + string(rune('a'+i)), TenantID: k.tenant, Name: "fixture " +
				string(rune('a'+i)), Enabled: true}, Scopes: k.scopes}
			key.Hash, key.Hint = token.Sum(k.key).String(), token.Hint(k.key)
			all = append(all, key)
		}
		f.put(tx, def)
		f.put(tx, f.fromExample(doc, sbc.KindTenant))
		for _, r := range all[1:] {
			f.put(tx, r)
		}
		for _, kind := range sbc.Kinds()[1:] {
			r := f.fromExample(doc, kind)
			switch r := r.(type) {
			case *sbc.APIKey:
				r.Hash = token.Sum("4b7d1f4a9c3e5826f1d07a4b9e2c6d87").String()
			case *sbc.Announcement:
				r.AudioBytes = r.DurationMS * bytesPerMS
				r.AudioSHA256 = sbc.HashBlob(make([]byte, r.AudioBytes))
			case *sbc.Certificate:
				if w, ok := doc.Components.Examples["CertificateWrite"].Value.Value.(map[string]any); ok {
					r.PrivateKeyPEM, _ = w["private_key_pem"].(string)
				}
			case *sbc.RateDeck:
				r.RatesSHA256, r.RatesBytes = sbc.HashBlob(exampleRates()), len(exampleRates())
				r.Rates = &sbc.RateDeckStatus{RateCount: 1, UploadedAt: &f.m.now}
			}
			f.put(tx, r)
			switch r := r.(type) {
			case *sbc.Announcement:
				if _, err := tx.PutBlob(r.Audio(), make([]byte, r.AudioBytes)); err != nil {
					return err
				}
			case *sbc.RateDeck:
				if _, err := tx.PutBlob(r.Blob(), exampleRates()); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.jobs.seed(sbc.Job{ID: exampleID(doc, "JobID"), TenantID: sbc.DefaultTenantID, Kind: sbc.KindSubscriber, Mode: sbc.ImportInsert,
		MatchOn: sbc.LookupName, ContentType: "text/csv", State: sbc.JobRunning, CreatedAt: f.m.now})
	call := sbc.CallInfo{TenantID: sbc.DefaultTenantID, State: sbc.CallConfirmed, OpenSIPSState: 4,
		IngressTrunkID: f.ids[sbc.KindTrunk],
		Caller:         "+4930111", Callee: "+4989222", StartedAt: f.m.now, ConfigRevision: 1}
	call.ID = exampleID(doc, "CallID")
	other := call
	other.ID, other.TenantID = "call_zz", f.ids[sbc.KindTenant]
	f.contacts.fill(f.ids[sbc.KindTenant])
	f.calls.mu.Lock()
	f.calls.calls, f.calls.hungUp, f.calls.orders = []sbc.CallInfo{call, other}, nil, nil
	f.calls.mu.Unlock()
	record := sbc.CDR{ID: exampleID(doc, "CDRID"), CallID: call.ID, TenantID: sbc.DefaultTenantID, Node: "test",
		StartedAt: f.m.now, EndedAt: f.m.now.Add(time.Minute), Disposition: sbc.DispositionAnswered, EndReason: sbc.EndCallerBye,
		ReleasedBy: sbc.SideCaller, FinalCode: 200}
	decision := seededDecision()
	record.Decision = &decision
	foreign := record
	foreign.ID, foreign.TenantID, foreign.CallID = "cdr_zz", f.ids[sbc.KindTenant], "call_zz"
	if err := f.m.AppendCDRs(context.Background(), []sbc.CDR{record, foreign}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) put(tx sbc.Tx, r sbc.Resource) {
	if err := tx.Put(r); err != nil {
		f.t.Fatalf("seed %s %s: %v", r.Kind(), r.Base().ID, err)
	}
}

// fromExample makes the resource of a kind from the specification's example of what is read.
func (f *fixture) fromExample(doc *openapi3.T, kind sbc.Kind) sbc.Resource {
	name := schemaName(kind)
	raw, err := json.Marshal(doc.Components.Examples[name].Value.Value)
	if err != nil {
		f.t.Fatal(err)
	}
	r := sbc.New(kind)
	if err := json.Unmarshal(raw, r); err != nil {
		f.t.Fatalf("example %s: %v", name, err)
	}
	return r
}

// schemaName is the name of a kind in the specification: sip-interface is SIPInterface.
func schemaName(kind sbc.Kind) string {
	var b strings.Builder
	for part := range strings.SplitSeq(string(kind), "-") {
		if slices.Contains([]string{"api", "sip", "tls"}, part) {
			b.WriteString(strings.ToUpper(part))
			continue
		}
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// reply is an answer as the tests look at it.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// as sends a request. headers come in pairs.
func (f *fixture) as(key, method, path, body string, headers ...string) *reply {
	f.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, reader)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.h.ServeHTTP(w, r)
	return &reply{f.t, w.Code, w.Header(), w.Body.Bytes()}
}

// do sends a request with the administrator's key.
func (f *fixture) do(method, path, body string, headers ...string) *reply {
	f.t.Helper()
	return f.as(adminKey, method, path, body, headers...)
}

// is checks the status.
func (r *reply) is(status int) *reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// problem checks that it is a problem document with a code.
func (r *reply) problem(status int, code string) map[string]any {
	r.t.Helper()
	r.is(status)
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		r.t.Fatalf("an error came as %q: %s", got, r.body)
	}
	doc := r.json()
	if doc["code"] != code {
		r.t.Fatalf("code %v, want %s: %s", doc["code"], code, r.body)
	}
	return doc
}

func (r *reply) json() map[string]any {
	r.t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.body, &m); err != nil {
		r.t.Fatalf("%v: %s", err, r.body)
	}
	return m
}

// text is a string member of the body.
func (r *reply) text(name string) string {
	r.t.Helper()
	s, _ := r.json()[name].(string)
	return s
}

// pointers are those of a problem document, sorted.
func (r *reply) pointers() []string {
	r.t.Helper()
	var all []string
	faults, _ := r.json()["errors"].([]any)
	for _, f := range faults {
		m, _ := f.(map[string]any)
		for _, name := range []string{"pointer", "parameter"} {
			if s, ok := m[name].(string); ok {
				all = append(all, s)
			}
		}
	}
	slices.Sort(all)
	return all
}

func equal[T comparable](t testing.TB, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
