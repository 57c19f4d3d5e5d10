package certs

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/trust"
)

// backdated is how long before its making a certificate is valid: the clocks of phones are slow.
const backdated = time.Hour

// newKey makes a private key.
func newKey(kind sbc.KeyType) (key crypto.Signer, err error) {
	switch kind {
	case sbc.KeyECDSA384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case sbc.KeyRSA2048:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case sbc.KeyRSA4096:
		key, err = rsa.GenerateKey(rand.Reader, 4096)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, fmt.Errorf("certs: a key cannot be made: %w", err)
	}
	return key, nil
}

// NewKey makes a private key, as PEM too.
func NewKey(kind sbc.KeyType) (crypto.Signer, string, error) {
	key, err := newKey(kind)
	if err != nil {
		return nil, "", err
	}
	return key, keyPEM(key), nil
}

// keyPEM writes a key that newKey made.
func keyPEM(key crypto.Signer) string {
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "" // not of the kinds of newKey
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

// serial is a number that nobody can guess (RFC 5280 4.1.2.2).
func serial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, fmt.Errorf("certs: no serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}

// root makes the certificate of an authority.
func root(a *sbc.CertificateAuthority, key crypto.Signer, now time.Time) (string, error) {
	number, err := serial()
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: cmp.Or(a.CommonName, clip(a.Name))},
		NotBefore: now.Add(-backdated), NotAfter: now.AddDate(0, 0, a.ValidDays),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	return signed(template, template, key.Public(), key)
}

// issue makes a certificate of ours, good for both roles: a peer in SIP is client and server.
func issue(c *sbc.Certificate, key crypto.Signer, by *x509.Certificate, signer crypto.Signer, now time.Time) (string, error) {
	number, err := serial()
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: clip(c.Names[0])},
		NotBefore: now.Add(-backdated), NotAfter: now.AddDate(0, 0, c.ValidDays),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if _, ok := key.(*rsa.PrivateKey); ok {
		template.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	if template.NotAfter.After(by.NotAfter) {
		template.NotAfter = by.NotAfter
	}
	template.DNSNames, template.IPAddresses = sorted(c.Names)
	return signed(template, by, key.Public(), signer)
}

func signed(template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) (string, error) {
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		return "", fmt.Errorf("certs: cannot be signed: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})), nil
}

// sorted tells names from addresses.
func sorted(names []string) (hosts []string, addresses []net.IP) {
	for _, n := range names {
		if a, err := netip.ParseAddr(n); err == nil {
			addresses = append(addresses, a.Unmap().AsSlice())
		} else {
			hosts = append(hosts, n)
		}
	}
	return hosts, addresses
}

// clip makes a text fit for a common name (RFC 5280 A.1: 64 characters).
func clip(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64])
	}
	return s
}

// Request is the request to have a certificate signed (PKCS #10, RFC 2986), in PEM: for its names, or those that it has by now.
func Request(c *sbc.Certificate) (string, error) {
	key, err := trust.ParseKey(c.PrivateKeyPEM)
	if err != nil {
		return "", fmt.Errorf("certs: the key %w", err)
	}
	names := c.Names
	if chain, err := sbc.ParseCertificates(c.CertificatePEM); err == nil && len(names) == 0 {
		names = trust.Names(chain[0])
	}
	template := &x509.CertificateRequest{}
	if len(names) > 0 {
		template.Subject.CommonName = clip(names[0])
	}
	template.DNSNames, template.IPAddresses = sorted(names)
	raw, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return "", fmt.Errorf("certs: no request: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: raw})), nil
}
