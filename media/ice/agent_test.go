package ice

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"
)

var (
	peer     = Credentials{Fragment: "theirs", Password: "a password of the peer's"}
	laptop   = netip.MustParseAddrPort("192.0.2.7:40000")
	phone    = netip.MustParseAddrPort("[2001:db8::7]:40000")
	attacker = netip.MustParseAddrPort("203.0.113.9:40000")
)

// told remembers what a watcher was told.
type told struct {
	selected []netip.AddrPort
	lost     int
}

func (w *told) Selected(_ Component, s netip.AddrPort) { w.selected = append(w.selected, s) }
func (w *told) Lost(Component)                         { w.lost++ }

func agent() (*Agent, *told) {
	w := &told{}
	a := New(w)
	a.Expect(peer)
	return a, w
}

type priority uint32

func (p priority) AddTo(m *stun.Message) error {
	m.Add(stun.AttrPriority, []byte{byte(p >> 24), byte(p >> 16), byte(p >> 8), byte(p)})
	return nil
}

type flag stun.AttrType

func (f flag) AddTo(m *stun.Message) error { m.Add(stun.AttrType(f), nil); return nil }

const nominate = flag(stun.AttrUseCandidate)

// check makes a check as a peer does that was told certain credentials.
func check(t testing.TB, to Credentials, more ...stun.Setter) []byte {
	t.Helper()
	set := append([]stun.Setter{stun.TransactionID, stun.BindingRequest, stun.NewUsername(to.Fragment + ":" + peer.Fragment)}, more...)
	m, err := stun.Build(append(set, stun.NewShortTermIntegrity(to.Password), stun.Fingerprint)...)
	if err != nil {
		t.Fatal(err)
	}
	return append(make([]byte, 0, 2048), m.Raw...)
}

func code(t *testing.T, a *Agent, answer []byte) stun.ErrorCode {
	t.Helper()
	m := &stun.Message{Raw: answer}
	if err := m.Decode(); err != nil {
		t.Fatalf("answer %x: %v", answer, err)
	}
	if err := stun.NewShortTermIntegrity(a.Local().Password).Check(m); err != nil {
		t.Fatalf("answer's integrity: %v", err)
	}
	if err := stun.Fingerprint.Check(m); err != nil {
		t.Fatalf("answer's fingerprint: %v", err)
	}
	if m.Type == stun.BindingSuccess {
		return 0
	}
	var e stun.ErrorCodeAttribute
	if err := e.GetFrom(m); err != nil {
		t.Fatal(err)
	}
	return e.Code
}

func TestCheckIsAnswered(t *testing.T) {
	for _, from := range []netip.AddrPort{laptop, phone} {
		a, w := agent()
		request := check(t, a.Local(), priority(1), nominate)
		answer := a.Take(request, from, RTP, 1)
		if code(t, a, answer) != 0 {
			t.Fatal("refused")
		}
		m := &stun.Message{Raw: answer}
		var mapped stun.XORMappedAddress
		if err := m.Decode(); err != nil || mapped.GetFrom(m) != nil {
			t.Fatal("no mapped address", err)
		}
		if ip, _ := netip.AddrFromSlice(mapped.IP); netip.AddrPortFrom(ip.Unmap(), uint16(mapped.Port)) != from {
			t.Errorf("mapped %v, came from %v", mapped, from)
		}
		if !bytes.Equal(answer[8:20], request[8:20]) {
			t.Error("another transaction")
		}
		if len(w.selected) != 1 || w.selected[0] != from || a.Selected(RTP) != from || !a.Valid(RTP, from) {
			t.Errorf("selected %v", w.selected)
		}
		a.Close()
	}
}

