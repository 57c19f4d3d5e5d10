package registrant

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// wire is the carrier's network.
type wire struct {
	mu   sync.Mutex
	sent []*sent
	// kept counts keep-alives, which are answered with gone; held is how long the connection is.
	kept int
	gone error
	held time.Duration
}

// KeepAlive counts, and says what it was told to.
func (w *wire) KeepAlive(msg.Hop) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept++
	return w.gone
}

// Hold notes for how long a connection is held.
func (w *wire) Hold(_ msg.Hop, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = d
}

// sent is a REGISTER of ours.
type sent struct {
	o   msg.Outbound
	req *msg.Message
}

func (w *wire) Send(o msg.Outbound) msg.ClientTx {
	s := &sent{o: o}
	o.Owner.Prepare(o.Request, s.Local())
	s.req = o.Request.Clone()
	w.mu.Lock()
	w.sent = append(w.sent, s)
	w.mu.Unlock()
	return s
}

func (*sent) Cancel(...msg.Header) {}
func (*sent) Hop() msg.Hop         { return msg.Hop{} }
func (*sent) Local() msg.Local {
	return msg.Local{Interface: "sif_1", Transport: sbc.TransportUDP, Host: "192.0.2.1", Port: 5060}
}

// answer answers it; extra are header lines.
func (s *sent) answer(code int, extra ...string) {
	res := msg.NewResponse(s.req, code, "")
	for _, e := range extra {
		name, value, _ := strings.Cut(e, ": ")
		res.Append(name, value)
	}
	res.Hop.Remote = netip.MustParseAddrPort("198.51.100.7:5060")
	s.o.Owner.Response(s, res)
}

// world is a Manager with one registrant.
type world struct {
	t    *testing.T
	m    *Manager
	w    *wire
	mu   sync.Mutex
	snap *config.Snapshot
	rows []sbc.Resource
	rev  int64
	told []sbc.Event
	done chan struct{}
}

func (x *world) get() *config.Snapshot {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.snap
}

// hear takes an event.
func (x *world) hear(e sbc.Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.told = append(x.told, e)
}

// configure serves a configuration with another registrant; nil is none.
func (x *world) configure(edit func(r *sbc.Registrant)) {
	x.t.Helper()
	x.rev++
	meta := func(id string) sbc.Meta {
		return sbc.Meta{ID: id, TenantID: sbc.DefaultTenantID, Name: id, Enabled: true, Revision: x.rev}
	}
	realm, trunk, iface := &sbc.Realm{Meta: meta("rlm_1")}, &sbc.Trunk{Meta: meta("trk_1")}, &sbc.SIPInterface{Meta: meta("sif_1")}
	realm.Defaults()
	trunk.Defaults()
	iface.Defaults()
	trunk.RealmID, iface.RealmID, iface.BindAddress = "rlm_1", "rlm_1", "192.0.2.1"
	rows := []sbc.Resource{&sbc.Tenant{Meta: sbc.Meta{ID: sbc.DefaultTenantID, Name: "default", Enabled: true}}, realm, trunk, iface}
	if edit != nil {
		r := &sbc.Registrant{Meta: meta("rgt_1")}
		r.Defaults()
		r.TrunkID, r.Registrar, r.AORUser, r.Credentials.Password = "trk_1", "carrier.example", "4930123", "secret"
		edit(r)
		rows = append(rows, r)
	}
	snap, err := config.Compile(rows, x.rev)
	if err != nil {
		x.t.Fatal(err)
	}
	x.mu.Lock()
	x.snap, x.rows = snap, rows
	x.mu.Unlock()
}

func plain(*sbc.Registrant) {}

// run plays with a Manager in a bubble of virtual time.
func run(t *testing.T, edit func(r *sbc.Registrant), play func(x *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := &world{t: t, w: &wire{}, done: make(chan struct{})}
		x.configure(edit)
		x.m = New(Options{Snapshot: x.get, Wire: x.w, Secret: []byte("s"), Events: x.hear})
		ctx, stop := context.WithCancel(context.Background())
		go func() { defer close(x.done); x.m.Run(ctx) }()
		defer func() { stop(); <-x.done }()
		play(x)
	})
}

// next takes the oldest REGISTER that was not looked at.
func (x *world) next() *sent {
	x.t.Helper()
	synctest.Wait()
	x.w.mu.Lock()
	defer x.w.mu.Unlock()
	if len(x.w.sent) == 0 {
		x.t.Fatalf("no REGISTER; %+v", x.m.entries["rgt_1"])
	}
	s := x.w.sent[0]
	x.w.sent = x.w.sent[1:]
	return s
}

