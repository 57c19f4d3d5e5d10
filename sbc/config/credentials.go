package config

import (
	"cmp"

	"github.com/sallyport/sallyport/sbc"
)

// credentials are what answers for trunks that have no credentials of their own: those of their first registrant that has some.
func credentials(rows *Rows) map[string]*sbc.ClientCredentials {
	var all map[string]*sbc.ClientCredentials
	first := map[string]string{}
	for _, r := range rows.Registrants {
		if before, ok := first[r.TrunkID]; !r.Enabled || !r.Credentials.Given() || ok && before <= r.ID {
			continue
		}
		if all == nil {
			all = map[string]*sbc.ClientCredentials{}
		}
		k := r.Credentials
		k.Username = cmp.Or(k.Username, r.AORUser)
		first[r.TrunkID], all[r.TrunkID] = r.ID, &k
	}
	return all
}

// Credentials are what answers the challenges of a trunk (RFC 3261 22): its own, else those of its first registrant by id that is enabled
// and has some; nil for none. They may not be changed.
func (s *Snapshot) Credentials(t *sbc.Trunk) *sbc.ClientCredentials {
	if t.Credentials.Given() {
		return &t.Credentials
	}
	return s.index.credentials[t.ID]
}
