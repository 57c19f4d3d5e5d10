package media

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/media/sdp"
	"github.com/sallyport/sallyport/media/secure"
)

// cipher is the encryption of a phone: how it seals what it says and opens what it hears.
type cipher struct {
	t         *testing.T
	own       secure.Crypto
	said      *secure.Context
	open      *secure.Context
	openValue string
}

func newCipher(t *testing.T, s secure.Suite) *cipher {
	t.Helper()
	k, err := secure.Random(s)
	if err != nil {
		t.Fatal(err)
	}
	c := &cipher{t: t, own: secure.Crypto{Tag: "7", Keys: k}}
	if c.said, err = secure.New(k); err != nil {
		t.Fatal(err)
	}
	return c
}

// line is the phone's a=crypto.
func (c *cipher) line() string { return "a=crypto:" + c.own.Value() }

// crypto gives the keys on the first m-line of a body.
func crypto(t *testing.T, body []byte) []string {
	t.Helper()
	d, err := sdp.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	return d.Media[0].Attributes("crypto")
}

// takes reads the border's key for the phone's suite.
func (c *cipher) takes(body []byte) {
	c.t.Helper()
	for _, value := range crypto(c.t, body) {
		theirs, err := secure.ParseCrypto(value)
		if err != nil {
			c.t.Fatal(err)
		}
		if theirs.Keys.Suite != c.own.Keys.Suite || value == c.openValue {
			continue
		}
		if c.open, err = secure.New(theirs.Keys); err != nil {
			c.t.Fatal(err)
		}
		c.openValue = value
		return
	}
	if c.open == nil {
		c.t.Fatalf("no key for %s in\n%s", c.own.Keys.Suite, body)
	}
}

// encryptedTalk is talk where either phone may be encrypted.
func encryptedTalk(t *testing.T, a, b *phone, doorA, doorB netip.AddrPort, ca, cb *cipher) {
	t.Helper()
	one := func(who string, from, to *phone, door, by netip.AddrPort, cf, ct *cipher) {
		t.Helper()
		clear := packetOf(from)
		b := bytes.Clone(clear)
		var err error
		if cf != nil {
			if b, err = cf.said.SealRTP(append(make([]byte, 0, 256), clear...)); err != nil {
				t.Fatal(err)
			}
		}
		from.send(from.rtp, door, b)
		got, at := to.hear(to.rtp)
		if ct != nil {
			if bytes.Contains(got, clear[12:60]) {
				t.Errorf("%s is heard in the clear", who)
			}
			if got, err = ct.open.OpenRTP(got); err != nil {
				t.Fatalf("%s is not understood: %v", who, err)
			}
		}
		if !bytes.Equal(got[12:], clear[12:]) || at != by {
			t.Errorf("%s is heard as %d octets from %v", who, len(got), at)
		}
	}
	one("A", a, b, doorA, doorB, ca, cb)
	one("B", b, a, doorB, doorA, cb, ca)
}

func packetOf(p *phone) []byte {
	p.seq++
	b := make([]byte, 172)
	b[0], b[1], b[2], b[3], b[11] = 0x80, 8, byte(p.seq>>8), byte(p.seq), 42
	for i := range b[12:] {
		b[12+i] = byte(i)
	}
	return b
}

func savp(body []byte) []byte { return bytes.Replace(body, []byte("RTP/AVP"), []byte("RTP/SAVP"), 1) }

func sdes(mode SRTP, suites ...secure.Suite) Secure {
	if len(suites) == 0 {
		suites = secure.Suites()
	}
	return Secure{Mode: mode, Suites: suites, Keys: true}
}

// secureRig is a call whose parties have such options.
func secureRig(t *testing.T, a, b Secure) *rig {
	t.Helper()
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.a.o.Secure, r.b.o.Secure = a, b
	return r
}