// none sees that nothing is sent for a while.
func (x *world) none(d time.Duration) {
	x.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	x.w.mu.Lock()
	defer x.w.mu.Unlock()
	for _, s := range x.w.sent {
		x.t.Fatalf("after at most %v there is\n%s", d, s.req.AppendTo(nil))
	}
}

// within waits for the next REGISTER, which comes after least and before most.
func (x *world) within(least, most time.Duration) *sent {
	x.t.Helper()
	x.none(least - time.Millisecond)
	time.Sleep(most - least + time.Millisecond + tick)
	return x.next()
}

// is sees the state.
func (x *world) is(want sbc.RegistrantState, code int) sbc.RegistrantStatus {
	x.t.Helper()
	synctest.Wait()
	s, ok := x.m.Status("rgt_1")
	if !ok || s.State != want || s.Code != code {
		x.t.Fatalf("%+v, want %s with %d", s, want, code)
	}
	return s
}

func ask(nonce string, stale bool) string {
	c := digest.Challenge{Realm: "carrier", Nonce: nonce, Algorithm: digest.SHA256, QOP: []digest.QOP{digest.Auth}, Stale: stale}
	return "WWW-Authenticate: " + c.String()
}

func (x *world) proves(s *sent, nonce, password string, count uint32) {
	x.t.Helper()
	c, err := digest.ParseCredentials(s.req.Get("Authorization"))
	if err != nil || c.Nonce != nonce || c.Count != count || c.URI != s.req.RequestURI.String() ||
		!c.Check(digest.HA1(digest.SHA256, "4930123", "carrier", password), "REGISTER", nil) {
		x.t.Fatalf("%v: %+v", err, c)
	}
}

// TestRegister: challenged, registered, refreshed in time with the credentials at hand, by the same Call-ID and rising numbers, and taken
// back at the end.
func TestRegister(t *testing.T) {
	run(t, plain, func(x *world) {
		first := x.next()
		x.is(sbc.RegistrantRegistering, 0)
		if r := first.req; r.RequestURI.String() != "sip:carrier.example" || r.From.URI.String() != "sip:4930123@carrier.example" ||
			r.To.URI.String() != "sip:4930123@carrier.example" || r.Get("Expires") != "3600" || r.Has("Authorization") ||
			first.o.Target.Host != "carrier.example" || len(first.o.Target.Interfaces) != 1 {
			t.Fatalf("%+v\n%s", first.o.Target, r.AppendTo(nil))
		}
		first.answer(401, ask("n1", false))
		second := x.next()
		x.proves(second, "n1", "secret", 1)
		contact, _ := second.req.Contact()
		if second.req.CallID != first.req.CallID || second.req.CSeq.Seq != first.req.CSeq.Seq+1 || len(contact.URI.User) != 24 {
			t.Fatalf("%s", second.req.AppendTo(nil))
		}
		second.answer(200, "Contact: <sip:other@x>;expires=9", "Contact: "+contact.String(), "Contact: <sip:third@x>")
		x.is(sbc.RegistrantRegistered, 200)
		again := x.within(3060*time.Second*80/85, 3060*time.Second)
		x.proves(again, "n1", "secret", 2)
		if again.req.CallID != first.req.CallID || again.req.CSeq.Seq != second.req.CSeq.Seq+1 || again.req.From.Tag() != first.req.From.Tag() {
			t.Fatalf("%s", again.req.AppendTo(nil))
		}
		again.answer(401, ask("n2", true)) // stale
		last := x.next()
		x.proves(last, "n2", "secret", 1)
		last.answer(200, "Expires: 600")
		if s := x.is(sbc.RegistrantRegistered, 200); time.Until(*s.ExpiresAt) > 600*time.Second || s.Contact != "sip:"+contact.URI.User+"@192.0.2.1:5060" {
			t.Errorf("%+v", s)
		}
		go func() { _ = x.m.Close(context.Background()) }()
		bye := x.next()
		if c, _ := bye.req.Contact(); bye.req.Get("Expires") != "0" || c.URI.User != contact.URI.User || bye.req.CSeq.Seq != last.req.CSeq.Seq+1 {
			t.Errorf("%s", bye.req.AppendTo(nil))
		}
		bye.answer(401, ask("n3", true))
		x.next().answer(200)
		x.none(time.Hour)
		states := []string{}
		x.mu.Lock()
		defer x.mu.Unlock()
		for _, e := range x.told {
			states = append(states, e.Data["state"])
		}
		if got := strings.Join(states, " "); got != "registering registered unregistering disabled" {
			t.Errorf("events: %s", got)
		}
	})
}

