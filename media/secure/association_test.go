package secure

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"go.uber.org/goleak"
)

var (
	bob     = netip.MustParseAddrPort("192.0.2.2:2000")
	bobToo  = netip.MustParseAddrPort("192.0.2.2:2002") // another port of his host
	mallory = netip.MustParseAddrPort("203.0.113.9:9")
)

// side is one end of an association in a test.
type side struct {
	*Association
	seal, open *Context
	source     netip.AddrPort
	ready      chan struct{}
	failed     chan error
}

func identity(t testing.TB) *Identity {
	t.Helper()
	i, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func newSide(o AssociationOptions) *side {
	s := &side{ready: make(chan struct{}), failed: make(chan error, 1)}
	o.Ready = func(seal, open *Context, from netip.AddrPort) {
		s.seal, s.open, s.source = seal, open, from
		close(s.ready)
	}
	o.Failed = func(err error) { s.failed <- err }
	if o.Suites == nil {
		o.Suites = Suites()
	}
	s.Association = NewAssociation(o)
	return s
}

// wire carries datagrams between two sides, in a goroutine of each datagram as a network does.
type wire struct {
	mu   sync.Mutex
	wg   sync.WaitGroup
	lose func(n int, b []byte) bool
	n    int
	ends [2]*side
}

func (w *wire) send(to int, source netip.AddrPort) func([]byte, netip.AddrPort) {
	return func(b []byte, dest netip.AddrPort) {
		if to == 1 && dest != bob { // an answer to somebody else
			return
		}
		w.mu.Lock()
		w.n++
		lost := w.lose != nil && w.lose(w.n, b)
		w.mu.Unlock()
		if lost {
			return
		}
		b = bytes.Clone(b)
		w.wg.Go(func() { w.ends[to].Take(b, source, true) })
	}
}

// couple makes two sides that may do a handshake: the second is active.
func couple(t testing.TB, w *wire, change func(passive, active *AssociationOptions)) (passive, active *side) {
	t.Helper()
	i, j := identity(t), identity(t)
	a := AssociationOptions{Identity: i, Peer: []Fingerprint{j.Fingerprint()}, Send: w.send(1, bobToo)}
	b := AssociationOptions{Identity: j, Peer: []Fingerprint{i.Fingerprint()}, Send: w.send(0, bob), Active: true}
	if change != nil {
		change(&a, &b)
	}
	passive, active = newSide(a), newSide(b)
	w.ends = [2]*side{passive, active}
	return passive, active
}

func done(t testing.TB, s *side) {
	t.Helper()
	select {
	case <-s.ready:
	case err := <-s.failed:
		t.Fatal("failed:", err)
	case <-time.After(10 * time.Second):
		t.Fatal("no keys")
	}
}

func TestHandshake(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, suite := range []Suite{GCM128, GCM256, CM128HM80, CM128HM32} {
		w := &wire{}
		passive, active := couple(t, w, func(a, b *AssociationOptions) { b.Suites = []Suite{CM256HM80, suite} })
		passive.Start() // does nothing: the other one begins
		active.Start()
		done(t, passive)
		done(t, active)
		for _, x := range [][2]*Context{{passive.seal, active.open}, {active.seal, passive.open}} {
			clear := make([]byte, 40, 40+Overhead)
			clear[0], clear[3] = 2<<6, 1
			b, err := x[0].SealRTP(bytes.Clone(clear))
			if err != nil || x[0].Suite() != suite {
				t.Fatal(err, x[0].Suite())
			}
			if got, err := x[1].OpenRTP(b); err != nil || !bytes.Equal(got, clear) {
				t.Errorf("%s: %v", suite, err)
			}
		}
		if passive.source != bob {
			t.Error("source", passive.source)
		}
		passive.Close()
		active.Close()
		w.wg.Wait()
	}
}

// GCM is chosen where both have it.
func TestPreferred(t *testing.T) {
	w := &wire{}
	passive, active := couple(t, w, nil)
	active.Start()
	done(t, passive)
	if s := passive.seal.Suite(); s != GCM128 {
		t.Error(s)
	}
	passive.Close()
	active.Close()
}

// The last flight is lost: whoever waits for it asks again, and gets it.
func TestLoss(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := &wire{}
	lost := map[byte]bool{}
	w.lose = func(_ int, b []byte) bool {
		if b[0] == 20 || b[0] == 22 && b[13] == 2 { // the first ServerHello, and the first ChangeCipherSpec
			before := lost[b[0]]
			lost[b[0]] = true
			return !before
		}
		return false
	}
	passive, active := couple(t, w, nil)
	active.Start()
	done(t, passive)
	done(t, active)
	passive.Close()
	active.Close()
	w.wg.Wait()
}

// A certificate that signalling did not tell of: fail closed, on whichever side.
func TestWrongFingerprint(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, active := range []bool{false, true} {
		w := &wire{}
		stranger := identity(t).Fingerprint()
		p, q := couple(t, w, func(a, b *AssociationOptions) {
			if active {
				b.Peer = []Fingerprint{stranger}
			} else {
				a.Peer = []Fingerprint{stranger}
			}
		})
		deceived := p
		if active {
			deceived = q
		}
		q.Start()
		select {
		case err := <-deceived.failed:
			if !errors.Is(err, ErrFingerprint) {
				t.Error(err)
			}
		case <-deceived.ready:
			t.Error("keys with a stranger")
		case <-time.After(5 * time.Second):
			t.Error("never ends")
		}
		p.Close()
		q.Close()
		w.wg.Wait()
	}
}

// firstHello is the ClientHello of somebody.
func firstHello(t testing.TB) []byte {
	t.Helper()
	got := make(chan []byte, 8)
	f := newFeed(func(b []byte) {
		select {
		case got <- bytes.Clone(b):
		default:
		}
	})
	c, err := dtls.ClientWithOptions(f, f.LocalAddr(), dtls.WithCertificates(identity(t).certificate), dtls.WithInsecureSkipVerify(true),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.HandshakeContext(ctx) }()
	b := <-got
	cancel()
	<-ended
	_ = c.Close()
	return b
}

// Another handshake from a likely source, begun before, between or after, keeps nobody out who is certainly the peer
// (CVE-2023-49786, CVE-2023-51443, CVE-2023-51275).
func TestHelloRace(t *testing.T) {
	defer goleak.VerifyNone(t)
	foreign := firstHello(t)
	w := &wire{}
	w.lose = func(int, []byte) bool {
		w.wg.Go(func() { w.ends[0].Take(foreign, bobToo, false) }) // between
		return false
	}
	passive, active := couple(t, w, nil)
	passive.Take(foreign, bobToo, false) // before
	active.Start()
	done(t, passive)
	done(t, active)
	if passive.source != bob {
		t.Error("keys with", passive.source)
	}
	for range 300 { // after
		passive.Take(foreign, bobToo, false)
		passive.Take([]byte{21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40}, bobToo, false) // an alert in the clear
		passive.Take([]byte{21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40}, bob, true)
	}
	w.wg.Wait()
	select {
	case err := <-passive.failed:
		t.Error("ended by a foreign hello:", err)
	default:
	}
	passive.Close()
	active.Close()
	w.wg.Wait()
}

// Whose place another source may take: what is sure goes before what is likely, and nothing goes before what has keys.
func TestYields(t *testing.T) {
	old := time.Now().Add(-time.Hour)
	for name, x := range map[string]struct {
		t           attempt
		sure, hello bool
		want        bool
	}{
		"likely, just begun":    {attempt{source: bob, begun: time.Now()}, false, true, false},
		"likely, long ago":      {attempt{source: bob, begun: old}, false, true, true},
		"no beginning":          {attempt{source: bob, begun: old}, false, false, false},
		"sure before likely":    {attempt{source: bob, begun: time.Now()}, true, true, true},
		"likely after sure":     {attempt{source: bob, begun: old, sure: true}, false, true, false},
		"sure after sure":       {attempt{source: bob, begun: old, sure: true}, true, true, false},
		"sure after the keys":   {attempt{source: bob, begun: old, done: true}, true, true, false},
		"nobody answered yet":   {attempt{begun: old}, false, false, true},
		"sure, not a beginning": {attempt{source: bob, begun: old}, true, false, false},
	} {
		x.t.a = NewAssociation(AssociationOptions{})
		if got := x.t.yields(x.sure, x.hello); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Garbage ends nothing, and a call that ends during a handshake leaves no goroutine.
func TestGarbageAndEarlyEnd(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := &wire{lose: func(int, []byte) bool { return true }}
	passive, active := couple(t, w, nil)
	for n := range 1000 {
		b := bytes.Repeat([]byte{byte(20 + n%44)}, n)
		passive.Take(b, bob, true)
	}
	if passive.now != nil {
		t.Error("garbage began a handshake")
	}
	active.Start()
	passive.Take(firstHello(t), bob, true)
	passive.Close()
	active.Close()
	passive.Take(firstHello(t), bob, true)
}

func TestLimit(t *testing.T) {
	l := NewLimit(100, 2)
	if !l.begin() || !l.begin() || l.begin() {
		t.Fatal("not two at once")
	}
	l.end()
	if !l.begin() {
		t.Error("an end frees nothing")
	}
	w := &wire{}
	passive, active := couple(t, w, func(a, b *AssociationOptions) { a.Limit, b.Limit = l, l })
	active.Start()
	passive.Take(firstHello(t), bob, true)
	if passive.now != nil || active.now != nil {
		t.Error("more than the limit")
	}
	l.end()
	l.end() // the active side tries again by itself
	done(t, active)
	passive.Close()
	active.Close()
	w.wg.Wait()
}

func TestFingerprint(t *testing.T) {
	f := identity(t).Fingerprint()
	if g, err := ParseFingerprint(f.String()); err != nil || g != f {
		t.Error(g, err)
	}
	for _, bad := range []string{
		"", "sha-256", "sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB", "md5 00:00", f.String()[:90],
		f.String() + ":00", f.String() + " x", "sha-512 " + f.String()[8:], "sha-256 " + string(bytes.Repeat([]byte("zz:"), 31)) + "zz",
	} {
		if _, err := ParseFingerprint(bad); !errors.Is(err, ErrFingerprint) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzTakeDTLS(f *testing.F) {
	f.Add(firstHello(f))
	f.Add([]byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 40})
	i := identity(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		a := newSide(AssociationOptions{Identity: i, Peer: []Fingerprint{i.Fingerprint()}, Send: func([]byte, netip.AddrPort) {}})
		a.Take(b, bob, true)
		a.Take(b, bob, false)
		a.Close()
	})
}

func BenchmarkHandshake(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		w := &wire{}
		passive, active := couple(b, w, nil)
		active.Start()
		done(b, passive)
		done(b, active)
		passive.Close()
		active.Close()
		w.wg.Wait()
	}
}
