package media

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/media/secure"
)

// phones with DTLS and without ICE: either role, to one in the clear.
func TestDTLSWithoutICE(t *testing.T) {
	for _, setup := range []string{"actpass", "active", "passive"} {
		t.Run(setup, func(t *testing.T) {
			r := newRig(t, "127.0.0.2", "127.0.0.3")
			r.a.o.Secure = dtlsFirst
			b := newBrowser(t, r.A, setup)
			x := r.offer(r.a, r.b, b.sdp())
			doorB := door(t, x.Offer(), 0)
			back := r.answer(x, r.B.sdp())
			if strings.Contains(string(back), "ice") || strings.Contains(string(back), "candidate") {
				t.Errorf("ICE\n%s", back)
			}
			b.meets(back)
			b.encrypted()
			b.says(r.B)
			b.hears(r.B, doorB)
		})
	}
}

// DTLS on one side, SDES or DTLS on the other one; offered as the party's options say.
func TestDTLSBothSides(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.a.o.Secure, r.b.o.Secure = dtlsFirst, dtlsFirst
	a, b := newBrowser(t, r.A, "actpass"), newBrowser(t, r.B, "passive")
	x := r.offer(r.a, r.b, a.sdp())
	if f := attributes(t, x.Offer(), "fingerprint"); len(f) != 1 || f[0] == a.own.Fingerprint().String() {
		t.Fatalf("offered\n%s", x.Offer())
	}
	back := r.answer(x, b.sdp())
	a.meets(back)
	b.meets(x.Offer())
	a.encrypted()
	b.encrypted()
	for range 50 {
		sealed, err := a.seal.SealRTP(append(make([]byte, 0, 256), packetOf(r.A)...))
		if err != nil {
			t.Fatal(err)
		}
		a.send(a.rtp, a.border, sealed)
		select {
		case got := <-b.media:
			if _, err := b.open.OpenRTP(got); err != nil {
				t.Error(err)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Error("not heard")
}

func TestDTLSToSDES(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.a.o.Secure, r.b.o.Secure = dtlsFirst, sdes(SRTPRequired, secure.GCM128)
	a, c := newBrowser(t, r.A, "active"), newCipher(t, secure.GCM128)
	x := r.offer(r.a, r.b, a.sdp())
	c.takes(x.Offer())
	a.meets(r.answer(x, savp(r.B.sdp(c.line()))))
	a.encrypted()
	sealed, err := c.said.SealRTP(append(make([]byte, 0, 256), packetOf(r.B)...))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		r.B.send(r.B.rtp, door(t, x.Offer(), 0), bytes.Clone(sealed))
		select {
		case got := <-a.media:
			if _, err := a.open.OpenRTP(got); err != nil {
				t.Error(err)
			}
			return
		case <-time.After(50 * time.Millisecond):
			if sealed, err = c.said.SealRTP(append(make([]byte, 0, 256), packetOf(r.B)...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Error("not heard")
}

// A certificate that signalling did not tell of: nothing passes, and whoever owns the session is told.
func TestAnotherCertificate(t *testing.T) {
	r, b := browserRig(t)
	told := make(chan error, 1)
	r.a.alarm(func(_ *Party, err error) { told <- err })
	offer := b.sdp()
	other, err := secure.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	b.own = other
	x := r.offer(r.a, r.b, offer)
	doorB := door(t, x.Offer(), 0)
	back := r.answer(x, r.B.sdp())
	b.meets(back)
	b.nominates(back)
	b.keys.Start()
	select {
	case err := <-told:
		if !errors.Is(err, secure.ErrFingerprint) {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("nobody is told")
	}
	r.B.send(r.B.rtp, doorB, packetOf(r.B))
	select {
	case d := <-b.media:
		t.Errorf("gets %x", d)
	case <-time.After(50 * time.Millisecond):
	}
}

// An offer that changes nothing asks for no other handshake; another fingerprint does; one without is refused.
func TestReofferWithDTLS(t *testing.T) {
	r, b := browserRig(t)
	x := r.offer(r.a, r.b, b.sdp())
	back := r.answer(x, r.B.sdp())
	b.meets(back)
	b.nominates(back)
	b.encrypted()
	b.says(r.B)
	again := r.offer(r.a, r.b, b.sdp("a=x-changed:1"))
	if got := r.answer(again, r.B.sdp()); !bytes.Equal(got, back) {
		t.Errorf("answered\n%s\nbefore\n%s", got, back)
	}
	b.says(r.B)
	for _, plain := range [][]byte{r.A.sdp(), savp(r.A.sdp(newCipher(t, secure.GCM128).line()))} {
		x, err := r.s.Offer(r.a, r.b, plain)
		if string(plain[:]) != "" && err == nil && !strings.Contains(string(plain), "crypto") {
			t.Errorf("in the clear: %v", err)
		}
		if err == nil {
			x.Reject()
		}
	}
	b.says(r.B)
	other := newBrowser(t, r.A, "actpass")
	other.ice = [2]string{"other", "anotherpasswordofbrowsers"}
	moved := r.offer(r.a, r.b, other.sdp())
	told := r.answer(moved, r.B.sdp())
	if attributes(t, told, "ice-ufrag")[0] == attributes(t, back, "ice-ufrag")[0] {
		t.Error("no restart")
	}
	b.keys.Close()
	b.own, b.ice, b.ready = other.own, other.ice, make(chan struct{})
	b.meets(told)
	b.nominates(told)
	b.encrypted()
	b.says(r.B)
}

// Two phones answer one offer, in turns: the one heard last has its own keys, also when it is heard again.
func TestForksWithDTLS(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.b.o.Secure = dtlsFirst
	r.b.signalling = netip.Addr{}
	one, two := newBrowser(t, r.B, "active"), newBrowser(t, newPhone(t, "127.0.0.4"), "active")
	x := r.offer(r.a, r.b, r.A.sdp())
	var doorA netip.AddrPort
	for n, b := range []*browser{one, two, one} {
		doorA = door(t, r.answer(x, b.sdp()), 0)
		if n < 2 {
			b.meets(x.Offer())
		}
		b.encrypted()
		b.says(r.A)
		b.hears(r.A, doorA)
	}
}

// A call that ends, or never begins, leaves no goroutine of its handshake.
func TestEndDuringHandshake(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.a.o.Secure = dtlsFirst
	before := goleak.IgnoreCurrent()
	b := newBrowser(t, r.A, "passive")
	r.answer(r.offer(r.a, r.b, b.sdp()), r.B.sdp())
	if first := r.A.maybe(r.A.rtp, 5*time.Second); !secure.Looks(first) {
		t.Fatalf("no ClientHello: %x", first)
	}
	r.s.Close()
	goleak.VerifyNone(t, before)
}

// STUN keep-alives of a phone that speaks no ICE are nothing to us, and ICE that is not allowed is not there.
func TestICEOff(t *testing.T) {
	r, b := browserRig(t)
	r.a.o.ICE = false
	x := r.offer(r.a, r.b, b.sdp("a=ice-lite"))
	back := r.answer(x, r.B.sdp())
	for _, word := range []string{"ice-", "candidate", "BUNDLE"} {
		if strings.Contains(string(back), word) || strings.Contains(string(x.Offer()), word) {
			t.Errorf("%q in\n%s", word, back)
		}
	}
	b.meets(back)
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		t.Fatal(err)
	}
	b.send(b.rtp, b.border, m.Raw)
	b.encrypted()
	b.says(r.B)
	if len(b.answers) != 0 {
		t.Error("STUN answered")
	}
}

// Somebody rewrote the address and left the candidates: no ICE, and it is said (RFC 8839 4.2.5).
func TestMismatch(t *testing.T) {
	r, b := browserRig(t)
	offer := strings.Replace(string(b.sdp()), "c=IN IP4 127.0.0.2", "c=IN IP4 127.0.0.77", 1)
	back := r.answer(r.offer(r.a, r.b, []byte(offer)), r.B.sdp())
	if !strings.Contains(string(back), "a=ice-mismatch") || strings.Contains(string(back), "ice-lite") {
		t.Errorf("answered\n%s", back)
	}
}

// A handshake does not outlive its process: nothing passes until the party was offered to anew, with another certificate.
func TestRestoreOfDTLS(t *testing.T) {
	pool := poolOf("p", "127.0.0.1", 8)
	r := newRig(t, "127.0.0.2", "127.0.0.3", pool)
	r.a.o.Secure, r.a.o.ICE = dtlsFirst, true
	b := newBrowser(t, r.A, "actpass")
	b.ice = [2]string{"brow", "apasswordofthebrowsers00"}
	x := r.offer(r.a, r.b, b.sdp())
	doorB := door(t, x.Offer(), 0)
	back := r.answer(x, r.B.sdp())
	b.meets(back)
	b.nominates(back)
	b.encrypted()
	b.says(r.B)
	if _, err := r.s.Move(r.a); !errors.Is(err, ErrUnsupported) {
		t.Error("ports of ICE moved:", err)
	}
	if _, joined := r.reborn(pool); joined {
		t.Fatal("joined without keys")
	}
	r.B.send(r.B.rtp, doorB, packetOf(r.B))
	again := r.ours(r.s.Reoffer(r.b, r.a))
	if !again.Changed() || attributes(t, again.Offer(), "fingerprint")[0] == attributes(t, back, "fingerprint")[0] ||
		attributes(t, again.Offer(), "setup")[0] != "actpass" || !strings.Contains(string(again.Offer()), "UDP/TLS/RTP/SAVPF") {
		t.Fatalf("offered\n%s", again.Offer())
	}
	b.keys.Close()
	b.setup, b.ice, b.ready = "active", [2]string{"again", "anotherpasswordofbrowsers"}, make(chan struct{})
	r.answer(again, b.sdp())
	b.meets(again.Offer())
	b.nominates(again.Offer())
	b.encrypted()
	b.says(r.B)
	b.hears(r.B, doorB)
}

// ICE without encryption: the lines are those of any phone, and media go to the pair that is chosen, IPv6 included.
func TestICEInTheClear(t *testing.T) {
	for _, at := range []struct{ ip, pool string }{{"127.0.0.2", "127.0.0.1"}, {"::1", "::1"}} {
		r := newRig(t, at.ip, "127.0.0.3", poolOf("a", at.pool, 4), poolOf("b", "127.0.0.1", 4))
		r.a.o.ICE = true
		b := newBrowser(t, r.A, "")
		b.ice = [2]string{"brow", "apasswordofthebrowsers00"}
		offer := r.A.sdp("a=ice-ufrag:"+b.ice[0], "a=ice-pwd:"+b.ice[1], "a=rtcp-mux")
		x := r.offer(r.a, r.b, offer)
		doorB := door(t, x.Offer(), 0)
		back := r.answer(x, r.B.sdp())
		if text := string(back); !strings.Contains(text, "a=candidate:1 1 udp 2130706431 "+at.pool+" ") || strings.Contains(text, "fingerprint") {
			t.Fatalf("answered\n%s", back)
		}
		r.A.say(door(t, back, 0)) // right but for ICE
		if got := r.B.maybe(r.B.rtp, 30*time.Millisecond); got != nil {
			t.Error("heard before a pair was chosen")
		}
		go b.listen(r.A.rtp)
		b.nominates(back)
		sent := r.A.say(door(t, back, 0))
		if got, _ := r.B.hear(r.B.rtp); !bytes.Equal(got, sent) {
			t.Errorf("B hears %x", got)
		}
		sent = r.B.say(doorB)
		select {
		case got := <-b.media:
			if !bytes.Equal(got, sent) {
				t.Errorf("A hears %x", got)
			}
		case <-time.After(5 * time.Second):
			t.Error("A hears nothing")
		}
	}
}

// Optional encryption by DTLS is offered as RTP with a fingerprint (RFC 8643): who leaves it alone is in the clear, and stays so.
func TestOptionalDTLS(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.b.o.Secure = dtlsFirst
	r.b.o.Secure.Mode = SRTPOptional
	x := r.offer(r.a, r.b, r.A.sdp())
	if text := string(x.Offer()); !strings.Contains(text, " RTP/AVP 8") || !strings.Contains(text, "a=fingerprint:") || strings.Contains(text, "crypto") {
		t.Fatalf("offered\n%s", x.Offer())
	}
	doorB := door(t, x.Offer(), 0)
	doorA := door(t, r.answer(x, r.B.sdp()), 0)
	talk(t, r.A, r.B, doorA, doorB)
	again := r.offer(r.a, r.b, r.A.sdp("a=sendonly"))
	if strings.Contains(string(again.Offer()), "fingerprint") {
		t.Errorf("offered\n%s", again.Offer())
	}
}

// Who must be encrypted and answers without, or with nothing that proves anything any more, is no call.
func TestDTLSDeclined(t *testing.T) {
	const sha1 = "a=fingerprint:sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB"
	for _, lines := range [][]string{nil, {sha1, "a=setup:active"}} {
		r := newRig(t, "127.0.0.2", "127.0.0.3")
		r.b.o.Secure = dtlsFirst
		x := r.offer(r.a, r.b, r.A.sdp())
		if _, err := x.Answer([]byte(strings.Replace(string(r.B.sdp(lines...)), "RTP/AVP", "UDP/TLS/RTP/SAVP", 1))); !errors.Is(err, ErrDeclined) {
			t.Errorf("%v: %v", lines, err)
		}
		r.a.o.Secure = dtlsFirst
		if _, err := r.s.Offer(r.b, r.a, r.B.sdp()); err == nil {
			t.Error("a round is open")
		}
		x.Reject()
		if len(lines) > 0 {
			if _, err := r.s.Offer(r.a, r.b, []byte(strings.Replace(string(r.A.sdp(lines...)), "RTP/AVP", "UDP/TLS/RTP/SAVP", 1))); !errors.Is(err, ErrPlain) {
				t.Errorf("offered %v: %v", lines, err)
			}
		}
	}
}

// We answer a browser ourselves (a mailbox, an announcement): it hears us by ICE and DTLS.
func TestBrowserIsAttended(t *testing.T) {
	r, b := browserRig(t)
	back, err := r.s.Attend(r.a, b.sdp())
	if err != nil {
		t.Fatal(err)
	}
	b.meets(back)
	b.nominates(back)
	b.encrypted()
	if err := r.s.Play(r.a, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-b.media:
		if got, err := b.open.OpenRTP(got); err != nil || got[1]&0x7f != 8 {
			t.Errorf("hears %x: %v", got, err)
		}
	case <-time.After(5 * time.Second):
		t.Error("hears nothing")
	}
}

// Who never makes keys, or never chooses a pair, is told of when the time for it is over; not before it was answered, and not
// who did.
func TestNoHandshakeInTime(t *testing.T) {
	r, b := browserRig(t)
	told := make(chan error, 1)
	r.a.alarm(func(_ *Party, err error) { told <- err })
	back := r.answer(r.offer(r.a, r.b, b.sdp()), r.B.sdp())
	if at, _ := r.s.deadline(); at != 0 {
		t.Error("a deadline before the answer")
	}
	r.s.Answered()
	r.s.silent(r.e.clock() + keyTime - int64(time.Second))
	if len(told) != 0 {
		t.Fatal("too early")
	}
	b.meets(back)
	b.nominates(back)
	b.encrypted()
	b.says(r.B)
	r.s.silent(r.e.clock() + keyTime)
	if len(told) != 0 {
		t.Fatal("though there are keys:", <-told)
	}
	other := newBrowser(t, r.A, "actpass")
	other.ice = [2]string{"other", "anotherpasswordofbrowsers"}
	r.answer(r.offer(r.a, r.b, other.sdp()), r.B.sdp())
	r.s.silent(r.e.clock() + keyTime)
	if len(told) != 1 {
		t.Error("nobody is told")
	}
}
