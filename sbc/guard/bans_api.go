package guard

import (
	"net/netip"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

const (
	// banDefault is how long a ban by hand lasts that names no end.
	banDefault = time.Hour
	// banLongest is the longest that may be asked for.
	banLongest = 365 * 24 * time.Hour
	maxPage    = 1000
)

// ban bans a network for what it did: longer with each repetition within a day.
func (g *Guard) ban(r *realm, network netip.Prefix, reason sbc.BanReason, evidence string, seconds int) {
	now := time.Now().UTC()
	count, already := g.bans.repeated(place{r.id, network}, now)
	if already {
		return
	}
	lasts := grown(seconds, r.profile.BanGrowth, r.profile.MaxBanS, count)
	b := &ban{network: network, Ban: sbc.Ban{
		ID: sbc.NewID(sbc.PrefixBan), RealmID: r.id, Source: network.String(), Reason: reason, Evidence: evidence, Count: count,
		CreatedAt: now, ExpiresAt: now.Add(time.Duration(lasts) * time.Second), Observed: r.observe,
	}}
	if !g.bans.put(b) {
		return
	}
	g.tellBan(b)
	if !r.observe && g.o.Banned != nil {
		g.o.Banned(r.id, network)
	}
}

// tellBan tells of a ban. There is no budget for it: bans are bounded, and no forged packet makes one.
func (g *Guard) tellBan(b *ban) {
	g.log.Warn("guard: banned", "source", b.Source, "realm", b.RealmID, "reason", b.Reason, "evidence", b.Evidence,
		"until", b.ExpiresAt, "observed", b.Observed)
	g.o.Events(sbc.Event{Type: sbc.EventSecurityBan, At: b.CreatedAt, Data: map[string]string{
		"source": b.Source, "realm_id": b.RealmID, "reason": string(b.Reason), "evidence": b.Evidence,
		"seconds": decimal(int(b.ExpiresAt.Sub(b.CreatedAt).Seconds())), "observed": yes(b.Observed), "ban_id": b.ID,
	}})
}

// Bans lists bans by rising id. A source in the query finds the bans that cover it, or lie in it.
func (g *Guard) Bans(q sbc.BanQuery) (page []sbc.Ban, next string) {
	limit := q.Limit
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	source, sourced := prefixOf(q.Source)
	for _, b := range g.bans.list() {
		switch {
		case b.ID <= q.After, q.RealmID != "" && b.RealmID != q.RealmID, q.Reason != "" && b.Reason != q.Reason:
			continue
		case q.Source != "" && (!sourced || !b.network.Overlaps(source)):
			continue
		}
		if len(page) == limit {
			return page, page[limit-1].ID
		}
		page = append(page, b.seen())
	}
	return page, ""
}

// Ban finds a ban by its id.
func (g *Guard) Ban(id string) (*sbc.Ban, error) {
	g.bans.mu.Lock()
	defer g.bans.mu.Unlock()
	if b := g.bans.byID[id]; b != nil && time.Now().Before(b.ExpiresAt) {
		out := b.seen()
		return &out, nil
	}
	return nil, sbc.Errorf(sbc.CodeNotFound, "there is no ban %s, or it has ended", id)
}

// AddBan bans a network by hand; Source, and where they are set RealmID, Evidence and ExpiresAt are taken. The ban is on disk
// when it is answered. It takes the place of one for the same network.
func (g *Guard) AddBan(want sbc.Ban, dryRun bool) (*sbc.Ban, error) {
	network, faults := g.check(want)
	if err := sbc.Invalid(faults); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	if want.ExpiresAt.IsZero() {
		want.ExpiresAt = now.Add(banDefault)
	}
	b := &ban{network: network, Ban: sbc.Ban{
		ID: sbc.NewID(sbc.PrefixBan), RealmID: want.RealmID, Source: network.String(), Reason: sbc.BanManual, Evidence: want.Evidence,
		Count: 1, CreatedAt: now, ExpiresAt: want.ExpiresAt.UTC(),
	}}
	if dryRun {
		return &b.Ban, nil
	}
	if !g.bans.put(b) {
		return nil, sbc.Errorf(sbc.CodeConflict, "there are %d bans, all made by hand: lift one first", g.o.MaxBans)
	}
	if err := g.save(); err != nil {
		g.bans.remove(b.ID)
		return nil, &sbc.Error{Code: sbc.CodeUnavailable, Message: "the ban cannot be kept", Cause: err}
	}
	g.tellBan(b)
	if g.o.Banned != nil {
		g.o.Banned(b.RealmID, network)
	}
	out := b.seen()
	return &out, nil
}

// longestEvidence bounds the words of a ban, in octets.
const longestEvidence = 512

func (g *Guard) check(want sbc.Ban) (netip.Prefix, []sbc.Fault) {
	var faults []sbc.Fault
	fault := func(pointer, code, detail string) {
		faults = append(faults, sbc.Fault{Pointer: pointer, Code: code, Detail: detail})
	}
	network, ok := prefixOf(want.Source)
	switch {
	case !ok:
		fault("#/source", "cidr", "must be an address or a network such as 192.0.2.0/28")
	case network.Bits() == 0:
		fault("#/source", "cidr", "would ban everybody")
	}
	if want.RealmID != "" && g.rules.Load().realms[want.RealmID] == nil {
		fault("#/realm_id", "not_found", "there is no such realm in service")
	}
	if left := time.Until(want.ExpiresAt); !want.ExpiresAt.IsZero() && (left <= 0 || left > banLongest) {
		fault("#/expires_at", "out_of_range", "must be within the next 365 days")
	}
	if len(want.Evidence) > longestEvidence {
		fault("#/evidence", "too_long", "must be at most 512 octets")
	}
	return network, faults
}

// Unban lifts a ban: the network is heard again at once, and its past forgotten.
func (g *Guard) Unban(id string) error {
	b := g.bans.remove(id)
	if b == nil {
		return sbc.Errorf(sbc.CodeNotFound, "there is no ban %s, or it has ended", id)
	}
	g.failures.pardon(b.network)
	if err := g.save(); err != nil {
		g.log.Error("guard: keeping the bans", "error", err)
	}
	g.o.Events(sbc.Event{Type: sbc.EventSecurityUnban, At: time.Now().UTC(), Data: map[string]string{
		"source": b.Source, "realm_id": b.RealmID, "ban_id": b.ID, "by": "api",
	}})
	return nil
}

// prefixOf reads an address or a network.
func prefixOf(s string) (netip.Prefix, bool) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, false
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := sbc.ParseCIDR(s)
	return p, err == nil
}
