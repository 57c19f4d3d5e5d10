package sbc

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// CertificateSource says where a certificate comes from.
type CertificateSource string

// The sources.
const (
	CertificateUpload   CertificateSource = "upload"   // certificate and key are written by the client
	CertificateCSR      CertificateSource = "csr"      // the key is made here, the client has the request signed and writes the certificate
	CertificateInternal CertificateSource = "internal" // issued by a certificate authority of ours, and renewed
	CertificateACME     CertificateSource = "acme"     // obtained by ACME (RFC 8555), and renewed
)

// KeyType is the kind of a private key that is made here.
type KeyType string

// The kinds.
const (
	KeyECDSA256 KeyType = "ecdsa_p256"
	KeyECDSA384 KeyType = "ecdsa_p384"
	KeyRSA2048  KeyType = "rsa_2048"
	KeyRSA4096  KeyType = "rsa_4096"
)

// ACMEChallenge is how an ACME server is shown that a name is ours.
type ACMEChallenge string

// The challenges.
const (
	ChallengeHTTP ACMEChallenge = "http-01"     // RFC 8555 8.3
	ChallengeALPN ACMEChallenge = "tls-alpn-01" // RFC 8737
)

// The lengths of what is written as PEM.
const (
	maxPEM     = 64 << 10
	maxAnchors = 512 << 10
)

// Certificate is one of ours: a chain and its private key.
type Certificate struct {
	Meta
	Source CertificateSource `json:"source"`
	// Names are the DNS names and addresses it is for, where it is made here or by ACME.
	Names   []string `json:"names"`
	KeyType KeyType  `json:"key_type"`
	// CertificatePEM is the chain, our own certificate first; PrivateKeyPEM its key (PKCS #8, PKCS #1 or SEC 1), which is never shown and
	// sealed in the store. Of the sources other than upload the key is made here.
	CertificatePEM string `json:"certificate_pem,omitempty"`
	PrivateKeyPEM  string `json:"private_key_pem,omitempty"`
	// AuthorityID is who issues it, of CertificateInternal.
	AuthorityID string `json:"authority_id,omitempty"`
	// ValidDays is how long CertificateInternal is valid.
	ValidDays int `json:"valid_days"`
	// RenewBeforeDays is how long before its end it is renewed where it is by itself; 0 is when a third of its time is left.
	RenewBeforeDays int  `json:"renew_before_days"`
	ACME            ACME `json:"acme"`
}

// ACME is whom a certificate is asked of (RFC 8555).
type ACME struct {
	// DirectoryURL is the server's; "" is that of Let's Encrypt.
	DirectoryURL string `json:"directory_url,omitempty"`
	Email        string `json:"email,omitempty"`
	// TermsAgreed says that the server's terms of service are agreed to: without it nothing is asked.
	TermsAgreed bool          `json:"terms_agreed"`
	Challenge   ACMEChallenge `json:"challenge"`
	// TrustAnchorsPEM are believed besides those of the system when the server itself is asked.
	TrustAnchorsPEM string `json:"trust_anchors_pem,omitempty"`
}

// CertificateState says what a certificate is good for.
type CertificateState string

// The states.
const (
	CertificateValid       CertificateState = "valid"
	CertificateExpiring    CertificateState = "expiring" // less than 30 days are left, or what is left of a short one is less than a third
	CertificateExpired     CertificateState = "expired"
	CertificateNotYetValid CertificateState = "not_yet_valid"
	CertificatePending     CertificateState = "pending" // there is none yet
	CertificateFailed      CertificateState = "failed"  // there is none, and the last try to get one failed
)

// CertificateStatus is what is known of a certificate.
type CertificateStatus struct {
	State CertificateState `json:"state"`
	// Reason says it in a sentence.
	Reason            string     `json:"reason,omitempty"`
	Subject           string     `json:"subject,omitempty"`
	Issuer            string     `json:"issuer,omitempty"`
	Names             []string   `json:"names,omitempty"`
	SerialNumber      string     `json:"serial_number,omitempty"`
	KeyAlgorithm      string     `json:"key_algorithm,omitempty"`
	FingerprintSHA256 string     `json:"fingerprint_sha256,omitempty"`
	NotBefore         *time.Time `json:"not_before,omitempty"`
	NotAfter          *time.Time `json:"not_after,omitempty"`
	// RenewalAt is when it is renewed next.
	RenewalAt *time.Time `json:"renewal_at,omitempty"`
}

// Kind names the kind.
func (*Certificate) Kind() Kind { return KindCertificate }

// Base gives the common fields.
func (c *Certificate) Base() *Meta { return &c.Meta }

// Defaults: uploaded; where it is made here a key on P-256, for 90 days.
func (c *Certificate) Defaults() {
	c.Source, c.KeyType, c.Names, c.ValidDays, c.ACME.Challenge = CertificateUpload, KeyECDSA256, []string{}, 90, ChallengeHTTP
}

