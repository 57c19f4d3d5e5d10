package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// Profile is a TLS profile ready for handshakes. It is immutable and safe for concurrent use.
type Profile struct {
	made    material
	anchors *x509.CertPool
	revoked revocations
	// byName are our certificates by the names they are for, in lower case, "*.example.net" among them.
	byName map[string][]*tls.Certificate
	server *tls.Config
	client *tls.Config
}

// newProfile makes a profile.
func newProfile(m material) (*Profile, *sbc.Fault) {
	p := &Profile{made: m, byName: map[string][]*tls.Certificate{}}
	var known []*x509.Certificate
	var err error
	if p.anchors, known, err = m.anchors(); err != nil {
		return nil, &sbc.Fault{Pointer: "#/trust_anchors_pem", Code: "pem", Detail: err.Error()}
	}
	if p.revoked, err = newRevocations(m.row.RevokedPEM, known); err != nil {
		return nil, &sbc.Fault{Pointer: "#/revoked_pem", Code: "crl", Detail: err.Error()}
	}
	for _, pair := range m.pairs {
		for _, name := range pair.Leaf.DNSNames {
			name = canonical(name)
			p.byName[name] = append(p.byName[name], pair)
		}
	}
	p.client = p.common()
	p.client.GetClientCertificate = p.choose
	// Names and chains are verified by VerifyConnection, which each connection gets with its own name.
	p.client.InsecureSkipVerify = true
	p.server = p.common()
	p.server.GetCertificate = p.show
	p.server.VerifyConnection = p.verifyClient
	switch m.row.ClientAuth {
	case sbc.ClientAuthRequest:
		p.server.ClientAuth = tls.RequestClientCert
	case sbc.ClientAuthRequire:
		p.server.ClientAuth = tls.RequireAnyClientCert
	}
	if !m.row.TrustSystem {
		// Told to the client, so that it can choose (RFC 8446 4.2.4); all those of a system would be too many.
		p.server.ClientCAs = p.anchors
	}
	return p, nil
}

// common is what both roles have in common.
func (p *Profile) common() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if p.made.row.MinVersion == sbc.TLS13 {
		c.MinVersion = tls.VersionTLS13
	}
	for _, name := range p.made.row.CipherSuites {
		if id := sbc.CipherSuite(name); id != 0 {
			c.CipherSuites = append(c.CipherSuites, id)
		}
	}
	return c
}

// Server is for one who accepts a connection. It is shared and must not be changed; each connection is to ask for it anew.
func (p *Profile) Server() *tls.Config { return p.server }

// Client is for one who opens a connection to a host by its name or address, which is what it is asked for (SNI, RFC 6066 3) and its
// certificate has to be for, unless it is for one of names or of the profile's peer names (RFC 5922 7.3). The config is the caller's.
func (p *Profile) Client(name string, names []string) *tls.Config {
	c := p.client.Clone()
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err != nil {
		c.ServerName = strings.TrimSuffix(name, ".")
	}
	if p.made.row.VerifyPeer {
		c.VerifyConnection = func(s tls.ConnectionState) error { return p.verifyServer(&s, name, names) }
	}
	return c
}

// Verifies tells whether a peer that showed a certificate was verified: its names may be believed then. ConnectionState.VerifiedChains
// does not tell, for it is not crypto/tls that verifies.
func (p *Profile) Verifies(client bool) bool {
	if client {
		return p.made.row.VerifyPeer
	}
	return p.made.row.ClientAuth != sbc.ClientAuthOff
}

// Timeout bounds a handshake.
func (p *Profile) Timeout() time.Duration {
	return time.Duration(p.made.row.HandshakeTimeoutS) * time.Second
}

// errNothing says that a profile has no certificate: it is disabled, or has not come yet.
var errNothing = errors.New("trust: the TLS profile has no certificate yet")

// show picks the certificate that a client asks for: for the name itself, else for its wildcard, else the first. Of several for one name it
// is the first that the client can verify.
func (p *Profile) show(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if len(p.made.pairs) == 0 {
		return nil, errNothing
	}
	name := canonical(hello.ServerName)
	found := p.byName[name]
	if len(found) == 0 && name != "" {
		_, parent, _ := strings.Cut(name, ".")
		found = p.byName["*."+parent]
	}
	if len(found) == 0 {
		found = p.made.pairs
	}
	for _, pair := range found {
		if hello.SupportsCertificate(pair) == nil {
			return pair, nil
		}
	}
	return found[0], nil
}

// choose picks what we show a server: the first that its authorities would believe, nothing if there is none.
func (p *Profile) choose(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	for _, pair := range p.made.pairs {
		if asked.SupportsCertificate(pair) == nil {
			return pair, nil
		}
	}
	return &tls.Certificate{}, nil
}

// verifyClient verifies what a client showed, in a session that is resumed too.
func (p *Profile) verifyClient(s tls.ConnectionState) error {
	if p.made.row.ClientAuth == sbc.ClientAuthOff {
		return nil
	}
	if len(s.PeerCertificates) == 0 {
		if p.made.row.ClientAuth == sbc.ClientAuthRequire {
			return errors.New("trust: the client showed no certificate")
		}
		return nil
	}
	// Peers are both client and server in SIP, and most have one certificate, for a server: it is good here too.
	return p.verify(&s, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth)
}

// verifyServer verifies what a server showed, and that it is the one asked for.
func (p *Profile) verifyServer(s *tls.ConnectionState, name string, names []string) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("trust: the server showed no certificate")
	}
	if err := p.verify(s, x509.ExtKeyUsageServerAuth); err != nil {
		return err
	}
	has := Names(s.PeerCertificates[0])
	for _, list := range [][]string{{name}, names, p.made.row.PeerNames} {
		for _, n := range list {
			if Named(has, n) {
				return nil
			}
		}
	}
	return fmt.Errorf("trust: the certificate of %q is for %q", name, has)
}

// verify builds the chains to our anchors, as of now, and wants one in which nothing is revoked.
func (p *Profile) verify(s *tls.ConnectionState, usages ...x509.ExtKeyUsage) error {
	leaf := s.PeerCertificates[0]
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	if forSIP(leaf) {
		usages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: p.anchors, Intermediates: between, KeyUsages: usages})
	if err != nil {
		return fmt.Errorf("trust: the peer's certificate is not believed: %w", err)
	}
	for _, chain := range chains {
		if err = p.revoked.check(chain); err == nil {
			return nil
		}
	}
	return err
}
