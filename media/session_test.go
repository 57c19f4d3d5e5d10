package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
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

func TestCallBothWays(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	if doorA == doorB || doorA.Port()%2 != 0 || doorB.Port()%2 != 0 {
		t.Fatalf("doors %v and %v", doorA, doorB)
	}
	for range 10 {
		talk(t, r.A, r.B, doorA, doorB)
	}
	// RTCP by its own ports.
	report := []byte{0x80, 201, 0, 1, 0, 0, 0, 42}
	r.A.send(r.A.rtcp, next(doorA), report)
	if got, from := r.B.hear(r.B.rtcp); !bytes.Equal(got, report) || from != next(doorB) {
		t.Errorf("RTCP %x from %v", got, from)
	}
	stats := r.s.Close()
	if len(stats) != 2 || stats[0].From != r.a || stats[1].From != r.b {
		t.Fatalf("stats %+v", stats)
	}
	st := stats[0]
	if st.Packets != 10 || st.Octets != 1720 || st.RelayedPackets != 10 || st.RTCPPackets != 1 || st.Lost != 0 || st.SSRC != 42 {
		t.Errorf("stats %+v", st)
	}
	if st.Media != "audio" || st.Codec != "PCMA" || st.LocalAddress != doorA.String() {
		t.Errorf("stats %+v", st)
	}
	if want := fmt.Sprintf("127.0.0.2:%d", portOf(r.A.rtp)); st.RemoteAddress != want {
		t.Errorf("remote %s, want %s", st.RemoteAddress, want)
	}
	if st.FirstPacket == nil || st.LastPacket == nil || time.Since(*st.LastPacket) > time.Minute {
		t.Errorf("times %v %v", st.FirstPacket, st.LastPacket)
	}
	r.inUse(0)
	if again := r.s.Close(); len(again) != 2 || again[0].Packets != 10 {
		t.Error("second close gives other figures")
	}
}

// Topology: nothing of one side's addresses in what the other side is told.
func TestSDPHidesTheOtherSide(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	x := r.offer(r.a, r.b, r.A.sdp("a=candidate:1 1 UDP 1 127.0.0.2 4000 typ host"))
	back := r.answer(x, r.B.sdp())
	if bytes.Contains(x.Offer(), []byte("127.0.0.2")) || bytes.Contains(back, []byte("127.0.0.3")) {
		t.Errorf("leak:\n%s\n%s", x.Offer(), back)
	}
}

func TestAdvertisedAddress(t *testing.T) {
	p := poolOf("p", "127.0.0.1", 4)
	p.Advertised = netip.MustParseAddr("198.51.100.10")
	r := newRig(t, "127.0.0.2", "127.0.0.3", p)
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	if doorA.Addr() != p.Advertised || doorB.Addr() != p.Advertised {
		t.Fatalf("doors %v and %v", doorA, doorB)
	}
	at := func(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(p.Address, a.Port()) }
	talk(t, r.A, r.B, at(doorA), at(doorB))
}

func TestIPv4ToIPv6(t *testing.T) {
	r := newRig(t, "127.0.0.2", "::1", poolOf("four", "127.0.0.1", 4), poolOf("six", "::1", 4))
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	if !doorA.Addr().Is4() || !doorB.Addr().Is6() {
		t.Fatalf("doors %v and %v", doorA, doorB)
	}
	talk(t, r.A, r.B, doorA, doorB)
}

func TestMuxOnOneSide(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, doorB := r.exchange(r.A.sdp("a=rtcp-mux"), r.B.sdp())
	talk(t, r.A, r.B, doorA, doorB)
	report := []byte{0x80, 201, 0, 1, 0, 0, 0, 42}
	r.A.send(r.A.rtp, doorA, report)
	if _, from := r.B.hear(r.B.rtcp); from != next(doorB) {
		t.Errorf("RTCP came from %v", from)
	}
	r.B.send(r.B.rtcp, next(doorB), report)
	if _, from := r.A.hear(r.A.rtp); from != doorA {
		t.Errorf("RTCP came from %v", from)
	}
}