// Who does not know the password hears nothing, whatever it sends (the door of CVE-2023-22741 and the like).
func TestStrangersHearNothing(t *testing.T) {
	a, w := agent()
	mine := a.Local()
	build := func(set ...stun.Setter) []byte {
		m, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, set...)...)
		if err != nil {
			t.Fatal(err)
		}
		return m.Raw
	}
	user := stun.NewUsername(mine.Fragment + ":" + peer.Fragment)
	good := stun.NewShortTermIntegrity(mine.Password)
	tampered := check(t, mine, priority(1), nominate)
	tampered[len(tampered)-12] ^= 1
	long := string(bytes.Repeat([]byte("x"), 500))
	for name, b := range map[string][]byte{
		"nothing but a header":  build(),
		"no integrity":          build(user, priority(1), nominate, stun.Fingerprint),
		"no fingerprint":        build(user, priority(1), good),
		"another password":      check(t, Credentials{mine.Fragment, "not the password at all"}, priority(1)),
		"another user":          check(t, Credentials{"abcdefgh", mine.Password}, priority(1)),
		"our user alone":        build(stun.NewUsername(mine.Fragment), priority(1), good, stun.Fingerprint),
		"another peer":          build(stun.NewUsername(mine.Fragment+":other"), priority(1), good, stun.Fingerprint),
		"long user":             build(stun.NewUsername(mine.Fragment+":"+long), priority(1), good, stun.Fingerprint),
		"tampered":              tampered,
		"cut":                   check(t, mine, priority(1))[:60],
		"with a tail":           append(check(t, mine, priority(1)), 0, 0, 0, 0),
		"indication":            append([]byte{0, 0x11}, check(t, mine, priority(1))[2:]...),
		"response":              append([]byte{1, 1}, check(t, mine, priority(1))[2:]...),
		"many attributes":       check(t, mine, many(40)),
		"more than one octet":   {0},
		"length beyond the end": {0, 1, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
	} {
		if answer := a.Take(b, attacker, RTP, 1e9); answer != nil {
			t.Errorf("%s: answered %x", name, answer)
		}
	}
	if len(w.selected) != 0 || a.Valid(RTP, attacker) {
		t.Error("a stranger is believed")
	}
}

type many int

func (n many) AddTo(m *stun.Message) error {
	for range n {
		m.Add(0xc001, []byte{1, 2, 3, 4})
	}
	return nil
}

// USE-CANDIDATE behind MESSAGE-INTEGRITY is anybody's.
func TestWhatIsNotCoveredDoesNotCount(t *testing.T) {
	a, w := agent()
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(a.Local().Fragment+":"+peer.Fragment), priority(1),
		stun.NewShortTermIntegrity(a.Local().Password), nominate, stun.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	if answer := a.Take(m.Raw, laptop, RTP, 1); code(t, a, answer) != 0 || len(w.selected) != 0 {
		t.Errorf("selected %v", w.selected)
	}
}

