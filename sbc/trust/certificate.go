package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/sallyport/sallyport/sbc"
)

// maxChain is how many certificates a chain may have.
const maxChain = 10

// weakRSA is the shortest RSA key, in bits, that is good (RFC 9325 4.5).
const weakRSA = 2048

// Pair reads a chain and its key. The fault has the pointer of the field of sbc.Certificate that is wrong, and never quotes the key.
func Pair(c *sbc.Certificate) (*tls.Certificate, *sbc.Fault) {
	chain, err := sbc.ParseCertificates(c.CertificatePEM)
	if err != nil {
		return nil, &sbc.Fault{Pointer: "#/certificate_pem", Code: "pem", Detail: err.Error()}
	}
	if err := ordered(chain); err != nil {
		return nil, &sbc.Fault{Pointer: "#/certificate_pem", Code: "chain", Detail: err.Error()}
	}
	if c.PrivateKeyPEM == "" {
		return nil, &sbc.Fault{Pointer: "#/private_key_pem", Code: "required", Detail: "the certificate has no private key here"}
	}
	key, err := ParseKey(c.PrivateKeyPEM)
	if err != nil {
		return nil, &sbc.Fault{Pointer: "#/private_key_pem", Code: "key", Detail: err.Error()}
	}
	if !Fits(chain[0], key) {
		if c.Source == sbc.CertificateCSR {
			return nil, &sbc.Fault{Pointer: "#/certificate_pem", Code: "mismatch", Detail: "is not for the key that was made here"}
		}
		return nil, &sbc.Fault{Pointer: "#/private_key_pem", Code: "mismatch", Detail: "is not the key of the certificate"}
	}
	pair := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, x := range chain {
		pair.Certificate = append(pair.Certificate, x.Raw)
	}
	return pair, nil
}

// Fits tells whether a certificate is for the public half of a key.
func Fits(c *x509.Certificate, key crypto.Signer) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(c.PublicKey)
}

// ordered checks that each certificate of a chain was issued by the next, as TLS 1.2 wants it (RFC 5246 7.4.2).
func ordered(chain []*x509.Certificate) error {
	if len(chain) > maxChain {
		return fmt.Errorf("holds %d certificates; a chain has at most %d", len(chain), maxChain)
	}
	for i, c := range chain[1:] {
		if err := chain[i].CheckSignatureFrom(c); err != nil {
			return fmt.Errorf("certificate %d (%s) was not issued by the next (%s): our own comes first, then its issuer, then that one's",
				i+1, chain[i].Subject, c.Subject)
		}
	}
	return nil
}

// ParseKey reads a private key in PEM (PKCS #8, PKCS #1 or SEC 1) of a kind that TLS can use. No error quotes it.
func ParseKey(text string) (crypto.Signer, error) {
	b, _ := pem.Decode([]byte(text))
	if b == nil {
		return nil, errors.New("is not a private key in PEM")
	}
	if b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != "" {
		return nil, errors.New("is protected by a password; it has to be written without")
	}
	var key any
	var err error
	switch b.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	default:
		return nil, fmt.Errorf("holds a %.40s; only a private key belongs here", b.Type)
	}
	if err != nil {
		return nil, errors.New("is no private key that can be read")
	}
	return usable(key)
}

// usable refuses keys that TLS cannot use or should not.
func usable(key any) (crypto.Signer, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < weakRSA {
			return nil, fmt.Errorf("is an RSA key of %d bits; it needs %d", k.N.BitLen(), weakRSA)
		}
		return k, nil
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P224() {
			return nil, errors.New("is a key on P-224, which TLS does not know")
		}
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	}
	return nil, errors.New("is a key of a kind that TLS does not know")
}