func TestStrangerGetsNothing(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	stranger := newPhone(t, "127.0.0.66")
	for range 50 {
		stranger.say(doorA)
		stranger.say(doorB)
	}
	talk(t, r.A, r.B, doorA, doorB)
	for range 50 {
		stranger.say(doorA)
	}
	talk(t, r.A, r.B, doorA, doorB)
	if err := stranger.rtp.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := stranger.rtp.Read(make([]byte, 2048)); err == nil {
		t.Errorf("the stranger received %d octets", n)
	}
	for _, st := range r.s.Close() {
		if st.Packets != 2 || st.Discarded < 50 {
			t.Errorf("stats %+v", st)
		}
	}
}

// Behind NAT the SDP names an address that leads nowhere; packets come from the signalling address.
func TestLatchToSignallingSource(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	private := bytes.ReplaceAll(r.A.sdp(), []byte("127.0.0.2"), []byte("127.0.0.99"))
	doorA, doorB := r.exchange(private, r.B.sdp())
	talk(t, r.A, r.B, doorA, doorB)
}

func TestLatchSDPRefusesSignallingSource(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.a.o.Latch = LatchSDP
	private := bytes.ReplaceAll(r.A.sdp(), []byte("127.0.0.2"), []byte("127.0.0.99"))
	doorA, doorB := r.exchange(private, r.B.sdp())
	r.A.say(doorA)
	r.B.say(doorB)
	eventually(t, func() bool { st := r.s.Stats(); return st[0].Discarded == 1 && st[1].Packets == 1 })
	if st := r.s.Close(); st[0].Packets != 0 {
		t.Errorf("stats %+v", st[0])
	}
}

// eventually waits for what another thread does.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(5 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatal("it did not happen")
		}
	}
}

func TestSetSignalling(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.b.SetSignalling(netip.MustParseAddr("::ffff:127.0.0.77"))
	x := r.offer(r.a, r.b, r.A.sdp())
	r.b.SetSignalling(r.B.ip)
	doorA := door(t, r.answer(x, bytes.ReplaceAll(r.B.sdp(), []byte("127.0.0.3"), []byte("127.0.0.99"))), 0)
	doorB := door(t, x.Offer(), 0)
	r.B.say(doorB)
	if _, from := r.A.hear(r.A.rtp); from != doorA {
		t.Errorf("heard from %v", from)
	}
}

// 183 and 200 with one SDP: same bytes, same version. Another fork's SDP moves the path.
func TestAnswerAgain(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	other := newPhone(t, "127.0.0.4")
	x := r.offer(r.a, r.b, r.A.sdp())
	first := r.answer(x, r.B.sdp())
	if again := r.answer(x, r.B.sdp()); !bytes.Equal(first, again) {
		t.Errorf("the same answer became\n%s\nand\n%s", first, again)
	}
	doorA, doorB := door(t, first, 0), door(t, x.Offer(), 0)
	talk(t, r.A, r.B, doorA, doorB)
	if fork := r.answer(x, other.sdp()); !bytes.Equal(first, fork) {
		t.Errorf("another fork's address shows:\n%s\n%s", first, fork)
	}
	r.A.say(doorA)
	if _, from := other.hear(other.rtp); from != doorB {
		t.Errorf("the fork heard from %v", from)
	}
	r.inUse(2)
}

