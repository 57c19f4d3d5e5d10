package digest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// FirstUse is how long after it was made a nonce may be used first.
const FirstUse = 30 * time.Second

// ahead is how far the clock of another node may be before ours.
const ahead = 5 * time.Second

// The octets of a nonce: 5 of time in ms, 6 of chance, 13 of the HMAC. Time begins anew every 35 years, which no nonce lives to
// see.
const (
	timeSize  = 5
	plainSize = timeSize + 6
	nonceSize = 24
)

// Nonces makes and knows nonces. It is safe for concurrent use.
type Nonces struct {
	macs  sync.Pool
	now   func() time.Time
	began int64
	uses  *uses
}

// NoncesOptions are what Nonces need; Secret must be set.
type NoncesOptions struct {
	// Secret is the installation's, the same at every node.
	Secret []byte
	// Uses bounds how many nonces are remembered that were used; 0 is 262,144 (about 16 MB when full).
	Uses int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// NewNonces makes Nonces that remember nothing.
func NewNonces(o NoncesOptions) *Nonces {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Uses == 0 {
		o.Uses = 1 << 18
	}
	n := &Nonces{now: o.Now, began: o.Now().UnixMilli(), uses: newUses(o.Uses)}
	secret := append([]byte("sip digest nonce:"), o.Secret...)
	n.macs.New = func() any { return &mac{hash: hmac.New(sha256.New, secret)} }
	return n
}

// mac is an HMAC with room for what goes in and comes out.
type mac struct {
	hash hash.Hash
	in   []byte
	out  [sha256.Size]byte
}

// sign puts the HMAC of a nonce's plain part behind it.
func (n *Nonces) sign(raw *[nonceSize]byte, client netip.Addr, realm string) {
	m, ok := n.macs.Get().(*mac)
	if !ok {
		return // the pool holds nothing else
	}
	address := client.As16()
	m.in = append(append(append(m.in[:0], raw[:plainSize]...), address[:]...), realm...)
	m.hash.Reset()
	m.hash.Write(m.in)
	copy(raw[plainSize:], m.hash.Sum(m.out[:0]))
	n.macs.Put(m)
}

// Make gives a nonce for a client at an address, good in one realm.
func (n *Nonces) Make(client netip.Addr, realm string) string {
	var raw [nonceSize]byte
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], uint64(n.now().UnixMilli()))
	copy(raw[:timeSize], number[8-timeSize:])
	binary.BigEndian.PutUint64(number[:], rand.Uint64())
	copy(raw[timeSize:plainSize], number[:])
	n.sign(&raw, client, realm)
	var text [nonceSize / 3 * 4]byte
	base64.RawURLEncoding.Encode(text[:], raw[:])
	return string(text[:])
}

// Freshness says what a nonce is worth.
type Freshness int

// The degrees.
const (
	Foreign Freshness = iota // not made here for this client and realm
	Stale                    // made here, and too old or used up
	Fresh
)

// Nonce is a nonce of ours.
type Nonce struct {
	id   uint64
	made int64 // Unix time in ms
	life time.Duration
}

// Read tells what a nonce is worth that a client sent. Life is how long nonces may be used with rising counts in the realm. It
// changes nothing: only who used the nonce rightly shall Use it.
func (n *Nonces) Read(nonce string, client netip.Addr, realm string, life time.Duration) (Nonce, Freshness) {
	var raw, right [nonceSize]byte
	if len(nonce) != base64.RawURLEncoding.EncodedLen(nonceSize) {
		return Nonce{}, Foreign
	}
	var text [nonceSize / 3 * 4]byte
	copy(text[:], nonce)
	if _, err := base64.RawURLEncoding.Decode(raw[:], text[:]); err != nil {
		return Nonce{}, Foreign
	}
	copy(right[:plainSize], raw[:plainSize])
	if n.sign(&right, client, realm); !hmac.Equal(raw[:], right[:]) {
		return Nonce{}, Foreign
	}
	var number [8]byte
	copy(number[8-timeSize:], raw[:timeSize])
	now := n.now().UnixMilli()
	age := (now - int64(binary.BigEndian.Uint64(number[:]))) << (64 - 8*timeSize) >> (64 - 8*timeSize)
	v := Nonce{id: binary.BigEndian.Uint64(raw[nonceSize-8:]), made: now - age, life: life}
	if !n.young(v, n.uses.knows(v.id)) {
		return v, Stale
	}
	return v, Fresh
}

// young tells whether a nonce may still be used; used ones last longer.
func (n *Nonces) young(v Nonce, used bool) bool {
	age := time.Duration(n.now().UnixMilli()-v.made) * time.Millisecond
	switch {
	case age < -ahead, age > v.life:
		return false
	case used:
		return true
	}
	return age <= FirstUse && v.made >= n.began && !n.uses.lost(v)
}

// Use takes a count of a nonce, once and for all: false if it was taken before, lies too far below the highest taken, or the
// nonce has become too old. A count of 0 stands for an answer without qop: it takes the whole nonce.
func (n *Nonces) Use(v Nonce, count uint32) bool {
	return n.uses.take(v, count, n.now(), func(used bool) bool { return n.young(v, used) })
}

// Used counts the nonces that are remembered.
func (n *Nonces) Used() int { return n.uses.count() }
