package config

import (
	"github.com/sallyport/sallyport/sbc"
)

// level is one of the places that may name profiles, the nearest first.
type level struct {
	origin sbc.Origin
	names  *sbc.DefaultProfiles
}

// chosen are the profiles that count for somebody, and where each was named. A profile that is disabled is as if it were not named; a
// list of limit profiles counts as soon as it names any, for bounds that are off for a while are no reason for others.
type chosen struct {
	signalling *sbc.SignallingProfile // nil: the defaults of the kind
	media      *sbc.MediaProfile      // nil: the defaults of the kind
	headerID   string
	limits     []*sbc.LimitProfile
	limitIDs   []string

	signallingFrom, mediaFrom, headerFrom, limitsFrom sbc.Origin
}

// nearest chooses by the levels, the nearest first.
func (p *profiles) nearest(levels ...level) *chosen {
	c := &chosen{
		signallingFrom: sbc.OriginSystem, mediaFrom: sbc.OriginSystem, headerFrom: sbc.OriginSystem, limitsFrom: sbc.OriginSystem,
	}
	for _, l := range levels {
		if found := p.signalling[l.names.SignallingProfileID]; c.signalling == nil && found != nil {
			c.signalling, c.signallingFrom = found, l.origin
		}
		if found := p.media[l.names.MediaProfileID]; c.media == nil && found != nil {
			c.media, c.mediaFrom = found, l.origin
		}
		if id := l.names.HeaderProfileID; c.headerID == "" && p.headerOn[id] {
			c.headerID, c.headerFrom = id, l.origin
		}
		if ids := l.names.LimitProfileIDs; len(c.limitIDs) == 0 && len(ids) > 0 {
			c.limits, c.limitIDs, c.limitsFrom = p.limitsOf(ids), ids, l.origin
		}
	}
	return c
}

// limitsOf finds the enabled limit profiles among ids.
func (p *profiles) limitsOf(ids []string) []*sbc.LimitProfile {
	var list []*sbc.LimitProfile
	for _, id := range ids {
		if l := p.limits[id]; l != nil {
			list = append(list, l)
		}
	}
	return list
}

// inherit notes what the trunks and domains of each realm have that name nothing themselves. Realms that would give them only the
// defaults of the kinds are left out.
func (p *profiles) inherit(rows *Rows) {
	tenants := make(map[string]*sbc.Tenant, len(rows.Tenants))
	for _, t := range rows.Tenants {
		tenants[t.ID] = t
	}
	p.ofRealm = map[string]*chosen{}
	for _, r := range rows.Realms {
		levels := []level{{sbc.OriginRealm, &r.DefaultProfiles}}
		if t := tenants[r.TenantID]; t != nil {
			levels = append(levels, level{sbc.OriginTenant, &t.DefaultProfiles})
		}
		if c := p.nearest(levels...); c.signalling != nil || c.media != nil || c.headerID != "" || len(c.limitIDs) > 0 {
			p.ofRealm[r.ID] = c
		}
	}
}

// Effective shows the profiles that count for a trunk, a domain or a realm, and where each is named; false where there is no such
// resource.
func (s *Snapshot) Effective(kind sbc.Kind, id string) (e sbc.EffectiveProfiles, ok bool) {
	var levels []level
	realmID := id
	if kind == sbc.KindTrunk || kind == sbc.KindDomain {
		t := s.Trunk(id)
		if t == nil {
			return e, false
		}
		realmID = t.RealmID
		levels = append(levels, level{sbc.OriginOwn, &sbc.DefaultProfiles{SignallingProfileID: t.SignallingProfileID,
			MediaProfileID: t.MediaProfileID, HeaderProfileID: t.HeaderProfileID, LimitProfileIDs: t.LimitProfileIDs}})
	}
	realm := s.Realm(realmID)
	if realm == nil {
		return e, false
	}
	origin := sbc.OriginRealm
	if kind == sbc.KindRealm {
		origin = sbc.OriginOwn
	}
	levels = append(levels, level{origin, &realm.DefaultProfiles})
	if t := find(s.Rows.Tenants, realm.TenantID); t != nil {
		levels = append(levels, level{sbc.OriginTenant, &t.DefaultProfiles})
	}
	return s.index.profiles.show(s.index.profiles.nearest(levels...), s.Rows.Headers), true
}

// show spells what was chosen.
func (p *profiles) show(c *chosen, headers []*sbc.HeaderProfile) sbc.EffectiveProfiles {
	e := sbc.EffectiveProfiles{
		Signalling: sbc.EffectiveProfile{Origin: c.signallingFrom, Values: p.usual.signalling.Values()},
		Media:      sbc.EffectiveProfile{Origin: c.mediaFrom, Values: p.usual.media.Values()},
		Header:     sbc.EffectiveProfile{Origin: c.headerFrom, Values: sbc.ProfileValues{}},
		Limits:     []sbc.EffectiveProfile{},
	}
	if c.signalling != nil {
		e.Signalling.ProfileID, e.Signalling.Values = c.signalling.ID, c.signalling.Values()
	}
	if c.media != nil {
		e.Media.ProfileID, e.Media.Values = c.media.ID, c.media.Values()
	}
	if h := find(headers, c.headerID); h != nil {
		e.Header.ProfileID, e.Header.Values = h.ID, h.Values()
	}
	for _, l := range c.limits {
		e.Limits = append(e.Limits, sbc.EffectiveProfile{Origin: c.limitsFrom, ProfileID: l.ID, Values: l.Values()})
	}
	return e
}