// TestWrongCredentials stop, until the password is changed; that counts at once.
func TestWrongCredentials(t *testing.T) {
	run(t, plain, func(x *world) {
		x.next().answer(401, ask("n1", false))
		x.next().answer(401, ask("n2", false))
		x.is(sbc.RegistrantWrongCredentials, 401)
		x.none(2 * time.Hour)
		x.configure(func(r *sbc.Registrant) { r.Credentials.Password = "changed" })
		x.within(time.Millisecond, tick).answer(401, ask("n3", false))
		s := x.next()
		x.proves(s, "n3", "changed", 1)
		s.answer(200)
		x.is(sbc.RegistrantRegistered, 200)
	})
	run(t, func(r *sbc.Registrant) { r.Credentials.Realm = "elsewhere" }, func(x *world) {
		x.next().answer(401, ask("n1", false))
		x.is(sbc.RegistrantWrongCredentials, 401)
	})
	run(t, plain, func(x *world) { // an endless challenge is tried again later, as other failures
		for n := range 4 {
			x.next().answer(401, ask("n"+strconv.Itoa(n), true))
		}
		x.is(sbc.RegistrantRejected, 401)
		x.within(27*time.Second, 30*time.Second)
	})
}

// TestChangedPassword: at a registrar that knows the new password already, the old nonce is used up.
func TestChangedPassword(t *testing.T) {
	run(t, plain, func(x *world) {
		x.next().answer(200)
		x.configure(func(r *sbc.Registrant) { r.Credentials.Password = "new" })
		s := x.within(time.Millisecond, tick)
		s.answer(401, ask("n", false))
		s = x.next()
		x.proves(s, "n", "new", 1)
		s.answer(200)
		x.is(sbc.RegistrantRegistered, 200)
		x.none(40 * time.Minute)
	})
}

// TestBackoff: silence, refusals, Retry-After; the wait doubles up to its cap, with chance in it.
func TestBackoff(t *testing.T) {
	run(t, func(r *sbc.Registrant) { r.RetryS, r.MaxRetryS = 30, 200 }, func(x *world) {
		x.next().o.Owner.Failed(nil, msg.ErrNoResponse)
		x.is(sbc.RegistrantUnreachable, 0)
		for _, wait := range []time.Duration{30, 60, 120, 200, 200} {
			s := x.within(wait*time.Second*9/10, wait*time.Second)
			s.answer(500)
			x.is(sbc.RegistrantRejected, 500)
		}
		s := x.within(180*time.Second, 200*time.Second)
		s.answer(503, "Retry-After: 1200 (later);duration=3")
		s = x.within(1200*time.Second, 1320*time.Second)
		s.answer(503, "Retry-After: 1")
		s = x.within(180*time.Second, 200*time.Second)
		s.answer(200)
		x.is(sbc.RegistrantRegistered, 200)
	})
}

// TestIntervalTooBrief: 423 is followed at once, and remembered; a registrar that is never content is a failure.
func TestIntervalTooBrief(t *testing.T) {
	run(t, func(r *sbc.Registrant) { r.ExpiresS = 600 }, func(x *world) {
		x.next().answer(423, "Min-Expires: 1800")
		s := x.next()
		if c, _ := s.req.Contact(); s.req.Get("Expires") != "1800" || !strings.Contains(c.String(), "expires=1800") {
			t.Fatalf("%s", s.req.AppendTo(nil))
		}
		s.answer(200)
		s = x.within(1440*time.Second, 1530*time.Second)
		if s.req.Get("Expires") != "1800" {
			t.Error("forgotten")
		}
		s.answer(423, "Min-Expires: 2400")
		x.next().answer(423, "Min-Expires: 3000")
		x.is(sbc.RegistrantRejected, 423)
		x.none(10 * time.Second)
	})
}

// TestNotKept is a 200 that says that the contact is not kept.
func TestNotKept(t *testing.T) {
	run(t, plain, func(x *world) {
		s := x.next()
		c, _ := s.req.Contact()
		s.answer(200, "Contact: <"+c.URI.String()+">;expires=0")
		x.is(sbc.RegistrantRejected, 200)
	})
}

