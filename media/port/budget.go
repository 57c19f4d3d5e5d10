package port

import (
	"errors"
	"sync/atomic"
)

// ErrFiles says that the process may not open more files.
var ErrFiles = errors.New("port: no file descriptors left for media")

// Budget keeps sockets for media within the limit of open files, over all pools: a part of the limit is left to signalling and
// storage, and the last quarter of the rest goes to RTP alone. When descriptors are short, a call without RTCP is better than no
// call. A nil Budget allows everything.
type Budget struct {
	limit, both int64
	open        atomic.Int64
}

// NewBudget divides a limit of open files.
func NewBudget(files uint64) *Budget {
	n := int64(min(files, 1<<40))
	n -= max(64, n/16)
	return &Budget{limit: n, both: n * 3 / 4}
}

// Open is how many sockets are counted now.
func (b *Budget) Open() int64 {
	if b == nil {
		return 0
	}
	return b.open.Load()
}

// rtp counts a socket that a call cannot do without; false if there is no room.
func (b *Budget) rtp() bool { return b == nil || b.add(b.limit) }

// rtcp counts a socket that a call can do without.
func (b *Budget) rtcp() bool { return b == nil || b.add(b.both) }

func (b *Budget) add(limit int64) bool {
	if b.open.Add(1) <= limit {
		return true
	}
	b.open.Add(-1)
	return false
}

func (b *Budget) done() {
	if b != nil {
		b.open.Add(-1)
	}
}
