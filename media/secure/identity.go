package secure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Identity is a certificate that we show in handshakes, signed by itself: who we are is proved by signalling, which tells its
// fingerprint (RFC 5763 3). It has nothing to do with the certificates of TLS, and names nobody.
type Identity struct {
	certificate tls.Certificate
	fingerprint Fingerprint
}

// validity is for how long an Identity is good; one is used for less.
const validity = 30 * 24 * time.Hour

// NewIdentity makes a key (ECDSA on P-256) and a certificate of it.
func NewIdentity() (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("secure: no key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("secure: no serial number: %w", err)
	}
	now := time.Now()
	form := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: serial.Text(36)[:16]},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(validity), // clocks of phones are wrong
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("secure: no certificate: %w", err)
	}
	sum := sha256.Sum256(der)
	return &Identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		fingerprint: Fingerprint{Hash: "sha-256", Sum: string(sum[:])},
	}, nil
}

// Fingerprint is that of the certificate (SHA-256).
func (i *Identity) Fingerprint() Fingerprint { return i.fingerprint }

// Fingerprint is the hash of a certificate as SDP tells it (RFC 8122 5). It can be compared.
type Fingerprint struct {
	Hash string // "sha-256", "sha-384" or "sha-512"
	Sum  string // the octets
}

// ErrFingerprint says that a fingerprint cannot be read or is of a hash that proves nothing any more (SHA-1, MD5), or, of a
// handshake, that the peer's certificate is not the one that signalling told of.
var ErrFingerprint = errors.New("secure: fingerprint")

// ParseFingerprint reads the value of an a=fingerprint attribute. Errors: ErrFingerprint.
func ParseFingerprint(value string) (Fingerprint, error) {
	words := strings.Fields(value)
	if len(words) != 2 {
		return Fingerprint{}, fmt.Errorf("%w: it has %d words", ErrFingerprint, len(words))
	}
	name := strings.ToLower(words[0])
	size := hashSize(name)
	if size == 0 {
		return Fingerprint{}, fmt.Errorf("%w: hash %q is not taken", ErrFingerprint, short(name))
	}
	if len(words[1]) != 3*size-1 {
		return Fingerprint{}, fmt.Errorf("%w: %s of another length", ErrFingerprint, name)
	}
	for i := 2; i < len(words[1]); i += 3 {
		if words[1][i] != ':' {
			return Fingerprint{}, fmt.Errorf("%w: no colons", ErrFingerprint)
		}
	}
	sum, err := hex.DecodeString(strings.ReplaceAll(words[1], ":", ""))
	if err != nil || len(sum) != size {
		return Fingerprint{}, fmt.Errorf("%w: not hexadecimal", ErrFingerprint)
	}
	return Fingerprint{Hash: name, Sum: string(sum)}, nil
}

// hashSize is in octets; 0 of a hash that is not taken.
func hashSize(name string) int {
	switch name {
	case "sha-256":
		return sha256.Size
	case "sha-384":
		return sha512.Size384
	case "sha-512":
		return sha512.Size
	}
	return 0
}

// String is the value of the attribute.
func (f Fingerprint) String() string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(f.Hash)+3*len(f.Sum))
	b = append(b, f.Hash...)
	for i := range len(f.Sum) {
		sep := byte(':')
		if i == 0 {
			sep = ' '
		}
		b = append(b, sep, digits[f.Sum[i]>>4], digits[f.Sum[i]&15])
	}
	return string(b)
}

// of tells whether it is the fingerprint of a certificate.
func (f Fingerprint) of(der []byte) bool {
	var sum []byte
	switch f.Hash {
	case "sha-256":
		s := sha256.Sum256(der)
		sum = s[:]
	case "sha-384":
		s := sha512.Sum384(der)
		sum = s[:]
	case "sha-512":
		s := sha512.Sum512(der)
		sum = s[:]
	default:
		return false
	}
	return subtle.ConstantTimeCompare(sum, []byte(f.Sum)) == 1
}
