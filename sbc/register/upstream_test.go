package register

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// modes are those with an upstream registrar.
func modes(t *testing.T, f func(w *world, c *core, mode sbc.RegistrationMode)) {
	for _, mode := range []sbc.RegistrationMode{"mirror", "throttle_contact", "throttle_aor"} {
		t.Run(string(mode), func(t *testing.T) {
			virtual(t, func(w *world) { f(w, w.midway(mode, nil), mode) })
		})
	}
}

// shownUpstream gives what the API says of the only registration.
func (w *world) shownUpstream() *sbc.UpstreamRegistration {
	w.t.Helper()
	page, _, err := w.Registrations(w.t.Context(), sbc.RegistrationQuery{})
	if err != nil || len(page) != 1 {
		w.t.Fatalf("%v %v", page, err)
	}
	return page[0].Upstream
}

// TestUpstreamDecides: the challenge and the answer are the upstream registrar's, the contact there is ours, and nothing of
// the phone is told but its answer to the challenge.
func TestUpstreamDecides(t *testing.T) {
	modes(t, func(w *world, c *core, mode sbc.RegistrationMode) {
		h := source(phoneAt)
		challenge := w.by(h, "alice", "phone-alice", phone, "Expires: 60").want(w, 401).res
		if got := challenge.Get("WWW-Authenticate"); !strings.Contains(got, `realm="core"`) || strings.Contains(got, "10.66") {
			t.Errorf("%s", got)
		}
		w.prove(h, "alice", "wrong", phone, "Expires: 60").want(w, 401)
		if n := w.table.count.Load(); n != 0 {
			t.Errorf("%d bindings of who proved nothing", n)
		}
		ok := w.prove(h, "alice", "secret", phone, "Expires: 60", "User-Agent: PhoneAgent").want(w, 200)
		want := "<sip:alice@203.0.113.7:5062>;expires=60"
		if got := ok.contacts(); len(got) != 1 || !strings.HasPrefix(got[0], want) || ok.res.Has("Service-Route") {
			t.Errorf("%s", ok.res.AppendTo(nil))
		}
		up := c.last()
		for _, secret := range []string{"203.0.113.7", "phone-alice", "PhoneAgent", "5062"} {
			if strings.Contains(string(up.AppendTo(nil)), secret) {
				t.Errorf("upstream learns %s:\n%s", secret, up.AppendTo(nil))
			}
		}
		asked := "60"
		if mode != sbc.RegistrationMirror {
			asked = "3600"
		}
		if up.Get("Expires") != asked || up.To.URI.String() != "sip:alice@example.com" || up.RequestURI.String() != "sip:example.com" {
			t.Errorf("%s", up.AppendTo(nil))
		}
		phones, domain, user, found := w.ByToken(c.only())
		if len(phones) != 1 || domain != "dom_1" || user != "alice" || !found {
			t.Errorf("%v %s %s %v", phones, domain, user, found)
		}
		if s := w.shownUpstream(); s == nil || s.State != sbc.UpstreamRegistered || s.Status != 200 || s.TrunkID != "trk_a" {
			t.Errorf("%+v", s)
		}
		if !w.CameBy("sip:alice@example.com", h) || w.CameBy("sip:alice@example.com", source("203.0.113.7:5063")) {
			t.Error("the way by which alice registered is not known")
		}
	})
}

// TestRefreshes: the upstream registrar hears of refreshes as the mode says, and in time before its end; of the phone's end
// at once.
func TestRefreshes(t *testing.T) {
	modes(t, func(w *world, c *core, mode sbc.RegistrationMode) {
		h := source(phoneAt)
		w.prove(h, "alice", "secret", phone, "Expires: 60").want(w, 200)
		token := c.only()
		c.took()
		told := 0
		for range 119 { // an hour
			time.Sleep(30 * time.Second)
			w.prove(h, "alice", "secret", phone, "Expires: 60").want(w, 200)
			if until := time.Until(c.contacts[token]); until < 30*time.Second {
				t.Fatalf("upstream forgets in %s", until)
			}
			told += c.took()
		}
		if want := map[bool]int{true: 238, false: 2}[mode == sbc.RegistrationMirror]; told != want {
			t.Errorf("upstream heard %d REGISTERs, want %d", told, want)
		}
		w.prove(h, "alice", "secret", phone, "Expires: 0").want(w, 200)
		if len(c.contacts) != 0 || w.table.count.Load() != 0 {
			t.Errorf("upstream keeps %v, we %d", c.contacts, w.table.count.Load())
		}
		if _, domain, _, ok := w.ByToken(token); domain != "" || !ok {
			t.Errorf("the contact of ours stands for somebody of %q, %v", domain, ok)
		}
	})
}

