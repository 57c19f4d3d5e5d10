package api

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/api/client"
	"github.com/sallyport/sallyport/sbc"
)

// newsFeed gives the pages that a test puts in.
type newsFeed struct {
	wake   chan struct{}
	mu     sync.Mutex
	pages  []newsPage
	closed chan bool // how it was closed
}

type newsPage struct {
	events []sbc.Event
	missed string
}

func newNewsFeed() *newsFeed {
	return &newsFeed{wake: make(chan struct{}, 16), closed: make(chan bool, 1)}
}

func (f *newsFeed) put(p newsPage) {
	f.mu.Lock()
	f.pages = append(f.pages, p)
	f.mu.Unlock()
	f.wake <- struct{}{}
}

func (f *newsFeed) Wake() <-chan struct{} { return f.wake }

func (f *newsFeed) Read() ([]sbc.Event, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.pages[0]
	f.pages = f.pages[1:]
	return p.events, p.missed
}

func (f *newsFeed) Close(slow bool) { f.closed <- slow }

// following is an API whose events come from a feed, over a real connection.
func following(t *testing.T) (f *fixture, feed *newsFeed, asked *sbc.EventQuery, web *httptest.Server, stop context.CancelFunc) {
	t.Helper()
	f, feed, asked = start(t), newNewsFeed(), new(sbc.EventQuery)
	ctx, stop := context.WithCancel(t.Context())
	h, err := New(Options{
		Store: f.m, Config: manager{f.m}, Records: f.m, Blobs: f.m, Jobs: f.jobs, Imports: imports(t, f.jobs, f.m),
		Calls: f.calls, Registrations: f.contacts, Status: f.node, Explain: f.explain, Resolve: resolved,
		Events: f.happened, EncodeAudio: func(audio []byte) []byte { return []byte(wav(string(audio))) },
		Voicemail: f.box,
		Bans:      &jail{}, LimitUsage: func(string) []sbc.LimitUsage { return nil }, Effective: (&fixture{}).effective, Diagnose: (&fixture{}).diagnose, Register: registered, DecodeAudio: decoded, Rates: f.rates, Numbers: tables{}, TestHeaders: tried, ValidateResponses: true,
		Stopping: ctx, Follow: func(q sbc.EventQuery) (sbc.EventFeed, error) { *asked = q; return feed, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	web = httptest.NewServer(h)
	t.Cleanup(func() { stop(); web.Close() })
	return f, feed, asked, web, stop
}

// lines reads a stream to its end.
func lines(r *http.Response) <-chan string {
	all := make(chan string, 64)
	go func() {
		defer close(all)
		for s := bufio.NewScanner(r.Body); s.Scan(); {
			all <- s.Text()
		}
	}()
	return all
}

// want reads lines that are not empty.
func want(t *testing.T, got <-chan string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		for line := ""; line == ""; {
			var open bool
			select {
			case line, open = <-got:
			case <-time.After(5 * time.Second):
			}
			if !open {
				t.Fatalf("the stream ended before %q", w)
			}
			if line != "" && !strings.HasPrefix(line, w) {
				t.Fatalf("got %q, want %q", line, w)
			}
		}
	}
}

// over waits for the end of a stream.
func over(t *testing.T, got <-chan string) {
	t.Helper()
	for line := range got {
		t.Log(line)
	}
}

// TestEventsAreFollowed: with the generated client, over a real connection, to the end of the node.
func TestEventsAreFollowed(t *testing.T) {
	t.Parallel()
	f, feed, asked, web, stop := following(t)
	c, err := client.NewClient(web.URL, client.WithKey(adminKey))
	if err != nil {
		t.Fatal(err)
	}
	id, call, kind := "evt_1", "call_1", client.EventType(sbc.EventCallHold)
	r, err := c.FollowEvents(t.Context(), &client.FollowEventsParams{LastEventID: &id, CallID: &call, Type: &kind})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/event-stream" || r.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", r.StatusCode, r.Header)
	}
	if *asked != (sbc.EventQuery{CallID: call, Type: sbc.EventCallHold, After: id}) {
		t.Errorf("asked for %+v", *asked)
	}
	got := lines(r)
	want(t, got, "retry: 2000")
	e := sbc.Event{ID: "evt_3", Type: sbc.EventCallHold, At: f.m.now, TenantID: "ten_1", CallID: call,
		Data: map[string]string{"held": "a\nb"}}
	feed.put(newsPage{[]sbc.Event{e, e}, "evt_2"})
	want(t, got, "id: evt_2", "event: reset", "data: {}")
	for range 2 {
		want(t, got, "id: evt_3", "event: call.hold",
			`data: {"at":"`+f.m.now.Format(time.RFC3339)+`","call_id":"call_1","data":{"held":"a\nb"}`)
	}
	feed.put(newsPage{[]sbc.Event{e}, ""})
	want(t, got, "id: evt_3", "event: call.hold", "data: ")
	stop()
	over(t, got)
	if slow := <-feed.closed; slow {
		t.Error("it was taken for slow")
	}
}

