package media

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

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
	// Not any "101": it may stand in the number of the port.
	answer := []byte(strings.NewReplacer(" 101", " 96", ":101", ":96").Replace(string(r.B.sdp())))
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
		"only SRTP": {strings.ReplaceAll(string(r.A.sdp()), "RTP/AVP", "RTP/SAVP"), ErrUnsupported},
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
		s := e.Open(SessionOptions{Silence: time.Minute, OnSilence: func(*Party, time.Time) {}})
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

// Each party names our door for the other as its own address: a packet would go round for ever.
func TestNoLoopThroughOurOwnDoors(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	at := func(a netip.AddrPort) []byte { return phoneSDP(a.Addr().String(), int(a.Port())) }
	x := r.offer(r.a, r.b, at(doorB))
	r.answer(x, at(doorA))
	for range 10 {
		r.A.say(doorA)
	}
	eventually(t, func() bool { return r.s.Stats()[0].Packets == 10 })
	if st := r.s.Close(); st[0].RelayedPackets != 0 || st[1].Packets != 0 {
		t.Errorf("stats %+v", st)
	}
}
