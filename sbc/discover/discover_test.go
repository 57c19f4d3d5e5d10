package discover

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// TestFinder: an address is told once and again, its change is heard, a failure leaves it and is asked again sooner, and the next
// process knows it at once.
func TestFinder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "advertised.json")
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		told, failure, asked, heard := netip.MustParseAddrPort("198.51.100.7:5060"), error(nil), 0, ""
		refused := errors.New("cannot be served")
		sources := []Source{{Kind: sbc.KindSIPInterface, ID: "sif_1", Server: "stun.example", Every: 5 * time.Minute}}
		o := Options{
			File: file,
			Sources: func() []Source {
				mu.Lock()
				defer mu.Unlock()
				return sources
			},
			Ask: func(context.Context, Source) (Answer, error) {
				mu.Lock()
				defer mu.Unlock()
				asked++
				return Answer{told, 5060}, failure
			},
			Changed: func(_ context.Context, s Source, before, now netip.Addr) error {
				mu.Lock()
				defer mu.Unlock()
				if refused != nil {
					return refused
				}
				heard += s.ID + " " + before.String() + " " + now.String() + "\n"
				return nil
			},
		}
		f := New(o)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		pass := func(d time.Duration, change func()) {
			mu.Lock()
			change()
			mu.Unlock()
			<-time.After(d)
			synctest.Wait()
		}
		if s := f.Status("sif_1", "stun.example"); s.State != sbc.AdvertisedPending || f.Address("sif_1", "stun.example") != "" {
			t.Errorf("%+v", s)
		}
		go func() { defer close(done); f.Run(ctx) }()
		pass(time.Second, func() {})
		if s := f.Status("sif_1", "stun.example"); s.State != sbc.AdvertisedFailing || s.Address != "" || heard != "" {
			t.Errorf("%+v, heard %s", s, heard)
		}
		pass(again, func() { refused, asked = nil, 0 })
		s := f.Status("sif_1", "stun.example")
		if s.State != sbc.AdvertisedCurrent || s.Address != "198.51.100.7" || s.PortKept == nil || !*s.PortKept || asked != 1 {
			t.Errorf("%+v, asked %d times", s, asked)
		}
		pass(6*time.Minute, func() { told = netip.MustParseAddrPort("198.51.100.8:1025") })
		s = f.Status("sif_1", "stun.example")
		if s.Address != "198.51.100.8" || *s.PortKept || asked != 2 || heard != "sif_1 invalid IP 198.51.100.7\nsif_1 198.51.100.7 198.51.100.8\n" {
			t.Errorf("%+v, asked %d times, heard %s", s, asked, heard)
		}
		pass(6*time.Minute, func() { failure = errors.New("no answer") })
		s = f.Status("sif_1", "stun.example")
		if s.State != sbc.AdvertisedFailing || s.Address != "198.51.100.8" || s.Reason != "no answer" || asked < 4 ||
			f.Address("sif_1", "stun.example") != "198.51.100.8" {
			t.Errorf("%+v, asked %d times", s, asked)
		}
		if f.Address("sif_1", "another.example") != "" || f.Status("sif_1", "another.example").State != sbc.AdvertisedPending {
			t.Error("another server is believed to have told it")
		}
		next := New(o)
		if next.Address("sif_1", "stun.example") != "198.51.100.8" {
			t.Error("the next process knows nothing")
		}
		pass(2*time.Second, func() { sources = nil })
		if f.Address("sif_1", "stun.example") != "" {
			t.Error("what is not asked for any more is remembered")
		}
		stop()
		<-done
	})
}
