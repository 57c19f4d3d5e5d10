package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// kept is the file of bans.
type kept struct {
	Bans []sbc.Ban  `json:"bans"`
	Past []keptPast `json:"past"`
}

type keptPast struct {
	RealmID string `json:"realm_id,omitempty"`
	Source  string `json:"source"`
	past
}

// saveEvery is how long a ban of the guard's own may wait for the disk.
const saveEvery = time.Second

// Run keeps the bans on disk and forgets what has ended, until the context ends.
func (g *Guard) Run(ctx context.Context) {
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			if err := g.save(); err != nil {
				g.log.Error("guard: keeping the bans", "error", err)
			}
			return
		case <-ticker.C:
		}
		g.bans.sweep(time.Now())
		if n%60 == 0 {
			g.trusted.sweep(g.now())
			g.failures.sweep(g.now())
		}
		if g.bans.changed() {
			if err := g.save(); err != nil {
				g.log.Error("guard: keeping the bans", "error", err)
			}
		}
	}
}

func (b *bans) changed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dirty
}

// load reads the file; there may be none.
func (g *Guard) load() error {
	if g.o.File == "" {
		return nil
	}
	raw, err := os.ReadFile(g.o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("guard: reading the bans: %w", err)
	}
	var k kept
	if err := json.Unmarshal(raw, &k); err != nil { // to be without bans is better than to be without calls
		g.log.Error("guard: the file of bans is broken and put aside", "file", g.o.File, "error", err)
		return os.Rename(g.o.File, g.o.File+".broken")
	}
	now := time.Now()
	for _, x := range k.Bans {
		network, err := netip.ParsePrefix(x.Source)
		if err != nil || !now.Before(x.ExpiresAt) {
			continue
		}
		b := &ban{Ban: x, network: network}
		b.dropped.Store(x.Dropped)
		g.bans.put(b)
	}
	for _, p := range k.Past {
		if network, err := netip.ParsePrefix(p.Source); err == nil && now.Sub(p.At) <= repeatedWithin {
			g.bans.past[place{p.RealmID, network}] = p.past
		}
	}
	return nil
}

// save writes the file anew, beside the old one, which it then takes the place of.
func (g *Guard) save() error {
	if g.o.File == "" {
		return nil
	}
	g.saving.Lock()
	defer g.saving.Unlock()
	g.bans.mu.Lock()
	k := kept{Bans: make([]sbc.Ban, 0, len(g.bans.byID)), Past: make([]keptPast, 0, len(g.bans.past))}
	for _, b := range g.bans.byID {
		k.Bans = append(k.Bans, b.seen())
	}
	for where, p := range g.bans.past {
		k.Past = append(k.Past, keptPast{where.realmID, where.network.String(), p})
	}
	g.bans.dirty = false
	g.bans.mu.Unlock()
	raw, err := json.Marshal(k)
	if err == nil {
		err = replace(g.o.File, raw)
	}
	if err != nil {
		g.bans.mu.Lock()
		g.bans.dirty = true // once more
		g.bans.mu.Unlock()
	}
	return err
}

func replace(path string, raw []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".bans-*")
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
