package register

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	auth "github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// core is an upstream registrar that asks for passwords.
type core struct {
	w  *world
	mu sync.Mutex
	// asked are the REGISTERs that came; contacts are the user parts of those it keeps, with their ends.
	asked    []*msg.Message
	contacts map[string]time.Time
	nonces   map[string]bool
	// open believes everybody; silent answers nobody; status, where it is not 0, is said to everybody; least and most bound times in
	// seconds.
	open, silent bool
	status       int
	least, most  int
}

// midway makes the world's domain one whose accounts are upstream.
func (w *world) midway(mode sbc.RegistrationMode, more func(p *sbc.RegistrationPolicy)) *core {
	w.t.Helper()
	c := &core{w: w, contacts: map[string]time.Time{}, nonces: map[string]bool{}, most: 7200}
	d := *w.domain
	d.Registration.Mode, d.Registration.UpstreamTrunkID, d.Registration.MinExpiresS = mode, "trk_a", 30
	if more != nil {
		more(&d.Registration)
	}
	w.domain, w.rows[len(w.rows)-1] = &d, &d
	w.revision++
	w.configure(w.revision)
	w.wire.upstream = c.hear
	return c
}

func (c *core) hear(o msg.Outbound) {
	local := msg.Local{Interface: o.Target.Interfaces[0], Transport: sbc.TransportUDP, Host: "198.51.100.1", Port: 5060}
	o.Owner.Prepare(o.Request, local)
	o.Request.Prepend("Via", "SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK"+msg.NewTag())
	req, err := msg.Parse(o.Request.AppendTo(nil))
	if err != nil {
		c.w.t.Errorf("%v\n%s", err, o.Request.AppendTo(nil))
		return
	}
	c.mu.Lock()
	c.asked = append(c.asked, req)
	silent := c.silent
	c.mu.Unlock()
	if silent {
		time.AfterFunc(o.Timers.B, func() { o.Owner.Failed(nil, msg.ErrNoResponse) })
		return
	}
	res := c.answer(req)
	go o.Owner.Response(nil, res)
}

func (c *core) answer(req *msg.Message) *msg.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != 0 {
		return msg.NewResponse(req, c.status, "at 10.66.66.66")
	}
	if !c.open {
		a, err := auth.ParseCredentials(req.Get("Authorization"))
		ha1 := auth.HA1(auth.MD5, req.To.URI.User, "core", "secret")
		if err != nil || !c.nonces[a.Nonce] || a.Username != req.To.URI.User || !a.Check(ha1, "REGISTER", nil) {
			nonce := "nonce-" + strconv.Itoa(len(c.nonces))
			c.nonces[nonce] = true
			res := msg.NewResponse(req, 401, "")
			res.Append("WWW-Authenticate", `Digest realm="core", nonce="`+nonce+`", domain="sip:10.66.66.66"`)
			return res
		}
		delete(c.nonces, a.Nonce)
	}
	if req.Get("Contact") == "*" {
		clear(c.contacts)
	}
	list, _ := req.Contacts()
	for _, x := range list {
		if x.URI.Wildcard {
			continue
		}
		text, _ := msg.Param(x.Params, "expires")
		n, err := strconv.Atoi(text)
		if err != nil {
			c.w.t.Errorf("Contact %s", x)
		}
		if n > 0 && n < c.least {
			res := msg.NewResponse(req, 423, "")
			res.Append("Min-Expires", strconv.Itoa(c.least))
			return res
		}
		if delete(c.contacts, x.URI.User); n > 0 {
			c.contacts[x.URI.User] = time.Now().Add(time.Duration(min(n, c.most)) * time.Second)
		}
	}
	res := msg.NewResponse(req, 200, "")
	res.Append("Service-Route", "<sip:10.66.66.66;lr>")
	for user, end := range c.contacts {
		res.Append("Contact", fmt.Sprintf("<sip:%s@198.51.100.1:5060>;expires=%d", user, int(time.Until(end)/time.Second)))
	}
	return res
}

// took gives how many REGISTERs came since the last time.
func (c *core) took() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.asked)
	c.asked = nil
	return n
}

func (c *core) last() *msg.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[len(c.asked)-1]
}

// only gives the one contact that is kept.
func (c *core) only() string {
	c.w.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.contacts) != 1 {
		c.w.t.Fatalf("upstream keeps %v", c.contacts)
	}
	for user := range c.contacts {
		return user
	}
	return ""
}

// prove registers with the answer to the challenge, if there is one.
func (w *world) prove(h msg.Hop, user, password string, headers ...string) *tx {
	w.t.Helper()
	t := w.by(h, user, "phone-"+user, headers...)
	if t.res.Status != 401 {
		return t
	}
	return w.by(h, user, "phone-"+user, append(headers, answerOf(w.t, t.res, user, password))...)
}

func answerOf(t *testing.T, res *msg.Message, user, password string) string {
	t.Helper()
	c, err := auth.ParseChallenge(res.Get("WWW-Authenticate"))
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: " + c.Answer(auth.Request{
		Username: user, HA1: auth.HA1(auth.MD5, user, c.Realm, password), Method: "REGISTER", URI: "sip:example.com",
	}).String()
}