func TestCallerEncrypted(t *testing.T) {
	for _, s := range secure.Suites() {
		r, c := secureRig(t, sdes(SRTPRequired), Secure{}), newCipher(t, s)
		x := r.offer(r.a, r.b, savp(r.A.sdp("a=crypto:1 UNKNOWN inline:x", c.line())))
		if out := string(x.Offer()); strings.Contains(out, "crypto") || strings.Contains(out, "SAVP") {
			t.Errorf("B is told\n%s", out)
		}
		doorB := door(t, x.Offer(), 0)
		back := r.answer(x, r.B.sdp())
		if lines := crypto(t, back); len(lines) != 1 || !strings.HasPrefix(lines[0], "7 "+string(s)+" ") ||
			!strings.Contains(string(back), " RTP/SAVP 8") || strings.Contains(string(back), c.own.Value()) {
			t.Errorf("answered\n%s", back)
		}
		c.takes(back)
		encryptedTalk(t, r.A, r.B, door(t, back, 0), doorB, c, nil)
		if st := r.s.Stats(); st[0].SRTP != string(s) || st[1].SRTP != "" || r.e.census.Count(s) != 1 {
			t.Errorf("figures %+v, %d", st, r.e.census.Count(s))
		}
		if r.s.Close(); r.e.census.Count(s) != 0 {
			t.Errorf("%d streams are left", r.e.census.Count(s))
		}
	}
}

func TestCalleeEncrypted(t *testing.T) {
	for _, s := range secure.Suites() {
		for _, mode := range []SRTP{SRTPOptional, SRTPRequired} {
			r, c := secureRig(t, Secure{}, sdes(mode, secure.GCM256, s)), newCipher(t, s)
			x := r.offer(r.a, r.b, r.A.sdp())
			proto := map[SRTP]string{SRTPOptional: " RTP/AVP 8", SRTPRequired: " RTP/SAVP 8"}[mode]
			if lines := crypto(t, x.Offer()); !strings.HasPrefix(lines[0], "1 AEAD_AES_256_GCM ") || !strings.Contains(string(x.Offer()), proto) {
				t.Errorf("offered\n%s", x.Offer())
			}
			c.takes(x.Offer())
			body := r.B.sdp(c.line())
			if mode == SRTPRequired {
				body = savp(body)
			}
			back := r.answer(x, body)
			if strings.Contains(string(back), "crypto") || strings.Contains(string(back), "SAVP") {
				t.Errorf("A is told\n%s", back)
			}
			encryptedTalk(t, r.A, r.B, door(t, back, 0), door(t, x.Offer(), 0), nil, c)
		}
	}
}

// RFC 8643: who does not want to is called in the clear; who offers it gets it.
func TestOpportunistic(t *testing.T) {
	r := secureRig(t, sdes(SRTPOptional), sdes(SRTPOptional))
	c := newCipher(t, secure.CM128HM32)
	x := r.offer(r.a, r.b, r.A.sdp(c.line()))
	back := r.answer(x, r.B.sdp())
	c.takes(back)
	if !strings.Contains(string(back), " RTP/AVP 8") {
		t.Errorf("answered\n%s", back)
	}
	doorA, doorB := door(t, back, 0), door(t, x.Offer(), 0)
	encryptedTalk(t, r.A, r.B, doorA, doorB, c, nil)
	x = r.offer(r.a, r.b, r.A.sdp(c.line(), "a=sendonly")) // it stays as it was
	if lines := crypto(t, x.Offer()); len(lines) != 0 {
		t.Errorf("offered anew: %v", lines)
	}
	r.answer(x, r.B.sdp("a=recvonly"))
	for what, secured := range map[string]Secure{"off": {}, "no keys in the clear": {Mode: SRTPOptional, Suites: secure.Suites()}} {
		r := secureRig(t, secured, secured)
		if x := r.offer(r.a, r.b, r.A.sdp(c.line())); strings.Contains(string(x.Offer()), "crypto") {
			t.Errorf("%s: offered\n%s", what, x.Offer())
		} else if back := r.answer(x, r.B.sdp()); strings.Contains(string(back), "crypto") {
			t.Errorf("%s: answered\n%s", what, back)
		}
	}
}

