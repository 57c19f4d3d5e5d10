package access

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/webhook"
)

// call has alice prove an INVITE with these headers.
func (w *world) call(from string, headers ...string) outcome {
	w.t.Helper()
	m := func() *msg.Message { return request(w.t, msg.INVITE, bob, from, headers...) }
	o := w.ask(m())
	if len(o.challenges(w.t)) == 0 {
		return o
	}
	return w.ask(w.prove(m(), o, proof{user: "alice", password: "secret"}))
}

// TestIdentities says under which names an account may call, and what others see of it.
func TestIdentities(t *testing.T) {
	w := newWorld(t)
	s := w.dir.byName["dom_aalice"].Subscriber
	s.CallerIdentities = []string{"sales"}
	const anon = "sip:anonymous@anonymous.invalid"
	for _, tt := range []struct {
		from, header    string
		inside, outside string // "": refused
	}{
		{alice, "", "alice", "+49301"},
		{"sip:alice@203.0.113.1", "", "alice", "+49301"},
		{"sip:boss@203.0.113.1", "", "", ""},
		{"sip:+49301@example.com", "", "+49301", "+49301"},
		{"sip:49301@example.com", "", "49301", "49301"},
		{"sip:reception@example.com", "", "reception", "reception"},
		{"sip:sales@example.com", "", "sales", "sales"},
		{"sip:boss@example.com", "", "", ""},
		{"sip:+@example.com", "", "", ""},
		{"sip:alice@example.org", "", "", ""},
		{"sip:alice@example.net", "", "", ""},
		{"tel:+49301", "", "+49301", "+49301"},
		{anon, "", "alice", "+49301"},
		{anon, "P-Preferred-Identity: <sip:sales@example.com>", "sales", "sales"},
		{alice, "P-Preferred-Identity: <sip:boss@example.com>", "", ""},
		{alice, "P-Asserted-Identity: <tel:+49301>", "alice", "+49301"},
		{alice, "P-Asserted-Identity: <sip:boss@example.com>", "", ""},
		{alice, "P-Asserted-Identity: <sip:alice@example.com>, <tel:+4999>", "", ""},
		{alice, "Remote-Party-ID: <sip:boss@example.com>;party=calling", "", ""},
		{alice, "P-Asserted-Identity: <<", "", ""},
	} {
		w.dir.byName["dom_aalice"].Aliases[0].CallerID = true
		var headers []string
		if tt.header != "" {
			headers = append(headers, tt.header)
		}
		o := w.call(tt.from, headers...)
		switch {
		case tt.outside == "" && o.status != 403:
			t.Errorf("%s %s: %+v, want a refusal", tt.from, tt.header, o)
		case tt.outside != "" && o.caller == nil:
			t.Errorf("%s %s: %+v", tt.from, tt.header, o)
		case o.caller != nil && (o.caller.Identity.Inside != tt.inside || o.caller.Identity.Outside != tt.outside):
			t.Errorf("%s %s: %+v", tt.from, tt.header, o.caller.Identity)
		}
		if o.caller != nil && o.caller.Identity.Anonymous != (tt.from == anon) {
			t.Errorf("%s: anonymous is %v", tt.from, o.caller.Identity.Anonymous)
		}
	}
	s.CallerID = "+49300"
	if o := w.call(alice); o.caller == nil || o.caller.Identity.Outside != "+49300" || o.caller.Identity.Inside != "alice" {
		t.Errorf("with a caller id of its own: %+v", o)
	}
	free := newWorld(t, func(d *sbc.Domain) { d.AllowForeignIdentity = true })
	if o := free.call("sip:boss@example.com"); o.caller == nil || o.caller.Identity.Outside != "boss" {
		t.Errorf("where foreign identities are allowed: %+v", o)
	}
}

// asked answers what the door asks.
type asked struct {
	post   webhook.Post
	answer string
	err    error
	wait   bool
}

func (a *asked) Do(ctx context.Context, p webhook.Post) error {
	a.post = p
	switch {
	case a.wait:
		<-ctx.Done()
		return ctx.Err()
	case a.err != nil:
		return a.err
	}
	return json.Unmarshal([]byte(a.answer), p.Answer)
}

func TestAuthorization(t *testing.T) {
	for _, tt := range []struct {
		name  string
		asked *asked
		open  bool
		want  Permit
	}{
		{"yes", &asked{answer: `{"allow":true}`}, false, Permit{}},
		{"yes, for a minute", &asked{answer: `{"allow":true,"max_duration_s":60,"variables":{"account":"7"}}`}, false,
			Permit{MaxDurationS: 60, Variables: map[string]string{"account": "7"}}},
		{"no", &asked{answer: `{"allow":false}`}, true, Permit{Code: 403}},
		{"no, with words", &asked{answer: `{"allow":false,"code":402,"reason":"No Credit\r\nX: y"}`}, true,
			Permit{Code: 402, Reason: "No Credit??X: y"}},
		{"neither", &asked{answer: `{}`}, false, Permit{Code: 503}},
		{"neither, open", &asked{answer: `{}`}, true, Permit{}},
		{"a code that is none", &asked{answer: `{"allow":false,"code":200}`}, false, Permit{Code: 503}},
		{"variables that are none", &asked{answer: `{"allow":true,"variables":{"a b":"c"}}`}, false, Permit{Code: 503}},
		{"a time that is none", &asked{answer: `{"allow":true,"max_duration_s":-1}`}, false, Permit{Code: 503}},
		{"late", &asked{wait: true}, false, Permit{Code: 503}},
		{"late, open", &asked{wait: true}, true, Permit{}},
		{"a failure", &asked{err: errors.New("refused")}, false, Permit{Code: 503}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(d *sbc.Domain) {
				d.Authorization.URL, d.Authorization.TimeoutMS, d.Authorization.Fail = "https://example.com/", 50, sbc.FailClosed
				if tt.open {
					d.Authorization.Fail = sbc.FailOpen
				}
			})
			w.door.o.Asks = tt.asked
			o := w.call(alice)
			if o.caller == nil {
				t.Fatalf("%+v: a refused call goes on, for its record", o)
			}
			got, _ := json.Marshal(o.caller.Permit)
			want, _ := json.Marshal(tt.want)
			if string(got) != string(want) {
				t.Errorf("%s, want %s", got, want)
			}
			if q, ok := tt.asked.post.Body.(question); !ok || q.SubscriberID != "sub_a" || q.Callee != "+4930222" ||
				q.Domain != "example.com" {
				t.Errorf("asked %+v", tt.asked.post)
			}
		})
	}
}
