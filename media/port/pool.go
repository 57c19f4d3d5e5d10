package port

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Errors of a pool.
var (
	// ErrExhausted says that every pair is in use, in quarantine or cannot be bound.
	ErrExhausted = errors.New("port: no free pair")
	// ErrClosed says that the pool hands out nothing more.
	ErrClosed = errors.New("port: pool closed")
	// ErrAddress says that an address is not one of a single host.
	ErrAddress = errors.New("port: not an address to bind")
	// ErrRange says that a range holds no even port followed by an odd one.
	ErrRange = errors.New("port: range holds no pair")
)

// DefaultQuarantine is how long a pair rests after its release.
const DefaultQuarantine = 2 * time.Second

const (
	// bindTries bounds how many ports one Take tries to bind when other processes hold some of them.
	bindTries = 16
	// failedRest is how long a port that could not be bound is left alone.
	failedRest = 30 * time.Second
)

// Socket is one open UDP port. Close is called once.
type Socket interface{ Close() error }

// Opener binds a UDP port.
type Opener[S Socket] func(local netip.AddrPort) (S, error)

// Options of a Pool.
type Options struct {
	Address netip.Addr
	// Min and Max bound the range, both included.
	Min, Max int
	// Quarantine is how long a pair rests after its release; 0 means DefaultQuarantine, negative not at all.
	Quarantine time.Duration
	// Budget bounds the open sockets over all pools; nil does not.
	Budget *Budget
	// Now replaces time.Now in tests.
	Now func() time.Time
}

// Pair is an even port and the odd one after it. It belongs to whoever took it until released.
type Pair[S Socket] struct {
	// Local is the address of RTP; RTCP is on the port after it.
	Local     netip.AddrPort
	RTP, RTCP S
	// Bare says that there is no RTCP socket, because descriptors are short.
	Bare bool

	pool *Pool[S]
	next *Pair[S]
	free time.Time // when the quarantine ends
	out  bool
}

// Release gives the pair back to its pool. A second release of the same taking does nothing.
func (p *Pair[S]) Release() { p.pool.release(p) }

// Status counts the pairs of a pool. Failed ones could not be bound lately; Open ones have sockets, Bare ones of them but one.
type Status struct {
	Total, InUse, Quarantined, Failed, Open, Bare int
}

// Pool hands out the pairs of a range. Safe for concurrent use.
type Pool[S Socket] struct {
	open       Opener[S]
	addr       netip.Addr
	quarantine time.Duration
	now        func() time.Time
	budget     *Budget
	total      int

	mu     sync.Mutex
	cold   []uint16 // even ports without sockets, in random order, taken from the end
	failed []failure
	// head and tail are a queue of open pairs in order of release, hence of the end of their quarantine.
	head, tail *Pair[S]
	queued     int
	inUse      int
	bare       int
	closed     bool
	drained    chan struct{}
}

type failure struct {
	port  uint16
	until time.Time
}

// New makes a pool; no port is bound before it is needed. Errors are ErrAddress and ErrRange.
func New[S Socket](o Options, open Opener[S]) (*Pool[S], error) {
	if !o.Address.IsValid() || o.Address.IsUnspecified() || o.Address.IsMulticast() {
		return nil, fmt.Errorf("%w: %v", ErrAddress, o.Address)
	}
	first := (o.Min + 1) &^ 1
	if o.Min < 1 || o.Max > 65535 || first+1 > o.Max {
		return nil, fmt.Errorf("%w: %d-%d", ErrRange, o.Min, o.Max)
	}
	p := &Pool[S]{
		open: open, addr: o.Address.Unmap(), quarantine: o.Quarantine, now: o.Now, budget: o.Budget,
		drained: make(chan struct{}),
	}
	if p.quarantine == 0 {
		p.quarantine = DefaultQuarantine
	}
	if p.now == nil {
		p.now = time.Now
	}
	for n := first; n+1 <= o.Max; n += 2 {
		p.cold = append(p.cold, uint16(n))
	}
	p.total = len(p.cold)
	rand.Shuffle(p.total, func(i, j int) { p.cold[i], p.cold[j] = p.cold[j], p.cold[i] })
	return p, nil
}

// Address is the pool's address.
func (p *Pool[S]) Address() netip.Addr { return p.addr }

