package access

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// enters tells whether a REGISTER of alice gets in with an answer.
func (w *world) enters(p proof) bool {
	m := func() *msg.Message {
		r := request(w.t, msg.REGISTER, "sip:example.com", alice)
		r.Body = p.body
		return r
	}
	return w.ask(w.prove(m(), w.ask(m()), p)).caller != nil
}

func TestQualitiesOfProtection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain, whole, old := newWorld(t), newWorld(t, func(d *sbc.Domain) { d.Digest.AuthInt = true }),
			newWorld(t, func(d *sbc.Domain) { d.Digest.AllowNoQOP = true })
		for _, tt := range []struct {
			w    *world
			qop  digest.QOP
			want bool
		}{
			{plain, digest.Auth, true}, {plain, digest.AuthInt, false}, {plain, "none", false},
			{whole, digest.Auth, true}, {whole, digest.AuthInt, true}, {whole, "none", false},
			{old, digest.Auth, true}, {old, digest.AuthInt, false}, {old, "none", true},
		} {
			if got := tt.w.enters(proof{user: "alice", password: "secret", qop: tt.qop, body: []byte("body")}); got != tt.want {
				t.Errorf("%q: %v", tt.qop, got)
			}
		}
		// Without qop a nonce is good once.
		m := func() *msg.Message { return request(t, msg.REGISTER, "sip:example.com", alice) }
		o := old.ask(m())
		p := proof{user: "alice", password: "secret", qop: "none"}
		if old.ask(old.prove(m(), o, p)).caller == nil || old.ask(old.prove(m(), o, p)).status != 401 {
			t.Error("an answer without qop has to be taken once")
		}
		changed := whole.prove(m(), whole.ask(m()), proof{user: "alice", password: "secret", qop: digest.AuthInt})
		changed.Body = []byte("changed on the way")
		if whole.ask(changed).status != 401 {
			t.Error("a changed body was taken")
		}
	})
}

// TestHashesThatAreKept has accounts of which one hash is kept: they get in by the algorithm of it, after a second challenge at
// most.
func TestHashesThatAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(d *sbc.Domain) {
			d.Digest.Algorithms = []sbc.DigestAlgorithm{sbc.DigestSHA512256, sbc.DigestSHA256, sbc.DigestMD5}
		})
		s := w.dir.byName["dom_aalice"].Subscriber
		all := s.Credentials
		for _, tt := range []struct {
			name, user string
			kept       sbc.Credentials
			challenges int
		}{
			{"MD5", "alice", sbc.Credentials{HA1: all.HA1}, 3}, {"SHA-256", "alice", sbc.Credentials{HA1SHA256: all.HA1SHA256}, 2},
			{"SHA-512-256", "alice", sbc.Credentials{HA1SHA512256: all.HA1SHA512256}, 1},
			{"ha1b", "alice@example.com", sbc.Credentials{HA1B: all.HA1B}, 3},
		} {
			s.Credentials = tt.kept
			m := func() *msg.Message { return request(t, msg.REGISTER, "sip:example.com", alice) }
			o, n := w.ask(m()), 0
			for o.caller == nil && n < 4 { // as a phone that answers the strongest challenge that it is offered
				if n++; n > 1 && !o.challenges(t)[0].Stale {
					t.Errorf("%s: the phone would ask its user after %d challenges", tt.name, n)
				}
				o = w.ask(w.prove(m(), o, proof{user: tt.user, password: "secret"}))
			}
			if o.caller == nil || n != tt.challenges {
				t.Errorf("%s: in after %d challenges, want %d: %+v", tt.name, n, tt.challenges, o)
			}
		}
		if w.seen.wrong == 0 || w.seen.wrong != w.seen.forgiven {
			t.Errorf("%d right passwords were told to the guard as wrong, %d were taken back", w.seen.wrong, w.seen.forgiven)
		}
		if len(w.events) > 0 {
			t.Errorf("events of right passwords: %+v", w.events)
		}
	})
}

func TestNamesInAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.dir.byName["dom_aalice"].Subscriber
		s.AuthUsername, s.Password = "x7", "secret"
		s.Seal(&sbc.Domain{Meta: sbc.Meta{Name: "example.com"}})
		for name, want := range map[string]bool{"x7": true, "x7@example.com": true, "alice": false, "x7@example.org": false,
			"": false} {
			if name == "" {
				continue
			}
			if got := w.enters(proof{user: name, password: "secret", algorithm: digest.MD5}); got != want {
				t.Errorf("%q: %v", name, got)
			}
		}
		w.dir.add(subscriber("dom_a", "sub_m", "mallory", "example.com", "evil"))
		m := func() *msg.Message { return request(t, msg.REGISTER, "sip:example.com", alice) }
		o := w.ask(w.prove(m(), w.ask(m()), proof{user: "mallory", password: "evil"}))
		if o.status != 403 || w.events[len(w.events)-1].Type != sbc.EventSecurityIdentity {
			t.Errorf("mallory registers alice: %+v", o)
		}
	})
}

// TestForeignDomains: the border relays for nobody (features.md 5.9).
func TestForeignDomains(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name      string
		method    msg.Method
		uri, from string
		header    string
		want      int
	}{
		{"foreign to foreign", msg.INVITE, "sip:x@example.net", "sip:y@example.net", "", 403},
		{"ours to foreign", msg.INVITE, "sip:x@example.net", alice, "", 403},
		{"foreign to ours", msg.INVITE, bob, "sip:y@example.net", "", 407},
		{"ours to ours", msg.INVITE, bob, alice, "", 407},
		{"ours to our other domain", msg.INVITE, "sip:alice@example.org", alice, "", 403},
		{"ours to our address", msg.INVITE, "sip:x@203.0.113.1", alice, "", 407},
		{"to our address", msg.INVITE, "sip:x@203.0.113.1", "sip:y@203.0.113.1", "", 403},
		{"a tel URI", msg.INVITE, "tel:+4930222", alice, "", 407},
		{"a tel URI of a stranger", msg.INVITE, "tel:+4930222", "sip:y@example.net", "", 403},
		{"register elsewhere", msg.REGISTER, "sip:example.net", "sip:y@example.net", "", 403},
		{"register here for elsewhere", msg.REGISTER, "sip:example.com", "sip:y@example.net", "", 401},
		{"a route elsewhere", msg.INVITE, bob, alice, "Route: <sip:proxy.example.net;lr>", 403},
		{"a route here and elsewhere", msg.INVITE, bob, alice, "Route: <sip:203.0.113.1;lr>, <sip:198.51.100.9;lr>", 403},
		{"a route that cannot be read", msg.INVITE, bob, alice, "Route: <<>>", 403},
		{"a route to us", msg.INVITE, bob, alice, "Route: <sip:203.0.113.1:5060;lr>", 407},
		{"a route to the domain", msg.REGISTER, "sip:example.com", alice, "Route: <sip:example.com;lr>", 401},
		{"a method outside of dialogs", msg.BYE, bob, alice, "", 405},
		{"a method nobody knows", "JUMP", bob, alice, "", 405},
		{"CANCEL of nothing", msg.CANCEL, bob, alice, "", 481},
		{"ACK of nothing", msg.ACK, bob, alice, "", 0},
		{"OPTIONS", msg.OPTIONS, bob, "sip:y@example.net", "", 200},
		{"OPTIONS of nobody", msg.OPTIONS, "sip:nobody@example.com", alice, "", 200},
		{"OPTIONS elsewhere", msg.OPTIONS, "sip:example.net", alice, "", 403},
		{"broken credentials", msg.REGISTER, "sip:example.com", alice, `Authorization: Digest username="alice`, 400},
		{"credentials for others", msg.REGISTER, "sip:example.com", alice,
			`Authorization: Digest username="a", realm="example.net", nonce="n", uri="u", response="00"`, 401},
		{"other schemes", msg.REGISTER, "sip:example.com", alice, "Authorization: Bearer abc", 401},
		{"other algorithms", msg.REGISTER, "sip:example.com", alice,
			`Authorization: Digest username="a", realm="example.com", nonce="n", uri="u", response="00", algorithm=SHA-512`, 401},
	} {
		var hs []string
		if tt.header != "" {
			hs = []string{tt.header}
		}
		o := w.ask(request(t, tt.method, tt.uri, tt.from, hs...))
		if o.status != tt.want || o.caller != nil || o.answer != nil {
			t.Errorf("%s: %+v, want %d", tt.name, o, tt.want)
		}
	}
	if len(w.dir.asked) != 0 {
		t.Errorf("%v were looked up", w.dir.asked)
	}
}

