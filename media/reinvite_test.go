package media

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// change runs a round in a call that is up, begun by a party, and gives the doors of both.
func (r *rig) change(from, to *Party, offer, answer []byte) (doorFrom, doorTo netip.AddrPort) {
	r.t.Helper()
	x := r.offer(from, to, offer)
	doorTo = door(r.t, x.Offer(), 0)
	return door(r.t, r.answer(x, answer), 0), doorTo
}

// only keeps one codec of a description.
func only(body []byte, pt string) []byte {
	head, rest, _ := strings.Cut(string(body), "RTP/AVP ")
	_, tail, _ := strings.Cut(rest, "\r\n")
	return []byte(head + "RTP/AVP " + pt + "\r\n" + tail)
}

// speak sends a packet of a payload type each way and checks that it arrives: no re-INVITE may leave a call one-way.
func speak(t *testing.T, pt byte, a, b *phone, doorA, doorB netip.AddrPort) {
	t.Helper()
	for _, way := range []struct {
		from, to *phone
		door     netip.AddrPort
	}{{a, b, doorA}, {b, a, doorB}} {
		way.from.seq++
		p := make([]byte, 172)
		p[0], p[1], p[2], p[3], p[11] = 0x80, pt, byte(way.from.seq>>8), byte(way.from.seq), 42
		way.from.send(way.from.rtp, way.door, p)
		if got, _ := way.to.hear(way.to.rtp); !bytes.Equal(got, p) {
			t.Errorf("%d octets of type %d arrive, sent 172 of type %d", len(got), got[1], pt)
		}
	}
}

// Codec, port and address change by re-INVITEs of either side, and back; our ports stay, and both ways are open after each.
func TestReinviteChangesEverything(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	r.s.Answered()
	speak(t, 8, r.A, r.B, doorA, doorB)
	moved, gone := newPhone(t, "127.0.0.2"), newPhone(t, "127.0.0.7")
	A, B := r.A, r.B
	for name, step := range []struct {
		byB  bool
		a, b *phone
		pt   string
	}{
		{false, A, B, "0"},     // codec
		{true, A, B, "9"},      // codec, by the other side
		{false, moved, B, "9"}, // port
		{true, moved, gone, "9"},
		{false, A, gone, "8"}, // port and codec
		{true, A, B, "8"},     // back
		{true, A, B, "8"},     // nothing
	} {
		offer, answer, from, to := only(step.a.sdp(), step.pt), only(step.b.sdp(), step.pt), r.a, r.b
		if step.byB {
			offer, answer, from, to = answer, offer, r.b, r.a
		}
		x, y := r.change(from, to, offer, answer)
		if step.byB {
			x, y = y, x
		}
		if x != doorA || y != doorB {
			t.Errorf("step %d: doors %v and %v, before %v and %v", name, x, y, doorA, doorB)
		}
		var pt byte
		if _, err := fmt.Sscan(step.pt, &pt); err != nil {
			t.Fatal(err)
		}
		speak(t, pt, step.a, step.b, doorA, doorB)
		r.inUse(2)
	}
	if st := r.s.Close(); st[0].Codec != "PCMA" || st[0].Packets != 8 || st[1].Packets != 8 {
		t.Errorf("figures %+v", st)
	}
}

// Video is added, refused, added again, dropped by the other side, and comes back on the line it had (RFC 3264 8.1, 8.2).
func TestReinviteAddsAndDropsStreams(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	r.s.Answered()
	va, vb := newPhone(t, "127.0.0.2"), newPhone(t, "127.0.0.3")
	with := func(p, video *phone) []byte {
		port := 0
		if video != nil {
			port = portOf(video.rtp)
		}
		return p.sdp(fmt.Sprintf("m=video %d RTP/AVP 96", port), "a=rtpmap:96 H264/90000")
	}
	r.change(r.a, r.b, with(r.A, va), with(r.B, nil))
	r.inUse(2)
	talk(t, r.A, r.B, doorA, doorB)
	for range 3 {
		x := r.offer(r.a, r.b, with(r.A, va))
		back := r.answer(x, with(r.B, vb))
		r.inUse(4)
		talk(t, r.A, r.B, doorA, doorB)
		speak(t, 96, va, vb, door(t, back, 1), door(t, x.Offer(), 1))
		r.change(r.b, r.a, with(r.B, nil), with(r.A, nil))
		r.inUse(2)
		talk(t, r.A, r.B, doorA, doorB)
	}
	// An offer that forgets the line says it with port 0 towards the other side.
	x := r.offer(r.a, r.b, r.A.sdp())
	if !bytes.Contains(x.Offer(), []byte("m=video 0 ")) {
		t.Errorf("the line is forgotten:\n%s", x.Offer())
	}
	r.answer(x, with(r.B, nil))
	talk(t, r.A, r.B, doorA, doorB)
}

