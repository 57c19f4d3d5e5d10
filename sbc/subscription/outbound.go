package subscription

import (
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/prove"
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
	// prover answers the challenges of the trunk it goes to, on the queue of whom it is for; nil for none.
	prover *prove.Answerer
	queue  *serial
	// dialog is what it was built in, nil outside; again hears of the request that is sent once more, nil for nobody.
	dialog *dialog.Dialog
	again  func(req *msg.Message)
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
			OnResponse: func(tx msg.ClientTx, res *msg.Message) {
				switch {
				case res.Status < 200:
				case o.prover != nil && (res.Status == 401 || res.Status == 407):
					hop := tx.Hop()
					o.queue.do(func() { o.challenged(res, hop, timers, answered, failed) })
				default:
					answered(res)
				}
			},
			OnFailed: func(_ msg.ClientTx, err error) { failed(err) },
		},
	})
}

// challenged sends the request once more with our credentials, or hands the challenge on as any failure.
func (o *outbound) challenged(res *msg.Message, hop msg.Hop, timers msg.Timers, answered func(*msg.Message), failed func(error)) {
	again, to, ok := o.prover.Again(o.req, res, hop)
	if !ok {
		answered(res)
		return
	}
	if o.dialog != nil {
		o.dialog.Renumber(again)
	}
	if o.req = again; o.again != nil {
		o.again(again)
	}
	o.send(to, timers, answered, failed)
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
	o.prover.Put(req)
}
