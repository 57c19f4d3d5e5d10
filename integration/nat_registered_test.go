package integration

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// homes is a laboratory of NATs behind which phones register: a realm of phones in the west, a trunk in the east whose phone
// calls them.
type homes struct {
	*natNet
	w     wiring
	dir   string
	trunk *natPhone
}

// newHomes opens one; forget is after how many seconds its NATs forget a binding, 0 for never.
func newHomes(t *testing.T, behindNAT bool, transport string, forget int) *homes {
	t.Helper()
	l := newNATLab(t, behindNAT)
	l.forget = forget
	h := &homes{dir: t.TempDir()}
	h.natNet = &natNet{t: t, lab: l, b: startBorder(t, app.Options{DataDir: h.dir})}
	s := newSides(t)
	s.west, s.westPeer = l.bound[0], l.bound[1]
	h.w = h.b.connect(s, wish{westRealm: rest.Object{"trust": "access"}})
	if transport != "udp" {
		h.b.create("/sip-interfaces", rest.Object{"name": transport, "realm_id": h.w.westRealm, "transport": transport,
			"bind_address": s.west.String(), "port": 5060})
	}
	if behindNAT {
		h.advertise()
	}
	h.trunk = &natPhone{tone: 1000, calls: map[string]*phone.Call{}}
	var err error
	h.trunk.Phone, err = phone.New(phone.Options{
		Address: s.eastPeer, Port: 5060, Name: "trunk", UserAgent: "trunk", Tone: h.trunk.tone,
		Incoming: func(c *phone.Call) {
			h.trunk.took(c)
			if err := c.Answer(); err != nil {
				t.Error(err)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.trunk.Close)
	return h
}

// advertise has the border name the addresses of the NAT before it.
func (h *homes) advertise() {
	h.t.Helper()
	for _, path := range []string{"/sip-interfaces", "/media-pools"} {
		var page rest.Page[struct {
			ID      string `json:"id"`
			RealmID string `json:"realm_id"`
		}]
		if err := h.b.Get(h.t.Context(), "/v1"+path, &page); err != nil {
			h.t.Fatal(err)
		}
		for _, x := range page.Items {
			if x.RealmID == h.w.westRealm {
				h.b.do("PATCH", path+"/"+x.ID, rest.Object{"advertised_address": h.lab.seen[0].String()}, nil)
			}
		}
	}
}

// phones makes a domain, to whose subscribers the trunk's calls with a prefix go.
func (h *homes) phones(name, prefix string, more rest.Object) (domain string) {
	h.t.Helper()
	domain = h.b.create("/domains", with(rest.Object{"name": name, "realm_id": h.w.westRealm, "routing_plan_id": h.w.plan}, more))
	h.b.create("/routing-plans/"+h.w.westPlan+"/rules", rest.Object{
		"name": name, "prefix": prefix, "action": "subscriber", "domain_id": domain,
	})
	return domain
}

// pingEachSecond has the contacts of domains pinged faster than the API lets anyone, so that minutes pass in seconds: it is
// written as another node would write it.
func (h *homes) pingEachSecond(domains ...string) {
	h.t.Helper()
	store := openStore(h.t, h.dir)
	err := store.Update(h.t.Context(), func(tx sbc.Tx) error {
		for _, id := range domains {
			r, err := tx.Get(sbc.KindDomain, "", id)
			if err != nil {
				return err
			}
			r.(*sbc.Domain).KeepAlive.IntervalS = 1
			if err := tx.Put(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		h.t.Fatal(err)
	}
	before := h.b.metric("sbc_config_revision")
	waitFor(h.t, func() bool { return h.b.metric("sbc_config_revision") > before }, "the written interval in force")
}

// user makes a subscriber of a domain with a number.
func (h *homes) user(domain, name, number string) {
	h.t.Helper()
	id := h.b.create("/subscribers", rest.Object{"domain_id": domain, "username": name, "password": password})
	h.b.create("/aliases", rest.Object{"name": number, "domain_id": domain, "subscriber_id": id})
}

// open opens a phone in a home.
func (h *homes) open(space, name string, port int) *natPhone {
	h.t.Helper()
	p := &natPhone{space: space, tone: 400, calls: map[string]*phone.Call{}}
	h.lab.inside(space, func() {
		var err error
		p.Phone, err = phone.New(phone.Options{
			Address: netip.MustParseAddr(insidePhone), Port: port, Name: name, UserAgent: name, Tone: p.tone,
			Incoming: func(c *phone.Call) { h.answer(p, c) },
		})
		if err != nil {
			h.t.Fatal(err)
		}
	})
	h.t.Cleanup(p.Close)
	return p
}

// register registers a phone.
func (h *homes) register(p *natPhone, domain, user string) {
	h.t.Helper()
	res, err := p.Register(patience(h.t, 10*time.Second), h.border(0), phone.Account{Domain: domain, User: user, Password: password})
	if err != nil || res.Status != 200 {
		h.t.Fatalf("%s behind %s: %v %v", user, p.kind, res, err)
	}
}

// called lets the trunk call a number, and gives the call when it is on its way.
func (h *homes) called(number string) *phone.Call {
	h.t.Helper()
	c, err := h.trunk.Dial(number, netip.AddrPortFrom(h.w.east, 5060))
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// arrives sees that a call to a phone arrives, with audio both ways, and ends it. Number is what the phone itself is called as.
func (h *homes) arrives(c *phone.Call, p *natPhone, user, what string) {
	ctx := patience(h.t, 20*time.Second)
	if code, err := c.Final(ctx); err != nil || code != 200 {
		h.t.Errorf("%s: final answer %d, %v", what, code, err)
		return
	}
	other := p.incoming(user)
	if other == nil {
		h.t.Errorf("%s: nobody was called", what)
		return
	}
	if !soon(func() bool { return hearsEnough(c, p.tone) && hearsEnough(other, h.trunk.tone) }) {
		h.t.Errorf("%s: the caller heard %+v, the phone %+v", what, c.Heard(), other.Heard())
	}
	if err := other.Hangup(ctx); err != nil {
		h.t.Errorf("%s: %v", what, err)
	}
	select {
	case <-c.Ended():
	case <-ctx.Done():
		h.t.Errorf("%s: the phone's BYE did not arrive", what)
	}
}

// kept is a phone whose binding is kept open in a certain way, or not.
type kept struct {
	*natPhone
	mode, user, number string
}

// alive counts the keep-alives of a mode that came.
func (k *kept) alive() int {
	what := "OPTIONS sip:"
	if k.mode == "udp" {
		what = "\x00\x00\x00\x00"
	}
	return bytes.Count(k.Received(), []byte(what))
}

// TestKeepAlivesHoldBindings is features.md 10.9: a phone behind a NAT that forgets is called after many times the time in which
// it forgets, because it is pinged, by OPTIONS or by four octets; one that is not pinged is not reached any more. The NATs forget
// within 2 s here, and pings come each second; with SALLYPORT_NAT_MINUTES=10 they forget within 30 s, as Linux does, pings come
// every 25, and the calls after ten minutes.
func TestKeepAlivesHoldBindings(t *testing.T) {
	t.Parallel()
	forget, interval, pings, minutes := 2, 5, 6, 0
	if _, err := fmt.Sscan(os.Getenv("SALLYPORT_NAT_MINUTES"), &minutes); err == nil {
		forget, interval, pings = 30, 25, minutes*60/25
	}
	h := newHomes(t, false, "udp", forget)
	modes, domains := []string{"options", "udp", "off"}, []string{}
	for i, mode := range modes {
		domains = append(domains, h.phones(mode+".example", fmt.Sprintf("49%d", i), rest.Object{
			"keep_alive": rest.Object{"mode": mode, "interval_s": interval},
		}))
	}
	if minutes == 0 {
		h.pingEachSecond(domains...)
	}
	var all []*kept
	for i, kind := range natKinds() {
		space, known := h.lab.home(kind, byte(16+i))
		for j, mode := range modes {
			k := &kept{mode: mode, user: string(kind), number: fmt.Sprintf("49%d%d", j, i)}
			h.user(domains[j], k.user, k.number)
			k.natPhone = h.open(space, k.user, 5060+j)
			k.kind, k.known = kind, known
			h.register(k.natPhone, mode+".example", k.user)
			all = append(all, k)
		}
	}
	began := time.Now()
	for _, k := range all {
		if k.mode != "off" && !soonIn(15*time.Second+time.Duration(minutes)*75*time.Second, func() bool { return k.alive() >= pings }) {
			t.Fatalf("%s behind %s got %d keep-alives", k.mode, k.kind, k.alive())
		}
	}
	t.Logf("%d keep-alives of each in %v", pings, time.Since(began))
	lost := map[*kept]*phone.Call{}
	for _, k := range all {
		if k.mode == "off" {
			lost[k] = h.called(k.number)
		}
	}
	var wait sync.WaitGroup
	for _, k := range all {
		if k.mode != "off" {
			wait.Go(func() { h.arrives(h.called(k.number), k.natPhone, k.user, k.mode+" behind "+string(k.kind)) })
		}
	}
	wait.Wait()
	for k, c := range lost {
		c.Cancel()
		if code, err := c.Final(patience(t, 10*time.Second)); err != nil || code == 200 {
			t.Errorf("%s, not kept alive: %d %v", k.kind, code, err)
		}
		if k.incoming(k.user) != nil || bytes.Contains(k.Received(), []byte("INVITE sip:")) {
			t.Errorf("%s NAT lets calls in that it should have forgotten: this test shows nothing", k.kind)
		}
	}
	for _, r := range h.b.cdrs(len(all)) {
		answered := r.FinalCode == 200
		if len(r.Attempts) != 1 || r.Attempts[0].RegistrationID == "" || answered != (r.Callee[:3] != "492") {
			t.Errorf("record %+v", r)
		}
	}
}

// TestRegisteredBehindBoth: border and phones are behind NAT, the border's a 1:1 one; phones register, are called, and hang up.
func TestRegisteredBehindBoth(t *testing.T) {
	t.Parallel()
	h := newHomes(t, true, "udp", 0)
	domain := h.phones("home.example", "490", nil)
	var wait sync.WaitGroup
	for i, kind := range natKinds() {
		space, known := h.lab.home(kind, byte(16+i))
		user, number := string(kind), fmt.Sprintf("490%d", i)
		h.user(domain, user, number)
		p := h.open(space, user, 5060)
		p.kind, p.known = kind, known
		h.register(p, "home.example", user)
		wait.Go(func() {
			h.arrives(h.called(number), p, user, "a call to "+user)
			told := p.Received()
			own := h.lab.bound[0].String()
			for _, secret := range []string{own + ":", own + "\r", h.w.east.String(), h.w.eastPeer.String()} {
				if bytes.Contains(told, []byte(secret)) {
					t.Errorf("%s is told %q:\n%s", user, secret, told)
				}
			}
		})
	}
	wait.Wait()
	for _, r := range h.b.registrations(len(natKinds()), "nat=address") {
		if at, err := netip.ParseAddrPort(r.Source); err != nil || !r.Reachable || at.Addr().As4()[3] < 16 {
			t.Errorf("%+v", r)
		}
	}
	for _, r := range h.b.cdrs(len(natKinds())) {
		if r.EndReason != sbc.EndCalleeBye || len(r.Media) != 2 || r.Media[0].RelayedPackets < 10 || r.Media[1].RelayedPackets < 10 {
			t.Errorf("record %+v", r)
		}
	}
	h.b.quiet()
}

// TestConnectionsBehindNAT: phones that came over TCP are kept reachable by CRLF; where nothing keeps the NAT's memory awake, the
// connection is found to be gone by the first call, which ends at once and not by a timeout; once the phone has opened another,
// calls reach it by that.
func TestConnectionsBehindNAT(t *testing.T) {
	t.Parallel()
	h := newHomes(t, false, "tcp", 2)
	on := h.phones("on.example", "491", nil)
	off := h.phones("off.example", "490", rest.Object{"keep_alive": rest.Object{"mode": "off"}})
	h.pingEachSecond(on, off)
	h.user(on, "on", "4910")
	h.user(off, "off", "4900")
	phones := map[string]*household{}
	for i, name := range []string{"on", "off"} {
		space, _ := h.lab.home(portRestricted, byte(16+i))
		x := &household{border: h.b, name: name + ".example"}
		h.lab.inside(space, func() {
			x.phone = newPeer(t, name, netip.AddrPortFrom(netip.MustParseAddr(insidePhone), 5060), h.border(0), true)
			h.stays(x, name)
		})
		phones[name] = x
	}
	waitFor(t, func() bool { return h.b.metric("sbc_keepalives_total", "sent") >= 6 }, "six keep-alives")
	rings := func(name, number string) {
		t.Helper()
		c := h.called(number)
		callee := phones[name].phone.ring()
		callee.say(callee.invite, 486, "", "")
		if code, err := c.Final(patience(t, 5*time.Second)); err != nil || code != 486 {
			t.Errorf("%s: %d %v", name, code, err)
		}
		callee.hear(msg.ACK)
	}
	rings("on", "4910")
	began := time.Now()
	if code, err := h.called("4900").Final(patience(t, 10*time.Second)); err != nil || code != 480 {
		t.Errorf("over a connection that a NAT has forgotten: %d %v", code, err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it was noticed after %v", took)
	}
	if r := h.b.registrations(1, "reachable=false")[0]; r.AOR != "off@off.example" || r.Connected {
		t.Errorf("%+v", r)
	}
	phones["off"].phone.nothing("a call over a connection that was forgotten", func(m *msg.Message) bool {
		return m.Method == msg.INVITE && m.IsRequest()
	})
	again := phones["off"]
	again.phone.mu.Lock()
	for _, c := range again.phone.conns {
		c.Close()
	}
	clear(again.phone.conns)
	again.phone.mu.Unlock()
	h.lab.inside(h.lab.names[len(h.lab.names)-1], func() { h.stays(again, "off") })
	rings("off", "4900")
}

// stays registers a raw phone over TCP from within its home.
func (h *homes) stays(x *household, user string) {
	h.t.Helper()
	x.want(x.register(user, password, "Contact: <sip:"+user+"@"+insidePhone+":5060;transport=tcp>", "Expires: 600"), 200)
}