func TestNotAsRequired(t *testing.T) {
	c := newCipher(t, secure.GCM128)
	noKeys := Secure{Mode: SRTPRequired, Suites: secure.Suites()}
	for what, x := range map[string]struct {
		a    Secure
		body func(*phone) []byte
	}{
		"plain":             {sdes(SRTPRequired), func(p *phone) []byte { return p.sdp() }},
		"keys told openly":  {noKeys, func(p *phone) []byte { return savp(p.sdp(c.line())) }},
		"another suite":     {sdes(SRTPRequired, secure.CM128HM32), func(p *phone) []byte { return savp(p.sdp(c.line())) }},
		"a key too short":   {sdes(SRTPRequired), func(p *phone) []byte { return savp(p.sdp("a=crypto:1 AEAD_AES_128_GCM inline:AAAA")) }},
		"unknown parameter": {sdes(SRTPRequired), func(p *phone) []byte { return savp(p.sdp(c.line() + " KDR=4")) }},
		"SAVP without keys": {sdes(SRTPRequired), func(p *phone) []byte { return savp(p.sdp()) }},
	} {
		r := secureRig(t, x.a, Secure{})
		if _, err := r.s.Offer(r.a, r.b, x.body(r.A)); !errors.Is(err, ErrPlain) && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", what, err)
		}
		r.inUse(0)
	}
	r := secureRig(t, Secure{}, noKeys)
	if _, err := r.s.Offer(r.a, r.b, r.A.sdp()); !errors.Is(err, ErrNoKeys) {
		t.Error(err)
	}
	r.inUse(0)
	r = secureRig(t, Secure{}, sdes(SRTPRequired))
	x := r.offer(r.a, r.b, r.A.sdp())
	for what, body := range map[string][]byte{
		"plain": r.B.sdp(), "SAVP without keys": savp(r.B.sdp()),
		"not offered": savp(r.B.sdp("a=crypto:1 F8_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj")),
	} {
		if _, err := x.Answer(body); !errors.Is(err, ErrDeclined) {
			t.Errorf("answered %s: %v", what, err)
		}
	}
}

// RFC 4568 7.1.4: keys that do not change go on with their counters; a re-offer of ours that says something else has new ones; what is
// encrypted stays so (CVE-2022-39269).
func TestKeysOverRoundsOfOfferAndAnswer(t *testing.T) {
	for _, mode := range []SRTP{SRTPOptional, SRTPRequired} {
		r := secureRig(t, sdes(mode), sdes(mode))
		ca, cb := newCipher(t, secure.CM128HM80), newCipher(t, secure.GCM128)
		round := func(from *Party, direction string, rekey bool) (offered, answered []byte) {
			t.Helper()
			if rekey {
				ca = newCipher(t, secure.CM128HM80)
			}
			x := r.offer(r.a, r.b, savp(r.A.sdp(ca.line(), direction)))
			back := map[string]string{"a=sendonly": "a=recvonly", "a=sendrecv": "a=sendrecv"}[direction]
			cb.takes(x.Offer())
			body := r.B.sdp(cb.line(), back)
			if mode == SRTPRequired {
				body = savp(body)
			}
			out := r.answer(x, body)
			ca.takes(out)
			return bytes.Clone(x.Offer()), out
		}
		offer, answer := round(r.a, "a=sendrecv", false)
		doorA, doorB := door(t, answer, 0), door(t, offer, 0)
		encryptedTalk(t, r.A, r.B, doorA, doorB, ca, cb)
		r.s.Answered()
		again, answerAgain := round(r.a, "a=sendrecv", false)
		if !bytes.Equal(offer, again) || !bytes.Equal(answer, answerAgain) {
			t.Errorf("a refresh changes\n%s\nto\n%s", offer, again)
		}
		encryptedTalk(t, r.A, r.B, doorA, doorB, ca, cb)
		held, answerHeld := round(r.a, "a=sendonly", false)
		if crypto(t, held)[0] == crypto(t, offer)[0] {
			t.Error("an offer with another direction has the keys of the one before")
		}
		if crypto(t, answerHeld)[0] != crypto(t, answer)[0] {
			t.Error("the answer to a key that stays has another one")
		}
		resumed, answerResumed := round(r.a, "a=sendrecv", true)
		if crypto(t, answerResumed)[0] == crypto(t, answer)[0] || crypto(t, resumed)[0] == crypto(t, held)[0] {
			t.Error("keys are used again")
		}
		encryptedTalk(t, r.A, r.B, doorA, doorB, ca, cb)
		if _, err := r.s.Offer(r.a, r.b, r.A.sdp()); !errors.Is(err, ErrPlain) {
			t.Errorf("downgraded by A: %v", err)
		}
		if _, err := r.s.Offer(r.b, r.a, r.B.sdp("a=sendonly")); !errors.Is(err, ErrPlain) {
			t.Errorf("downgraded by B: %v", err)
		}
		x := r.offer(r.a, r.b, savp(r.A.sdp(ca.line(), "a=sendonly")))
		if _, err := x.Answer(r.B.sdp("a=recvonly")); !errors.Is(err, ErrDeclined) {
			t.Errorf("downgraded by B's answer: %v", err)
		}
		x.Reject()
		encryptedTalk(t, r.A, r.B, doorA, doorB, ca, cb)
	}
}

