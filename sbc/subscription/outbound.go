package subscription

import (
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// outbound is a request of ours.
type outbound struct {
	m   *Manager
	req *msg.Message
	// from is the From whose host is ours once the interface is known; its zero value leaves From as it is.
	from msg.NameAddr
	// contact is the user part of our Contact; "" is none.
	contact string
	// open are headers with a place for our host, body is one.
	open header.Open
	kind string
	body []byte
}

// pass puts headers of the other side that may pass.
func (o *outbound) pass(hs []msg.Header) { o.open.Put(o.req, hs) }

// carries gives the request a body that may hold places for our host.
func (o *outbound) carries(kind string, body []byte) { o.kind, o.body = kind, body }

// send hands the request to the wire.
func (o *outbound) send(t msg.Target, timers msg.Timers, answered func(*msg.Message), failed func(error)) {
	o.m.o.Wire.Send(msg.Outbound{
		Request: o.req, Target: t, Timers: timers,
		Owner: &msg.OwnerFuncs{
			OnPrepare: o.prepare,
			OnResponse: func(_ msg.ClientTx, res *msg.Message) {
				if res.Status >= 200 {
					answered(res)
				}
			},
			OnFailed: func(_ msg.ClientTx, err error) { failed(err) },
		},
	})
}

// prepare puts what depends on the interface the request leaves by.
func (o *outbound) prepare(req *msg.Message, local msg.Local) {
	if o.from.URI.Scheme != "" && o.from.URI.Host == "" {
		from := o.from
		from.URI.Host = local.Host
		req.SetFrom(from)
	}
	if o.contact != "" {
		req.Set("Contact", local.Contact(o.contact))
	}
	o.open.Fill(req, local.Host)
	if o.kind != "" {
		req.SetBody(o.kind, []byte(header.Fill(string(o.body), local.Host)))
	}
}