// TestStrangersProveThemselves: a REGISTER that comes by another way than the contacts did is never answered here.
func TestStrangersProveThemselves(t *testing.T) {
	modes(t, func(w *world, c *core, _ sbc.RegistrationMode) {
		w.prove(source(phoneAt), "alice", "secret", phone, "Expires: 60").want(w, 200)
		for _, headers := range [][]string{
			{"Contact: <sip:alice@203.0.113.99:5060>", "Expires: 60"}, {"Contact: <sip:alice@10.0.0.9>", "Expires: 60"},
			{phone, "Expires: 0"}, {"Contact: *", "Expires: 0"}, nil,
		} {
			w.by(source("203.0.113.99:5060"), "alice", "other", headers...).want(w, 401)
		}
		w.by(source(phoneAt), "alice", "phone-alice", "Contact: *", "Expires: 0").want(w, 401)
		elsewhere := source("203.0.113.7:9999") // another phone behind the same NAT
		w.by(elsewhere, "alice", "other", phone, "Expires: 60").want(w, 401)
		c.status = 403
		w.by(elsewhere, "alice", "other", phone, "Expires: 60").want(w, 403)
		if n := w.table.count.Load(); n != 1 {
			t.Errorf("%d bindings", n)
		}
		c.status = 0
		w.prove(source(phoneAt), "alice", "secret", "Contact: *", "Expires: 0").want(w, 200)
		if n := w.table.count.Load(); n != 0 || len(c.contacts) != 0 {
			t.Errorf("%d bindings, upstream %v", n, c.contacts)
		}
	})
}

// TestSharedContact: with a contact for each address of record the upstream registrar hears of the first phone, of others
// only so that they prove themselves, and of the end only of the last.
func TestSharedContact(t *testing.T) {
	virtual(t, func(w *world) {
		c := w.midway(sbc.RegistrationThrottleAOR, nil)
		desk, mobile := source(phoneAt), source("203.0.113.8:5062")
		other := "Contact: <sip:alice@203.0.113.8:5062>"
		w.prove(desk, "alice", "secret", phone, "Expires: 60").want(w, 200)
		token := c.only()
		w.prove(mobile, "alice", "secret", other, "Expires: 60").want(w, 200)
		if c.only() != token {
			t.Error("another contact")
		}
		if phones, _, _, _ := w.ByToken(token); len(phones) != 2 {
			t.Errorf("%v", phones)
		}
		c.took()
		w.by(desk, "alice", "phone-alice", phone, "Expires: 0").want(w, 200)
		if n := c.took(); n != 0 || c.only() != token {
			t.Errorf("upstream hears %d REGISTERs of a phone that others stay after", n)
		}
		w.prove(mobile, "alice", "secret", other, "Expires: 0").want(w, 200)
		if len(c.contacts) != 0 {
			t.Errorf("upstream keeps %v", c.contacts)
		}
	})
}

// TestUpstreamSays: times and failures of the upstream registrar.
func TestUpstreamSays(t *testing.T) {
	modes(t, func(w *world, c *core, mode sbc.RegistrationMode) {
		h, mirror := source(phoneAt), mode == sbc.RegistrationMirror
		c.most = 45 // less than was asked for
		ok := w.prove(h, "alice", "secret", phone, "Expires: 60").want(w, 200)
		if got := ok.contacts()[0]; !strings.HasSuffix(got, ";expires=45") {
			t.Errorf("%s", got)
		}
		c.most, c.least = 7200, 4000
		res := w.prove(h, "alice", "secret", phone, "Expires: 60").res
		if mirror && (res.Status != 423 || res.Get("Min-Expires") != "4000") || !mirror && res.Status != 401 && res.Status != 200 {
			t.Errorf("%s", res.AppendTo(nil))
		}
		c.open = true // the nonce was used up
		if !mirror {
			w.prove(h, "alice", "secret", phone, "Expires: 60").want(w, 200)
			if got := c.last().Get("Expires"); got != "4000" {
				t.Errorf("asked for %s", got)
			}
		}
		c.least = 0
		for _, code := range []int{500, 503, 480, 600} {
			c.status = code
			w.by(source("203.0.113.7:5099"), "alice", "phone-alice", phone, "Expires: 60").want(w, code)
		}
		c.status = 302
		res = w.by(source("203.0.113.7:5099"), "alice", "phone-alice", phone, "Expires: 60").want(w, 503).res
		if strings.Contains(string(res.AppendTo(nil)), "10.66") {
			t.Errorf("%s", res.AppendTo(nil))
		}
		if n := w.table.count.Load(); n != 1 {
			t.Errorf("%d bindings after failures", n)
		}
	})
}

// TestUpstreamFails: what is registered stays to its end upstream, whatever the phone asked for; who may not register any
// more is gone.
func TestUpstreamFails(t *testing.T) {
	modes(t, func(w *world, c *core, mode sbc.RegistrationMode) {
		h := source(phoneAt)
		w.prove(h, "alice", "secret", phone, "Expires: 60").want(w, 200)
		end := c.contacts[c.only()]
		until := func(d time.Duration) { // the phone refreshes
			for time.Until(end) > d {
				time.Sleep(min(30*time.Second, time.Until(end)-d))
				w.prove(h, "alice", "secret", phone, "Expires: 60")
			}
		}
		if mode != sbc.RegistrationMirror {
			until(72 * time.Second)
			time.Sleep(5 * time.Second)
		}
		c.status = 503
		w.by(h, "alice", "phone-alice", phone, "Expires: 60").want(w, 503)
		if s := w.shownUpstream(); s.State != sbc.UpstreamFailing || s.Status != 503 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Until(end) - 5*time.Second)
		synctest.Wait()
		if n := w.table.count.Load(); n != 1 {
			t.Fatal("gone before its end upstream")
		}
		c.status = 404
		w.by(h, "alice", "phone-alice", phone, "Expires: 60").want(w, 404)
		if n := w.table.count.Load(); n != 0 {
			t.Fatal("still there")
		}
	})
}

