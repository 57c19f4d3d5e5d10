package consult

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/route"
	"github.com/sallyport/sallyport/webhook"
)

// other is the other system.
type other struct {
	posts atomic.Int32
	takes time.Duration
	says  string
	err   error
	last  atomic.Pointer[question]
}

func (o *other) Do(ctx context.Context, p webhook.Post) error {
	o.posts.Add(1)
	if q, ok := p.Body.(question); ok {
		o.last.Store(&q)
	}
	select {
	case <-time.After(o.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	if o.err != nil {
		return o.err
	}
	return json.Unmarshal([]byte(o.says), p.Answer)
}

func rule(h sbc.HTTPDecision) *route.Ask {
	h.URL = "https://routing.example/decide"
	if h.TimeoutMS == 0 {
		h.TimeoutMS = 300
	}
	return &route.Ask{RuleID: "rul_1", HTTP: &h, Number: "493012"}
}

// of is the question about a callee.
func of(q *route.Ask, callee string) *route.Ask {
	about := *q
	about.TrunkID, about.Caller, about.Number = "trk_1", "100", callee
	return &about
}

// asked puts a question and waits for the answer.
func asked(c *Consultant, q *route.Ask, callee string) *route.Answer {
	got := make(chan *route.Answer, 2)
	c.Ask(of(q, callee), func(a *route.Answer) { got <- a })
	return <-got
}

// TestAnswers: what may be said, and what counts where it is not.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		says   string
		fails  sbc.HTTPFailure
		action sbc.Action
		code   int
		list   string
	}{
		{`{"action":"route","route_list_id":"rls_2","number":"4930"}`, "next", sbc.ActionRoute, 0, "rls_2"},
		{`{"action":"reject","code":486,"reason":"Busy"}`, "next", sbc.ActionReject, 486, ""},
		{`{"action":"reject"}`, "next", sbc.ActionReject, 403, ""},
		{`{"action":"next"}`, "reject", "", 0, ""},
		{`{"action":"explode"}`, "next", "", 0, ""},
		{`{"action":"explode"}`, "route", sbc.ActionRoute, 0, ""},
		{`{"action":"explode"}`, "reject", sbc.ActionReject, 503, ""},
		{`{"action":"reject","code":200}`, "route", sbc.ActionRoute, 0, ""},
		{`{"action":"route","number":"12 34"}`, "reject", sbc.ActionReject, 503, ""},
		{`{"action":"reject","reason":"two\r\nlines"}`, "reject", sbc.ActionReject, 503, ""},
		{`{"action":"route","variables":{"a b":"c"}}`, "reject", sbc.ActionReject, 503, ""},
		{`[]`, "reject", sbc.ActionReject, 503, ""},
	} {
		c := New(Options{Asks: &other{says: tt.says}})
		a := asked(c, rule(sbc.HTTPDecision{OnFailure: tt.fails}), "1")
		if a.Action != tt.action || a.Code != tt.code || a.RouteListID != tt.list || a.Why == "" {
			t.Errorf("%s, else %s: %+v", tt.says, tt.fails, a)
		}
	}
}

// TestOneQuestionForMany: calls that ask the same share one question, and its answer for as long as the rule says.
func TestOneQuestionForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &other{says: `{"action":"route"}`, takes: 100 * time.Millisecond}
		c, q := New(Options{Asks: o}), rule(sbc.HTTPDecision{CacheS: 60, StaleS: 300, OnFailure: sbc.HTTPFailReject})
		got := make(chan *route.Answer, 20)
		for range 20 {
			c.Ask(of(q, "1"), func(a *route.Answer) { got <- a })
		}
		for range 20 {
			if a := <-got; a.Action != sbc.ActionRoute {
				t.Fatalf("%+v", a)
			}
		}
		asked(c, q, "2")
		if n := o.posts.Load(); n != 2 || o.last.Load().Callee != "2" || o.last.Load().Type != "call.routing" {
			t.Fatalf("%d questions, the last %+v", n, o.last.Load())
		}
		time.Sleep(61 * time.Second)
		o.err = errors.New("gone")
		if a := asked(c, q, "1"); a.Action != sbc.ActionRoute || o.posts.Load() != 3 { // stale
			t.Fatalf("%+v after %d questions", a, o.posts.Load())
		}
		time.Sleep(300 * time.Second)
		if a := asked(c, q, "1"); a.Code != 503 {
			t.Fatalf("an answer of long ago counts: %+v", a)
		}
	})
}

// TestSlow: who is late is not waited for, and keeps nobody else waiting.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{Asks: &other{says: `{"action":"route"}`, takes: 5 * time.Second}, Most: 3})
		q, began := rule(sbc.HTTPDecision{OnFailure: sbc.HTTPFailNext}), time.Now()
		got := make(chan *route.Answer, 10)
		for i := range 10 {
			c.Ask(of(q, fmt.Sprint(i)), func(a *route.Answer) { got <- a })
		}
		for i := range 10 {
			a := <-got
			if a.Action != "" || !strings.Contains(a.Why, "next rule") {
				t.Fatalf("%+v", a)
			}
			if took := time.Since(began); i < 7 && took != 0 || took > 300*time.Millisecond {
				t.Fatalf("answer %d after %v", i, took)
			}
		}
	})
}

// TestBounded: what is remembered is bounded.
func TestBounded(t *testing.T) {
	c := New(Options{Asks: &other{says: `{"action":"next"}`}, Kept: 50})
	for i := range 500 {
		asked(c, rule(sbc.HTTPDecision{CacheS: 60}), fmt.Sprint(i))
	}
	if len(c.known) > 50 {
		t.Fatalf("%d are kept", len(c.known))
	}
}

// TestENUM: the addresses that DNS names, and the next rule where it names none.
func TestENUM(t *testing.T) {
	for _, tt := range []struct {
		uris []string
		err  error
		want string
	}{
		{[]string{"sip:4711@a.test:5070;transport=tcp", "sip:12@192.0.2.1"}, nil, "[{4711 a.test 5070 tcp} {12 192.0.2.1 0 }]"},
		{[]string{"sips:1@a.test", "mailto:x@y", "sip:a b@c", "sip:1@a.test;transport=sctp", "sip:@a.test", "sip:a%0d@a.test"}, nil, "[]"},
		{nil, errors.New("gone"), "[]"},
	} {
		c := New(Options{ENUM: func(context.Context, string, string) ([]string, error) { return tt.uris, tt.err }})
		a := asked(c, &route.Ask{RuleID: "rul_1", ENUMSuffix: "e164.test"}, "+4930")
		if got := fmt.Sprint(a.Hosts); got != tt.want || (a.Action == sbc.ActionRoute) != (len(a.Hosts) > 0) || a.Why == "" {
			t.Errorf("%v: %+v", tt.uris, a)
		}
	}
}
