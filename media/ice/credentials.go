package ice

import (
	"crypto/rand"
	"encoding/base64"
)

// Credentials are the user name fragment and the password of one side (RFC 8839 5.4). Both are of letters, digits, "+" and "/".
type Credentials struct {
	Fragment, Password string
}

// Bounds of RFC 8839 5.4.
const (
	leastFragment, leastPassword = 4, 22
	mostCharacters               = 256
)

// NewCredentials makes credentials of ours: 48 bits that name us and 144 that nobody guesses (RFC 8445 5.3 asks for 24 and 128).
func NewCredentials() Credentials {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	text := base64.RawStdEncoding.EncodeToString(b[:])
	return Credentials{Fragment: text[:8], Password: text[8:]}
}

// Valid reports whether a peer's credentials are such as RFC 8839 allows.
func (c Credentials) Valid() bool {
	return characters(c.Fragment, leastFragment) && characters(c.Password, leastPassword)
}

func characters(s string, least int) bool {
	if len(s) < least || len(s) > mostCharacters {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '+', c == '/':
		default:
			return false
		}
	}
	return true
}
