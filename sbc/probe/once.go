package probe

import (
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// Answer is what came of one OPTIONS.
type Answer struct {
	// Response is the final one, nil where there was none: Why says so then.
	Response *msg.Message
	Why      string
	// Trip is how long it took, Hop where the request went last.
	Trip time.Duration
	Hop  msg.Hop
}

// Once asks an endpoint once, for somebody who wants to know; no state comes of it. more are headers besides; within bounds the wait.
// The one answer comes by the channel.
func Once(w Wire, s *Source, serverName string, within time.Duration, more ...msg.Header) <-chan Answer {
	began, heard := time.Now(), make(chan Answer, 1)
	req := request(s)
	req.Append("User-Agent", serverName)
	for _, h := range more {
		req.Append(h.Name, h.Value)
	}
	from := req.From
	tell := func(a Answer) {
		a.Trip = time.Since(began)
		select {
		case heard <- a:
		default:
		}
	}
	w.Send(msg.Outbound{
		Request: req, Target: s.Target, Timers: msg.Timers{B: within},
		Owner: &msg.OwnerFuncs{
			OnPrepare: func(req *msg.Message, local msg.Local) {
				at := from
				at.URI.Host = local.Host
				req.SetFrom(at)
				req.Set("Contact", local.Contact(s.Probe.FromUser))
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