func TestErrors(t *testing.T) {
	a, w := agent()
	for name, c := range map[string]struct {
		set  []stun.Setter
		want stun.ErrorCode
	}{
		"controlled peer":     {[]stun.Setter{priority(1), nominate, flag(stun.AttrICEControlled)}, stun.CodeRoleConflict},
		"no priority":         {[]stun.Setter{nominate}, stun.CodeBadRequest},
		"unknown attribute":   {[]stun.Setter{priority(1), nominate, flag(0x7abc)}, stun.CodeUnknownAttribute},
		"optional attribute":  {[]stun.Setter{priority(1), flag(0xc057)}, 0},
		"controlling and not": {[]stun.Setter{priority(1), flag(stun.AttrICEControlled), flag(stun.AttrICEControlling)}, stun.CodeBadRequest},
	} {
		if got := code(t, a, a.Take(check(t, a.Local(), c.set...), laptop, RTP, 1)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if len(w.selected) != 0 {
		t.Error("a refused check moved the media")
	}
}

func TestNomination(t *testing.T) {
	a, w := agent()
	take := func(from netip.AddrPort, set ...stun.Setter) {
		t.Helper()
		if code(t, a, a.Take(check(t, a.Local(), set...), from, RTP, 1)) != 0 {
			t.Fatal("refused")
		}
	}
	take(laptop, priority(5))
	if len(w.selected) != 0 || !a.Valid(RTP, laptop) {
		t.Fatal("chosen without being nominated, or not valid")
	}
	take(laptop, priority(5), nominate)
	take(phone, priority(2), nominate) // one newly nominated is what the peer decided now
	take(laptop, priority(5), nominate)
	for range 3 { // one that nominates all it has
		take(phone, priority(2), nominate)
		take(laptop, priority(5), nominate)
	}
	want := []netip.AddrPort{laptop, phone, laptop}
	if len(w.selected) != len(want) {
		t.Fatalf("selected %v, want %v", w.selected, want)
	}
	take(laptop, priority(5)) // consent only: it has moved
	take(phone, priority(2))
	take(phone, priority(2), nominate)
	if a.Selected(RTP) != phone || a.Selected(RTCP).IsValid() {
		t.Error("a peer that moved to a worse path is not followed", a.Selected(RTP))
	}
}

// TestBackToAPair: a browser nominates the pair that it uses, and that alone (RFC 8445 8.1.1). When it goes from one to another and back, it
// checks the first one with a nomination as it did before: nothing but the silence of the other one shows that it is meant anew.
func TestBackToAPair(t *testing.T) {
	a, w := agent()
	say := func(from netip.AddrPort, p priority, more ...stun.Setter) {
		t.Helper()
		if code(t, a, a.Take(check(t, a.Local(), append(more, p)...), from, RTP, 1)) != 0 {
			t.Fatal("refused")
		}
	}
	want := func(s netip.AddrPort) {
		t.Helper()
		if got := a.Selected(RTP); got != s || w.selected[len(w.selected)-1] != s {
			t.Errorf("selected %v, told %v; want %v", got, w.selected, s)
		}
	}
	say(laptop, 1, nominate)
	say(phone, 2, nominate)
	want(phone)
	say(laptop, 1, nominate)
	say(laptop, 1, nominate)
	want(laptop)
	say(phone, 2, nominate) // it is preferred
	want(phone)
	say(phone, 2) // and now checked as one that may be needed again
	say(laptop, 1, nominate)
	want(laptop)
}

func TestRestart(t *testing.T) {
	a, w := agent()
	old := a.Local()
	a.Take(check(t, old, priority(1), nominate), laptop, RTP, 1)
	other := Credentials{"changed", "another password of the peer"}
	if !a.Restarts(other) || a.Restarts(peer) {
		t.Fatal("restart not seen")
	}
	a.Restart()
	a.Expect(other)
	if a.Local() == old || a.Selected(RTP) != laptop {
		t.Fatal("media stop for a restart, or the password stays")
	}
	if a.Take(check(t, old, priority(1), nominate), attacker, RTP, 2) == nil || len(w.selected) != 1 {
		t.Error("old credentials move the media, or get no answer before the restart is through")
	}
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(a.Local().Fragment+":changed"), priority(1), nominate,
		stun.NewShortTermIntegrity(a.Local().Password), stun.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	if a.Take(m.Raw, phone, RTP, 3) == nil || a.Selected(RTP) != phone {
		t.Error("new credentials do not move the media")
	}
	if a.Take(check(t, old, priority(1), nominate), laptop, RTP, 4) != nil {
		t.Error("old credentials are good for ever")
	}
}

func TestConsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, w := agent()
		start := time.Now()
		now := func() int64 { return int64(time.Since(start)) + 1 }
		take := func(set ...stun.Setter) { a.Take(check(t, a.Local(), set...), laptop, RTP, now()) }
		take(priority(1), nominate)
		for range 10 {
			time.Sleep(20 * time.Second)
			take(priority(1))
		}
		time.Sleep(29 * time.Second)
		synctest.Wait()
		if w.lost != 0 || a.Selected(RTP) != laptop {
			t.Fatal("lost though it asks")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if w.lost != 1 || a.Selected(RTP).IsValid() || a.Valid(RTP, laptop) {
			t.Fatal("not lost after 31 s", w.lost)
		}
		take(priority(1))
		if a.Selected(RTP) != laptop || len(w.selected) != 2 {
			t.Error("one that asks again gets nothing", w.selected)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.lost != 2 {
			t.Error("the second silence is not seen")
		}
		a.Close()
	})
}

// Checks of strangers who know the user name cost a bounded number of computations, and none of the peer's.
func TestFloodIsBounded(t *testing.T) {
	a, _ := agent()
	a.Take(check(t, a.Local(), priority(1), nominate), laptop, RTP, 1)
	bad := check(t, Credentials{a.Local().Fragment, "not the password at all"}, priority(1))
	for range 1000 {
		a.Take(bytes.Clone(bad), attacker, RTP, 2)
	}
	if a.spare.left >= 1 {
		t.Error("the flood was not counted")
	}
	if a.Take(check(t, a.Local(), priority(1)), laptop, RTP, 3) == nil {
		t.Error("the peer is not heard any more")
	}
	good := 0
	for range 1000 {
		if a.Take(check(t, a.Local(), priority(1)), laptop, RTP, 4) != nil {
			good++
		}
	}
	if good > pairRate {
		t.Errorf("%d checks answered in no time", good)
	}
}

func TestPairsAreBounded(t *testing.T) {
	a, _ := agent()
	a.Take(check(t, a.Local(), priority(1), nominate), laptop, RTP, 1)
	for i := range 100 {
		a.Take(check(t, a.Local(), priority(1)), netip.AddrPortFrom(laptop.Addr(), uint16(1000+i)), RTP, int64(i+2)*1e9)
	}
	if n := len(a.parts[RTP].pairs); n > mostPairs || !a.Valid(RTP, laptop) {
		t.Errorf("%d pairs, or the chosen one forgotten", n)
	}
}

func TestCredentials(t *testing.T) {
	if c := NewCredentials(); !c.Valid() || c == NewCredentials() {
		t.Error(c)
	}
	for _, c := range []Credentials{
		{}, {"abc", peer.Password}, {"abcd", "short"}, {"ab cd", "1234567890123456789012"}, {"abcd", "123456789012345678901\r"},
		{string(bytes.Repeat([]byte("a"), 257)), "1234567890123456789012"},
	} {
		if c.Valid() {
			t.Errorf("%q is valid", c)
		}
	}
}

func FuzzTake(f *testing.F) {
	w := &told{}
	a := New(w)
	a.Expect(peer)
	a.local = Credentials{"ours", "our password, known here"}
	f.Add(check(f, a.local, priority(1), nominate))
	f.Add(check(f, a.local, flag(0x7abc)))
	f.Add([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42})
	now := int64(1)
	f.Fuzz(func(t *testing.T, b []byte) {
		now += 1e9
		answer := a.Take(bytes.Clone(b), attacker, RTP, now)
		if answer != nil && (len(b) < header || len(answer) > len(b)+80) {
			t.Errorf("%d octets answered with %d", len(b), len(answer))
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	a, _ := agent()
	request := check(b, a.Local(), priority(1), nominate)
	scratch := make([]byte, len(request), 2048)
	b.ReportAllocs()
	now := int64(0)
	for b.Loop() {
		now += 1e9
		copy(scratch, request)
		if a.Take(scratch, laptop, RTP, now) == nil {
			b.Fatal("not answered")
		}
	}
}

func BenchmarkStranger(b *testing.B) {
	a, _ := agent()
	request := check(b, Credentials{"abcdefgh", "whatever it may be, it is"}, priority(1))
	b.ReportAllocs()
	for b.Loop() {
		if a.Take(request, attacker, RTP, 1) != nil {
			b.Fatal("answered")
		}
	}
}
