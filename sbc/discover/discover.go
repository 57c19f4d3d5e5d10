package discover

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

const (
	// look is how often the Sources are looked through.
	look = time.Second
	// again is the longest wait after a failure.
	again = 30 * time.Second
	// most bounds the questions under way.
	most = 32
)

// errPanic is a fault of ours.
var errPanic = errors.New("internal error")

// Source is an address of ours that a server is asked for.
type Source struct {
	Kind sbc.Kind // sbc.KindSIPInterface or sbc.KindMediaPool
	ID   string
	// Tenant is whose it is.
	Tenant string
	// Address is a media pool's.
	Address netip.Addr
	Host    string // of the server
	Port    int
	Server  string // as it is configured
	Every   time.Duration
}

// Answer is what a server told. Own is the port that the question left by, 0 where it does not matter.
type Answer struct {
	Mapped netip.AddrPort
	Own    uint16
}

// Options are what a Finder needs.
type Options struct {
	// Sources lists who is to be asked now.
	Sources func() []Source
	// Ask asks; it returns when there is an answer, or none to be expected, or the context ends.
	Ask func(ctx context.Context, s Source) (Answer, error)
	// Changed serves an address of a Source that is another than before, which is invalid for the first one. Where it fails it is called
	// again later.
	Changed func(ctx context.Context, s Source, before, now netip.Addr) error
	// File keeps what was told for the next process; "" keeps nothing.
	File string
	Log  *slog.Logger
}

// Finder knows by which addresses the world sees ours.
type Finder struct {
	o       Options
	mu      sync.Mutex
	known   map[string]*known
	running sync.WaitGroup
}

// known is what is known of a Source.
type known struct {
	Server  string
	Address netip.Addr
	Since   time.Time
	Checked time.Time
	kept    *bool // the port
	reason  string
	due     time.Time
	asking  bool
}

// New makes a Finder that knows what its file says; a file that cannot be read says nothing.
func New(o Options) *Finder {
	f := &Finder{o: o, known: map[string]*known{}}
	if f.o.Log == nil {
		f.o.Log = slog.New(slog.DiscardHandler)
	}
	if o.File == "" {
		return f
	}
	raw, err := os.ReadFile(o.File)
	if err == nil {
		err = json.Unmarshal(raw, &f.known)
	}
	if err != nil {
		f.known = map[string]*known{}
		if !os.IsNotExist(err) {
			f.o.Log.Warn("addresses that STUN servers told are not known any more", "error", err)
		}
	}
	maps.DeleteFunc(f.known, func(_ string, k *known) bool { return k == nil })
	return f
}

// Address is what the server told of an address of ours, "" for nothing yet.
func (f *Finder) Address(id, server string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k := f.known[id]; k != nil && k.Server == server && k.Address.IsValid() {
		return k.Address.String()
	}
	return ""
}

// Status tells how it stands with an address of ours that a server is asked for.
func (f *Finder) Status(id, server string) *sbc.AdvertisedStatus {
	s := &sbc.AdvertisedStatus{State: sbc.AdvertisedPending, Server: server}
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.known[id]
	if k == nil || k.Server != server {
		return s
	}
	if k.Address.IsValid() {
		since, checked := k.Since.UTC(), k.Checked.UTC()
		s.State, s.Address, s.Since, s.CheckedAt, s.PortKept = sbc.AdvertisedCurrent, k.Address.String(), &since, &checked, k.kept
	}
	if k.reason != "" {
		s.State, s.Reason = sbc.AdvertisedFailing, k.reason
	}
	return s
}

// Run asks until the context ends.
func (f *Finder) Run(ctx context.Context) {
	defer f.running.Wait()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		for _, s := range f.due(time.Now()) {
			f.running.Go(func() { f.ask(ctx, s) })
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// due gives the sources to be asked now, and forgets those that are none any more.
func (f *Finder) due(now time.Time) (due []Source) {
	sources := f.o.Sources()
	f.mu.Lock()
	defer f.mu.Unlock()
	wanted, asking := make(map[string]bool, len(sources)), 0
	for _, k := range f.known {
		if k.asking {
			asking++
		}
	}
	for _, s := range sources {
		wanted[s.ID] = true
		k := f.known[s.ID]
		if k == nil || k.Server != s.Server && !k.asking {
			k = &known{Server: s.Server}
			f.known[s.ID] = k
		}
		// A shorter interval counts at once.
		if k.asking || asking >= most || now.Before(k.due) && k.due.Sub(now) <= s.Every {
			continue
		}
		k.asking = true
		asking++
		due = append(due, s)
	}
	maps.DeleteFunc(f.known, func(id string, k *known) bool { return !wanted[id] && !k.asking })
	return due
}

// ask asks for one source and notes what is told.
func (f *Finder) ask(ctx context.Context, s Source) {
	var a Answer
	err := f.guard(s, func() (err error) {
		a, err = f.o.Ask(ctx, s)
		return err
	})
	before, changed := f.told(s, a, err)
	if !changed {
		return
	}
	if err := f.guard(s, func() error { return f.o.Changed(ctx, s, before, a.Mapped.Addr()) }); err != nil {
		f.unserved(s, before, err)
	}
}

// guard makes an error of a panic.
func (f *Finder) guard(s Source, do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			f.o.Log.Error("panic while finding out an address of ours", "id", s.ID, "panic", r)
			err = errPanic
		}
	}()
	return do()
}

// unserved takes an address back that cannot be served: it is asked for, and told, again.
func (f *Finder) unserved(s Source, before netip.Addr, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k := f.known[s.ID]; k != nil && k.Server == s.Server {
		k.Address, k.reason, k.due = before, err.Error(), time.Now().Add(min(s.Every, again))
		f.keep()
	}
}

// told notes an answer, or why there is none.
func (f *Finder) told(s Source, a Answer, err error) (before netip.Addr, changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.known[s.ID]
	if k == nil {
		return before, false
	}
	k.asking = false
	t := time.Now()
	if k.Server != s.Server {
		return before, false
	}
	if err != nil {
		if k.reason == "" {
			f.o.Log.Warn("a STUN server tells no address, the last one stays", "id", s.ID, "server", s.Server, "address", k.Address, "error", err)
		}
		k.reason, k.due = err.Error(), t.Add(min(s.Every, again))
		return before, false
	}
	k.reason, k.Checked, k.due, k.kept = "", t, t.Add(s.Every), nil
	if a.Own != 0 {
		kept := a.Mapped.Port() == a.Own
		k.kept = &kept
	}
	if before = k.Address; before == a.Mapped.Addr() {
		return before, false
	}
	k.Address, k.Since = a.Mapped.Addr(), t
	f.keep()
	return before, true
}

// keep writes the file anew; the lock is held. A file that cannot be written costs the next process a second.
func (f *Finder) keep() {
	if f.o.File == "" {
		return
	}
	raw, err := json.Marshal(f.known)
	if err == nil {
		fresh := filepath.Join(filepath.Dir(f.o.File), "."+filepath.Base(f.o.File))
		if err = os.WriteFile(fresh, raw, 0o600); err == nil {
			err = os.Rename(fresh, f.o.File)
		}
	}
	if err != nil {
		f.o.Log.Warn("what a STUN server told is not kept", "error", err)
	}
}
