package integration

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// TestNAT lets phones behind the four kinds of NAT call each other through the border, each kind each, with audio both ways,
// and the caller or the callee hanging up; then the same with the border itself behind a 1:1 NAT. All phones have the same
// private address.
func TestNAT(t *testing.T) {
	for name, behindNAT := range map[string]bool{"border in the open": false, "border behind 1:1 NAT": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newNATLab(t, behindNAT)
			b := startBorder(t, app.Options{})
			n := &natNet{t: t, lab: l, b: b}
			n.provision()
			var wait sync.WaitGroup
			for i, west := range n.west {
				for j, east := range n.east {
					wait.Go(func() { n.call(west, east, fmt.Sprintf("49%d%d", j, i), (i+j)%2 == 0) })
				}
			}
			wait.Wait()
			for _, r := range b.cdrs(len(n.west) * len(n.east)) {
				if len(r.Media) != 2 || r.EndReason != sbc.EndCallerBye && r.EndReason != sbc.EndCalleeBye {
					t.Errorf("record %+v", r)
					continue
				}
				for _, s := range r.Media { // the first of one side may come before those of the other told where to
					if s.Packets < 10 || s.RelayedPackets < 10 {
						t.Errorf("stream of the %s: %+v", s.Side, s)
					}
				}
			}
			b.quiet()
			n.leaks()
		})
	}
}

// natPhone is a phone behind a NAT of a kind.
type natPhone struct {
	*phone.Phone
	kind  natKind
	space string
	known netip.Addr // the NAT's address
	tone  float64
	trunk string

	mu    sync.Mutex
	calls map[string]*phone.Call // that came in, by the number dialled
}

// natNet is a lab with a border and phones.
type natNet struct {
	t          testing.TB
	lab        *natLab
	b          *border
	west, east []*natPhone
	plan       string
	kinds      []natKind   // nil for all
	stun       *stunServer // asked for the border's addresses, nil to configure them
}

// provision makes the realms and a trunk for each home. Those of the east are called where the border saw them: their bindings
// were opened by a request of their own, as a registration would.
func (n *natNet) provision() {
	n.t.Helper()
	realms := [2]string{}
	for i, name := range []string{"west", "east"} {
		realms[i] = n.b.create("/realms", rest.Object{"name": name, "trust": "access"})
		own, known := n.lab.bound[i].String(), rest.Object{}
		if n.lab.bound[i] != n.lab.seen[i] {
			known["advertised_address"] = n.lab.seen[i].String()
		}
		if n.stun != nil {
			known = rest.Object{"advertised_stun_server": n.stun.at.String(), "advertised_stun_refresh_s": 5}
		}
		n.b.create("/sip-interfaces", with(rest.Object{"name": name, "realm_id": realms[i], "transport": "udp", "bind_address": own, "port": 5060}, known))
		n.b.create("/media-pools", with(rest.Object{"name": name, "realm_id": realms[i], "address": own, "port_min": 30000, "port_max": 30199}, known))
	}
	n.plan = n.b.create("/routing-plans", rest.Object{"name": "from-west"})
	if n.kinds == nil {
		all := natKinds()
		n.kinds = all[:]
	}
	for i, kind := range n.kinds {
		n.west = append(n.west, n.home(kind, "west", byte(16+i), realms[0]))
		n.east = append(n.east, n.home(kind, "east", byte(32+i), realms[1]))
		east := n.east[i]
		seen, err := east.Ping(patience(n.t, 10*time.Second), n.border(1))
		if err != nil {
			n.t.Fatal(err)
		}
		if moved := seen.Port() != east.Addr().Port(); seen.Addr() != east.known || moved != (kind == symmetric) {
			n.t.Errorf("a phone on port %d behind %s NAT %v is seen at %v", east.Addr().Port(), kind, east.known, seen)
		}
		n.b.create("/trunks/"+east.trunk+"/endpoints", rest.Object{"name": "peer", "address": seen.Addr().String(), "port": int(seen.Port())})
		list := n.b.create("/route-lists", rest.Object{"name": fmt.Sprintf("to-%s", kind)})
		n.b.create("/route-lists/"+list+"/targets", rest.Object{"name": "only", "trunk_id": east.trunk})
		n.b.create("/routing-plans/"+n.plan+"/rules", rest.Object{
			"name": string(kind), "prefix": fmt.Sprintf("49%d", i), "action": "route", "route_list_id": list,
		})
	}
}

// border is where one side finds the border.
func (n *natNet) border(side int) netip.AddrPort { return netip.AddrPortFrom(n.lab.seen[side], 5060) }

// home makes a NAT with a phone behind it, and the trunk it calls by.
func (n *natNet) home(kind natKind, side string, host byte, realm string) *natPhone {
	n.t.Helper()
	p := &natPhone{kind: kind, tone: 400, calls: map[string]*phone.Call{}}
	trunk := rest.Object{"name": side + "-" + string(kind), "realm_id": realm}
	if side == "west" {
		trunk["routing_plan_id"] = n.plan
	} else {
		p.tone = 1000
	}
	p.trunk = n.b.create("/trunks", trunk)
	p.space, p.known = n.lab.home(kind, host)
	n.b.create("/trunks/"+p.trunk+"/identities", rest.Object{"name": "peer", "cidr": p.known.String() + "/32"})
	n.lab.inside(p.space, func() {
		var err error
		p.Phone, err = phone.New(phone.Options{
			Address: netip.MustParseAddr(insidePhone), Port: 5060, Name: side, UserAgent: side + "-phone", Tone: p.tone,
			Incoming: func(c *phone.Call) { n.answer(p, c) },
		})
		if err != nil {
			n.t.Fatal(err)
		}
	})
	n.t.Cleanup(p.Close)
	return p
}