// TestUpstreamIsSilent: the phone hears of it before it gives up.
func TestUpstreamIsSilent(t *testing.T) {
	modes(t, func(w *world, c *core, _ sbc.RegistrationMode) {
		c.silent = true
		m, err := msg.Parse([]byte("REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP " + phoneAt + ";branch=z9hG4bK1\r\n" +
			"Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=f\r\nTo: <sip:alice@example.com>\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\n" + phone +
			"\r\nContent-Length: 0\r\n\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		m.Hop = source(phoneAt)
		x := &tx{req: m}
		w.Handle(x, m, w.domain, w.domain.Guest("alice"))
		time.Sleep(upstreamPatience + time.Second)
		synctest.Wait()
		if x.res == nil || x.res.Status != 504 || w.up.carrying.Load() != 0 {
			t.Errorf("%v, %d wait", x.res, w.up.carrying.Load())
		}
	})
}

// TestUpstreamSurvives: after a restart refreshes are answered here as before, and calls find the phone.
func TestUpstreamSurvives(t *testing.T) {
	modes(t, func(w *world, c *core, mode sbc.RegistrationMode) {
		h := source(phoneAt)
		w.prove(h, "alice", "secret", phone, "Expires: 60").want(w, 200)
		token := c.only()
		w.stop()
		w.start()
		w.run()
		if phones, _, user, ok := w.ByToken(token); len(phones) != 1 || user != "alice" || !ok {
			t.Errorf("%v %s %v", phones, user, ok)
		}
		before := c.last().CallID
		c.took()
		w.prove(h, "alice", "secret", phone, "Expires: 60").want(w, 200)
		if n := c.took(); (n == 0) != (mode != sbc.RegistrationMirror) || c.only() != token {
			t.Errorf("upstream heard %d REGISTERs and keeps %v", n, c.contacts)
		}
		w.prove(h, "alice", "secret", phone, "Expires: 0").want(w, 200)
		if c.last().CallID == before || len(c.contacts) != 0 {
			t.Errorf("Call-ID %s was %s; upstream keeps %v", c.last().CallID, before, c.contacts)
		}
	})
}

// TestOrphans: what ends here without a REGISTER is taken away upstream where our address is believed.
func TestOrphans(t *testing.T) {
	modes(t, func(w *world, c *core, mode sbc.RegistrationMode) {
		c.open = true
		w.prove(source(phoneAt), "alice", "secret", phone, "Expires: 60").want(w, 200)
		if mode == sbc.RegistrationMirror { // it ends there by itself
			page, _, _ := w.Registrations(t.Context(), sbc.RegistrationQuery{})
			if err := w.Unregister(t.Context(), "", page[0].ID); err != nil {
				t.Fatal(err)
			}
		} else {
			time.Sleep(61 * time.Second)
		}
		synctest.Wait()
		if len(c.contacts) != 0 || w.table.count.Load() != 0 || w.up.carrying.Load() != 0 {
			t.Errorf("upstream keeps %v, we %d", c.contacts, w.table.count.Load())
		}
	})
}

// TestWrongPasswordsUpstream: the guard hears of them, and believes a source only that was given the nonce.
func TestWrongPasswordsUpstream(t *testing.T) {
	virtual(t, func(w *world) {
		c := w.midway(sbc.RegistrationMirror, nil)
		var seen blamed
		w.o.Guard = &seen
		h := source(phoneAt)
		challenge := w.by(h, "alice", "phone-alice", phone).want(w, 401).res
		w.by(h, "alice", "phone-alice", phone, answerOf(t, challenge, "alice", "wrong")).want(w, 401)
		wrong := answerOf(t, challenge, "alice", "wrong")
		w.by(source("203.0.113.99:5060"), "alice", "x", "Contact: <sip:alice@10.0.0.9>", wrong).want(w, 401)
		c.status = 403
		w.by(h, "alice", "phone-alice", phone, answerOf(t, challenge, "alice", "wrong")).want(w, 403)
		c.status = 0
		w.prove(h, "alice", "secret", phone).want(w, 200)
		if seen != (blamed{right: 1, proven: 2, forged: 1}) {
			t.Errorf("%+v", seen)
		}
	})
}

type blamed struct{ right, proven, forged int }

func (b *blamed) Authenticated(msg.Hop, string) { b.right++ }
func (b *blamed) Failed(_ msg.Hop, domainID, username string, proven bool) {
	switch {
	case domainID != "dom_1" || username != "alice":
	case proven:
		b.proven++
	default:
		b.forged++
	}
}
