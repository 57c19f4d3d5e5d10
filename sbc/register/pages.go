package register

import (
	"sync"

	"github.com/sallyport/sallyport/sbc"
)

// pages writes changed bindings to the journal: what they are when it comes to them, so that the newest state is the one that
// stays. A goroutine does it that exists while there is something to write; what came meanwhile is written together.
type pages struct {
	r *Registrar

	mu    sync.Mutex
	queue []page
	busy  bool
	done  sync.Cond // that busy ended
	dirty bool
}

// page is what is to be written, and who waits for it.
type page struct {
	bindings []*binding
	id       string // of a record without a binding, to be taken out
	then     func()
}

// most bounds the pages written together; mostWaiting those that wait for a disk before REGISTERs are told to come back.
const (
	most        = 512
	mostWaiting = 10_000
)

func newPages(r *Registrar) *pages {
	p := &pages{r: r}
	p.done.L = &p.mu
	return p
}

// put has bindings written; then, which may be nil, is called afterwards: at once where there is nothing to write.
func (p *pages) put(list []*binding, then func()) {
	if len(list) == 0 || p.r.o.Journal == nil {
		if then != nil {
			then()
		}
		return
	}
	p.add(page{bindings: list, then: then})
}

// drop takes a record out that has no binding.
func (p *pages) drop(id string) {
	if p.r.o.Journal != nil {
		p.add(page{id: id})
	}
}

func (p *pages) add(x page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, x)
	if !p.busy {
		p.busy = true
		go p.work()
	}
}

// full tells whether as many wait as may.
func (p *pages) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue) >= mostWaiting
}

func (p *pages) work() {
	for {
		p.mu.Lock()
		n := min(len(p.queue), most)
		list := p.queue[:n:n]
		if p.queue = p.queue[n:]; len(p.queue) == 0 {
			p.queue = nil
		}
		if n == 0 {
			p.busy = false
			p.done.Broadcast()
			p.mu.Unlock()
			return
		}
		p.dirty = true
		p.mu.Unlock()
		p.write(list)
	}
}

// write writes and tells. A disk that does not take what changed does not keep phones from registering: they would be unreachable
// now instead of after a crash.
func (p *pages) write(list []page) {
	defer p.r.recovered("writing contacts", nil)
	changes := make([]sbc.LiveChange, 0, len(list))
	for _, x := range list {
		if x.id != "" {
			changes = append(changes, sbc.LiveChange{ID: x.id})
		}
		for _, b := range x.bindings {
			changes = append(changes, p.state(b))
		}
	}
	if err := p.r.o.Journal.Write(changes); err != nil {
		p.r.metrics.unsaved.Add(float64(len(changes)))
		p.r.o.Log.Error("register: contacts cannot be written down", "error", err)
	}
	for _, x := range list {
		if x.then != nil {
			p.tell(x.then)
		}
	}
}

func (p *pages) tell(then func()) {
	defer p.r.recovered("answering a REGISTER", nil)
	then()
}

// state is a binding as it is now; one that is gone has no record.
func (p *pages) state(b *binding) sbc.LiveChange {
	b.shard.mu.Lock()
	defer b.shard.mu.Unlock()
	c := sbc.LiveChange{ID: b.id}
	if b.present() {
		c.Record = p.r.encode(b)
	}
	return c
}

// sync forces what was written to the disk.
func (p *pages) sync() {
	p.mu.Lock()
	dirty := p.dirty
	p.dirty = false
	p.mu.Unlock()
	if !dirty {
		return
	}
	if err := p.r.o.Journal.Sync(); err != nil {
		p.r.o.Log.Error("register: contacts cannot be forced to the disk", "error", err)
	}
}

// close waits until everything is written.
func (p *pages) close() {
	p.mu.Lock()
	for p.busy {
		p.done.Wait()
	}
	p.mu.Unlock()
	p.sync()
}