func TestHuntingGivesPortsBack(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	x := r.offer(r.a, r.b, r.A.sdp())
	early := r.answer(x, r.B.sdp()) // 183 of the first attempt
	r.inUse(2)
	r.s.Drop(r.b)
	r.s.Drop(r.b)
	r.inUse(1) // the caller was told our port
	if _, err := r.s.Offer(r.a, r.b, r.A.sdp()); !errors.Is(err, ErrClosed) {
		t.Errorf("offer to a dropped party: %v", err)
	}
	second := r.s.Party(PartyOptions{Pools: []string{"p"}, Signalling: r.B.ip})
	x2 := r.offer(r.a, second, r.A.sdp())
	back := r.answer(x2, r.B.sdp())
	if !bytes.Equal(early, back) {
		t.Errorf("the caller is told\n%s\nthen\n%s", early, back)
	}
	talk(t, r.A, r.B, door(t, back, 0), door(t, x2.Offer(), 0))
	if out, err := x.Answer(r.A.sdp()); !errors.Is(err, ErrClosed) {
		t.Errorf("late answer of the failed attempt: %v, %s", err, out)
	}
}

func TestRejectGivesPortsBack(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	x := r.offer(r.a, r.b, r.A.sdp())
	r.inUse(2)
	x.Reject()
	x.Reject()
	r.inUse(0)
	if _, err := x.Answer(r.B.sdp()); !errors.Is(err, ErrClosed) {
		t.Errorf("answer after reject: %v", err)
	}
}

// A refused re-INVITE leaves everything as it was.
func TestRejectedReofferKeepsThePath(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	r.s.Answered()
	moved := newPhone(t, "127.0.0.2")
	x := r.offer(r.a, r.b, moved.sdp("m=video 4002 RTP/AVP 96", "a=rtpmap:96 H264/90000"))
	r.inUse(4)
	talk(t, r.A, r.B, doorA, doorB)
	if _, err := r.s.Offer(r.b, r.a, r.B.sdp()); !errors.Is(err, ErrPending) {
		t.Errorf("glare: %v, want ErrPending", err)
	}
	x.Reject()
	r.inUse(2)
	talk(t, r.A, r.B, doorA, doorB)
}

// re-latch only after a new exchange: the phone moves to another port.
func TestRelatchOnlyAfterExchange(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	r.s.Answered()
	talk(t, r.A, r.B, doorA, doorB)
	moved := newPhone(t, "127.0.0.2")
	for range 10 {
		moved.say(doorA)
	}
	talk(t, r.A, r.B, doorA, doorB)
	x := r.offer(r.a, r.b, moved.sdp())
	if back := r.answer(x, r.B.sdp()); door(t, back, 0) != doorA || door(t, x.Offer(), 0) != doorB {
		t.Error("ports changed with a re-INVITE")
	}
	talk(t, moved, r.B, doorA, doorB)
	r.A.say(doorA)
	talk(t, moved, r.B, doorA, doorB)
	if st := r.s.Close(); st[0].Discarded != 11 {
		t.Errorf("%d discarded, want 11", st[0].Discarded)
	}
}

func TestReofferFromTheOtherSide(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	x := r.offer(r.b, r.a, r.B.sdp("a=sendonly"))
	if door(t, x.Offer(), 0) != doorA {
		t.Error("A is told another port")
	}
	if back := r.answer(x, r.A.sdp("a=recvonly")); door(t, back, 0) != doorB {
		t.Error("B is told another port")
	}
	if !r.s.hold {
		t.Error("hold was not seen")
	}
	talk(t, r.A, r.B, doorA, doorB)
	x = r.offer(r.b, r.a, r.B.sdp())
	r.answer(x, r.A.sdp())
	if r.s.hold {
		t.Error("the end of hold was not seen")
	}
}

// The o= version rises when something changed, and only then (RFC 3264 8).
func TestVersionOnReoffer(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	x := r.offer(r.a, r.b, r.A.sdp())
	first := x.Offer()
	r.answer(x, r.B.sdp())
	x = r.offer(r.a, r.b, r.A.sdp())
	if !bytes.Equal(x.Offer(), first) {
		t.Errorf("refresh changed the offer:\n%s\n%s", first, x.Offer())
	}
	r.answer(x, r.B.sdp())
	x = r.offer(r.a, r.b, r.A.sdp("a=sendonly"))
	if bytes.Equal(x.Offer(), first) {
		t.Error("hold did not change the offer")
	}
}

