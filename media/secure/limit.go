package secure

import (
	"sync"
	"time"
)

// Limit bounds the handshakes of a process: how many begin in a second, and how many are under way. A handshake costs half a
// millisecond of a core and three goroutines, and whoever may call can ask for one. Safe for concurrent use.
type Limit struct {
	rate float64
	most int

	mu   sync.Mutex
	left float64
	at   time.Time
	now  int
}

// NewLimit makes a limit of so many a second and so many at once.
func NewLimit(rate, most int) *Limit {
	return &Limit{rate: float64(rate), most: most, left: float64(rate), at: time.Now()}
}

// begin says whether one more may; end follows if it may.
func (l *Limit) begin() bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.left = min(l.rate, l.left+now.Sub(l.at).Seconds()*l.rate)
	l.at = now
	if l.left < 1 || l.now >= l.most {
		return false
	}
	l.left--
	l.now++
	return true
}

func (l *Limit) end() {
	if l == nil {
		return
	}
	l.mu.Lock()
	l.now--
	l.mu.Unlock()
}
