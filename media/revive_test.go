package media

import (
	"encoding/json"
	"testing"

	"github.com/sallyport/sallyport/media/secure"
)

// A call with keys goes on in another process: nothing passes under the old key of ours, both are offered new ones, and the phone, which
// goes on under its own, is understood however far that was used.
func TestEncryptedCallSurvives(t *testing.T) {
	r := secureRig(t, sdes(SRTPRequired), Secure{})
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
	var was [2]PartyState
	for i, p := range []*Party{r.a, r.b} {
		b, err := json.Marshal(r.s.KeepParty(p))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &was[i]); err != nil {
			t.Fatal(err)
		}
	}
	r.s.Close()
	s := r.e.Open(SessionOptions{})
	defer s.Close()
	old := PartyOptions{Pools: []string{"p"}, Signalling: r.A.ip, Secure: sdes(SRTPRequired)}
	a, err := s.RestoreParty(old, &was[0])
	if err != nil {
		t.Fatal(err)
	}
	old.Secure = Secure{}
	b, err := s.RestoreParty(old, &was[1])
	if err != nil {
		t.Fatal(err)
	}
	if joined, err := s.Rejoin(a, b, &was[0], &was[1]); err != nil || joined {
		t.Fatalf("joined %v, %v", joined, err)
	}
	y, err := s.Renew(a, Unchanged)
	if err != nil || crypto(t, y.Offer())[0] == crypto(t, back)[0] {
		t.Fatalf("the old key is told again, or %v", err)
	}
	y.Reject()
	r.s = s
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
