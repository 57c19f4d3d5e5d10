package secure

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/pion/srtp/v3"
)

// Suite is a way to encrypt, by its name in SDP (RFC 4568 6.2, RFC 6188 8, RFC 7714 14.1).
type Suite string

// The suites.
const (
	GCM128    Suite = "AEAD_AES_128_GCM"
	GCM256    Suite = "AEAD_AES_256_GCM"
	CM128HM80 Suite = "AES_CM_128_HMAC_SHA1_80"
	CM128HM32 Suite = "AES_CM_128_HMAC_SHA1_32"
	CM256HM80 Suite = "AES_256_CM_HMAC_SHA1_80"
	CM256HM32 Suite = "AES_256_CM_HMAC_SHA1_32"
)

// Suites lists all, the preferred first.
func Suites() []Suite { return []Suite{GCM128, GCM256, CM128HM80, CM256HM80, CM128HM32, CM256HM32} }

// ErrSuite says that a suite is not known.
var ErrSuite = errors.New("secure: unknown suite")

// profile is the suite in the words of pion; false if there is none.
func (s Suite) profile() (srtp.ProtectionProfile, bool) {
	switch s {
	case GCM128:
		return srtp.ProtectionProfileAeadAes128Gcm, true
	case GCM256:
		return srtp.ProtectionProfileAeadAes256Gcm, true
	case CM128HM80:
		return srtp.ProtectionProfileAes128CmHmacSha1_80, true
	case CM128HM32:
		return srtp.ProtectionProfileAes128CmHmacSha1_32, true
	case CM256HM80:
		return srtp.ProtectionProfileAes256CmHmacSha1_80, true
	case CM256HM32:
		return srtp.ProtectionProfileAes256CmHmacSha1_32, true
	}
	return 0, false
}

// Known says whether there is such a suite.
func (s Suite) Known() bool {
	_, ok := s.profile()
	return ok
}

// Sizes are the octets of its master key and master salt; 0 of a suite that is not known.
func (s Suite) Sizes() (key, salt int) {
	switch s {
	case GCM128:
		return 16, 12
	case GCM256:
		return 32, 12
	case CM128HM80, CM128HM32:
		return 16, 14
	case CM256HM80, CM256HM32:
		return 32, 14
	}
	return 0, 0
}

// Keys are the master key and salt of one direction (RFC 3711 3.2.1). MKI, where it is not empty, stands in every packet (3.1).
type Keys struct {
	Suite     Suite
	Key, Salt []byte
	MKI       []byte
}

// Random makes new keys.
func Random(s Suite) (Keys, error) {
	key, salt := s.Sizes()
	if key == 0 {
		return Keys{}, fmt.Errorf("%w: %q", ErrSuite, string(s))
	}
	b := make([]byte, key+salt)
	if _, err := rand.Read(b); err != nil {
		return Keys{}, fmt.Errorf("secure: no keys: %w", err)
	}
	return Keys{Suite: s, Key: b[:key:key], Salt: b[key:]}, nil
}

// Equal says whether both are the same keys.
func (k *Keys) Equal(o *Keys) bool {
	return k.Suite == o.Suite && string(k.Key) == string(o.Key) && string(k.Salt) == string(o.Salt) && string(k.MKI) == string(o.MKI)
}

// String names the suite only: keys belong in no log.
func (k Keys) String() string { return string(k.Suite) }

// GoString is String.
func (k Keys) GoString() string { return k.String() }
