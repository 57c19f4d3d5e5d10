// Package trusttest makes authorities, certificates and lists of revoked ones for tests.
package trusttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Authority issues certificates.
type Authority struct {
	Cert *x509.Certificate
	key  crypto.Signer
	next int64
}

// Issued is a certificate with its key, both as PEM too; Chain is the certificate and those between it and the root.
type Issued struct {
	Cert       *x509.Certificate
	Key        crypto.Signer
	Chain, PEM string
}

// NewAuthority makes a root.
func NewAuthority(t testing.TB, name string) *Authority {
	t.Helper()
	a := &Authority{next: 1}
	root := a.template(name)
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	a.key = key(t)
	a.Cert = sign(t, root, root, a.key.Public(), a.key)
	return a
}

// Between makes an authority that this one issued.
func (a *Authority) Between(t testing.TB, name string) *Authority {
	t.Helper()
	template := a.template(name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	k := key(t)
	return &Authority{Cert: sign(t, template, a.Cert, k.Public(), a.key), key: k, next: 100}
}

// PEM is the authority's certificate.
func (a *Authority) PEM() string { return encode("CERTIFICATE", a.Cert.Raw) }

// KeyPEM is the authority's key.
func (a *Authority) KeyPEM(t testing.TB) string { return keyPEM(t, a.key) }

// Issue makes a certificate for names: DNS names, addresses, and URIs, which begin with "sip:" or "sips:". change, which may be nil, may
// alter what is signed.
func (a *Authority) Issue(t testing.TB, change func(*x509.Certificate), names ...string) Issued {
	t.Helper()
	template := a.template("peer")
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, n := range names {
		u, err := url.Parse(n)
		if ip, ipErr := netip.ParseAddr(n); ipErr == nil {
			template.IPAddresses = append(template.IPAddresses, ip.AsSlice())
		} else if err == nil && strings.HasPrefix(u.Scheme, "sip") {
			template.URIs = append(template.URIs, u)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	if change != nil {
		change(template)
	}
	k := key(t)
	c := sign(t, template, a.Cert, k.Public(), a.key)
	chain := encode("CERTIFICATE", c.Raw)
	if string(a.Cert.RawIssuer) != string(a.Cert.RawSubject) {
		chain += a.PEM()
	}
	return Issued{Cert: c, Key: k, Chain: chain, PEM: keyPEM(t, k)}
}

// Revoke makes a list of revoked certificates, signed by the authority.
func (a *Authority) Revoke(t testing.TB, certs ...*x509.Certificate) string {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour)}
	for _, c := range certs {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)})
	}
	raw, err := x509.CreateRevocationList(rand.Reader, template, a.Cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return encode("X509 CRL", raw)
}

func (a *Authority) template(name string) *x509.Certificate {
	a.next++
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.next), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}
}

func sign(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	t.Helper()
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func key(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keyPEM(t testing.TB, k crypto.Signer) string {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return encode("PRIVATE KEY", raw)
}

func encode(kind string, raw []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}))
}
