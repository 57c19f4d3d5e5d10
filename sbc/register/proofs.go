package register

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxProofs bounds the challenges of upstream registrars that are remembered.
	maxProofs = 1 << 14
	// proofLife is how long one is good for.
	proofLife = 10 * time.Minute
)

// proofs remembers which nonces of upstream registrars were handed to which address: whoever answers with one has got it
// there, so that a forged source is not blamed for wrong passwords (a nonce of ours says that itself).
type proofs struct {
	mu   sync.Mutex
	seed maphash.Seed
	at   map[uint64]time.Duration
	ring []uint64
	next int
}

func (p *proofs) open() {
	p.seed, p.at, p.ring = maphash.MakeSeed(), map[uint64]time.Duration{}, make([]uint64, 0, 64)
}

func (p *proofs) key(nonce string, a netip.Addr) uint64 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	raw := a.As16()
	_, _ = h.Write(raw[:]) // never fails
	_, _ = h.WriteString(nonce)
	return h.Sum64()
}

// note remembers a challenge.
func (p *proofs) note(nonce string, a netip.Addr, now time.Duration) {
	k := p.key(nonce, a)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.at[k]; !known {
		if len(p.ring) < maxProofs {
			p.ring = append(p.ring, k)
		} else {
			delete(p.at, p.ring[p.next])
			p.ring[p.next] = k
			p.next = (p.next + 1) % maxProofs
		}
	}
	p.at[k] = now
}

// good tells whether an address was given a nonce not long ago.
func (p *proofs) good(nonce string, a netip.Addr, now time.Duration) bool {
	k := p.key(nonce, a)
	p.mu.Lock()
	defer p.mu.Unlock()
	at, known := p.at[k]
	return known && now-at < proofLife
}
