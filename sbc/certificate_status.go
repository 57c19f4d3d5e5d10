package sbc

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"
)

// expiringAt is how long before its end a certificate is said to be expiring.
const expiringAt = 30 * 24 * time.Hour

// StatusOf says what a chain in PEM is good for at a moment: CertificatePending where there is none.
func StatusOf(chain string, now time.Time) CertificateStatus {
	if chain == "" {
		return CertificateStatus{State: CertificatePending, Reason: "there is no certificate yet"}
	}
	list, err := ParseCertificates(chain)
	if err != nil {
		return CertificateStatus{State: CertificateFailed, Reason: err.Error()}
	}
	c := list[0]
	sum := sha256.Sum256(c.Raw)
	s := CertificateStatus{
		State: CertificateValid, Subject: c.Subject.String(), Issuer: c.Issuer.String(), Names: namesOf(c),
		SerialNumber: fmt.Sprintf("%x", c.SerialNumber), KeyAlgorithm: keyOf(c), FingerprintSHA256: hex.EncodeToString(sum[:]),
		NotBefore: &c.NotBefore, NotAfter: &c.NotAfter,
	}
	left := c.NotAfter.Sub(now)
	switch {
	case now.Before(c.NotBefore):
		s.State, s.Reason = CertificateNotYetValid, "its time has not come yet"
	case left <= 0:
		s.State, s.Reason = CertificateExpired, "its time is over"
	case left < min(expiringAt, c.NotAfter.Sub(c.NotBefore)/3):
		s.State, s.Reason = CertificateExpiring, fmt.Sprintf("%d h are left", int(left.Hours()))
	}
	return s
}

// namesOf lists the names and addresses a certificate is for.
func namesOf(c *x509.Certificate) []string {
	names := append([]string(nil), c.DNSNames...)
	for _, a := range c.IPAddresses {
		names = append(names, a.String())
	}
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	return names
}

func keyOf(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	}
	return c.PublicKeyAlgorithm.String()
}
