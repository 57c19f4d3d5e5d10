package registrant

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// by answers a REGISTER that came by a way.
func (s *sent) by(h msg.Hop, code int, extra ...string) {
	res := msg.NewResponse(s.req, code, "")
	for _, e := range extra {
		name, value, _ := strings.Cut(e, ": ")
		res.Append(name, value)
	}
	res.Hop = h
	s.o.Owner.Response(s, res)
}

// counted gives how many keep-alives there were, and for how long a connection is held.
func (w *wire) counted() (int, time.Duration) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept, w.held
}

func over(conn uint64) msg.Hop {
	return msg.Hop{Interface: "sif_1", Transport: sbc.TransportUDP, Remote: netip.MustParseAddrPort("198.51.100.7:5060"), Conn: conn}
}

// TestKeptAlive: the way of a registration is kept alive for as long as it lasts, and not before; a connection is held.
func TestKeptAlive(t *testing.T) {
	run(t, func(r *sbc.Registrant) { r.KeepAlive.IntervalS = 10 }, func(x *world) {
		s := x.next()
		time.Sleep(15 * time.Second)
		if n, _ := x.w.counted(); n != 0 {
			t.Errorf("%d before it was registered", n)
		}
		s.by(over(0), 200)
		time.Sleep(101 * time.Second)
		if n, held := x.w.counted(); n != 10 || held != 0 {
			t.Errorf("%d keep-alives in 101 s, held %v", n, held)
		}
		x.configure(func(r *sbc.Registrant) { r.KeepAlive.Mode = sbc.KeepAliveOff })
		x.within(time.Millisecond, tick).by(over(7), 200)
		time.Sleep(time.Minute)
		if n, held := x.w.counted(); n != 10 || held != 0 {
			t.Errorf("%d keep-alives though they are off, held %v", n, held)
		}
		x.configure(plain)
		x.within(time.Millisecond, tick).by(over(7), 200)
		time.Sleep(26 * time.Second)
		if n, held := x.w.counted(); n != 11 || held != time.Hour {
			t.Errorf("%d keep-alives, held %v", n, held)
		}
	})
}

// TestBrokenWay: a connection that is gone, and OPTIONS that nobody answers, have us register anew at once.
func TestBrokenWay(t *testing.T) {
	run(t, plain, func(x *world) {
		x.next().by(over(7), 200)
		x.w.mu.Lock()
		x.w.gone = msg.ErrClosed
		x.w.mu.Unlock()
		s := x.within(25*time.Second, 25*time.Second+2*tick)
		if s.req.Method != msg.REGISTER || s.req.Get("Expires") != "3600" {
			t.Errorf("%s", s.req.AppendTo(nil))
		}
		s.by(over(8), 200)
		x.none(20 * time.Second)
	})
	run(t, func(r *sbc.Registrant) { r.KeepAlive.Mode = sbc.KeepAliveOptions }, func(x *world) {
		x.next().by(over(0), 200)
		ask := func() *sent {
			s := x.within(20*time.Second, 25*time.Second+2*tick)
			if r := s.req; r.Method != msg.OPTIONS || s.o.Target.Host != "198.51.100.7" || s.o.Target.Port != 5060 || r.Has("Expires") {
				t.Errorf("to %+v\n%s", s.o.Target, r.AppendTo(nil))
			}
			return s
		}
		ask().o.Owner.Failed(nil, msg.ErrNoResponse)
		ask().o.Owner.Failed(nil, msg.ErrNoResponse)
		ask().answer(404) // somebody is there
		ask().o.Owner.Failed(nil, msg.ErrNoResponse)
		ask().o.Owner.Failed(nil, msg.ErrNoResponse)
		ask().o.Owner.Failed(nil, msg.ErrNoResponse)
		if s := x.within(time.Millisecond, 2*tick); s.req.Method != msg.REGISTER {
			t.Errorf("%s", s.req.AppendTo(nil))
		}
	})
}

// TestRefusals: which answers are final until something is changed, and which are tried again.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		code  int
		again bool
	}{
		{302, true}, {400, true}, {403, false}, {404, false}, {405, true}, {408, true}, {420, true}, {423, true}, {480, true}, {486, true},
		{500, true}, {501, true}, {503, true}, {504, true}, {600, true}, {603, true},
	} {
		run(t, func(r *sbc.Registrant) { r.RetryS = 10 }, func(x *world) {
			s := x.next()
			res := msg.NewResponse(s.req, c.code, "Unpaid\x01 bill, "+strings.Repeat("x", 100))
			s.o.Owner.Response(s, res)
			got := x.is(sbc.RegistrantRejected, c.code)
			if !strings.Contains(got.Reason, "Unpaid bill") || len(got.Reason) > 200 || (got.NextAt != nil) != c.again {
				t.Errorf("%d: %+v", c.code, got)
			}
			if !c.again {
				x.none(time.Hour)
				x.configure(plain)
				x.within(time.Millisecond, tick).answer(200)
				x.is(sbc.RegistrantRegistered, 200)
				return
			}
			x.within(9*time.Second, 10*time.Second)
		})
	}
}

