package config

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/header"
)

// profiles finds what a trunk is like. A profile that is disabled is as if it were not there.
type profiles struct {
	signalling    map[string]*sbc.SignallingProfile
	media         map[string]*sbc.MediaProfile
	limits        map[string]*sbc.LimitProfile
	announcements map[string]*sbc.Announcement
	// headers are the compiled header profiles.
	headers map[string]*header.Profile
	// headerOn are the header profiles that are enabled, ofRealm what the trunks and domains of a realm inherit.
	headerOn map[string]bool
	ofRealm  map[string]*chosen
	// ofTenant are the limits that count every call of a tenant.
	ofTenant map[string][]*sbc.LimitProfile
	// usual are the profiles of trunks that name none.
	usual struct {
		signalling *sbc.SignallingProfile
		media      *sbc.MediaProfile
	}
}

// newProfiles indexes the enabled profiles.
func newProfiles(rows *Rows) profiles {
	p := profiles{
		signalling: enabled(rows.Signalling), media: enabled(rows.Media), limits: enabled(rows.Limits),
		announcements: enabled(rows.Announcements), ofTenant: map[string][]*sbc.LimitProfile{},
	}
	for _, l := range rows.Limits {
		if l.Enabled && l.WholeTenant {
			p.ofTenant[l.TenantID] = append(p.ofTenant[l.TenantID], l)
		}
	}
	p.usual.signalling, p.usual.media = &sbc.SignallingProfile{}, &sbc.MediaProfile{}
	p.usual.signalling.Defaults()
	p.usual.media.Defaults()
	p.headerOn = make(map[string]bool, len(rows.Headers))
	for _, h := range rows.Headers {
		p.headerOn[h.ID] = h.Enabled
	}
	p.inherit(rows)
	return p
}

// compileHeaders compiles the header profiles, those that are disabled too: a fault is to be known when it is written.
func (p *profiles) compileHeaders(rows []*sbc.HeaderProfile, b *blames) {
	p.headers = make(map[string]*header.Profile, len(rows))
	for _, row := range rows {
		compiled, faults := header.CompileProfile(row)
		for _, f := range faults {
			b.faults = append(b.faults, blame{resource: row, fault: f})
		}
		if row.Enabled {
			p.headers[row.ID] = compiled
		}
	}
}

// enabled indexes the enabled rows of one kind by id.
func enabled[T sbc.Resource](rows []T) map[string]T {
	m := make(map[string]T, len(rows))
	for _, r := range rows {
		if b := r.Base(); b.Enabled {
			m[b.ID] = r
		}
	}
	return m
}

// Signalling gives the signalling profile of a trunk: its own, else that of its realm, else that of the realm's tenant; never nil.
func (s *Snapshot) Signalling(t *sbc.Trunk) *sbc.SignallingProfile {
	p := &s.index.profiles
	if t != nil {
		if own := p.signalling[t.SignallingProfileID]; own != nil {
			return own
		}
		if c := p.ofRealm[t.RealmID]; c != nil && c.signalling != nil {
			return c.signalling
		}
	}
	return p.usual.signalling
}

// Media gives the media profile of a trunk, found in the same way; never nil.
func (s *Snapshot) Media(t *sbc.Trunk) *sbc.MediaProfile {
	p := &s.index.profiles
	if t != nil {
		if own := p.media[t.MediaProfileID]; own != nil {
			return own
		}
		if c := p.ofRealm[t.RealmID]; c != nil && c.media != nil {
			return c.media
		}
	}
	return p.usual.media
}

// EachLimit visits the enabled limit profiles of a trunk: those that it names, else those of its realm, else of the realm's tenant.
func (s *Snapshot) EachLimit(t *sbc.Trunk, visit func(*sbc.LimitProfile)) {
	p := &s.index.profiles
	if len(t.LimitProfileIDs) > 0 {
		for _, id := range t.LimitProfileIDs {
			if l := p.limits[id]; l != nil {
				visit(l)
			}
		}
	} else if c := p.ofRealm[t.RealmID]; c != nil {
		for _, l := range c.limits {
			visit(l)
		}
	}
}

// Deck finds a rate deck, nil if there is none.
func (s *Snapshot) Deck(id string) *sbc.RateDeck { return find(s.Rows.Decks, id) }

// Limit finds an enabled limit profile, nil if there is none.
func (s *Snapshot) Limit(id string) *sbc.LimitProfile { return s.index.profiles.limits[id] }

// TenantLimits lists the limit profiles that count every call of a tenant. The list is shared.
func (s *Snapshot) TenantLimits(tenantID string) []*sbc.LimitProfile {
	return s.index.profiles.ofTenant[tenantID]
}

// Announcement finds an enabled announcement, nil if there is none.
func (s *Snapshot) Announcement(id string) *sbc.Announcement {
	return s.index.profiles.announcements[id]
}

// HeaderRules gives the header rules of a trunk, found as its other profiles are; nil where there are none.
func (s *Snapshot) HeaderRules(t *sbc.Trunk) *header.Profile {
	if t == nil {
		return nil
	}
	p := &s.index.profiles
	if p.headerOn[t.HeaderProfileID] {
		return p.headers[t.HeaderProfileID]
	}
	if c := p.ofRealm[t.RealmID]; c != nil {
		return p.headers[c.headerID]
	}
	return nil
}