// jambonz #133: the caller heard early media of one callee; the next one, with other keys, is heard too, and hears.
func TestNextCalleeHasOtherKeys(t *testing.T) {
	r := secureRig(t, sdes(SRTPRequired), sdes(SRTPRequired))
	ca := newCipher(t, secure.GCM128)
	offer := savp(r.A.sdp(ca.line()))
	x := r.offer(r.a, r.b, offer)
	cb := newCipher(t, secure.CM128HM32)
	cb.takes(x.Offer())
	early := r.answer(x, savp(r.B.sdp(cb.line())))
	ca.takes(early)
	encryptedTalk(t, r.A, r.B, door(t, early, 0), door(t, x.Offer(), 0), ca, cb)
	first := crypto(t, x.Offer())
	r.s.Drop(r.b)
	C := newPhone(t, "127.0.0.4")
	party := r.s.Party(PartyOptions{Pools: []string{"p"}, Signalling: C.ip, Secure: sdes(SRTPRequired)})
	y := r.offer(r.a, party, offer)
	for _, key := range crypto(t, y.Offer()) {
		if strings.Contains(strings.Join(first, " "), key[strings.Index(key, "inline:"):]) {
			t.Error("two callees are told one key")
		}
	}
	cc := newCipher(t, secure.CM128HM80)
	cc.takes(y.Offer())
	final := r.answer(y, savp(C.sdp(cc.line())))
	if crypto(t, final)[0] != crypto(t, early)[0] {
		t.Error("the caller is told another key in the 200 than in the 183")
	}
	C.seq = 300
	encryptedTalk(t, r.A, C, door(t, final, 0), door(t, y.Offer(), 0), ca, cc)
}

// A fork that is heard again goes on under its keys: nothing is sealed twice under a number (RFC 3711 9.1).
func TestForksAndTheirKeys(t *testing.T) {
	r := secureRig(t, Secure{}, sdes(SRTPOptional))
	x := r.offer(r.a, r.b, r.A.sdp())
	one, two := newCipher(t, secure.GCM128), newCipher(t, secure.CM128HM80)
	one.takes(x.Offer())
	two.takes(x.Offer())
	doorB := door(t, x.Offer(), 0)
	doorA := door(t, r.answer(x, r.B.sdp(one.line())), 0)
	encryptedTalk(t, r.A, r.B, doorA, doorB, nil, one)
	r.answer(x, r.B.sdp(two.line()))
	encryptedTalk(t, r.A, r.B, doorA, doorB, nil, two)
	out := r.b.ends[0].keys.made
	r.answer(x, r.B.sdp(one.line()))
	if len(r.b.ends[0].keys.made) != len(out) {
		t.Error("contexts were made anew")
	}
	encryptedTalk(t, r.A, r.B, doorA, doorB, nil, one)
}

