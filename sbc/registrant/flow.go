package registrant

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

const (
	// pingPatience is how long the answer to an OPTIONS may take, maxMissed how many in a row may have none.
	pingPatience = 5 * time.Second
	maxMissed    = 3
	// maxSet bounds the addresses of a registrar's name, maxLookups how often it is looked up where DNS does not answer.
	maxSet, maxLookups = 32, 3
)

// flows notes by which way a registration went: the carrier's calls come back by it.
func (m *Manager) flows(e *entry, h msg.Hop, lasts time.Duration) {
	e.flow, e.missed, e.alive = h, 0, time.Time{}
	k := e.r.KeepAlive
	if k.Mode == sbc.KeepAliveOff || k.Mode == "" || !h.Remote.IsValid() {
		return
	}
	e.alive = time.Now().Add(time.Duration(k.IntervalS) * time.Second)
	if h.Conn != 0 {
		m.later = append(m.later, func() { m.o.Wire.Hold(h, lasts) })
	}
}

// keep sends the keep-alive of an entry that is due.
func (m *Manager) keep(e *entry, now time.Time) {
	if e.alive.IsZero() || now.Before(e.alive) || !now.Before(e.until) {
		return
	}
	e.alive = now.Add(time.Duration(e.r.KeepAlive.IntervalS) * time.Second)
	h := e.flow
	if e.r.KeepAlive.Mode == sbc.KeepAliveOptions && h.Conn == 0 {
		m.ask(e, h)
		return
	}
	m.later = append(m.later, func() {
		if err := m.o.Wire.KeepAlive(h); errors.Is(err, msg.ErrClosed) {
			m.do(func() { m.broken(e, h) })
		}
	})
}

// broken has an entry register anew, because nobody hears us by the way it went: the carrier's calls would not come.
func (m *Manager) broken(e *entry, h msg.Hop) {
	if e.flow != h || e.leaving || m.entries[e.r.ID] != e {
		return
	}
	m.o.Log.Info("the way to a registrar is broken", "registrant_id", e.r.ID, "remote", h.Remote)
	if e.alive = (time.Time{}); !e.busy {
		e.due = time.Now()
	}
}

// ask sends OPTIONS (RFC 3261 11) by the way of the registration. Any answer will do.
func (m *Manager) ask(e *entry, h msg.Hop) {
	req := m.register(e, 0)
	req.Remove("Expires")
	req.Remove("Supported")
	req.Method = msg.OPTIONS
	req.SetCallID(msg.NewCallID())
	req.SetCSeq(1, msg.OPTIONS)
	user, to := e.user, *askedBy(h)
	heard := func(answered bool) {
		m.do(func() {
			if e.flow != h {
				return
			}
			if e.missed++; answered {
				e.missed = 0
			}
			if e.missed >= maxMissed {
				m.broken(e, h)
			}
		})
	}
	m.later = append(m.later, func() {
		m.o.Wire.Send(msg.Outbound{
			Request: req, Target: to, Timers: msg.Timers{B: pingPatience},
			Owner: &msg.OwnerFuncs{
				OnPrepare: func(req *msg.Message, local msg.Local) { req.Set("Contact", local.Contact(user)) },
				OnResponse: func(_ msg.ClientTx, res *msg.Message) {
					if res.Status >= 200 {
						heard(true)
					}
				},
				OnFailed: func(_ msg.ClientTx, err error) { heard(errors.Is(err, msg.ErrTimeout)) }, // a provisional answer is one
			},
		})
	})
}

// members looks up which addresses the registrar's name has: calls come from any of them.
func (m *Manager) members(e *entry) {
	t := m.targetOf(e)
	if _, err := netip.ParseAddr(t.Host); err == nil || m.o.Resolve == nil {
		return
	}
	m.later = append(m.later, func() {
		go func() {
			defer m.recovered()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			for range maxLookups {
				if found := m.o.Resolve(ctx, t.Host, t.Port, t.Transport); len(found) > 0 {
					m.do(func() { e.set = found[:min(len(found), maxSet)] })
					return
				}
			}
		}()
	})
}

// known tells whether an address is the registrar's: it has answered, or the registrar's name has it.
func (e *entry) known(a netip.Addr) bool {
	return slices.Contains(e.peers, a) || slices.Contains(e.set, a)
}