// Validate checks what can be checked without the keys' arithmetic; whether key and certificate fit is seen when they are compiled.
func (c *Certificate) Validate() []Fault {
	f := faults(c.Meta.validate())
	oneOf(&f, "#/source", c.Source, CertificateUpload, CertificateCSR, CertificateInternal, CertificateACME)
	keyTypes(&f, c.KeyType)
	f.pem("#/certificate_pem", c.CertificatePEM, maxPEM)
	f.secretPEM("#/private_key_pem", c.PrivateKeyPEM)
	f.entries("#/names", len(c.Names))
	for i, n := range c.Names {
		if !ValidHost(n) {
			f.add(fmt.Sprintf("#/names/%d", i), "host", fmt.Sprintf("%q is neither an IP address nor a host name", n))
		}
	}
	f.between("#/valid_days", c.ValidDays, 1, 3650)
	f.between("#/renew_before_days", c.RenewBeforeDays, 0, 365)
	switch c.Source {
	case CertificateUpload:
		if c.CertificatePEM == "" {
			f.add("#/certificate_pem", "required", "must hold the certificate")
		}
	case CertificateInternal:
		f.need("#/authority_id", c.AuthorityID)
	}
	if c.Source != CertificateUpload && len(c.Names) == 0 {
		f.add("#/names", "required", "must hold the names that the certificate is for")
	}
	c.ACME.validate(&f, c)
	return f
}

func (a *ACME) validate(f *faults, c *Certificate) {
	oneOf(f, "#/acme/challenge", a.Challenge, ChallengeHTTP, ChallengeALPN)
	f.pem("#/acme/trust_anchors_pem", a.TrustAnchorsPEM, maxPEM)
	f.text("#/acme/email", a.Email, 0, 254)
	if a.DirectoryURL != "" {
		f.url("#/acme/directory_url", a.DirectoryURL)
	}
	if c.Source != CertificateACME {
		return
	}
	if !a.TermsAgreed {
		f.add("#/acme/terms_agreed", "required", "must be true: the server's terms of service have to be agreed to")
	}
	for i, n := range c.Names {
		if _, err := netip.ParseAddr(n); err == nil {
			f.add(fmt.Sprintf("#/names/%d", i), "host", "ACME gives certificates to names only")
		}
	}
}

// References lists the resources it needs.
func (c *Certificate) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: c.TenantID},
		Reference{Pointer: "#/authority_id", Kind: KindCertificateAuthority, ID: c.AuthorityID},
	)
}

// CertificateAuthority is one of ours: its root is given to phones, and it issues certificates of CertificateInternal.
type CertificateAuthority struct {
	Meta
	// CommonName is the root's; "" is Name. The root is valid for ValidDays.
	CommonName string  `json:"common_name,omitempty"`
	KeyType    KeyType `json:"key_type"`
	ValidDays  int     `json:"valid_days"`
	// CertificatePEM and PrivateKeyPEM are the root and its key. They are made here unless both are written. The key is never shown.
	CertificatePEM string `json:"certificate_pem,omitempty"`
	PrivateKeyPEM  string `json:"private_key_pem,omitempty"`
}

// Kind names the kind.
func (*CertificateAuthority) Kind() Kind { return KindCertificateAuthority }

// Base gives the common fields.
func (a *CertificateAuthority) Base() *Meta { return &a.Meta }

// Defaults: a key on P-256, ten years.
func (a *CertificateAuthority) Defaults() { a.KeyType, a.ValidDays = KeyECDSA256, 3650 }

// Validate checks the fields by themselves.
func (a *CertificateAuthority) Validate() []Fault {
	f := faults(a.Meta.validate())
	f.text("#/common_name", a.CommonName, 0, 64)
	keyTypes(&f, a.KeyType)
	f.between("#/valid_days", a.ValidDays, 1, 36_500)
	f.pem("#/certificate_pem", a.CertificatePEM, maxPEM)
	f.secretPEM("#/private_key_pem", a.PrivateKeyPEM)
	return f
}

// References lists the resources it needs.
func (a *CertificateAuthority) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: a.TenantID})
}

func keyTypes(f *faults, t KeyType) {
	oneOf(f, "#/key_type", t, KeyECDSA256, KeyECDSA384, KeyRSA2048, KeyRSA4096)
}

// pem checks a list of certificates.
func (f *faults) pem(pointer, s string, most int) {
	if len(s) > most {
		f.add(pointer, "too_long", fmt.Sprintf("has %d characters; at most %d are allowed", len(s), most))
		return
	}
	if s == "" {
		return
	}
	if _, err := ParseCertificates(s); err != nil {
		f.add(pointer, "pem", err.Error())
	}
}

// secretPEM checks a private key without ever quoting it.
func (f *faults) secretPEM(pointer, s string) {
	if s == "" {
		return
	}
	if b, rest := pem.Decode([]byte(s)); b == nil || len(bytes.TrimSpace(rest)) > 0 || len(s) > maxPEM {
		f.add(pointer, "pem", "is not one private key in PEM")
	}
}

// ParseCertificates reads certificates in PEM, in their order; anything else in the text is an error.
func ParseCertificates(text string) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	rest := []byte(text)
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a %s; only certificates belong here", b.Type)
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read: %w", len(list)+1, err)
		}
		list = append(list, c)
	}
	if len(bytes.TrimSpace(rest)) > 0 || len(list) == 0 {
		return nil, errors.New("is not a list of certificates in PEM")
	}
	return list, nil
}