// What we say ourselves to an encrypted party, before and after it is connected, is encrypted; what it says to us is heard.
func TestAttendedEncrypted(t *testing.T) {
	r := secureRig(t, sdes(SRTPRequired), Secure{})
	c := newCipher(t, secure.CM256HM80)
	body, err := r.s.Attend(r.a, savp(r.A.sdp(c.line())))
	if err != nil {
		t.Fatal(err)
	}
	c.takes(body)
	if err := r.s.Play(r.a, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	b, _ := r.A.hear(r.A.rtp)
	if clear, err := c.open.OpenRTP(b); err != nil || len(clear) != 172 {
		t.Errorf("played %d octets: %v", len(clear), err)
	}
	if _, err := r.s.Attend(r.a, r.A.sdp()); !errors.Is(err, ErrPlain) {
		t.Errorf("attended in the clear: %v", err)
	}
}

// A renewal of ours has new keys if it says something else; and a party that moves to other ports too.
func TestRenewedEncrypted(t *testing.T) {
	r := secureRig(t, Secure{}, sdes(SRTPRequired))
	c := newCipher(t, secure.GCM256)
	x := r.offer(r.a, r.b, r.A.sdp())
	c.takes(x.Offer())
	doorA, doorB := door(t, r.answer(x, savp(r.B.sdp(c.line()))), 0), door(t, x.Offer(), 0)
	r.s.Answered()
	encryptedTalk(t, r.A, r.B, doorA, doorB, nil, c)
	before := crypto(t, x.Offer())
	for _, d := range []Direction{Unchanged, SendOnly, SendRecv} {
		y, err := r.s.Renew(r.b, d)
		if err != nil {
			t.Fatal(err)
		}
		if now := crypto(t, y.Offer()); (now[0] == before[0]) != (d == Unchanged) {
			t.Errorf("direction %d: offered %v", d, now)
		} else {
			before = now
		}
		c.takes(y.Offer())
		direction := map[Direction]string{SendOnly: "a=recvonly"}[d]
		if direction == "" {
			direction = "a=sendrecv"
		}
		if _, err := y.Answer(r.B.sdp()); !errors.Is(err, ErrDeclined) {
			t.Errorf("downgraded: %v", err)
		}
		r.answer(y, savp(r.B.sdp(c.line(), direction)))
	}
	encryptedTalk(t, r.A, r.B, doorA, doorB, nil, c)
	y, err := r.s.Move(r.b)
	if err != nil {
		t.Fatal(err)
	}
	c.takes(y.Offer())
	r.answer(y, savp(r.B.sdp(c.line())))
	encryptedTalk(t, r.A, r.B, doorA, door(t, y.Offer(), 0), nil, c)
}

// ZRTP passes between two phones in the clear, with its a=zrtp-hash, and is shown; not where a profile strips it, or we encrypt.
func TestZRTP(t *testing.T) {
	const hash = "a=zrtp-hash:1.10 fe30efd02423cb054e50efd0248742ac7a52c8f91bc2df881ae642c371ba46df"
	hello := append([]byte{0x10, 0, 0, 1, 0x5a, 0x52, 0x54, 0x50, 0, 0, 0, 42, 0x50, 0x5a, 0, 29}, []byte("Hello   1.10"+strings.Repeat("x", 108))...)
	for what, x := range map[string]struct {
		a, b Secure
		pass bool
	}{
		"passes": {Secure{}, Secure{}, true}, "stripped for A": {Secure{NoZRTP: true}, Secure{}, false},
		"stripped for B": {Secure{}, Secure{NoZRTP: true}, false}, "B encrypted": {Secure{}, sdes(SRTPRequired), false},
	} {
		r, c := secureRig(t, x.a, x.b), newCipher(t, secure.GCM128)
		offer := r.offer(r.a, r.b, r.A.sdp(hash))
		body := r.B.sdp(hash)
		if x.b.Mode == SRTPRequired {
			c.takes(offer.Offer())
			body = savp(r.B.sdp(hash, c.line()))
		}
		back := r.answer(offer, body)
		for _, told := range [][]byte{offer.Offer(), back} {
			if strings.Contains(string(told), hash) != x.pass {
				t.Errorf("%s: told\n%s", what, told)
			}
		}
		r.A.send(r.A.rtp, door(t, back, 0), hello)
		if x.pass {
			if got, _ := r.B.hear(r.B.rtp); !bytes.Equal(got, hello) {
				t.Errorf("%s: heard %x", what, got)
			}
			if st := r.s.Stats(); !st[0].ZRTP || st[1].ZRTP {
				t.Errorf("figures %+v", st)
			}
			continue
		}
		if x.b.Mode == SRTPOff {
			c = nil
		}
		encryptedTalk(t, r.A, r.B, door(t, back, 0), door(t, offer.Offer(), 0), nil, c) // this comes, and nothing before it
	}
}
