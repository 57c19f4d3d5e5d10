package media

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// up is a call that is answered, and what both were told.
func (r *rig) up() (toldA, toldB []byte) {
	r.t.Helper()
	x := r.offer(r.a, r.b, r.A.sdp())
	toldA = r.answer(x, r.B.sdp())
	r.s.Answered()
	return toldA, x.Offer()
}

// ours begins a round of our own accord.
func (r *rig) ours(x *Exchange, err error) *Exchange {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	return x
}

// A refresh says what was said, with the same version, whoever had offered (RFC 4028 7.4).
func TestRenewUnchanged(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	toldA, toldB := r.up()
	for _, c := range []struct {
		p    *Party
		told []byte
		own  []byte
	}{{r.a, toldA, r.A.sdp()}, {r.b, toldB, r.B.sdp()}} {
		x := r.ours(r.s.Renew(c.p, Unchanged))
		if !bytes.Equal(x.Offer(), c.told) || x.Changed() {
			t.Errorf("told\n%s\nrenewed\n%s", c.told, x.Offer())
		}
		if back := r.answer(x, c.own); back != nil {
			t.Errorf("an answer for nobody: %s", back)
		}
		x = r.ours(r.s.Renew(c.p, SendRecv))
		if !bytes.Equal(x.Offer(), c.told) {
			t.Errorf("sendrecv is a change:\n%s\n%s", c.told, x.Offer())
		}
		x.Reject()
		x.Reject()
	}
	talk(t, r.A, r.B, door(t, toldA, 0), door(t, toldB, 0))
	r.inUse(2)
}

// We put a party on hold and take it back; the version rises by one each time.
func TestRenewHoldsAndResumes(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	toldA, toldB := r.up()
	x := r.ours(r.s.Renew(r.b, SendOnly))
	held := string(x.Offer())
	if !strings.Contains(held, "a=sendonly\r\n") || !x.Changed() || version(t, []byte(held)) != version(t, toldB)+1 {
		t.Errorf("held with\n%s", held)
	}
	if _, err := r.s.Renew(r.b, SendRecv); !errors.Is(err, ErrPending) {
		t.Errorf("second renewal: %v", err)
	}
	if _, err := r.s.Offer(r.a, r.b, r.A.sdp()); !errors.Is(err, ErrPending) {
		t.Errorf("offer beside a renewal: %v", err)
	}
	r.answer(x, r.B.sdp("a=recvonly"))
	if !r.s.hold {
		t.Error("hold was not seen")
	}
	x = r.ours(r.s.Renew(r.b, SendRecv))
	if strings.Contains(string(x.Offer()), "sendonly") || version(t, x.Offer()) != version(t, toldB)+2 {
		t.Errorf("resumed with\n%s", x.Offer())
	}
	r.answer(x, r.B.sdp())
	if r.s.hold {
		t.Error("the end of hold was not seen")
	}
	talk(t, r.A, r.B, door(t, toldA, 0), door(t, toldB, 0))
}

// A refused change of ours: what counts afterwards is what was agreed before it.
func TestRenewAfterRefusal(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	_, toldB := r.up()
	x := r.ours(r.s.Renew(r.b, Inactive))
	x.Reject()
	x = r.ours(r.s.Renew(r.b, Unchanged))
	if strings.Contains(string(x.Offer()), "inactive") || version(t, x.Offer()) != version(t, toldB)+2 {
		t.Errorf("renewed with\n%s\nafter\n%s", x.Offer(), toldB)
	}
}

// The answer to a renewal names another port and another number for telephone-event.
func TestRenewTakesTheAnswer(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	toldA, toldB := r.up()
	doorA, doorB := door(t, toldA, 0), door(t, toldB, 0)
	moved := newPhone(t, "127.0.0.3")
	x := r.ours(r.s.Renew(r.b, Unchanged))
	r.answer(x, []byte(strings.NewReplacer(" 101", " 96", ":101", ":96").Replace(string(moved.sdp()))))
	talk(t, r.A, moved, doorA, doorB)
	event := r.A.say(doorA)
	moved.hear(moved.rtp)
	event[1], event[3] = 101, event[3]+1
	r.A.send(r.A.rtp, doorA, event)
	if got, _ := moved.hear(moved.rtp); got[1] != 96 {
		t.Errorf("payload type %d, want 96", got[1])
	}
	event[1] = 96
	moved.send(moved.rtp, doorB, event)
	if got, _ := r.A.hear(r.A.rtp); got[1] != 101 {
		t.Errorf("payload type %d, want 101", got[1])
	}
}

func TestNothingToRepeat(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	if _, err := r.s.Renew(r.b, Unchanged); !errors.Is(err, ErrUnheard) {
		t.Errorf("renew: %v", err)
	}
	if _, err := r.s.Reoffer(r.a, r.b); !errors.Is(err, ErrUnheard) {
		t.Errorf("reoffer: %v", err)
	}
	r.up()
	r.s.Close()
	if _, err := r.s.Renew(r.b, Unchanged); !errors.Is(err, ErrClosed) {
		t.Errorf("renew of a closed session: %v", err)
	}
	r.inUse(0)
}

