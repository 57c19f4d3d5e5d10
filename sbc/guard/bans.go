package guard

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"

	"github.com/sallyport/sallyport/sbc"
)

// ban is a ban in force. All but the counter is immutable.
type ban struct {
	sbc.Ban
	network netip.Prefix
	dropped atomic.Uint64
}

// manual bans hold for everybody, those of the guard not for who is exempt.
func (b *ban) manual() bool { return b.Reason == sbc.BanManual }

// seen is the ban as others see it.
func (b *ban) seen() sbc.Ban {
	out := b.Ban
	out.Dropped = b.dropped.Load()
	return out
}

// place is where a ban holds.
type place struct {
	realmID string
	network netip.Prefix
}

// past is how often a network was banned, and when last.
type past struct {
	Count int       `json:"count"`
	At    time.Time `json:"at"`
}

// repeatedWithin is how long a ban counts for the next.
const repeatedWithin = 24 * time.Hour

// bans knows the bans. Readers take one pointer; writers make new tables, which share what did not change.
type bans struct {
	max   int
	view  atomic.Pointer[banView]
	mu    sync.Mutex
	byID  map[string]*ban
	at    map[place]*ban
	past  map[place]past
	dirty bool
}

// banView is what readers see: the bans of each realm, and those of all ("").
type banView struct {
	realms map[string]*bart.Table[*ban]
}

func newBans(limit int) *bans {
	b := &bans{max: limit, byID: map[string]*ban{}, at: map[place]*ban{}, past: map[place]past{}}
	b.view.Store(&banView{})
	return b
}

func (b *bans) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.byID)
}

// find gives the ban of an address in a realm (nil is none), or in all.
func (b *bans) find(r *realm, a netip.Addr) *ban {
	v := b.view.Load()
	if len(v.realms) == 0 {
		return nil
	}
	a = a.WithZone("")
	if t := v.realms[""]; t != nil {
		if hit, ok := t.Lookup(a); ok && time.Now().Before(hit.ExpiresAt) {
			return hit
		}
	}
	if r == nil {
		return nil
	}
	if t := v.realms[r.id]; t != nil {
		if hit, ok := t.Lookup(a); ok && time.Now().Before(hit.ExpiresAt) {
			return hit
		}
	}
	return nil
}

// put adds a ban or takes the place of the one for the same network. It is false where there is no room: a ban of the guard gives
// way to a new one, and the one that ends next first; those that were made by hand stay.
func (b *bans) put(n *ban) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	where := place{n.RealmID, n.network}
	if old := b.at[where]; old != nil {
		if old.manual() && !n.manual() {
			return false
		}
		b.dropLocked(old)
	}
	if len(b.byID) >= b.max {
		var least *ban
		for _, x := range b.byID {
			if !x.manual() && (least == nil || x.ExpiresAt.Before(least.ExpiresAt)) {
				least = x
			}
		}
		if least == nil {
			return false
		}
		b.dropLocked(least)
	}
	b.byID[n.ID], b.at[where], b.dirty = n, n, true
	b.publishLocked(n.RealmID, func(t *bart.Table[*ban]) *bart.Table[*ban] { return t.InsertPersist(n.network, n) })
	return true
}

// publishLocked shows readers a realm's table after a change.
func (b *bans) publishLocked(realmID string, change func(*bart.Table[*ban]) *bart.Table[*ban]) {
	old := b.view.Load().realms
	next := &banView{realms: make(map[string]*bart.Table[*ban], len(old)+1)}
	for id, t := range old {
		next.realms[id] = t
	}
	t := old[realmID]
	if t == nil {
		t = &bart.Table[*ban]{}
	}
	if t = change(t); t.Size() == 0 {
		delete(next.realms, realmID)
	} else {
		next.realms[realmID] = t
	}
	b.view.Store(next)
}

func (b *bans) dropLocked(x *ban) {
	delete(b.byID, x.ID)
	delete(b.at, place{x.RealmID, x.network})
	b.dirty = true
	b.publishLocked(x.RealmID, func(t *bart.Table[*ban]) *bart.Table[*ban] { return t.DeletePersist(x.network) })
}

// remove lifts a ban, and forgets that the network ever was banned.
func (b *bans) remove(id string) *ban {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.byID[id]
	if x == nil {
		return nil
	}
	b.dropLocked(x)
	delete(b.past, place{x.RealmID, x.network})
	return x
}

// repeated counts a ban of a network and tells which one of the day it is. While it is banned it is not banned again.
func (b *bans) repeated(where place, now time.Time) (count int, already bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if x := b.at[where]; x != nil && now.Before(x.ExpiresAt) {
		return x.Count, true
	}
	p := b.past[where]
	if now.Sub(p.At) > repeatedWithin {
		p.Count = 0
	}
	if len(b.past) >= 4*b.max {
		b.forgetLocked(now, true)
	}
	p.Count, p.At = p.Count+1, now
	b.past[where], b.dirty = p, true
	return p.Count, false
}

// sweep takes away what has ended.
func (b *bans) sweep(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, x := range b.byID {
		if !now.Before(x.ExpiresAt) {
			b.dropLocked(x)
		}
	}
	b.forgetLocked(now, false)
}

// forgetLocked forgets what was longer ago than a day; where it must make room, everything.
func (b *bans) forgetLocked(now time.Time, room bool) {
	for where, p := range b.past {
		if now.Sub(p.At) > repeatedWithin {
			delete(b.past, where)
		}
	}
	if room && len(b.past) >= 4*b.max {
		clear(b.past)
	}
}

// list gives all bans that last, by rising id.
func (b *bans) list() []*ban {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*ban, 0, len(b.byID))
	for _, x := range b.byID {
		if now.Before(x.ExpiresAt) {
			all = append(all, x)
		}
	}
	slices.SortFunc(all, func(x, y *ban) int { return strings.Compare(x.ID, y.ID) })
	return all
}
