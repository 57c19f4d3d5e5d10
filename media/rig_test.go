package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/media/sdp"
)

// phone is a party's device: sockets for RTP and RTCP on an address of its own.
type phone struct {
	t         *testing.T
	rtp, rtcp *net.UDPConn
	ip        netip.Addr
	seq       uint16
}

func newPhone(t *testing.T, ip string) *phone {
	t.Helper()
	listen := func() *net.UDPConn {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
		if err != nil {
			t.Skip("no such address here:", err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	return &phone{t: t, rtp: listen(), rtcp: listen(), ip: netip.MustParseAddr(ip)}
}

func portOf(c *net.UDPConn) int { return c.LocalAddr().(*net.UDPAddr).Port }

// sdp describes the phone: audio, and the lines given.
func (p *phone) sdp(lines ...string) []byte {
	family := "IP4"
	if p.ip.Is6() {
		family = "IP6"
	}
	s := fmt.Sprintf("v=0\r\no=- 1 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n", family, p.ip, family, p.ip)
	s += fmt.Sprintf("m=audio %d RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n", portOf(p.rtp))
	s += fmt.Sprintf("a=rtcp:%d\r\n", portOf(p.rtcp))
	for _, l := range lines {
		s += l + "\r\n"
	}
	return []byte(s)
}

// say sends one RTP packet of 20 ms to an address.
func (p *phone) say(to netip.AddrPort) []byte {
	p.t.Helper()
	p.seq++
	b := make([]byte, 172)
	b[0], b[1] = 0x80, 8
	binary.BigEndian.PutUint16(b[2:], p.seq)
	binary.BigEndian.PutUint32(b[4:], uint32(p.seq)*160)
	binary.BigEndian.PutUint32(b[8:], 42)
	p.send(p.rtp, to, b)
	return b
}

func (p *phone) send(c *net.UDPConn, to netip.AddrPort, b []byte) {
	p.t.Helper()
	if _, err := c.WriteToUDPAddrPort(b, to); err != nil {
		p.t.Fatal(err)
	}
}

// hear expects a datagram on c.
func (p *phone) hear(c *net.UDPConn) ([]byte, netip.AddrPort) {
	p.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
	b := make([]byte, 2048)
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		p.t.Fatal(err)
	}
	return b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// door reads where an SDP wants the media of an m-line.
func door(t *testing.T, body []byte, line int) netip.AddrPort {
	t.Helper()
	d, err := sdp.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	if line >= len(d.Media) {
		t.Fatalf("%d m-lines in\n%s", len(d.Media), body)
	}
	return d.Media[line].Destination()
}

func next(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), a.Port()+1) }

// talk sends a packet each way and checks that it arrives, from the port the SDP named (RFC 4961).
func talk(t *testing.T, a, b *phone, doorA, doorB netip.AddrPort) {
	t.Helper()
	sent := a.say(doorA)
	if got, from := b.hear(b.rtp); !bytes.Equal(got, sent) || from != doorB {
		t.Errorf("B hears %d octets from %v, want %d from %v", len(got), from, len(sent), doorB)
	}
	sent = b.say(doorB)
	if got, from := a.hear(a.rtp); !bytes.Equal(got, sent) || from != doorA {
		t.Errorf("A hears %d octets from %v, want %d from %v", len(got), from, len(sent), doorA)
	}
}

var nextRange = struct {
	sync.Mutex
	port int
}{port: 20000}

// poolOf gives a pool of n pairs on an address, apart from those of other tests.
func poolOf(id string, ip string, n int) Pool {
	nextRange.Lock()
	defer nextRange.Unlock()
	p := Pool{ID: id, Address: netip.MustParseAddr(ip), PortMin: nextRange.port, PortMax: nextRange.port + 2*n - 1}
	nextRange.port += 2 * n
	return p
}

type rig struct {
	t    *testing.T
	e    *Engine
	s    *Session
	a, b *Party
	A, B *phone
}

// newRig is a call between two phones, nothing exchanged yet.
func newRig(t *testing.T, ipA, ipB string, pools ...Pool) *rig {
	t.Helper()
	r := &rig{t: t, A: newPhone(t, ipA), B: newPhone(t, ipB)}
	if len(pools) == 0 {
		pools = []Pool{poolOf("p", "127.0.0.1", 8)}
	}
	r.e = testEngine(t, Options{Quarantine: time.Nanosecond}, pools...)
	var ids []string
	for _, p := range pools {
		ids = append(ids, p.ID)
	}
	r.s = r.e.Open(SessionOptions{})
	r.a = r.s.Party(PartyOptions{Pools: ids, Signalling: r.A.ip})
	r.b = r.s.Party(PartyOptions{Pools: ids, Signalling: r.B.ip})
	t.Cleanup(func() { r.s.Close() })
	return r
}

func (r *rig) offer(from, to *Party, body []byte) *Exchange {
	r.t.Helper()
	x, err := r.s.Offer(from, to, body)
	if err != nil {
		r.t.Fatal(err)
	}
	return x
}

func (r *rig) answer(x *Exchange, body []byte) []byte {
	r.t.Helper()
	out, err := x.Answer(body)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// exchange runs a round and returns the doors of both parties.
func (r *rig) exchange(offer, answer []byte) (doorA, doorB netip.AddrPort) {
	r.t.Helper()
	x := r.offer(r.a, r.b, offer)
	doorB = door(r.t, x.Offer(), 0)
	doorA = door(r.t, r.answer(x, answer), 0)
	return doorA, doorB
}

func (r *rig) inUse(want int) {
	r.t.Helper()
	n := 0
	for _, p := range r.e.all() {
		n += p.ports.Status().InUse
	}
	if n != want {
		r.t.Errorf("%d pairs in use, want %d", n, want)
	}
}