// TestGone: who is deleted or disabled takes leave, first of the old where the registrar is another, and nobody waits for ever for an
// answer.
func TestGone(t *testing.T) {
	run(t, plain, func(x *world) {
		x.next().answer(200)
		x.configure(func(r *sbc.Registrant) { r.Enabled = false })
		bye := x.within(time.Millisecond, tick)
		if bye.req.Get("Expires") != "0" {
			t.Errorf("%s", bye.req.AppendTo(nil))
		}
		x.is(sbc.RegistrantUnregistering, 200)
		x.configure(plain) // too early
		x.none(time.Second)
		bye.o.Owner.Failed(nil, msg.ErrNoResponse)
		s := x.within(time.Millisecond, tick)
		if s.req.Get("Expires") != "3600" || s.req.CallID == bye.req.CallID {
			t.Errorf("%s", s.req.AppendTo(nil))
		}
		x.configure(func(r *sbc.Registrant) { r.Registrar = "other.example" })
		x.none(time.Second) // the answer may be yes
		s.answer(200)
		bye = x.next()
		if bye.req.Get("Expires") != "0" || bye.req.RequestURI.Host != "carrier.example" {
			t.Errorf("%s", bye.req.AppendTo(nil))
		}
		bye.answer(200)
		s = x.within(time.Millisecond, tick)
		if s.req.RequestURI.Host != "other.example" {
			t.Errorf("%s", s.req.AppendTo(nil))
		}
		s.o.Owner.Failed(nil, msg.ErrTransport)
		x.configure(nil)
		x.none(time.Hour) // nobody knows it
		if _, ok := x.m.Status("rgt_1"); ok || len(x.m.users) != 0 {
			t.Error("it is known")
		}
	})
}

// TestInbound: a call to our contact is the trunk's; one that can be guessed must come from who has answered.
func TestInbound(t *testing.T) {
	call := func(user, from, iface string, more ...msg.Header) *msg.Message {
		var uri, to msg.URI
		uri.Scheme, uri.User, uri.Host = "sip", user, "192.0.2.1"
		to.Scheme, to.User, to.Host = "sip", "+4930555", "carrier.example"
		req := msg.NewRequest(msg.INVITE, uri)
		req.SetTo(msg.NameAddr{URI: to})
		for _, h := range more {
			req.Append(h.Name, h.Value)
		}
		req.Hop.Remote, req.Hop.Interface = netip.AddrPortFrom(netip.MustParseAddr(from), 5060), iface
		return req
	}
	run(t, plain, func(x *world) {
		s := x.next()
		c, _ := s.req.Contact()
		if _, _, _, ok := x.m.Inbound(call(c.URI.User, "203.0.113.1", "sif_1")); ok {
			t.Error("before it was registered")
		}
		s.answer(200)
		trunk, id, number, ok := x.m.Inbound(call(c.URI.User, "203.0.113.1", "sif_1"))
		if !ok || trunk != "trk_1" || id != "rgt_1" || number != "+4930555" {
			t.Errorf("%s %s %s %v", trunk, id, number, ok)
		}
		_, _, number, _ = x.m.Inbound(call(c.URI.User, "203.0.113.1", "sif_1", msg.Header{Name: "P-Called-Party-ID", Value: "<sip:+4930777@x>"}))
		if number != "+4930777" {
			t.Errorf("called %s", number)
		}
		for _, req := range []*msg.Message{call(c.URI.User, "203.0.113.1", "sif_2"), call("guess", "198.51.100.7", "sif_1")} {
			if _, _, _, ok := x.m.Inbound(req); ok {
				t.Errorf("%s is the trunk's", req.RequestURI.String())
			}
		}
		time.Sleep(3600 * time.Second)
		if _, _, _, ok := x.m.Inbound(call(c.URI.User, "203.0.113.1", "sif_1")); ok {
			t.Error("after it expired")
		}
	})
	run(t, func(r *sbc.Registrant) { r.ContactUser = "4930123" }, func(x *world) {
		x.next().answer(200)
		if _, _, _, ok := x.m.Inbound(call("4930123", "203.0.113.1", "sif_1")); ok {
			t.Error("a stranger guessed the contact")
		}
		if _, _, _, ok := x.m.Inbound(call("4930123", "198.51.100.7", "sif_1")); !ok {
			t.Error("the registrar is not known")
		}
	})
}
