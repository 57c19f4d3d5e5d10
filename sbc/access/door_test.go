package access

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

const (
	alice = "sip:alice@example.com"
	bob   = "sip:+4930222@example.com"
)

// TestEveryMethodIsChallenged has each method proved in each algorithm.
func TestEveryMethodIsChallenged(t *testing.T) {
	w := newWorld(t, func(d *sbc.Domain) {
		d.Digest.Algorithms = []sbc.DigestAlgorithm{sbc.DigestSHA512256, sbc.DigestSHA256, sbc.DigestMD5}
	})
	for _, method := range []msg.Method{msg.REGISTER, msg.INVITE, msg.MESSAGE, msg.SUBSCRIBE, msg.PUBLISH} {
		uri, want := bob, 407
		if method == msg.REGISTER {
			uri, want = "sip:example.com", 401
		}
		o := w.ask(request(t, method, uri, alice))
		all := o.challenges(t)
		if o.status != want || o.answer != nil || len(all) != 3 || all[0].Algorithm != digest.SHA512256 ||
			all[2].Algorithm != digest.MD5 {
			t.Fatalf("%s: %d, %+v", method, o.status, all)
		}
		if all[0].Realm != "example.com" || all[0].Stale || len(all[0].QOP) != 1 {
			t.Errorf("%s: %+v", method, all[0])
		}
		for i, alg := range []digest.Algorithm{digest.MD5, digest.SHA256, digest.SHA512256} {
			in := w.ask(w.prove(request(t, method, uri, alice), o, proof{user: "alice", password: "secret", algorithm: alg,
				count: uint32(i + 1)}))
			if in.caller == nil || in.caller.Entry == nil || in.caller.Entry.Subscriber.ID != "sub_a" || in.caller.How != ByDigest {
				t.Errorf("%s in %s: %+v", method, alg, in)
			}
		}
	}
	if w.seen.right != 15 || w.seen.wrong != 0 || w.seen.foreign != 0 {
		t.Errorf("the guard heard of %d right and %d wrong answers", w.seen.right, w.seen.wrong)
	}
}

// TestDomainsAreApart has the same name in two domains.
func TestDomainsAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, tt := range []struct {
			domain, password string
			want             string
		}{{"example.com", "secret", "sub_a"}, {"example.org", "other", "sub_b"}, {"example.com", "other", ""}, {"example.org",
			"secret", ""}} {
			m := func() *msg.Message { return request(t, msg.REGISTER, "sip:"+tt.domain, "sip:alice@"+tt.domain) }
			o := w.ask(w.prove(m(), w.ask(m()), proof{user: "alice", password: tt.password}))
			if got := o.caller != nil; got != (tt.want != "") || got && o.caller.Entry.Subscriber.ID != tt.want {
				t.Errorf("%+v: %+v", tt, o)
			}
		}
		// A challenge of one domain is no challenge of the other.
		o := w.ask(request(t, msg.REGISTER, "sip:example.com", "sip:alice@example.com"))
		m := w.prove(request(t, msg.REGISTER, "sip:example.org", "sip:alice@example.org"), o, proof{user: "alice", password: "secret"})
		if o := w.ask(m); o.status != 401 || o.answer != nil {
			t.Errorf("%+v", o)
		}
	})
}

// TestNobodyLearnsWhoExists compares what unknown users, wrong passwords and barred accounts get: every octet that does not
// come from the request or is chance, and the time.
func TestNobodyLearnsWhoExists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.dir.add(subscriber("dom_a", "sub_c", "carol", "example.com", "secret"))
		old := w.dir.byName["dom_acarol"].Subscriber
		old.HA1SHA256, old.HA1SHA512256 = "", ""
		w.dir.add(subscriber("dom_a", "sub_d", "barry", "example.com", "wrong"))
		w.seen.barred, w.dir.slow = "barry", 7*time.Millisecond
		off := subscriber("dom_a", "sub_e", "erika", "example.com", "right")
		off.Enabled = false
		w.dir.add(off)
		for _, method := range []msg.Method{msg.REGISTER, msg.INVITE} {
			seen := map[string]string{}
			for _, user := range []string{"alice", "nobody", "carol", "barry", "erika", "reception"} {
				for _, alg := range []digest.Algorithm{digest.SHA256, digest.MD5} {
					w.dir.asked, w.seen.wrong, w.seen.forgiven = nil, 0, 0
					uri := bob
					if method == msg.REGISTER {
						uri = "sip:example.com"
					}
					m := func() *msg.Message { return request(t, method, uri, "sip:"+user+"@example.com") }
					first := w.ask(m())
					began := time.Now()
					o := w.ask(w.prove(m(), first, proof{user: user, password: "wrong", algorithm: alg}))
					what := string(alg) + " " + time.Since(began).String() + " " + shape(o)
					if seen[string(alg)] == "" {
						seen[string(alg)] = what
					}
					if w.seen.wrong != 1 || w.seen.forgiven != 0 {
						t.Errorf("%s of %s: the guard counts %d failures, and takes %d back", method, user, w.seen.wrong, w.seen.forgiven)
					}
					if what != seen[string(alg)] || len(w.dir.asked) != 1 {
						t.Errorf("%s of %s, %d look-ups:\n%s\nwant\n%s", method, user, len(w.dir.asked), what, seen[string(alg)])
					}
				}
			}
		}
	})
}

// shape is an answer without what comes from the request, and without chance.
func shape(o outcome) string {
	var b strings.Builder
	b.WriteString(o.answer.StartLine())
	for _, h := range o.answer.Headers {
		v := h.Value
		switch h.Name {
		case "Via", "From", "To", "Call-ID", "CSeq":
			v = ""
		}
		if i := strings.Index(v, `nonce="`); i >= 0 {
			v = v[:i+7] + v[i+7+32:]
		}
		b.WriteString("\n" + h.Name + ": " + v)
	}
	return b.String()
}

func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := func() *msg.Message { return request(t, msg.REGISTER, "sip:example.com", alice) }
		o := w.ask(m())
		p := proof{user: "alice", password: "secret", algorithm: digest.SHA256}
		if in := w.ask(w.prove(m(), o, p)); in.caller == nil {
			t.Fatal(in)
		}
		again := w.ask(w.prove(m(), o, p))
		if c := again.challenges(t); again.status != 401 || len(c) == 0 || !c[0].Stale {
			t.Errorf("the same count again: %+v", again)
		}
		p.count = 2
		if in := w.ask(w.prove(m(), o, p)); in.caller == nil {
			t.Errorf("the next count: %+v", in)
		}
		p.count = 3
		elsewhere := w.prove(m(), o, p)
		elsewhere.Hop.Remote = netip.MustParseAddrPort("192.0.2.10:5060")
		if o := w.ask(elsewhere); o.status != 401 || o.answer != nil || !o.challenges(t)[0].Stale {
			t.Errorf("from another address: %+v", o)
		}
		time.Sleep(6 * time.Minute)
		if o := w.ask(w.prove(m(), o, p)); o.status != 401 || !o.challenges(t)[0].Stale {
			t.Errorf("after six minutes: %+v", o)
		}
		if w.seen.wrong != 0 || w.seen.foreign != 1 {
			t.Errorf("the guard heard of %d wrong answers, %d with foreign nonces", w.seen.wrong, w.seen.foreign)
		}
	})
}
