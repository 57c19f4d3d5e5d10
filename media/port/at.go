package port

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
)

// ErrTaken says that a certain pair is in use, resting, or not of the pool.
var ErrTaken = errors.New("port: that pair cannot be had")

// TakeAt gives the pair with this even port: a call had it in an earlier process, and its peers still send there. It looks through
// the ports that have no sockets yet, so it is for the start of a process. Errors: ErrTaken, which wraps why the port cannot be bound,
// ErrFiles and ErrClosed.
func (p *Pool[S]) TakeAt(even uint16) (*Pair[S], error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	i := slices.Index(p.cold, even)
	if i < 0 {
		return nil, fmt.Errorf("%w: %d", ErrTaken, even)
	}
	pair, err := p.bind(even)
	if err != nil && !errors.Is(err, syscall.EADDRINUSE) {
		return nil, err
	}
	last := len(p.cold) - 1
	p.cold[i] = p.cold[last]
	p.cold = p.cold[:last]
	if err != nil {
		p.failed = append(p.failed, failure{even, p.now().Add(failedRest)})
		return nil, fmt.Errorf("%w: %w", ErrTaken, err)
	}
	p.inUse++
	pair.out = true
	return pair, nil
}
