package probe

import (
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/prove"
)

// Answer is what came of one OPTIONS.
type Answer struct {
	// Response is the final one, nil where there was none: Why says so then.
	Response *msg.Message
	Why      string
	// Trip is how long it took, Hop where the request went last.
	Trip time.Duration
	Hop  msg.Hop
	req  *msg.Message
}

// Once asks an endpoint once, for somebody who wants to know; no state comes of it. within bounds the wait. The one answer comes by the
// channel.
func Once(w Wire, s *Source, serverName string, within time.Duration) <-chan Answer {
	req := request(s)
	req.Append("User-Agent", serverName)
	return once(w, s, req, s.Target, nil, within)
}

// Prove answers the challenge that Once has met, to the server it came from. ok is false where the credentials are not for it.
func (a *Answer) Prove(w Wire, s *Source, k *sbc.ClientCredentials, within time.Duration) (heard <-chan Answer, ok bool) {
	prover := prove.New(k)
	again, to, ok := prover.Again(a.req, a.Response, a.Hop)
	if !ok {
		return nil, false
	}
	return once(w, s, again, to, prover, within), true
}

// once sends one request to an endpoint.
func once(w Wire, s *Source, req *msg.Message, to msg.Target, prover *prove.Answerer, within time.Duration) <-chan Answer {
	began, heard := time.Now(), make(chan Answer, 1)
	from := req.From
	tell := func(a Answer) {
		a.Trip, a.req = time.Since(began), req
		select {
		case heard <- a:
		default:
		}
	}
	w.Send(msg.Outbound{
		Request: req, Target: to, Timers: msg.Timers{B: within},
		Owner: &msg.OwnerFuncs{
			OnPrepare: func(req *msg.Message, local msg.Local) {
				at := from
				at.URI.Host = local.Host
				req.SetFrom(at)
				req.Set("Contact", local.Contact(s.Probe.FromUser))
				prover.Put(req)
			},
			OnResponse: func(tx msg.ClientTx, res *msg.Message) {
				if res.Status >= 200 {
					tell(Answer{Response: res, Hop: tx.Hop()})
				}
			},
			OnFailed: func(tx msg.ClientTx, err error) {
				why := silence(err)
				if why == "" {
					why = "the node is stopping"
				}
				tell(Answer{Why: why, Hop: tx.Hop()})
			},
		},
	})
	return heard
}
