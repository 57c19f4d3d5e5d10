package phone

import (
	"context"
	"math"
	"net/netip"
	"testing"
	"time"
)

func TestMuLawSurvivesTheRoundTrip(t *testing.T) {
	for s := -32000; s <= 32000; s += 37 {
		got := int(decodeMuLaw(encodeMuLaw(int16(s))))
		if diff := got - s; diff > 8+max(s, -s)/16 || -diff > 8+max(s, -s)/16 {
			t.Fatalf("sample %d came back as %d", s, got)
		}
	}
	// ITU-T G.711 table 2a: silence is 0xff.
	if b := encodeMuLaw(0); b != 0xff {
		t.Errorf("silence is %#x, want 0xff", b)
	}
}

func TestStrongestTellsTonesApart(t *testing.T) {
	for _, f := range tones {
		samples := make([]int16, sampleRate/2)
		for i := range samples {
			samples[i] = int16(9000 * math.Sin(2*math.Pi*f*float64(i)/sampleRate))
		}
		if got := strongest(samples); got != f {
			t.Errorf("a tone of %v Hz was heard as %v", f, got)
		}
	}
	noise := make([]int16, sampleRate)
	seed := uint32(1)
	for i := range noise {
		seed = seed*1664525 + 1013904223
		noise[i] = int16(seed >> 16)
	}
	if got := strongest(noise); got != 0 {
		t.Errorf("noise was heard as %v Hz", got)
	}
}

// TestTwoPhonesTalk checks the instrument before it measures the border: directly, without one.
func TestTwoPhonesTalk(t *testing.T) {
	bob, err := New(Options{Address: netip.MustParseAddr("127.0.0.1"), Name: "bob", Tone: 1000, UserAgent: "b", Incoming: func(c *Call) {
		c.Ring()
		if err := c.Answer(); err != nil {
			t.Error(err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close()
	alice, err := New(Options{Address: netip.MustParseAddr("127.0.0.1"), Name: "alice", Tone: 400, UserAgent: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer alice.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := alice.Dial("1", bob.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if code, err := c.Final(ctx); err != nil || code != 200 {
		t.Fatalf("final answer %d, %v", code, err)
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for c.Heard().Tone != 1000 {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("heard %+v, want a tone of 1000 Hz", c.Heard())
		}
	}
	if err := c.Hangup(ctx); err != nil {
		t.Fatal(err)
	}
	if h := c.Heard(); h.Lost != 0 {
		t.Errorf("lost %d of %d packets on loopback", h.Lost, h.Packets)
	}
}
