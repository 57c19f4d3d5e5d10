package msg

import (
	"crypto/rand"
	"sync"
)

// spelling has 32 characters that no reader of SIP treats specially.
const spelling = "0123456789abcdefghjkmnpqrstvwxyz"

// randomness is a piece of random bytes that is used up: one call of the system serves 32 identifiers.
type randomness struct {
	bytes [1024]byte
	used  int
}

var randomPool = sync.Pool{New: func() any { return &randomness{used: 1024} }}

// appendRandom writes n characters of 5 random bits each. n is at most 64.
func appendRandom(b []byte, n int) []byte {
	r, ok := randomPool.Get().(*randomness)
	if !ok { // the pool holds nothing else
		r = &randomness{used: len(randomness{}.bytes)}
	}
	if r.used+n > len(r.bytes) {
		rand.Read(r.bytes[:]) // never fails: crypto/rand ends the process instead
		r.used = 0
	}
	for i, c := range r.bytes[r.used : r.used+n] {
		b = append(b, spelling[c&31])
		r.bytes[r.used+i] = 0 // an identifier handed out leaves no copy
	}
	r.used += n
	randomPool.Put(r)
	return b
}

// NewTag makes a From or To tag of 80 random bits (RFC 3261 19.3 asks for 32).
func NewTag() string {
	var b [16]byte
	return string(appendRandom(b[:0], 16))
}

// MagicCookie begins every branch of RFC 3261 (8.1.1.7).
const MagicCookie = "z9hG4bK"

// NewBranch makes a Via branch of 100 random bits.
func NewBranch() string {
	var b [27]byte
	return string(AppendBranch(b[:0]))
}

// AppendBranch is NewBranch for those who have a buffer.
func AppendBranch(b []byte) []byte { return appendRandom(append(b, MagicCookie...), 20) }

// NewCallID makes a Call-ID of 120 random bits; it names no host.
func NewCallID() string {
	var b [24]byte
	return string(appendRandom(b[:0], 24))
}