// modes are those with an upstream registrar.
func modes(t *testing.T, f func(w *world, c *core, mode sbc.RegistrationMode)) {
	for _, mode := range []sbc.RegistrationMode{sbc.RegistrationMirror, sbc.RegistrationThrottleContact, sbc.RegistrationThrottleAOR} {
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

// TestUpstreamDecides: the challenge and the answer are the upstream registrar's, the contact there is ours, and nothing of the phone is
// told but its answer to the challenge.
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
		if got := ok.contacts(); len(got) != 1 || !strings.HasPrefix(got[0], "<sip:alice@203.0.113.7:5062>;expires=60") || ok.res.Has("Service-Route") {
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

// TestRefreshes: the upstream registrar hears of refreshes as the mode says, and in time before its end; of the phone's end at once.
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
			{"Contact: <sip:alice@203.0.113.99:5060>", "Expires: 60"}, {"Contact: <sip:alice@10.0.0.9>", "Expires: 60"}, {phone, "Expires: 0"}, {"Contact: *", "Expires: 0"}, nil,
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

// TestSharedContact: with a contact for each address of record the upstream registrar hears of the first phone, of others only so that
// they prove themselves, and of the end only of the last.
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
		if res := w.by(source("203.0.113.7:5099"), "alice", "phone-alice", phone, "Expires: 60").want(w, 503).res; strings.Contains(string(res.AppendTo(nil)), "10.66") {
			t.Errorf("%s", res.AppendTo(nil))
		}
		if n := w.table.count.Load(); n != 1 {
			t.Errorf("%d bindings after failures", n)
		}
	})
}

// TestUpstreamFails: what is registered stays to its end upstream, whatever the phone asked for; who may not register any more is gone.
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
		m, err := msg.Parse([]byte("REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP " + phoneAt + ";branch=z9hG4bK1\r\nMax-Forwards: 70\r\n" +
			"From: <sip:alice@example.com>;tag=f\r\nTo: <sip:alice@example.com>\r\nCall-ID: x\r\nCSeq: 1 REGISTER\r\n" + phone +
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
		w.by(source("203.0.113.99:5060"), "alice", "x", "Contact: <sip:alice@10.0.0.9>", answerOf(t, challenge, "alice", "wrong")).want(w, 401)
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

// TestThrottling: a thousand phones refresh every 30 s for an hour; at least 90 % less reaches the upstream registrar.
func TestThrottling(t *testing.T) {
	const rounds, perUser = 120, 4
	phones := 1000
	if underRace {
		phones = 100
	}
	for _, mode := range []sbc.RegistrationMode{sbc.RegistrationThrottleContact, sbc.RegistrationThrottleAOR} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(w *world) {
				c := w.midway(mode, nil)
				sent := 0
				for round := range rounds {
					again := map[int]string{} // answers to challenges
					for first := true; first || len(again) > 0; first = false {
						list := make([]*tx, phones)
						for i := range phones {
							if answer, asked := again[i]; first || asked {
								list[i] = w.throw(i/perUser, i, answer)
								sent++
							}
						}
						synctest.Wait()
						clear(again)
						for i, x := range list {
							switch {
							case x == nil:
							case x.res == nil:
								t.Fatalf("phone %d has no answer", i)
							case x.res.Status == 401:
								again[i] = answerOf(t, x.res, "user"+strconv.Itoa(i/perUser), "secret")
							case x.res.Status != 200:
								t.Fatalf("phone %d in round %d: %s", i, round, x.res.StartLine())
							}
						}
					}
					time.Sleep(30 * time.Second)
				}
				told := c.took()
				t.Logf("%d REGISTERs of phones, %d upstream: %.1f %% fewer", sent, told, 100-100*float64(told)/float64(sent))
				if told*10 > sent || w.table.count.Load() != int64(phones) {
					t.Errorf("%d of %d REGISTERs went upstream; %d bindings", told, sent, w.table.count.Load())
				}
			})
		})
	}
}

// throw sends a REGISTER of phone i, which is a user's.
func (w *world) throw(user, i int, answer string) *tx {
	w.cseq++
	at := fmt.Sprintf("203.0.%d.%d:5062", 113+i/250, 1+i%250)
	if answer != "" {
		answer += "\r\n"
	}
	m, err := msg.Parse([]byte(fmt.Sprintf("REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"+
		"From: <sip:user%d@example.com>;tag=f\r\nTo: <sip:user%d@example.com>\r\nCall-ID: phone-%d\r\nCSeq: %d REGISTER\r\n"+
		"Contact: <sip:user%d@%s>\r\nExpires: 60\r\n%sContent-Length: 0\r\n\r\n", at, w.cseq, user, user, i, w.cseq, user, at, answer)))
	if err != nil {
		w.t.Fatal(err)
	}
	m.Hop = source(at)
	t := &tx{req: m}
	w.Handle(t, m, w.domain, w.domain.Guest("user"+strconv.Itoa(user)))
	return t
}