// Take gives a pair with both sockets open. Errors: ErrExhausted (wrapping the last failure to bind, if any) and ErrClosed.
func (p *Pool[S]) Take() (*Pair[S], error) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	if pair := p.rested(now); pair != nil {
		if pair.Bare {
			_ = p.complete(pair) // or it goes without RTCP once more
		}
		p.inUse++
		pair.out = true
		return pair, nil
	}
	p.thaw(now)
	var last error
	for range bindTries {
		n := len(p.cold)
		if n == 0 {
			break
		}
		even := p.cold[n-1]
		p.cold = p.cold[:n-1]
		pair, err := p.bind(even)
		if err == nil {
			p.inUse++
			pair.out = true
			return pair, nil
		}
		last = err
		if !errors.Is(err, syscall.EADDRINUSE) { // no descriptors left, address gone: the next port would fare no better
			p.cold = append(p.cold, even)
			break
		}
		p.failed = append(p.failed, failure{even, now.Add(failedRest)})
	}
	if last != nil {
		return nil, fmt.Errorf("%w: %w", ErrExhausted, last)
	}
	return nil, ErrExhausted
}

// rested unlinks the pair that has been waiting longest, if its quarantine is over.
func (p *Pool[S]) rested(now time.Time) *Pair[S] {
	pair := p.head
	if pair == nil || pair.free.After(now) {
		return nil
	}
	p.head = pair.next
	if p.head == nil {
		p.tail = nil
	}
	pair.next = nil
	p.queued--
	return pair
}

// thaw gives ports that could not be bound another chance. They are few: the list is in order of time.
func (p *Pool[S]) thaw(now time.Time) {
	for len(p.failed) > 0 && !p.failed[0].until.After(now) {
		p.cold = append(p.cold, p.failed[0].port)
		p.failed = p.failed[1:]
	}
}

// bind opens the sockets of a pair. It runs under the lock: only the first use of a port comes here.
func (p *Pool[S]) bind(even uint16) (*Pair[S], error) {
	if !p.budget.rtp() {
		return nil, ErrFiles
	}
	pair := &Pair[S]{Local: netip.AddrPortFrom(p.addr, even), pool: p, Bare: true}
	var err error
	if pair.RTP, err = p.open(pair.Local); err != nil {
		p.budget.done()
		return nil, err
	}
	p.bare++
	if err = p.complete(pair); err != nil && errors.Is(err, syscall.EADDRINUSE) {
		p.bare--
		p.budget.done()
		return nil, errors.Join(err, pair.RTP.Close())
	}
	return pair, nil
}

// complete opens the RTCP socket of a pair, if the budget has room. A pair for which that fails stays usable.
func (p *Pool[S]) complete(pair *Pair[S]) error {
	if !p.budget.rtcp() {
		return ErrFiles
	}
	rtcp, err := p.open(netip.AddrPortFrom(p.addr, pair.Local.Port()+1))
	if err != nil {
		p.budget.done()
		return err
	}
	pair.RTCP, pair.Bare = rtcp, false
	p.bare--
	return nil
}

func (p *Pool[S]) release(pair *Pair[S]) {
	now := p.now()
	p.mu.Lock()
	if !pair.out {
		p.mu.Unlock()
		return
	}
	pair.out = false
	p.inUse--
	if p.closed {
		if p.inUse == 0 {
			close(p.drained)
		}
		p.mu.Unlock()
		pair.close()
		return
	}
	pair.free = now.Add(p.quarantine)
	if p.tail == nil {
		p.head = pair
	} else {
		p.tail.next = pair
	}
	p.tail = pair
	p.queued++
	p.mu.Unlock()
}

// close closes the sockets. Errors of closing a UDP socket carry no news that anybody could act on.
func (p *Pair[S]) close() {
	_ = p.RTP.Close()
	p.pool.budget.done()
	if !p.Bare {
		_ = p.RTCP.Close()
		p.pool.budget.done()
	}
}

// Status counts the pairs. It walks the queue of open pairs from its old end, so it is for observers, not for calls.
func (p *Pool[S]) Status() Status {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{Total: p.total, InUse: p.inUse, Failed: len(p.failed), Open: p.inUse + p.queued, Bare: p.bare}
	rested := 0
	for pair := p.head; pair != nil && !pair.free.After(now); pair = pair.next {
		rested++
	}
	s.Quarantined = p.queued - rested
	return s
}

// Close makes the pool hand out nothing more and closes what is not in use; pairs in use close with their release.
// Drained tells when that is over. Close is idempotent.
func (p *Pool[S]) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	pair := p.head
	p.head, p.tail, p.queued, p.cold, p.failed = nil, nil, 0, nil, nil
	if p.inUse == 0 {
		close(p.drained)
	}
	p.mu.Unlock()
	for ; pair != nil; pair = pair.next {
		pair.close()
	}
}

// Drained is closed once the pool is closed and no pair is in use.
func (p *Pool[S]) Drained() <-chan struct{} { return p.drained }

// Probe checks that the pool's address can be bound at all, with a port the system chooses.
func Probe[S Socket](addr netip.Addr, open Opener[S]) error {
	s, err := open(netip.AddrPortFrom(addr.Unmap(), 0))
	if err != nil {
		return err
	}
	return s.Close()
}
