package register

import (
	"errors"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// patience is how long a phone has to answer OPTIONS (defaults.md: natping threshold).
const patience = 3 * time.Second

// ping is one keep-alive, as it was decided under the lock.
type ping struct {
	b       *binding
	count   uint32
	hop     msg.Hop
	options bool
	to      Contact
	from    string // the domain
	most    int    // misses until the contact counts as unreachable
	began   time.Duration
	done    func() // hears that there was an answer or none; may be nil
}

// pingBy notes that a binding is pinged now. It is called with the lock held.
func (b *binding) pingBy(d *sbc.Domain, now time.Duration) ping {
	b.pinged = now
	b.ping++
	p := ping{b: b, count: b.ping, hop: b.hop(), from: d.Name, most: d.KeepAlive.MaxMisses, began: now}
	if p.options = b.way.Value().transport == sbc.TransportUDP && d.KeepAlive.Mode == sbc.KeepAliveOptions; p.options {
		p.to = b.describe()
	}
	return p
}

// ping sends a keep-alive.
func (r *Registrar) ping(p *ping) {
	if p.options {
		r.options(p)
		return
	}
	err := r.o.Wire.KeepAlive(p.hop)
	switch {
	case err == nil:
		r.metrics.pings.WithLabelValues("sent").Inc()
	case p.hop.Conn != 0:
		r.Closed(p.hop)
	default:
		r.metrics.pings.WithLabelValues("failed").Inc()
		r.o.Log.Debug("register: keep-alive", "error", err)
	}
}

// options asks a phone for an answer of any kind (RFC 3261 11): whatever it says, it is there.
func (r *Registrar) options(p *ping) {
	req := msg.NewRequest(msg.OPTIONS, p.to.URI)
	var from msg.URI
	from.Scheme, from.Host = "sip", p.from
	to := p.to.URI
	req.SetMaxForwards(70)
	req.SetFrom(msg.NameAddr{URI: from}.WithTag(msg.NewTag()))
	req.SetTo(msg.NameAddr{URI: to})
	req.SetCallID(msg.NewCallID())
	req.SetCSeq(1, msg.OPTIONS)
	for _, v := range p.to.Path {
		req.Append("Route", v)
	}
	req.Append("User-Agent", r.o.ServerName)
	kept := *p
	heard := func(answered bool) {
		defer r.recovered("a keep-alive's answer", nil)
		r.heard(&kept, answered)
		if kept.done != nil {
			kept.done()
		}
	}
	r.o.Wire.Send(msg.Outbound{
		Request: req, Target: p.to.Target, Timers: msg.Timers{B: patience},
		Owner: &msg.OwnerFuncs{
			OnPrepare: func(req *msg.Message, local msg.Local) { req.Set("Contact", local.Contact("")) },
			OnResponse: func(_ msg.ClientTx, res *msg.Message) {
				if res.Status >= 200 {
					heard(true)
				}
			},
			OnFailed: func(_ msg.ClientTx, err error) {
				if !errors.Is(err, msg.ErrClosed) || kept.done != nil { // we are shutting down: that is nobody's fault
					heard(errors.Is(err, msg.ErrTimeout)) // a provisional answer is one
				}
			},
		},
	})
}

// heard notes what came of a ping, unless the phone has registered or was pinged again meanwhile.
func (r *Registrar) heard(p *ping, answered bool) {
	b, s := p.b, p.b.shard
	u := &update{r: r, now: r.now()}
	s.mu.Lock()
	if !b.present() || b.ping != p.count {
		s.mu.Unlock()
		return
	}
	was := b.lost
	if answered {
		b.misses, b.lost, b.trip = 0, false, max(u.now-p.began, 1)
		if was {
			u.event(sbc.EventRegistrationReachable, b)
		}
	} else {
		b.misses = min(b.misses+1, 250)
		if b.lost = b.lost || int(b.misses) >= p.most; b.lost && !was {
			u.event(sbc.EventRegistrationUnreachable, b, "misses", itoa(int(b.misses)), "reason", "no answer")
		}
	}
	trip := b.trip
	s.mu.Unlock()
	if answered {
		r.metrics.pings.WithLabelValues("answered").Inc()
		r.metrics.trips.Observe(trip.Seconds())
	} else {
		r.metrics.pings.WithLabelValues("missed").Inc()
	}
	r.settle(u, nil)
}

// Closed hears that a connection is gone: the contacts that came by it are not reached any more, unless they can be called at an
// address of their own.
func (r *Registrar) Closed(h msg.Hop) {
	if r.over.Load() { // all connections close: that says nothing of phones
		return
	}
	for _, b := range r.flows.take(h.Conn) {
		u := &update{r: r, now: r.now()}
		b.shard.mu.Lock()
		if b.conn == h.Conn && b.present() {
			b.conn = 0
			b.ping++
			if !b.direct && !b.lost {
				b.lost = true
				u.event(sbc.EventRegistrationUnreachable, b, "misses", itoa(int(b.misses)), "reason", "connection closed")
			}
			if d := r.o.Domain(b.owner.home.Value().domain); d != nil && d.KeepAlive.RemoveUnreachable && b.lost && !b.wakes() {
				u.remove(b.shard, b, goneUnreachable)
			} else {
				r.schedule(b, u.now)
			}
		}
		b.shard.mu.Unlock()
		r.settle(u, nil)
	}
}
