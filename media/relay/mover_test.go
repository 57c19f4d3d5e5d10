package relay

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// movers runs one test body on every Mover of this system.
func movers(t *testing.T, test func(t *testing.T, m Mover)) {
	for name, open := range map[string]func(Options) (Mover, error){
		"best":     New,
		"two":      func(o Options) (Mover, error) { o.Threads = 2; return New(o) },
		"portable": func(o Options) (Mover, error) { return NewPortable(o), nil },
	} {
		t.Run(name, func(t *testing.T) {
			m, err := open(Options{})
			if err != nil {
				t.Fatal(err)
			}
			test(t, m)
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			if n := m.Totals().Panics; n != 0 {
				t.Errorf("%d panics", n)
			}
		})
	}
}

// phone is a socket of a party.
type phone struct {
	*net.UDPConn
	addr netip.AddrPort
}

func newPhone(t *testing.T, ip string) phone {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Skip("no such address here:", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return phone{c, netip.AddrPortFrom(a.Addr().Unmap(), a.Port())}
}

func (p phone) say(t *testing.T, to netip.AddrPort, b []byte) {
	t.Helper()
	if _, err := p.WriteToUDPAddrPort(b, to); err != nil {
		t.Fatal(err)
	}
}

func (p phone) hear(t *testing.T) ([]byte, netip.AddrPort) {
	t.Helper()
	if err := p.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2048)
	n, from, err := p.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

func open(t *testing.T, m Mover, ip string) *Port {
	t.Helper()
	p, err := m.Open(netip.AddrPortFrom(netip.MustParseAddr(ip), 0))
	if err != nil {
		t.Skip("no such address here:", err)
	}
	return p
}

// joined connects two phones through two ports.
func joined(t *testing.T, m Mover, ipA, ourA, ipB, ourB string) (a, b phone, pa, pb *Port) {
	t.Helper()
	a, b = newPhone(t, ipA), newPhone(t, ipB)
	pa, pb = open(t, m, ourA), open(t, m, ourB)
	sa, sb := NewStream(), NewStream()
	sa.Expect(Peer{Media: a.addr}, Peer{}, true, 1)
	sb.Expect(Peer{Media: b.addr}, Peer{}, true, 1)
	pa.Set(&Path{From: sa, Mux: true, RTP: Egress{Port: pb, To: sb}, RTCP: Egress{Port: pb, To: sb}})
	pb.Set(&Path{From: sb, Mux: true, RTP: Egress{Port: pa, To: sa}, RTCP: Egress{Port: pa, To: sa}})
	return a, b, pa, pb
}

func TestMoversRelay(t *testing.T) {
	for _, f := range []struct{ name, ipA, ourA, ipB, ourB string }{
		{"IPv4", "127.0.0.2", "127.0.0.1", "127.0.0.3", "127.0.0.1"},
		{"IPv6", "::1", "::1", "::1", "::1"},
		{"IPv4 to IPv6", "127.0.0.2", "127.0.0.1", "::1", "::1"},
	} {
		t.Run(f.name, func(t *testing.T) {
			movers(t, func(t *testing.T, m Mover) {
				a, b, pa, pb := joined(t, m, f.ipA, f.ourA, f.ipB, f.ourB)
				for i := range uint16(20) {
					p := rtpPacket(8, i, uint32(i)*160, 7)
					a.say(t, pa.Local(), p)
					if got, from := b.hear(t); !bytes.Equal(got, p) || from != pb.Local() {
						t.Fatalf("B hears %d octets from %v, want them from %v", len(got), from, pb.Local())
					}
					b.say(t, pb.Local(), p)
					if got, from := a.hear(t); !bytes.Equal(got, p) || from != pa.Local() {
						t.Fatalf("A hears %d octets from %v", len(got), from)
					}
				}
			})
		})
	}
}

// A flood on one port must not stop the others, and a stranger must not be sent anything.
func TestMoversStranger(t *testing.T) {
	movers(t, func(t *testing.T, m Mover) {
		a, b, pa, _ := joined(t, m, "127.0.0.2", "127.0.0.1", "127.0.0.3", "127.0.0.1")
		stranger := newPhone(t, "127.0.0.66")
		for i := range uint16(100) {
			stranger.say(t, pa.Local(), rtpPacket(8, i, 0, 7))
		}
		p := rtpPacket(8, 1000, 0, 7)
		a.say(t, pa.Local(), p)
		if got, _ := b.hear(t); !bytes.Equal(got, p) {
			t.Error("B heard the stranger")
		}
		b.say(t, pa.Local(), p) // B at A's door is one too
		if n := pa.path.Load().From.Stats().Packets; n != 1 {
			t.Errorf("%d packets accepted", n)
		}
	})
}

func TestMoverCloseDuringPackets(t *testing.T) {
	movers(t, func(t *testing.T, m Mover) {
		a, _, pa, pb := joined(t, m, "127.0.0.2", "127.0.0.1", "127.0.0.3", "127.0.0.1")
		quit := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			p := rtpPacket(8, 1, 0, 7)
			for {
				select {
				case <-quit:
					return
				default:
					_, _ = a.WriteToUDPAddrPort(p, pa.Local())
				}
			}
		})
		for range 20 {
			path := pa.path.Load()
			pa.Set(nil)
			pa.Set(path)
			x := open(t, m, "127.0.0.1")
			if err := x.Close(); err != nil {
				t.Error(err)
			}
			if err := x.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Error("second close:", err)
			}
		}
		pa.Set(nil)
		if err := pb.Close(); err != nil {
			t.Error(err)
		}
		close(quit)
		wg.Wait()
	})
}

