package trust

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"reflect"
	"slices"

	"github.com/sallyport/sallyport/sbc"
)

// Rows are the resources a Set is made of. They must not be changed afterwards.
type Rows struct {
	Authorities  []*sbc.CertificateAuthority
	Certificates []*sbc.Certificate
	Profiles     []*sbc.TLSProfile
}

// Problem is what is wrong with a resource.
type Problem struct {
	Resource sbc.Resource
	Fault    sbc.Fault
}

// Set is what all profiles of a Snapshot are made of. It is immutable and safe for concurrent use; the zero value and nil are empty.
type Set struct {
	pairs    map[written]*tls.Certificate
	roots    map[written]*x509.Certificate
	profiles map[string]*Profile
}

// written is what a certificate or authority is parsed from: the same text is parsed once, whoever loaded it.
type written struct{ id, chain, key string }

func ofCertificate(c *sbc.Certificate) written {
	return written{c.ID, c.CertificatePEM, c.PrivateKeyPEM}
}

func ofAuthority(a *sbc.CertificateAuthority) written {
	return written{a.ID, a.CertificatePEM, a.PrivateKeyPEM}
}

// Compile makes a Set, of that before it, which may be nil, everything that is still the same: so the tickets of a profile stay good that
// has not changed. The problems are all that was found; a certificate that has not come yet is none.
func Compile(rows Rows, before *Set) (*Set, []Problem) {
	if before == nil {
		before = &Set{}
	}
	s := &Set{
		pairs: make(map[written]*tls.Certificate, len(rows.Certificates)),
		roots: make(map[written]*x509.Certificate, len(rows.Authorities)), profiles: map[string]*Profile{},
	}
	var problems []Problem
	for _, c := range rows.Certificates {
		if pair, fault := s.pair(c, before); fault != nil {
			problems = append(problems, Problem{c, *fault})
		} else if pair != nil {
			s.pairs[ofCertificate(c)] = pair
		}
	}
	for _, a := range rows.Authorities {
		if root, fault := s.root(a, before); fault != nil {
			problems = append(problems, Problem{a, *fault})
		} else if root != nil {
			s.roots[ofAuthority(a)] = root
		}
	}
	for _, p := range rows.Profiles {
		m := s.material(p, rows)
		if old := before.profiles[p.ID]; old != nil && old.made.equal(&m) {
			s.profiles[p.ID] = old
			continue
		}
		profile, fault := newProfile(m)
		if fault != nil {
			problems = append(problems, Problem{p, *fault})
			continue
		}
		s.profiles[p.ID] = profile
	}
	return s, problems
}

// pair is the chain and key of a certificate, nil where there is none yet.
func (s *Set) pair(c *sbc.Certificate, before *Set) (*tls.Certificate, *sbc.Fault) {
	if pair := before.pairs[ofCertificate(c)]; pair != nil {
		return pair, nil
	}
	if c.CertificatePEM == "" && c.Source != sbc.CertificateUpload {
		return nil, nil
	}
	return Pair(c)
}

// root is the certificate of an authority, nil where there is none yet.
func (s *Set) root(a *sbc.CertificateAuthority, before *Set) (*x509.Certificate, *sbc.Fault) {
	if root := before.roots[ofAuthority(a)]; root != nil || a.CertificatePEM == "" && a.PrivateKeyPEM == "" {
		return root, nil
	}
	pair, fault := Pair(&sbc.Certificate{CertificatePEM: a.CertificatePEM, PrivateKeyPEM: a.PrivateKeyPEM})
	switch {
	case fault != nil:
		return nil, fault
	case !pair.Leaf.IsCA || !pair.Leaf.BasicConstraintsValid || pair.Leaf.KeyUsage != 0 && pair.Leaf.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, &sbc.Fault{Pointer: "#/certificate_pem", Code: "authority", Detail: "is not the certificate of an authority (RFC 5280 4.2.1.9)"}
	}
	return pair.Leaf, nil
}

// Profile finds a profile, nil where there is none or it is disabled: then no handshake is to be made.
func (s *Set) Profile(id string) *Profile {
	if s == nil {
		return nil
	}
	if p := s.profiles[id]; p != nil && p.made.row.Enabled {
		return p
	}
	return nil
}

// material is what a profile is made of.
type material struct {
	row   *sbc.TLSProfile
	pairs []*tls.Certificate
	roots []*x509.Certificate
}

// material collects what a profile names and is enabled and there.
func (s *Set) material(p *sbc.TLSProfile, rows Rows) material {
	m := material{row: p}
	for _, id := range p.CertificateIDs {
		at := slices.IndexFunc(rows.Certificates, func(c *sbc.Certificate) bool { return c.ID == id })
		if at < 0 || !rows.Certificates[at].Enabled {
			continue
		}
		if pair := s.pairs[ofCertificate(rows.Certificates[at])]; pair != nil {
			m.pairs = append(m.pairs, pair)
		}
	}
	for _, id := range p.AuthorityIDs {
		at := slices.IndexFunc(rows.Authorities, func(a *sbc.CertificateAuthority) bool { return a.ID == id })
		if at < 0 || !rows.Authorities[at].Enabled {
			continue
		}
		if root := s.roots[ofAuthority(rows.Authorities[at])]; root != nil {
			m.roots = append(m.roots, root)
		}
	}
	return m
}

func (m *material) equal(other *material) bool {
	return reflect.DeepEqual(m.row, other.row) && slices.Equal(m.pairs, other.pairs) && slices.Equal(m.roots, other.roots)
}

// anchors are whose certificates a profile believes; known are those that somebody wrote.
func (m *material) anchors() (pool *x509.CertPool, known []*x509.Certificate, err error) {
	pool = x509.NewCertPool()
	if m.row.TrustSystem {
		if pool, err = x509.SystemCertPool(); err != nil {
			return nil, nil, fmt.Errorf("the system's anchors cannot be read: %w", err)
		}
	}
	if m.row.TrustAnchorsPEM != "" {
		if known, err = sbc.ParseCertificates(m.row.TrustAnchorsPEM); err != nil {
			return nil, nil, err
		}
	}
	known = append(known, m.roots...)
	for _, c := range known {
		pool.AddCert(c)
	}
	return pool, known, nil
}