func TestSeveralLines(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	video := newPhone(t, "127.0.0.2")
	videoB := newPhone(t, "127.0.0.3")
	line := func(p *phone) []string {
		return []string{fmt.Sprintf("m=video %d RTP/AVP 96", portOf(p.rtp)), "a=rtpmap:96 H264/90000"}
	}
	x := r.offer(r.a, r.b, r.A.sdp(line(video)...))
	r.inUse(4)
	back := r.answer(x, r.B.sdp(line(videoB)...))
	talk(t, r.A, r.B, door(t, back, 0), door(t, x.Offer(), 0))
	p := video.say(door(t, back, 1))
	p[1] = 96
	video.send(video.rtp, door(t, back, 1), p)
	if got, from := videoB.hear(videoB.rtp); got[1] != 96 || from != door(t, x.Offer(), 1) {
		t.Errorf("video %d from %v", got[1], from)
	}
	stats := r.s.Close()
	if len(stats) != 4 || stats[1].Media != "video" || stats[1].Index != 1 || stats[1].MOS != 0 {
		t.Errorf("stats %+v", stats)
	}
}

// The other side refuses video: its ports go back when the call is answered, and the caller sees port 0.
func TestRefusedLineGivesPortsBack(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	x := r.offer(r.a, r.b, r.A.sdp("m=video 4002 RTP/AVP 96", "a=rtpmap:96 H264/90000"))
	back := r.answer(x, r.B.sdp("m=video 0 RTP/AVP 96"))
	if d := door(t, back, 1); d.IsValid() {
		t.Errorf("video at %v", d)
	}
	r.inUse(4)
	r.s.Answered()
	r.inUse(2)
	talk(t, r.A, r.B, door(t, back, 0), door(t, x.Offer(), 0))
}

// What cannot be relayed yet is refused line by line, the number of lines stays.
func TestUnrelayableLineIsRefused(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	x := r.offer(r.a, r.b, r.A.sdp("m=video 4002 RTP/SAVP 96", "a=rtpmap:96 H264/90000"))
	r.inUse(2)
	if d := door(t, x.Offer(), 1); d.IsValid() {
		t.Errorf("SRTP offered at %v", d)
	}
}

func TestFaxTakesOver(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.exchange(r.A.sdp(), r.B.sdp())
	r.s.Answered()
	fax := func(p *phone) []byte {
		s := string(p.sdp())
		return []byte(s[:strings.Index(s, "m=")] + fmt.Sprintf("m=image %d udptl t38\r\na=T38FaxVersion:0\r\n", portOf(p.rtp)))
	}
	x := r.offer(r.b, r.a, fax(r.B))
	back := r.answer(x, fax(r.A))
	doorA, doorB := door(t, x.Offer(), 0), door(t, back, 0)
	udptl := []byte{0, 0, 1, 6, 0}
	r.A.send(r.A.rtp, doorA, udptl)
	if got, from := r.B.hear(r.B.rtp); !bytes.Equal(got, udptl) || from != doorB {
		t.Errorf("fax %x from %v", got, from)
	}
	if st := r.s.Close(); st[0].Media != "image" || st[0].Codec != "t38" || st[0].Packets != 1 {
		t.Errorf("stats %+v", st[0])
	}
}

// The answerer uses another number for telephone-event.
func TestPayloadNumbersDiffer(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	answer := bytes.ReplaceAll(r.B.sdp(), []byte("101"), []byte("96"))
	doorA, doorB := r.exchange(r.A.sdp(), answer)
	talk(t, r.A, r.B, doorA, doorB)
	event := r.A.say(doorA)
	r.B.hear(r.B.rtp)
	event[1], event[3] = 101, event[3]+1
	r.A.send(r.A.rtp, doorA, event)
	if got, _ := r.B.hear(r.B.rtp); got[1] != 96 {
		t.Errorf("B hears payload type %d, it announced 96", got[1])
	}
	event[1] = 96
	r.B.send(r.B.rtp, doorB, event)
	if got, _ := r.A.hear(r.A.rtp); got[1] != 101 {
		t.Errorf("A hears payload type %d, it announced 101", got[1])
	}
}