func TestMoverManyPorts(t *testing.T) {
	movers(t, func(t *testing.T, m Mover) {
		a, b := newPhone(t, "127.0.0.2"), newPhone(t, "127.0.0.3")
		var ports []*Port
		out := open(t, m, "127.0.0.1")
		to := NewStream()
		to.Expect(Peer{Media: b.addr}, Peer{}, true, 1)
		for range 300 { // more than one growth of the table
			p := open(t, m, "127.0.0.1")
			s := NewStream()
			s.Expect(Peer{Media: a.addr}, Peer{}, true, 1)
			p.Set(&Path{From: s, RTP: Egress{Port: out, To: to}})
			ports = append(ports, p)
		}
		for i, p := range ports {
			a.say(t, p.Local(), rtpPacket(8, uint16(i), 0, 7))
			if got, _ := b.hear(t); got[3] != uint8(i) {
				t.Fatalf("packet %d came for %d", got[3], i)
			}
			if i%2 == 0 {
				if err := p.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestMoverErrors(t *testing.T) {
	movers(t, func(t *testing.T, m Mover) {
		p := open(t, m, "127.0.0.1")
		if _, err := m.Open(p.Local()); err == nil {
			t.Error("a port was bound twice")
		}
		if _, err := m.Open(addr("192.0.2.1:0")); err == nil {
			t.Error("a foreign address was bound")
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if _, err := m.Open(addr("127.0.0.1:0")); err == nil {
			t.Error("a port was bound on a closed mover")
		}
		if err := p.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// A panic in the packet path costs one packet, not the thread.
func TestMoverSurvivesAPanic(t *testing.T) {
	for name, m := range map[string]Mover{"best": best(t), "portable": NewPortable(Options{})} {
		t.Run(name, func(t *testing.T) {
			a, b, pa, _ := joined(t, m, "127.0.0.2", "127.0.0.1", "127.0.0.3", "127.0.0.1")
			good := pa.path.Load()
			pa.Set(&Path{}) // no stream: a fault of ours
			a.say(t, pa.Local(), rtpPacket(8, 1, 0, 7))
			deadline := time.Now().Add(5 * time.Second)
			for m.Totals().Panics == 0 && time.Now().Before(deadline) {
				a.say(t, pa.Local(), rtpPacket(8, 1, 0, 7))
			}
			pa.Set(good)
			a.say(t, pa.Local(), rtpPacket(8, 2, 0, 7))
			b.hear(t)
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func best(t *testing.T) Mover {
	m, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
