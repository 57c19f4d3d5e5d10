package digest

import (
	"encoding/base64"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

const life = 5 * time.Minute

func newClock() *clock { return &clock{at: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)} }

func newTestNonces(c *clock, uses int) *Nonces {
	return NewNonces(NoncesOptions{Secret: []byte("0123456789abcdef0123456789abcdef"), Uses: uses, Now: c.now})
}

func TestNonceIsForOneClientAndRealm(t *testing.T) {
	c := newClock()
	n, here := newTestNonces(c, 0), netip.MustParseAddr("192.0.2.1")
	nonce := n.Make(here, "example.com")
	if len(nonce) != 32 {
		t.Errorf("%d characters: %s", len(nonce), nonce)
	}
	if _, got := n.Read(nonce, here, "example.com", life); got != Fresh {
		t.Errorf("our own nonce is %v", got)
	}
	if _, got := n.Read(nonce, netip.MustParseAddr("::ffff:192.0.2.1"), "example.com", life); got != Fresh {
		t.Errorf("from the mapped address it is %v", got)
	}
	other := newTestNonces(c, 0)
	if _, got := other.Read(nonce, here, "example.com", life); got != Fresh {
		t.Errorf("at another node of the installation it is %v", got)
	}
	strange := NewNonces(NoncesOptions{Secret: []byte("another"), Now: c.now})
	for what, got := range map[string]Freshness{
		"another address":      freshness(n.Read(nonce, netip.MustParseAddr("192.0.2.2"), "example.com", life)),
		"another realm":        freshness(n.Read(nonce, here, "example.org", life)),
		"another installation": freshness(strange.Read(nonce, here, "example.com", life)),
		"nothing":              freshness(n.Read("", here, "example.com", life)),
		"no base64":            freshness(n.Read("********************************", here, "example.com", life)),
		"longer":               freshness(n.Read(nonce+"A", here, "example.com", life)),
	} {
		if got != Foreign {
			t.Errorf("%s: %v", what, got)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw { // every octet counts
		raw[i] ^= 1
		if _, got := n.Read(base64.RawURLEncoding.EncodeToString(raw), here, "example.com", life); got != Foreign {
			t.Errorf("octet %d changed: %v", i, got)
		}
		raw[i] ^= 1
	}
}

func freshness(_ Nonce, f Freshness) Freshness { return f }

func TestNonceAges(t *testing.T) {
	c := newClock()
	n, here := newTestNonces(c, 0), netip.MustParseAddr("2001:db8::1")
	unused, used := n.Make(here, "r"), n.Make(here, "r")
	v, _ := n.Read(used, here, "r", life)
	c.advance(FirstUse)
	if !n.Use(v, 1) {
		t.Fatal("not usable at the end of its first life")
	}
	c.advance(time.Millisecond)
	if _, got := n.Read(unused, here, "r", life); got != Stale {
		t.Errorf("unused after 30 s it is %v", got)
	}
	c.advance(life - FirstUse - time.Millisecond)
	if v, got := n.Read(used, here, "r", life); got != Fresh || !n.Use(v, 2) {
		t.Errorf("used, at the end of its life it is %v", got)
	}
	c.advance(time.Millisecond)
	if v, got := n.Read(used, here, "r", life); got != Stale || n.Use(v, 3) {
		t.Errorf("after its life it is %v", got)
	}
}

// TestClocksThatDiffer has nodes whose clocks are not alike, and one that began after the nonce was made.
func TestClocksThatDiffer(t *testing.T) {
	c := newClock()
	n, here := newTestNonces(c, 0), netip.MustParseAddr("192.0.2.1")
	behind := &clock{at: c.now().Add(-4 * time.Second)}
	if _, got := newTestNonces(behind, 0).Read(n.Make(here, "r"), here, "r", life); got != Fresh {
		t.Errorf("4 s ahead of the reader: %v", got)
	}
	behind = &clock{at: c.now().Add(-6 * time.Second)}
	if _, got := newTestNonces(behind, 0).Read(n.Make(here, "r"), here, "r", life); got != Stale {
		t.Errorf("6 s ahead of the reader: %v", got)
	}
	nonce := n.Make(here, "r")
	c.advance(time.Second)
	if _, got := newTestNonces(c, 0).Read(nonce, here, "r", life); got != Stale {
		t.Errorf("made before the reader began: %v, though it may have been used already", got)
	}
}

func TestCountsAreTakenOnce(t *testing.T) {
	c := newClock()
	n, here := newTestNonces(c, 0), netip.MustParseAddr("192.0.2.1")
	v, _ := n.Read(n.Make(here, "r"), here, "r", life)
	for _, step := range []struct {
		count uint32
		want  bool
	}{
		{1, true}, {1, false}, {2, true}, {5, true}, {3, true}, {3, false}, {4, true}, {5, false}, {100, true}, {37, true}, {36, false},
		{37, false}, {99, true}, {1000, true}, {100, false}, {0, false},
	} {
		if got := n.Use(v, step.count); got != step.want {
			t.Errorf("count %d: %v", step.count, got)
		}
	}
	once, _ := n.Read(n.Make(here, "r"), here, "r", life)
	if !n.Use(once, 0) || n.Use(once, 0) || n.Use(once, 1) || n.Use(once, 7) {
		t.Error("an answer without qop takes the nonce, once")
	}
}

// TestCountsLikeASet compares the window with a set, whose numbers below the window count as taken.
func TestCountsLikeASet(t *testing.T) {
	c := newClock()
	n, here := newTestNonces(c, 0), netip.MustParseAddr("192.0.2.1")
	v, _ := n.Read(n.Make(here, "r"), here, "r", life)
	taken, high := map[uint32]bool{}, uint32(0)
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		count := uint32(max(1, int(high)+r.IntN(200)-100))
		want := !taken[count] && (count > high || high-count < 64)
		if got := n.Use(v, count); got != want {
			t.Fatalf("count %d after %d: %v", count, high, got)
		}
		taken[count], high = true, max(high, count)
	}
}

// TestFloodOfUses has far more nonces used than are remembered: memory stays, and no count is ever taken twice.
func TestFloodOfUses(t *testing.T) {
	c := newClock()
	const room = 640
	n, here := newTestNonces(c, room), netip.MustParseAddr("192.0.2.1")
	var made []string
	for range 20 * room {
		nonce := n.Make(here, "r")
		made = append(made, nonce)
		if v, got := n.Read(nonce, here, "r", life); got != Fresh || !n.Use(v, 1) {
			t.Fatalf("a new nonce is %v while others are forgotten", got)
		}
		c.advance(time.Millisecond)
	}
	if used := n.Used(); used > room {
		t.Errorf("%d are remembered, %d may be", used, room)
	}
	for _, nonce := range made {
		if v, _ := n.Read(nonce, here, "r", life); n.Use(v, 1) {
			t.Fatal("a count was taken twice")
		}
	}
	c.advance(life + time.Second)
	for range 40 * useShards { // new ones sweep out what is over
		v, _ := n.Read(n.Make(here, "r"), here, "r", life)
		n.Use(v, 1)
	}
	if used := n.Used(); used > 40*useShards {
		t.Errorf("%d are remembered after all but %d were over", used, 40*useShards)
	}
}

// TestRaceForOneCount has many try to use the same count: one does.
func TestRaceForOneCount(t *testing.T) {
	c := newClock()
	n, here := newTestNonces(c, 0), netip.MustParseAddr("192.0.2.1")
	nonce := n.Make(here, "r")
	var wg sync.WaitGroup
	won := make(chan bool, 100)
	for range cap(won) {
		wg.Go(func() {
			v, _ := n.Read(nonce, here, "r", life)
			won <- n.Use(v, 1)
		})
	}
	wg.Wait()
	close(won)
	count := 0
	for w := range won {
		if w {
			count++
		}
	}
	if count != 1 {
		t.Errorf("taken %d times", count)
	}
}

func FuzzNonce(f *testing.F) {
	c := newClock()
	n, here := newTestNonces(c, 64), netip.MustParseAddr("192.0.2.1")
	f.Add(n.Make(here, "other"))
	f.Fuzz(func(t *testing.T, nonce string) {
		if _, got := n.Read(nonce, here, "r", life); got != Foreign {
			t.Errorf("%q is %v", nonce, got)
		}
	})
}