// A blind transfer: B, on hold, is offered to C; then B is told what C can do, and A is dropped.
func TestReofferJoinsAnother(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	C := newPhone(t, "127.0.0.4")
	r.up()
	x := r.offer(r.a, r.b, r.A.sdp("a=sendonly"))
	heldB := x.Offer()
	r.answer(x, r.B.sdp("a=recvonly"))
	doorB := door(t, heldB, 0)
	c := r.s.Party(PartyOptions{Pools: []string{"p"}, Signalling: C.ip})
	x = r.ours(r.s.Reoffer(r.b, c))
	if offer := string(x.Offer()); strings.Contains(offer, "recvonly") || strings.Contains(offer, "127.0.0.3") {
		t.Errorf("C is offered\n%s", offer)
	}
	r.inUse(3)
	if back := r.answer(x, C.sdp()); back != nil {
		t.Errorf("an answer for nobody: %s", back)
	}
	if !r.s.hold {
		t.Error("B still believes it is on hold")
	}
	y := r.ours(r.s.Reoffer(c, r.b))
	if !y.Changed() || version(t, y.Offer()) != version(t, heldB)+1 || door(t, y.Offer(), 0) != doorB {
		t.Errorf("B is told\n%s\nbefore\n%s", y.Offer(), heldB)
	}
	r.answer(y, r.B.sdp())
	if r.s.hold {
		t.Error("still on hold")
	}
	r.s.Drop(r.a)
	r.inUse(2)
	talk(t, C, r.B, door(t, x.Offer(), 0), doorB)
	if z := r.ours(r.s.Reoffer(c, r.b)); z.Changed() {
		t.Errorf("B was told that already:\n%s", z.Offer())
	}
}

// The target does not take the call: B hears A as before.
func TestReofferRefused(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	toldA, toldB := r.up()
	c := r.s.Party(PartyOptions{Pools: []string{"p"}, Signalling: loop1})
	x := r.ours(r.s.Reoffer(r.b, c))
	talk(t, r.A, r.B, door(t, toldA, 0), door(t, toldB, 0))
	x.Reject()
	r.s.Drop(c)
	r.inUse(2)
	talk(t, r.A, r.B, door(t, toldA, 0), door(t, toldB, 0))
}

// Video that A had refused is not offered to C in B's name: B knows no port of ours for it.
func TestReofferLeavesOutWhatWasRefused(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	x := r.offer(r.b, r.a, r.B.sdp("m=video 4002 RTP/AVP 96", "a=rtpmap:96 H264/90000"))
	r.answer(x, r.A.sdp("m=video 0 RTP/AVP 96"))
	r.s.Answered()
	c := r.s.Party(PartyOptions{Pools: []string{"p"}, Signalling: loop1})
	x = r.ours(r.s.Reoffer(r.b, c))
	if d := door(t, x.Offer(), 1); d.IsValid() {
		t.Errorf("video offered at %v", d)
	}
}

// An attended transfer: A talks with B in one call and with C in another; B and C become one call.
func TestTakeJoinsTwoCalls(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	toldA, toldB := r.up()
	talk(t, r.A, r.B, door(t, toldA, 0), door(t, toldB, 0))
	C, A2 := newPhone(t, "127.0.0.4"), newPhone(t, "127.0.0.2")
	other := r.e.Open(SessionOptions{Silence: time.Minute, OnSilence: func(*Party, time.Time) {}})
	a2 := other.Party(PartyOptions{Pools: []string{"p"}, Signalling: A2.ip})
	c := other.Party(PartyOptions{Pools: []string{"p"}, Signalling: C.ip})
	x := r.ours(other.Offer(a2, c, A2.sdp()))
	toldA2 := r.answer(x, C.sdp())
	other.Answered()
	doorC := door(t, x.Offer(), 0)
	talk(t, A2, C, door(t, toldA2, 0), doorC)
	if err := r.s.Take(c, other); err != nil {
		t.Fatal(err)
	}
	if err := r.s.Take(c, other); !errors.Is(err, ErrClosed) {
		t.Errorf("taken twice: %v", err)
	}
	heard := other.LastMedia()
	if st := other.Close(); len(st) != 1 || st[0].From != a2 || heard.IsZero() {
		t.Errorf("figures that stay: %+v, last media %v", st, heard)
	}
	r.inUse(3)
	x = r.ours(r.s.Reoffer(r.b, c))
	if x.Changed() && door(t, x.Offer(), 0) != doorC {
		t.Errorf("C is told another port:\n%s", x.Offer())
	}
	r.answer(x, C.sdp())
	r.s.Drop(r.a)
	talk(t, r.B, C, door(t, toldB, 0), doorC)
	st := r.s.Close()
	if i := slices.IndexFunc(st, func(s StreamStats) bool { return s.From == c }); i < 0 || st[i].Packets != 2 {
		t.Errorf("C's figures of both calls: %+v", st)
	}
	r.inUse(0)
}

// The other call is over before its party is taken, or ours is.
func TestTakeFromAndIntoClosed(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.up()
	other := r.e.Open(SessionOptions{})
	other.Close()
	if err := other.Take(r.b, r.s); !errors.Is(err, ErrClosed) {
		t.Errorf("into a closed session: %v", err)
	}
	r.inUse(1)
	r.s.Close()
	r.inUse(0)
	if err := other.Take(r.a, r.s); !errors.Is(err, ErrClosed) {
		t.Errorf("from a closed session: %v", err)
	}
}

func version(t *testing.T, body []byte) (n uint64) {
	t.Helper()
	var id uint64
	_, origin, _ := bytes.Cut(body, []byte("o=- "))
	if _, err := fmt.Sscan(string(origin), &id, &n); err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	return n
}
