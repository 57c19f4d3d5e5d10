package sbc

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

// TLSVersion is a version of TLS. Older ones are not spoken (RFC 8996).
type TLSVersion string

// The versions.
const (
	TLS12 TLSVersion = "1.2"
	TLS13 TLSVersion = "1.3"
)

// ClientAuth says what is asked of those who connect.
type ClientAuth string

// What is asked.
const (
	ClientAuthOff     ClientAuth = "off"
	ClientAuthRequest ClientAuth = "request" // a certificate that is shown must be good; none is fine
	ClientAuthRequire ClientAuth = "require" // without a good certificate there is no connection
)

// TLSProfile is how TLS is spoken: by a SIP interface with those who connect, by a trunk with those we connect to.
type TLSProfile struct {
	Meta
	// CertificateIDs are ours. The one that has the name asked for (SNI, RFC 6066 3) is shown, the first if none has; a client, which has no
	// such name, shows the first that the server's authorities would believe.
	CertificateIDs []string   `json:"certificate_ids"`
	MinVersion     TLSVersion `json:"min_version"`
	// CipherSuites are those of TLS 1.2, by their IANA names, in no order; empty are all that are good. Those of TLS 1.3 are all good.
	CipherSuites []string   `json:"cipher_suites"`
	ClientAuth   ClientAuth `json:"client_auth"`
	// TrustAnchorsPEM, the system's anchors and AuthorityIDs together are whose certificates are believed.
	TrustAnchorsPEM string   `json:"trust_anchors_pem,omitempty"`
	TrustSystem     bool     `json:"trust_system"`
	AuthorityIDs    []string `json:"authority_ids"`
	// RevokedPEM are lists of revoked certificates (X509 CRL, RFC 5280 5); they must be signed by who issued what they revoke.
	RevokedPEM string `json:"revoked_pem,omitempty"`
	// VerifyPeer checks the certificates of those we connect to: signed by whom we believe, in time, not revoked, and for the name that was
	// asked for or one of PeerNames (RFC 5922 7). A wildcard in a certificate stands for nothing, but "*.example.net" in PeerNames accepts a
	// certificate for "*.example.net".
	VerifyPeer bool     `json:"verify_peer"`
	PeerNames  []string `json:"peer_names"`
	// HandshakeTimeoutS is how long a handshake may take.
	HandshakeTimeoutS int `json:"handshake_timeout_s"`
}

// Kind names the kind.
func (*TLSProfile) Kind() Kind { return KindTLSProfile }

// Base gives the common fields.
func (p *TLSProfile) Base() *Meta { return &p.Meta }

// Defaults: TLS 1.2 and 1.3, nothing asked of clients, servers checked against the system's anchors, 5 s for a handshake.
func (p *TLSProfile) Defaults() {
	p.CertificateIDs, p.CipherSuites, p.AuthorityIDs, p.PeerNames = []string{}, []string{}, []string{}, []string{}
	p.MinVersion, p.ClientAuth, p.TrustSystem, p.VerifyPeer, p.HandshakeTimeoutS = TLS12, ClientAuthOff, true, true, 5
}

// Validate checks enumerations, names and PEM.
func (p *TLSProfile) Validate() []Fault {
	f := faults(p.Meta.validate())
	f.entries("#/certificate_ids", len(p.CertificateIDs))
	f.entries("#/authority_ids", len(p.AuthorityIDs))
	oneOf(&f, "#/min_version", p.MinVersion, TLS12, TLS13)
	oneOf(&f, "#/client_auth", p.ClientAuth, ClientAuthOff, ClientAuthRequest, ClientAuthRequire)
	for i, name := range p.CipherSuites {
		if CipherSuite(name) == 0 {
			f.add(fmt.Sprintf("#/cipher_suites/%d", i), "enum", fmt.Sprintf("%q is no good cipher suite of TLS 1.2", name))
		}
	}
	f.pem("#/trust_anchors_pem", p.TrustAnchorsPEM, maxAnchors)
	if _, err := ParseRevocations(p.RevokedPEM); err != nil || len(p.RevokedPEM) > maxAnchors {
		f.add("#/revoked_pem", "pem", "is not a list of X509 CRLs in PEM")
	}
	f.entries("#/peer_names", len(p.PeerNames))
	for i, n := range p.PeerNames {
		if !ValidHost(strings.TrimPrefix(n, "*.")) {
			f.add(fmt.Sprintf("#/peer_names/%d", i), "host", fmt.Sprintf("%q is neither an IP address nor a host name", n))
		}
	}
	f.between("#/handshake_timeout_s", p.HandshakeTimeoutS, 1, 60)
	if p.ClientAuth != ClientAuthOff && p.TrustAnchorsPEM == "" && len(p.AuthorityIDs) == 0 && !p.TrustSystem {
		f.add("#/client_auth", "conflict", "nobody is believed: name trust anchors or authorities")
	}
	return f
}

// References lists the resources it needs.
func (p *TLSProfile) References() []Reference {
	list := []Reference{{Pointer: "#/tenant_id", Kind: KindTenant, ID: p.TenantID}}
	for i, id := range p.CertificateIDs {
		list = append(list, Reference{Pointer: fmt.Sprintf("#/certificate_ids/%d", i), Kind: KindCertificate, ID: id})
	}
	for i, id := range p.AuthorityIDs {
		list = append(list, Reference{Pointer: fmt.Sprintf("#/authority_ids/%d", i), Kind: KindCertificateAuthority, ID: id})
	}
	return refs(list...)
}

// CipherSuite gives the number of a good cipher suite of TLS 1.2, 0 for any other name.
func CipherSuite(name string) uint16 {
	for _, c := range tls.CipherSuites() {
		if c.Name == name && c.SupportedVersions[0] <= tls.VersionTLS12 {
			return c.ID
		}
	}
	return 0
}

// ParseRevocations reads CRLs in PEM.
func ParseRevocations(text string) ([]*x509.RevocationList, error) {
	var list []*x509.RevocationList
	rest := []byte(text)
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		l, err := x509.ParseRevocationList(b.Bytes)
		if err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("sbc: something else than CRLs in PEM")
	}
	return list, nil
}