func TestOfferErrors(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"empty":     {"", ErrBadSDP},
		"nonsense":  {"hello", ErrBadSDP},
		"only SRTP": {"v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 8\r\n", ErrUnsupported},
	} {
		if _, err := r.s.Offer(r.a, r.b, []byte(c.body)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	x := r.offer(r.a, r.b, r.A.sdp())
	if _, err := x.Answer([]byte("nonsense")); !errors.Is(err, ErrBadSDP) {
		t.Errorf("answer: %v", err)
	}
	r.answer(x, r.B.sdp()) // a broken 183 does not spoil the 200
	r.s.Close()
	if _, err := r.s.Offer(r.a, r.b, r.A.sdp()); !errors.Is(err, ErrClosed) {
		t.Errorf("offer after close: %v", err)
	}
	r.s.Answered()
	r.s.Drop(r.a)
	x.Reject()
	r.inUse(0)
}

// Ports run out: the offer fails, nothing leaks, and a second pool serves.
func TestPortExhaustion(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3", poolOf("p", "127.0.0.1", 1))
	if _, err := r.s.Offer(r.a, r.b, r.A.sdp()); !errors.Is(err, ErrNoPorts) {
		t.Fatalf("%v, want ErrNoPorts", err)
	}
	r.inUse(0)
	c, err := r.e.Prepare([]Pool{{ID: "p", Address: loop1, PortMin: 19000, PortMax: 19001}, poolOf("q", "127.0.0.1", 1)})
	if err != nil {
		t.Fatal(err)
	}
	c.Commit()
	r.b.o.Pools = []string{"gone", "p", "q"}
	r.offer(r.a, r.b, r.A.sdp())
	r.inUse(2)
}

func TestNoPoolOfTheFamily(t *testing.T) {
	r := newRig(t, "127.0.0.2", "::1")
	if _, err := r.s.Offer(r.a, r.b, r.A.sdp()); !errors.Is(err, ErrNoPorts) {
		t.Fatalf("%v, want ErrNoPorts", err)
	}
	r.inUse(0)
}

// Packets come while the session closes and others open on the same ports.
func TestCloseDuringPackets(t *testing.T) {
	e := testEngine(t, Options{Quarantine: -1}, poolOf("p", "127.0.0.1", 2))
	a, b := newPhone(t, "127.0.0.2"), newPhone(t, "127.0.0.3")
	quit := make(chan struct{})
	var wg sync.WaitGroup
	doors := make(chan netip.AddrPort, 1)
	wg.Go(func() {
		to := <-doors
		p := make([]byte, 172)
		p[0], p[1] = 0x80, 8
		for {
			select {
			case <-quit:
				return
			default:
				_, _ = a.rtp.WriteToUDPAddrPort(p, to)
			}
		}
	})
	for i := range 200 {
		s := e.Open(SessionOptions{Silence: time.Minute, OnSilence: func(time.Time) {}})
		pa := s.Party(PartyOptions{Pools: []string{"p"}, Signalling: a.ip})
		pb := s.Party(PartyOptions{Pools: []string{"p"}, Signalling: b.ip})
		x, err := s.Offer(pa, pb, a.sdp())
		if err != nil {
			t.Fatal(err)
		}
		out, err := x.Answer(b.sdp())
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			doors <- door(t, out, 0)
		}
		s.Answered()
		s.Stats()
		s.LastMedia()
		s.Close()
	}
	close(quit)
	wg.Wait()
	if st, _ := e.PoolStatus("p"); st.InUse != 0 {
		t.Errorf("status %+v", st)
	}
}