// TestSlowReaderIsCutOff: whoever missed events while following has to begin anew.
func TestSlowReaderIsCutOff(t *testing.T) {
	t.Parallel()
	_, feed, _, web, _ := following(t)
	r := get(t, web.URL+"/v1/events/stream", adminKey)
	got := lines(r)
	feed.put(newsPage{})
	feed.put(newsPage{nil, "evt_9"})
	over(t, got)
	if slow := <-feed.closed; !slow {
		t.Error("it was not taken for slow")
	}
}

// TestReaderGoesAway: the feed ends with its reader.
func TestReaderGoesAway(t *testing.T) {
	t.Parallel()
	_, feed, _, web, _ := following(t)
	get(t, web.URL+"/v1/events/stream", adminKey).Body.Close()
	if slow := <-feed.closed; slow {
		t.Error("it was taken for slow")
	}
}

// TestFollowingNeedsARight: as the list of the events.
func TestFollowingNeedsARight(t *testing.T) {
	t.Parallel()
	f, feed, asked, web, _ := following(t)
	for key, status := range map[string]int{"": 401, readerKey: 403} {
		if r := get(t, web.URL+"/v1/events/stream", key); r.StatusCode != status {
			t.Errorf("%q got %d", key, r.StatusCode)
		}
	}
	if r := get(t, web.URL+"/v1/events/stream?tenant_id="+sbc.DefaultTenantID, tenantKey); r.StatusCode != 403 {
		t.Errorf("another tenant's events: %d", r.StatusCode)
	}
	if r := get(t, web.URL+"/v1/events/stream?type=call.born", adminKey); r.StatusCode != 400 {
		t.Errorf("no such type: %d", r.StatusCode)
	}
	get(t, web.URL+"/v1/events/stream", tenantKey).Body.Close()
	if <-feed.closed; asked.TenantID != f.ids[sbc.KindTenant] {
		t.Errorf("the tenant's key follows %q", asked.TenantID)
	}
	head, err := http.NewRequestWithContext(t.Context(), http.MethodHead, web.URL+"/v1/events/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	head.Header.Set("Authorization", "Bearer "+adminKey)
	r, err := http.DefaultClient.Do(head)
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("%v %v", r, err)
	}
	r.Body.Close()
	<-feed.closed
}

// TestKeyIsLookedAtAgain: a key that was taken away, or does not cover the stream any more, ends it.
func TestKeyIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	f := start(t)
	s := &server{keys: &keyring{store: f.m, status: f.node, now: time.Now}}
	key, err := s.keys.find(t.Context(), adminKey)
	if err != nil {
		t.Fatal(err)
	}
	st := &stream{ctx: t.Context(), s: s, c: &caller{key: key, op: &operation{permission: "events:read"}}}
	if err := st.permitted(); err != nil {
		t.Fatal(err)
	}
	key.tenant = "ten_x"
	if err := st.permitted(); sbc.CodeOf(err) != sbc.CodeForbidden {
		t.Errorf("of another tenant: %v", err)
	}
	key.secret = "nobody's"
	if err := st.permitted(); sbc.CodeOf(err) != sbc.CodeUnauthorized {
		t.Errorf("unknown: %v", err)
	}
}

func get(t *testing.T, url, key string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Second, errors.New("the stream does not end"))
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Body.Close() })
	return r
}
