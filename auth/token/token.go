package token

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// Prefix begins every key made here.
const Prefix = "spk_"

const (
	randomLength = 32
	sumLength    = 8
	keyLength    = len(Prefix) + randomLength + 1 + sumLength
	hintLength   = len(Prefix) + 6
	alphabet     = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Bounds of a key that an operator brings along.
const (
	leastGiven = 32
	mostGiven  = 256
)

// New makes a key.
func New() string {
	var b strings.Builder
	b.Grow(keyLength)
	b.WriteString(Prefix)
	for b.Len() < len(Prefix)+randomLength {
		var chance [randomLength]byte
		rand.Read(chance[:]) // never fails: crypto/rand ends the process instead
		for _, c := range chance {
			// 248 is the largest multiple of 62 below 256: what lies above would make the first letters likelier.
			if c < 248 && b.Len() < len(Prefix)+randomLength {
				b.WriteByte(alphabet[c%62])
			}
		}
	}
	b.WriteString("_" + checksum(b.String()))
	return b.String()
}

func checksum(s string) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(s)))
}

// Intact tells whether a key can be whole: one with our prefix has its right length and checksum. Other strings may be keys that
// an operator brought along.
func Intact(key string) bool {
	if !strings.HasPrefix(key, Prefix) {
		return len(key) >= leastGiven && len(key) <= mostGiven
	}
	if len(key) != keyLength || key[keyLength-sumLength-1] != '_' {
		return false
	}
	return checksum(key[:keyLength-sumLength-1]) == key[keyLength-sumLength:]
}

// Check tells what is wrong with a key that an operator brings along, nil if nothing is.
func Check(key string) error {
	if strings.HasPrefix(key, Prefix) {
		if !Intact(key) {
			return errors.New("the checksum of the key is wrong: was it cut off?")
		}
		return nil
	}
	if len(key) < leastGiven || len(key) > mostGiven {
		return fmt.Errorf("the key has %d characters; it needs %d to %d, made by chance", len(key), leastGiven, mostGiven)
	}
	kinds := map[rune]bool{}
	for _, c := range key {
		// RFC 6750 2.1: what may stand behind "Bearer".
		if !strings.ContainsRune(alphabet+"-._~+/=", c) {
			return errors.New("the key may hold letters, digits and - . _ ~ + / = only")
		}
		kinds[c] = true
	}
	if len(kinds) < 10 {
		return errors.New("the key has too few different characters: make it by chance")
	}
	return nil
}

// Hint is the beginning of a key, enough to recognise it by and too little to guess it from.
func Hint(key string) string {
	if len(key) < leastGiven {
		return ""
	}
	return key[:hintLength]
}

// Hash is the SHA-256 of a key: what is kept of it.
type Hash [sha256.Size]byte

// Sum hashes a key.
func Sum(key string) Hash { return sha256.Sum256([]byte(key)) }

// String spells a hash in hexadecimal, as it is stored.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads what String wrote.
func ParseHash(s string) (Hash, error) {
	var h Hash
	b, err := hex.DecodeString(s)
	if err != nil {
		return h, fmt.Errorf("hash of an API key: %w", err)
	}
	if len(b) != len(h) {
		return h, fmt.Errorf("hash of an API key: has %d bytes instead of %d", len(b), len(h))
	}
	copy(h[:], b)
	return h, nil
}

// Equal compares in a time that does not depend on where the hashes differ.
func (h Hash) Equal(other Hash) bool { return subtle.ConstantTimeCompare(h[:], other[:]) == 1 }