func trunkAddress() netip.AddrPort { return netip.MustParseAddrPort("198.51.100.3:5060") }

// TestTrunksPass: what an identity of a trunk claims is not the door's.
func TestTrunksPass(t *testing.T) {
	w := newWorld(t)
	m := request(t, msg.INVITE, "sip:x@example.net", "sip:y@example.net")
	m.Hop.Remote = trunkAddress()
	if o := w.ask(m); o.caller == nil || o.caller.Entry != nil {
		t.Errorf("%+v", o)
	}
	m.Hop.Interface = "sif_none"
	if _, ok := w.door.Admit(m); ok {
		t.Error("the door stands at an interface that is not there")
	}
}

func TestKnownByAddress(t *testing.T) {
	w := newWorld(t)
	pbx := func(from string) *msg.Message {
		m := request(t, msg.INVITE, bob, from)
		m.Hop.Remote = netip.MustParseAddrPort("192.0.2.77:5060")
		return m
	}
	if o := w.ask(pbx(alice)); o.caller == nil || o.caller.How != ByAddress || o.caller.Entry.Subscriber.ID != "sub_a" {
		t.Errorf("%+v", o)
	}
	if o := w.ask(pbx("sip:carol@example.com")); o.status != 403 {
		t.Errorf("in the name of another: %+v", o)
	}
	delete(w.dir.byName, "dom_aalice")
	if o := w.ask(pbx(alice)); o.status != 403 {
		t.Errorf("of an account that is gone: %+v", o)
	}
}

func TestUnavailable(t *testing.T) {
	w := newWorld(t)
	m := func() *msg.Message { return request(t, msg.REGISTER, "sip:example.com", alice) }
	o := w.ask(m())
	w.dir.fails = sbc.Errorf(sbc.CodeUnavailable, "the store is away")
	if o := w.ask(w.prove(m(), o, proof{user: "alice", password: "secret"})); o.status != 503 || o.answer.Get("Retry-After") == "" {
		t.Errorf("%+v", o)
	}
	w.dir.fails = nil
	if w.ask(w.prove(m(), o, proof{user: "alice", password: "secret"})).caller == nil {
		t.Error("the same answer is good when the store is back: nothing was proved by it")
	}
	w.seen.exhausted = true
	if o := w.ask(w.prove(m(), o, proof{user: "alice", password: "secret", count: 2})); o.status != 503 {
		t.Errorf("over its budget: %+v", o)
	}
	w.seen.exhausted, w.dir.byName["dom_aalice"].Subscriber.Enabled = false, false
	if o := w.ask(w.prove(m(), o, proof{user: "alice", password: "secret", count: 3})); o.status != 403 {
		t.Errorf("disabled: %+v", o)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	w := newWorld(t)
	m := func() *msg.Message { return request(t, msg.REGISTER, "sip:example.com", alice) }
	o := w.ask(m())
	w.dir.byName["dom_aalice"] = &sbc.Entry{} // no subscriber
	if o := w.ask(w.prove(m(), o, proof{user: "alice", password: "secret"})); o.status != 500 {
		t.Errorf("%+v", o)
	}
}
