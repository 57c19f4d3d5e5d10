package config

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/trust"
)

// TLS gives how TLS is spoken by a profile at this moment: nil where there is none of the id or it is disabled, and then no
// handshake is to be made. Each connection is to ask the current Snapshot anew.
func (s *Snapshot) TLS(profileID string) *trust.Profile { return s.index.trust.Profile(profileID) }

// trusted is what a Snapshot has of TLS; nil for none.
func (s *Snapshot) trusted() *trust.Set {
	if s == nil {
		return nil
	}
	return s.index.trust
}

// trust compiles what TLS needs. What has not changed since before is shared with it.
func (b *blames) trust(rows *Rows, before *trust.Set) *trust.Set {
	set, problems := trust.Compile(trust.Rows{
		Authorities: rows.Authorities, Certificates: rows.Certificates, Profiles: rows.TLS,
	}, before)
	for _, p := range problems {
		b.faults = append(b.faults, blame{resource: p.Resource, fault: p.Fault})
	}
	return set
}

// shows finds SIP interfaces that listen with TLS and have nothing to show. A certificate that has not come yet is something: it is on
// its way.
func (b *blames) shows(active []*sbc.SIPInterface, profiles []*sbc.TLSProfile) {
	for _, i := range active {
		p := find(profiles, i.TLSProfileID)
		switch {
		case !i.Transport.Encrypted() || p == nil || len(p.CertificateIDs) > 0:
		case i.Revision >= p.Revision:
			b.collide(i, p, "#/tls_profile_id", "its clients have to be shown a certificate, and none is in")
		default:
			b.collide(p, i, "#/certificate_ids", "is empty, but a certificate has to be shown to the clients of")
		}
	}
}
