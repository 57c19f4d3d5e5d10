package config

import (
	"context"

	"github.com/sallyport/sallyport/sbc"
)

// seen is a resource as this node serves it: where a STUN server was asked for the address it advertises, with what it told.
func (m *Manager) seen(r sbc.Resource) sbc.Resource {
	if m.o.Advertised == nil {
		return r
	}
	switch r := r.(type) {
	case *sbc.SIPInterface:
		if a := m.o.Advertised(r); a != "" && a != r.AdvertisedAddress {
			shown := *r
			shown.AdvertisedAddress = a
			return &shown
		}
	case *sbc.MediaPool:
		if a := m.o.Advertised(r); a != "" && a != r.AdvertisedAddress {
			shown := *r
			shown.AdvertisedAddress = a
			return &shown
		}
	}
	return r
}

// allSeen is seen for all resources; the list is the caller's own.
func (m *Manager) allSeen(resources []sbc.Resource) []sbc.Resource {
	for i, r := range resources {
		resources[i] = m.seen(r)
	}
	return resources
}

// Readvertise serves the same configuration with the addresses that Options.Advertised tells now. Calls keep the Snapshot that they
// began with.
func (m *Manager) Readvertise(ctx context.Context) error {
	if err := m.acquire(ctx); err != nil {
		return err
	}
	defer m.release()
	if !m.started {
		return nil
	}
	current := m.Current()
	var edits []edit
	for _, i := range current.Rows.Interfaces {
		if now := m.seen(i); now != sbc.Resource(i) {
			edits = append(edits, edit{kind: sbc.KindSIPInterface, id: i.ID, new: now})
		}
	}
	for _, p := range current.Rows.Pools {
		if now := m.seen(p); now != sbc.Resource(p) {
			edits = append(edits, edit{kind: sbc.KindMediaPool, id: p.ID, new: now})
		}
	}
	if len(edits) == 0 {
		return nil
	}
	next, err := current.with(edits, current.Revision)
	if err != nil {
		return m.failure("compile", err)
	}
	p, err := m.prepare(next)
	if err != nil {
		return err
	}
	m.commit(p)
	return nil
}
