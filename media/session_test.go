package media

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

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
	r.a.o.RTCPMux = true
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

// A closed session may be kept for long, by its owner or by the parties its figures name: it holds nothing of the call any more.
func TestClosedSessionHoldsNothing(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	r.s.Answered()
	talk(t, r.A, r.B, doorA, doorB)
	heard := r.s.LastMedia()
	st := r.s.Close()
	if len(st) != 2 || st[0].Packets == 0 || len(r.s.Stats()) != 2 {
		t.Errorf("figures are lost: %+v", st)
	}
	if got := r.s.LastMedia(); got.Sub(heard).Abs() > time.Second {
		t.Errorf("last media %v, before closing %v", got, heard)
	}
	for _, s := range st {
		if s.From.author != nil || s.From.ends != nil || s.From.past != nil {
			t.Errorf("a party keeps %+v", s.From)
		}
	}
	if r.s.parties != nil || r.s.exchanges != nil || r.s.o.OnSilence != nil {
		t.Error("the session keeps its parts")
	}
}
