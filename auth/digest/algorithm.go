package digest

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"strings"
)

// Algorithm is a hash by its name in the IANA registry of RFC 7616 6.1.
type Algorithm string

// The algorithms, the weakest first.
const (
	MD5       Algorithm = "MD5"
	SHA256    Algorithm = "SHA-256"
	SHA512256 Algorithm = "SHA-512-256"
)

// session is what the name of an algorithm ends with whose A1 holds the nonces (RFC 7616 3.4.2).
const session = "-sess"

// parseAlgorithm reads a name without regard to case; ok is false for an unknown one.
func parseAlgorithm(s string) (a Algorithm, sess, ok bool) {
	if n := len(s) - len(session); n > 0 && strings.EqualFold(s[n:], session) {
		s, sess = s[:n], true
	}
	for _, known := range [...]Algorithm{MD5, SHA256, SHA512256} {
		if strings.EqualFold(s, string(known)) {
			return known, sess, true
		}
	}
	return "", sess, false
}

// Size is the length of a hash in octets, 0 of an unknown algorithm.
func (a Algorithm) Size() int {
	switch a {
	case MD5:
		return md5.Size
	case SHA256:
		return sha256.Size
	case SHA512256:
		return sha512.Size256
	}
	return 0
}

// sum is a hash in hexadecimal: what digests are made of (RFC 7616 3.1). It lives on the stack.
type sum struct {
	text [2 * sha256.Size]byte
	n    int
}

func (s *sum) bytes() []byte { return s.text[:s.n] }

// hash gives H(data).
func (a Algorithm) hash(data []byte) (s sum) {
	switch a {
	case MD5:
		h := md5.Sum(data)
		s.n = hex.Encode(s.text[:], h[:])
	case SHA256:
		h := sha256.Sum256(data)
		s.n = hex.Encode(s.text[:], h[:])
	case SHA512256:
		h := sha512.Sum512_256(data)
		s.n = hex.Encode(s.text[:], h[:])
	}
	return s
}

// HA1 is the hash of a secret, H(username:realm:password), in lower-case hexadecimal (RFC 7616 3.4.2); "" for an unknown
// algorithm.
func HA1(a Algorithm, username, realm, password string) string {
	s := a.hash([]byte(username + ":" + realm + ":" + password))
	return string(s.bytes())
}
