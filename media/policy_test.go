package media

import (
	"bytes"
	"errors"
	"testing"
)

// Each side's policy holds for what it is told and for what it says.
func TestPolicyOfParties(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.a.o.Policy = &Policy{Allow: []string{"PCMA", "PCMU"}}
	r.b.o.Policy = &Policy{Deny: []string{"telephone-event"}, Ptime: 30}
	x := r.offer(r.a, r.b, r.A.sdp())
	back := r.answer(x, r.B.sdp())
	if bytes.Contains(x.Offer(), []byte("telephone-event")) || !bytes.Contains(x.Offer(), []byte("a=ptime:30")) {
		t.Errorf("B is offered\n%s", x.Offer())
	}
	if bytes.Contains(back, []byte("telephone-event")) || bytes.Contains(back, []byte("ptime")) {
		t.Errorf("A is answered\n%s", back)
	}
	talk(t, r.A, r.B, door(t, back, 0), door(t, x.Offer(), 0))
}

// Nothing is left of the offer: refused, and no port is kept.
func TestPolicyLeavesNothing(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.b.o.Policy = &Policy{Allow: []string{"opus"}}
	if _, err := r.s.Offer(r.a, r.b, r.A.sdp()); !errors.Is(err, ErrUnsupported) {
		t.Errorf("%v, want ErrUnsupported", err)
	}
	r.inUse(0)
	r.b.o.Policy = nil
	x := r.offer(r.a, r.b, r.A.sdp())
	r.answer(x, r.B.sdp())
	r.s.Answered()
	r.b.o.Policy = &Policy{Deny: []string{"PCMA"}}
	if _, err := r.s.Offer(r.a, r.b, r.A.sdp()); !errors.Is(err, ErrUnsupported) {
		t.Errorf("re-INVITE: %v, want ErrUnsupported", err)
	}
	r.inUse(2)
	talk(t, r.A, r.B, door(t, x.lastOut, 0), door(t, x.Offer(), 0))
}