// TestRegisterNow: what was told to is tried at once, also after a refusal that is final, and once more where one is under way.
func TestRegisterNow(t *testing.T) {
	run(t, plain, func(x *world) {
		x.next().answer(403)
		if s, ok := x.m.Register("rgt_1", true); !ok || s.Code != 403 || s.NextAt != nil {
			t.Errorf("%+v %v", s, ok)
		}
		x.none(time.Hour)
		if s, ok := x.m.Register("rgt_1", false); !ok || s.NextAt == nil {
			t.Errorf("%+v %v", s, ok)
		}
		s := x.within(time.Millisecond, tick)
		if _, ok := x.m.Register("rgt_1", false); !ok {
			t.Error("not while one is under way")
		}
		s.answer(503)
		x.within(time.Millisecond, 2*tick).answer(200)
		x.is(sbc.RegistrantRegistered, 200)
		if _, ok := x.m.Register("rgt_2", false); ok {
			t.Error("who?")
		}
		x.none(40 * time.Minute)
	})
}

// TestChallengerIsAnswered: the credentials go to the server that asked for them, of however many its name has.
func TestChallengerIsAnswered(t *testing.T) {
	run(t, plain, func(x *world) {
		x.next().by(over(0), 401, ask("n", false))
		s := x.next()
		if s.o.Target.Host != "198.51.100.7" || s.o.Target.Port != 5060 || s.o.Target.Interfaces[0] != "sif_1" {
			t.Errorf("%+v", s.o.Target)
		}
		x.proves(s, "n", "secret", 1)
		s.answer(200)
		if again := x.within(3060*time.Second*80/85, 3060*time.Second); again.o.Target.Host != "carrier.example" {
			t.Errorf("refreshed at %+v", again.o.Target)
		}
	})
}

// TestServiceRoute: the newest 200 says by which proxies requests go, as long as we are registered; what is no route of loose routers counts
// for nothing.
func TestServiceRoute(t *testing.T) {
	run(t, plain, func(x *world) {
		is := func(want, host string) {
			t.Helper()
			synctest.Wait()
			routes, next, ok := x.m.Route("trk_1")
			got := ""
			for _, r := range routes {
				got += r.String()
			}
			if got != want || ok != (want != "") || next.Host != host {
				t.Errorf("%q to %+v, want %q", got, next, want)
			}
		}
		s := x.next()
		is("", "")
		s.answer(200, "Service-Route: <sip:p1.example:5070;lr;transport=tcp>, <sip:p2.example;lr>")
		is("<sip:p1.example:5070;lr;transport=tcp><sip:p2.example;lr>", "p1.example")
		if _, next, _ := x.m.Route("trk_1"); next.Port != 5070 || next.Transport != sbc.TransportTCP || !next.Supplied {
			t.Errorf("%+v", next)
		}
		x.configure(plain)
		x.within(time.Millisecond, tick).answer(200, "Service-Route: <sip:carrier.example;lr>")
		is("<sip:carrier.example;lr>", "carrier.example")
		if _, next, _ := x.m.Route("trk_1"); next.Supplied {
			t.Error("the registrar is a stranger")
		}
		for _, bad := range []string{"<sip:strict.example>", "<tel:+49;lr>", strings.Repeat("<sip:p.example;lr>, ", 8) + "<sip:p.example;lr>", "<sip"} {
			x.configure(plain)
			x.within(time.Millisecond, tick).answer(200, "Service-Route: "+bad)
			is("", "")
		}
		x.configure(plain)
		x.within(time.Millisecond, tick).answer(200, "Service-Route: <sip:p1.example;lr>")
		x.configure(nil)
		x.within(time.Millisecond, tick)
		is("", "")
	})
	run(t, plain, func(x *world) { // it runs out
		x.next().answer(200, "Service-Route: <sip:p1.example;lr>", "Expires: 60")
		x.within(30*time.Second, 60*time.Second)
		time.Sleep(31 * time.Second)
		if _, _, ok := x.m.Route("trk_1"); ok {
			t.Error("the routes outlive the registration")
		}
	})
}

// TestMembers: a configured contact is the carrier's to call from any address that its name has, and nobody else's.
func TestMembers(t *testing.T) {
	run(t, func(r *sbc.Registrant) { r.ContactUser = "4930123" }, func(x *world) {
		x.m.o.Resolve = func(_ context.Context, host string, _ int, _ sbc.Transport) []netip.Addr {
			if host != "carrier.example" {
				t.Errorf("looked up %s", host)
			}
			return []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.8")}
		}
		x.next().answer(200)
		synctest.Wait()
		for from, want := range map[string]bool{"198.51.100.7": true, "198.51.100.8": true, "198.51.100.9": false} {
			var uri msg.URI
			uri.Scheme, uri.User, uri.Host = "sip", "4930123", "192.0.2.1"
			req := msg.NewRequest(msg.INVITE, uri)
			req.Hop = msg.Hop{Interface: "sif_1", Remote: netip.AddrPortFrom(netip.MustParseAddr(from), 5060)}
			if _, _, _, ok := x.m.Inbound(req); ok != want {
				t.Errorf("from %s: %v", from, ok)
			}
		}
	})
}
