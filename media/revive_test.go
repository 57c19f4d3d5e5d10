package media

import (
	"testing"

	"github.com/sallyport/sallyport/media/secure"
)

// A call with keys goes on in another process: nothing passes under the old key of ours, both are offered new ones, and the phone, which
// goes on under its own, is understood however far that was used.
func TestEncryptedCallSurvives(t *testing.T) {
	pool := poolOf("p", "127.0.0.1", 8)
	r := newRig(t, "127.0.0.2", "127.0.0.3", pool)
	r.a.o.Secure = sdes(SRTPRequired)
	c := newCipher(t, secure.CM128HM80)
	body := func(lines ...string) []byte { return savp(r.A.sdp(append(lines, c.line())...)) }
	x := r.offer(r.a, r.b, body())
	doorB := door(t, x.Offer(), 0)
	back := r.answer(x, r.B.sdp())
	c.takes(back)
	encryptedTalk(t, r.A, r.B, door(t, back, 0), doorB, c, nil)
	for n := 1; n < 3*8; n++ { // its sequence numbers run over
		r.A.seq = uint16(n * 8192)
		if _, err := c.said.SealRTP(append(make([]byte, 0, 256), packetOf(r.A)...)); err != nil {
			t.Fatal(err)
		}
	}
	if _, joined := r.reborn(pool); joined {
		t.Fatal("joined without keys")
	}
	s, a, b := r.s, r.a, r.b
	y, err := s.Renew(a, Unchanged)
	if err != nil || crypto(t, y.Offer())[0] == crypto(t, back)[0] {
		t.Fatalf("the old key is told again, or %v", err)
	}
	y.Reject()
	y, err = s.Reoffer(b, a)
	if err != nil {
		t.Fatal(err)
	}
	if crypto(t, y.Offer())[0] == crypto(t, back)[0] || door(t, y.Offer(), 0) != door(t, back, 0) {
		t.Errorf("offered\n%s", y.Offer())
	}
	c.takes(y.Offer())
	r.answer(y, body())
	if y, err = s.Reoffer(a, b); err != nil {
		t.Fatal(err)
	}
	r.answer(y, r.B.sdp())
	encryptedTalk(t, r.A, r.B, door(t, back, 0), doorB, c, nil)
}