func fax(p *phone) []byte {
	s := string(p.sdp())
	return []byte(s[:strings.Index(s, "m=")] + fmt.Sprintf("m=image %d udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n", portOf(p.rtp)))
}

// Fax takes over the line of the audio and gives it back; before that it is refused once.
func TestFaxAndBack(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	r.s.Answered()
	r.offer(r.b, r.a, fax(r.B)).Reject()
	talk(t, r.A, r.B, doorA, doorB)
	r.change(r.b, r.a, fax(r.B), fax(r.A))
	udptl := []byte{0, 0, 1, 6, 0}
	r.A.send(r.A.rtp, doorA, udptl)
	if got, from := r.B.hear(r.B.rtp); !bytes.Equal(got, udptl) || from != doorB {
		t.Errorf("fax %x from %v", got, from)
	}
	r.B.send(r.B.rtp, doorB, udptl)
	if got, from := r.A.hear(r.A.rtp); !bytes.Equal(got, udptl) || from != doorA {
		t.Errorf("fax %x from %v", got, from)
	}
	r.change(r.a, r.b, r.A.sdp(), r.B.sdp())
	talk(t, r.A, r.B, doorA, doorB)
	r.inUse(2)
	if st := r.s.Close(); st[0].Media != "audio" || st[0].Codec != "PCMA" || st[0].Packets != 3 {
		t.Errorf("figures %+v", st[0])
	}
}

// Fax offered beside the audio, which goes on.
func TestFaxOnALineOfItsOwn(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	r.s.Answered()
	fa, fb := newPhone(t, "127.0.0.2"), newPhone(t, "127.0.0.3")
	both := func(p, f *phone) []byte {
		return p.sdp(fmt.Sprintf("m=image %d udptl t38", portOf(f.rtp)), "a=T38FaxVersion:0")
	}
	x := r.offer(r.b, r.a, both(r.B, fb))
	back := r.answer(x, both(r.A, fa))
	talk(t, r.A, r.B, doorA, doorB)
	fa.send(fa.rtp, door(t, x.Offer(), 1), []byte{0, 1, 1, 6, 0})
	if got, from := fb.hear(fb.rtp); len(got) != 5 || from != door(t, back, 1) {
		t.Errorf("fax %x from %v", got, from)
	}
}

// Whatever fails, the ports taken for it go back, and the call talks on.
func TestFailedChangesLeaveNothing(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3", poolOf("p", "127.0.0.1", 4))
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	r.s.Answered()
	video := []string{"m=video 4002 RTP/AVP 96", "a=rtpmap:96 H264/90000"}
	for name, fail := range map[string]func(){
		"refused": func() { r.offer(r.a, r.b, r.A.sdp(video...)).Reject() },
		"answer is nonsense": func() {
			x := r.offer(r.a, r.b, r.A.sdp(video...))
			if _, err := x.Answer([]byte("hello")); !errors.Is(err, ErrBadSDP) {
				t.Errorf("%v", err)
			}
			x.Reject()
		},
		"answer has nothing in common": func() {
			x := r.offer(r.b, r.a, r.B.sdp(video...))
			if _, err := x.Answer(only(r.A.sdp(video...), "118")); !errors.Is(err, ErrBadSDP) {
				t.Errorf("%v", err)
			}
			x.Reject()
		},
		"no ports": func() {
			_, err := r.s.Offer(r.a, r.b, r.A.sdp(append(video, video...)...))
			if !errors.Is(err, ErrNoPorts) {
				t.Errorf("%v", err)
			}
		},
		"another leg is dropped": func() {
			c := r.s.Party(PartyOptions{Pools: []string{"p"}, Signalling: loop1})
			r.offer(r.b, c, r.B.sdp())
			r.s.Drop(c)
		},
	} {
		fail()
		r.inUse(2)
		if t.Failed() {
			t.Fatal(name)
		}
		talk(t, r.A, r.B, doorA, doorB)
	}
	r.offer(r.a, r.b, r.A.sdp(video...))
	r.inUse(4)
	r.s.Close()
	r.inUse(0)
}

// What was played on the line before harms no fax, and fax that was refused keeps nobody from being played to.
func TestFaxAfterPlay(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.exchange(r.A.sdp(), r.B.sdp())
	r.s.Answered()
	r.offer(r.b, r.a, fax(r.B)).Reject()
	if err := r.s.Play(r.b, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	r.B.packet()
	r.s.StopPlaying(r.b)
	x := r.offer(r.b, r.a, fax(r.B))
	r.answer(x, fax(r.A))
	udptl := []byte{0, 0, 1, 6, 0}
	r.A.send(r.A.rtp, door(t, x.Offer(), 0), udptl)
	for {
		got, _ := r.B.hear(r.B.rtp)
		if bytes.Equal(got, udptl) {
			break
		}
		if len(got) != 172 { // silence that was under way
			t.Fatalf("fax % x", got)
		}
	}
	if st := r.s.Close(); st[0].Media != "image" {
		t.Errorf("figures %+v", st[0])
	}
}