// answer takes a call on the phone's own network.
func (n *natNet) answer(p *natPhone, c *phone.Call) {
	p.took(c)
	c.Ring()
	n.lab.inside(p.space, func() {
		if err := c.Answer(); err != nil {
			n.t.Error(err)
		}
	})
}

// took remembers a call that came in.
func (p *natPhone) took(c *phone.Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[c.Dialled()] = c
}

func (p *natPhone) incoming(number string) *phone.Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[number]
}

// call lets one phone call another, both hear each other, and one of them hang up.
func (n *natNet) call(west, east *natPhone, number string, callerEnds bool) {
	what := fmt.Sprintf("%s calls %s", west.kind, east.kind)
	var c *phone.Call
	n.lab.inside(west.space, func() {
		var err error
		if c, err = west.Dial(number, n.border(0)); err != nil {
			n.t.Errorf("%s: %v", what, err)
		}
	})
	if c == nil {
		return
	}
	ctx := patience(n.t, 20*time.Second)
	if code, err := c.Final(ctx); err != nil || code != 200 {
		n.t.Errorf("%s: final answer %d, %v", what, code, err)
		return
	}
	other := east.incoming(number)
	if other == nil {
		n.t.Errorf("%s: nobody was called", what)
		return
	}
	if !soon(func() bool { return hearsEnough(c, east.tone) && hearsEnough(other, west.tone) }) {
		n.t.Errorf("%s: the caller heard %+v, the callee %+v", what, c.Heard(), other.Heard())
	}
	if from := c.Heard().From.Addr(); from != n.lab.seen[0] {
		n.t.Errorf("%s: audio from %v, want %v", what, from, n.lab.seen[0])
	}
	first, second := c, other
	if !callerEnds {
		first, second = other, c
	}
	if err := first.Hangup(ctx); err != nil {
		n.t.Errorf("%s: %v", what, err)
	}
	select {
	case <-second.Ended():
	case <-ctx.Done():
		n.t.Errorf("%s: the BYE did not arrive", what)
	}
}

// hearsEnough says whether a call had enough audio of a tone.
func hearsEnough(c *phone.Call, tone float64) bool {
	h := c.Heard()
	return h.Tone == tone && h.Packets >= 10
}

// soon looks again and again whether something has become true, without ending the test.
func soon(ok func() bool) bool { return soonIn(10*time.Second, ok) }

// soonIn is soon with a limit of its own.
func soonIn(limit time.Duration, ok func() bool) bool {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(limit); !ok(); <-ticker.C {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// leaks looks for addresses of one side in all that the other one was told: NATs, and the border's own behind its NAT.
func (n *natNet) leaks() {
	n.t.Helper()
	for _, side := range []struct{ own, other []*natPhone }{{n.west, n.east}, {n.east, n.west}} {
		for _, p := range side.own {
			told := p.Received()
			for _, other := range side.other {
				if bytes.Contains(told, []byte(other.known.String()+" ")) || bytes.Contains(told, []byte(other.known.String()+":")) {
					n.t.Errorf("a %s phone learns the address of a %s one", p.kind, other.kind)
				}
			}
			for i, a := range n.lab.bound {
				if a != n.lab.seen[i] && (bytes.Contains(told, []byte(a.String()+":")) || bytes.Contains(told, []byte(a.String()+"\r"))) {
					n.t.Errorf("a %s phone learns our own address %v:\n%s", p.kind, a, told)
				}
			}
		}
	}
}

// TestNATKinds sees that the laboratory's NATs are what they are called: which packets of others come in by a binding, and
// whether another destination sees the same one.
func TestNATKinds(t *testing.T) {
	t.Parallel()
	l := newNATLab(t, false)
	socket := func(a netip.Addr, port int) *net.UDPConn {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(port))))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	read := func(c *net.UDPConn) (string, netip.AddrPort) {
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	}
	known, port, stranger := socket(l.bound[0], 7000), socket(l.bound[0], 7001), socket(l.bound[1], 7002)
	elsewhere := socket(l.bound[1], 7003) // its packets were never refused
	for kind, want := range map[natKind]struct {
		heard string
		same  bool
	}{
		fullCone: {"port stranger end", true}, restricted: {"port end", true}, portRestricted: {"end", true}, symmetric: {"end", false},
	} {
		space, public := l.home(kind, byte(16+l.boxes))
		var phone *net.UDPConn
		l.inside(space, func() { phone = socket(netip.MustParseAddr(insidePhone), 5070) })
		send := func(c *net.UDPConn, to netip.AddrPort, what string) {
			if _, err := c.WriteToUDPAddrPort([]byte(what), to); err != nil {
				t.Fatal(err)
			}
		}
		at := func(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }
		send(phone, at(known), "hello")
		_, binding := read(known)
		if binding.Addr() != public {
			t.Errorf("%s: seen at %v, want %v", kind, binding, public)
		}
		send(port, binding, "port")
		send(stranger, binding, "stranger")
		send(known, binding, "end")
		var heard []string
		for len(heard) == 0 || heard[len(heard)-1] != "end" {
			what, _ := read(phone)
			heard = append(heard, what)
		}
		if got := strings.Join(heard, " "); got != want.heard {
			t.Errorf("%s: heard %q, want %q", kind, got, want.heard)
		}
		send(phone, at(elsewhere), "hello")
		if _, other := read(elsewhere); (other == binding) != want.same {
			t.Errorf("%s: bindings %v and %v", kind, binding, other)
		}
	}
}
