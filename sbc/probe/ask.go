package probe

import (
	"errors"
	"strconv"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/prove"
)

// ask sends one probe.
func (p *Prober) ask(e *endpoint, s *Source) {
	req := request(s)
	req.Append("User-Agent", p.o.ServerName)
	p.send(e, s, req, s.Target, prove.New(s.Credentials))
}

// send sends a probe, once more where it is challenged and we have credentials.
func (p *Prober) send(e *endpoint, s *Source, req *msg.Message, to msg.Target, prover *prove.Answerer) {
	began := time.Now()
	user := s.Probe.FromUser
	from := req.From
	p.o.Wire.Send(msg.Outbound{
		Request: req, Target: to, Timers: msg.Timers{B: time.Duration(s.Probe.TimeoutMS) * time.Millisecond},
		Owner: &msg.OwnerFuncs{
			OnPrepare: func(req *msg.Message, local msg.Local) {
				at := from
				at.URI.Host = local.Host
				req.SetFrom(at)
				req.Set("Contact", local.Contact(user))
				prover.Put(req)
			},
			OnResponse: func(tx msg.ClientTx, res *msg.Message) {
				if res.Status < 200 {
					return
				}
				if prover != nil {
					if again, to, ok := prover.Again(req, res, tx.Hop()); ok {
						p.send(e, s, again, to, prover)
						return
					}
				}
				p.heard(e, s, began, res.Status, "")
			},
			OnFailed: func(_ msg.ClientTx, err error) {
				if why := silence(err); why != "" {
					p.heard(e, s, began, 0, why)
					return
				}
				p.free(e)
			},
		},
	})
}

// request is the OPTIONS (RFC 3261 11.1); the host of From is ours once the interface is known.
func request(s *Source) *msg.Message {
	req := msg.NewRequest(msg.OPTIONS, s.URI)
	to := s.URI
	to.UriParams = nil
	var from msg.URI
	from.Scheme, from.User = "sip", s.Probe.FromUser
	req.SetMaxForwards(70)
	req.SetFrom(msg.NameAddr{URI: from}.WithTag(msg.NewTag()))
	req.SetTo(msg.NameAddr{URI: to})
	req.SetCallID(msg.NewCallID())
	req.SetCSeq(1, msg.OPTIONS)
	req.Append("Accept", "application/sdp")
	return req
}

// silence says why there was no final answer; "" where that is nobody's fault but ours.
func silence(err error) string {
	switch {
	case errors.Is(err, msg.ErrClosed):
		return ""
	case errors.Is(err, msg.ErrTransport):
		return "it cannot be reached"
	}
	return "no answer"
}

// free ends a probe that says nothing.
func (p *Prober) free(e *endpoint) {
	p.flying.Add(-1)
	e.mu.Lock()
	e.asking = false
	e.mu.Unlock()
}

// heard notes what became of a probe.
func (p *Prober) heard(e *endpoint, s *Source, began time.Time, code int, why string) {
	p.flying.Add(-1)
	e.mu.Lock()
	now := time.Now()
	e.asking = false
	if !e.source.Probe.Enabled {
		e.mu.Unlock()
		return
	}
	e.health.probed(now, &e.source.Probe, code, now.Sub(began), why)
	event := p.changed(e, now)
	e.mu.Unlock()
	p.metrics.probed(code != 0 && s.Probe.Alive(code), code, now.Sub(began))
	p.tell(event)
}

func itoa(n int) string { return strconv.Itoa(n) }
