package certs

import (
	"crypto"
	"slices"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/trust"
)

// Find reads an authority.
type Find func(id string) (*sbc.CertificateAuthority, error)

// Complete makes what a resource leaves to us when it is written, in place. before is what it replaces, nil where it is new. Resources of
// other kinds stay as they are. What cannot be written is an *sbc.Error with pointers.
func Complete(r, before sbc.Resource, find Find, now time.Time) error {
	switch r := r.(type) {
	case *sbc.CertificateAuthority:
		old, _ := before.(*sbc.CertificateAuthority)
		return completeAuthority(r, old, now)
	case *sbc.Certificate:
		old, _ := before.(*sbc.Certificate)
		return completeCertificate(r, old, find, now)
	}
	return nil
}

// completeAuthority makes a root where none was written.
func completeAuthority(a, old *sbc.CertificateAuthority, now time.Time) error {
	if old != nil && a.CertificatePEM == old.CertificatePEM && old.CertificatePEM != "" {
		var f []sbc.Fault
		for _, x := range []struct {
			pointer string
			same    bool
		}{
			{"#/common_name", a.CommonName == old.CommonName}, {"#/key_type", a.KeyType == old.KeyType},
			{"#/valid_days", a.ValidDays == old.ValidDays},
		} {
			if !x.same {
				f = append(f, sbc.Fault{Pointer: x.pointer, Code: "immutable", Detail: "is in the root; make another authority"})
			}
		}
		return sbc.Invalid(f)
	}
	if a.CertificatePEM != "" || a.PrivateKeyPEM != "" {
		return nil // whether they fit is seen when they are compiled
	}
	key, err := newKey(a.KeyType)
	if err != nil {
		return err
	}
	a.CertificatePEM, err = root(a, key, now)
	a.PrivateKeyPEM = keyPEM(key)
	return err
}

// completeCertificate makes keys and certificates of the sources other than upload.
func completeCertificate(c, old *sbc.Certificate, find Find, now time.Time) error {
	if c.Source == sbc.CertificateUpload {
		return nil
	}
	if old != nil && old.Source != c.Source {
		old = nil
	}
	if old == nil {
		old = &sbc.Certificate{KeyType: c.KeyType, Names: c.Names, AuthorityID: c.AuthorityID, ValidDays: c.ValidDays}
	}
	if c.PrivateKeyPEM != "" && c.PrivateKeyPEM != old.PrivateKeyPEM {
		return fault("#/private_key_pem", "immutable", "is made here, of this source; leave it out")
	}
	switch c.Source {
	case sbc.CertificateCSR:
		return completeRequest(c, old)
	case sbc.CertificateInternal:
		if c.CertificatePEM != "" && c.CertificatePEM != old.CertificatePEM {
			return fault("#/certificate_pem", "immutable", "is made here, of this source; leave it out")
		}
		same := slices.Equal(c.Names, old.Names) && c.KeyType == old.KeyType && c.AuthorityID == old.AuthorityID && c.ValidDays == old.ValidDays
		if same && c.CertificatePEM != "" {
			return nil
		}
		return Renew(c, find, now)
	case sbc.CertificateACME:
		if c.CertificatePEM != "" && c.CertificatePEM != old.CertificatePEM {
			return fault("#/certificate_pem", "immutable", "is got by ACME; leave it out")
		}
		if c.CertificatePEM == "" {
			c.PrivateKeyPEM = "" // comes with the next one
		}
	}
	return nil
}

// completeRequest makes the key of a certificate that somebody else signs; it stays as long as the certificate is there.
func completeRequest(c, old *sbc.Certificate) error {
	if c.PrivateKeyPEM == "" {
		c.PrivateKeyPEM = old.PrivateKeyPEM
	}
	if c.PrivateKeyPEM != "" {
		if c.KeyType != old.KeyType {
			return fault("#/key_type", "immutable", "is that of the key, which stays; make another certificate")
		}
		return nil
	}
	key, err := newKey(c.KeyType)
	if err != nil {
		return err
	}
	c.PrivateKeyPEM = keyPEM(key)
	return nil
}

// Renew issues a certificate of our own authority, with a new key.
func Renew(c *sbc.Certificate, find Find, now time.Time) error {
	a, err := find(c.AuthorityID)
	if err != nil {
		return err
	}
	if !a.Enabled {
		return fault("#/authority_id", "disabled", "the authority is disabled")
	}
	pair, wrong := trust.Pair(&sbc.Certificate{CertificatePEM: a.CertificatePEM, PrivateKeyPEM: a.PrivateKeyPEM})
	if wrong != nil {
		return fault("#/authority_id", "authority", "the authority cannot sign: "+wrong.Detail)
	}
	if !now.Before(pair.Leaf.NotAfter) {
		return fault("#/authority_id", "expired", "the time of the authority is over")
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return fault("#/authority_id", "authority", "the authority's key cannot sign")
	}
	key, err := newKey(c.KeyType)
	if err != nil {
		return err
	}
	chain, err := issue(c, key, pair.Leaf, signer, now)
	if err != nil {
		return err
	}
	if len(pair.Certificate) > 1 { // an authority below another: phones have that one only
		chain += a.CertificatePEM
	}
	c.CertificatePEM, c.PrivateKeyPEM = chain, keyPEM(key)
	return nil
}

// RenewalAt is when a certificate that is renewed by itself is due: RenewBeforeDays before its end, or when a third of its time is left. The
// zero time is at once, for there is none yet; ok is false where it is not renewed by itself.
func RenewalAt(c *sbc.Certificate) (at time.Time, ok bool) {
	if c.Source != sbc.CertificateInternal && c.Source != sbc.CertificateACME || !c.Enabled {
		return time.Time{}, false
	}
	chain, err := sbc.ParseCertificates(c.CertificatePEM)
	if err != nil {
		return time.Time{}, true
	}
	leaf := chain[0]
	if c.RenewBeforeDays > 0 {
		return leaf.NotAfter.AddDate(0, 0, -c.RenewBeforeDays), true
	}
	return leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 3), true
}

// Missing lists the names that a certificate should have and has not.
func Missing(c *sbc.Certificate) []string {
	chain, err := sbc.ParseCertificates(c.CertificatePEM)
	if err != nil {
		return c.Names
	}
	has := trust.Names(chain[0])
	var missing []string
	for _, n := range c.Names {
		if !trust.Named(has, n) {
			missing = append(missing, n)
		}
	}
	return missing
}

func fault(pointer, code, detail string) error {
	return sbc.Invalid([]sbc.Fault{{Pointer: pointer, Code: code, Detail: detail}})
}
