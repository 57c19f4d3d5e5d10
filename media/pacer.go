package media

import (
	"sync"
	"time"

	"github.com/sallyport/sallyport/media/secure"
)

// pacer is the one goroutine that sends what we say ourselves, a packet every 20 ms to each party spoken to. While nobody is
// spoken to it sleeps.
type pacer struct {
	clock   func() int64
	panicky func(any)

	mu     sync.Mutex
	voices []*voice

	more chan struct{}
	quit chan struct{}
	done chan struct{}
	once sync.Once

	// What follows belongs to the goroutine.
	list []*voice
	buf  [voiceBuffer + secure.Overhead]byte
}

func newPacer(clock func() int64, panicky func(any)) *pacer {
	return &pacer{
		clock: clock, panicky: panicky,
		more: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
}

// start speaks by the clock on the wall.
func (p *pacer) start() {
	go func() {
		defer close(p.done)
		for {
			select {
			case <-p.quit:
				return
			case <-p.more:
			}
			if !p.speak() {
				return
			}
		}
	}()
}

// speak ticks until nobody is spoken to; false if it was told to stop.
func (p *pacer) speak() bool {
	t := time.NewTicker(frame)
	defer t.Stop()
	for p.turn(p.clock()) {
		select {
		case <-p.quit:
			return false
		case <-t.C:
		}
	}
	return true
}

func (p *pacer) stop() {
	p.once.Do(func() { close(p.quit) })
	<-p.done
}

// add takes a voice in that is busy.
func (p *pacer) add(v *voice) {
	p.mu.Lock()
	if !v.in {
		v.in = true
		p.voices = append(p.voices, v)
	}
	p.mu.Unlock()
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// turn lets every voice say what is due; false if there is none left.
func (p *pacer) turn(now int64) bool {
	p.mu.Lock()
	p.list = append(p.list[:0], p.voices...)
	p.mu.Unlock()
	for _, v := range p.list {
		p.one(v, now)
	}
	clear(p.list)
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.voices[:0]
	for _, v := range p.voices {
		if v.in = v.busy.Load(); v.in {
			kept = append(kept, v)
		}
	}
	clear(p.voices[len(kept):])
	p.voices = kept
	return len(kept) > 0
}

// one lets a voice speak; what ends because of that is told with no lock held.
func (p *pacer) one(v *voice, now int64) {
	defer func() {
		if r := recover(); r != nil {
			v.busy.Store(false)
			p.panicky(r)
		}
	}()
	for done := v.turn(now, p.buf[:voiceBuffer]); done != nil; done = v.turn(now, p.buf[:voiceBuffer]) {
		done()
	}
}
