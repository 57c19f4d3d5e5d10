package call

import (
	"context"
	"unicode/utf8"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// infoEnd is how an INFO of the API ended.
type infoEnd struct {
	answer sbc.InfoAnswer
	err    error
}

// SendInfo sends INFO to a side and returns with its answer. Errors: CodeNotFound, CodeInvalid, CodeConflict if the call is not
// up, too many wait for their answer, or none comes; the context's.
func (m *Manager) SendInfo(ctx context.Context, id string, o sbc.InfoOrder) (sbc.InfoAnswer, error) {
	c := m.calls.call(id)
	if c == nil {
		return sbc.InfoAnswer{}, sbc.Errorf(sbc.CodeNotFound, "there is no call %s in progress", id)
	}
	if err := sbc.Invalid(o.Validate()); err != nil {
		return sbc.InfoAnswer{}, err
	}
	ended := make(chan infoEnd, 1)
	c.order(func() {
		c.sendInfo(o, func(a sbc.InfoAnswer, err error) { ended <- infoEnd{a, err} })
	})
	select {
	case e := <-ended:
		return e.answer, e.err
	case <-ctx.Done():
		return sbc.InfoAnswer{}, ctx.Err()
	}
}

// sendInfo carries out an order; hears is called once.
func (c *Call) sendInfo(o sbc.InfoOrder, hears func(sbc.InfoAnswer, error)) {
	l := c.legAt(o.Side)
	switch {
	case c.visible() != sbc.CallConfirmed || l == nil || !c.settled(l):
		hears(sbc.InfoAnswer{}, sbc.Errorf(sbc.CodeConflict, "the call is not up"))
		return
	case l.untaken >= maxUntaken:
		hears(sbc.InfoAnswer{}, sbc.Errorf(sbc.CodeConflict, "the %s has not answered what it was asked before", o.Side))
		return
	}
	l.untaken++
	r := &request{c: c, leg: l, kind: reqInfo, req: l.d.Request(msg.INFO), hears: hears}
	c.own(r.req)
	r.req.SetBody(o.ContentType, []byte(o.Body))
	r.send(l.d.Target(), msg.Timers{})
}

// infoAnswered is the final answer to an INFO of the API. After 481 the dialog is gone (RFC 5057 5.1).
func (c *Call) infoAnswered(r *request, res *msg.Message) {
	if r.done {
		return
	}
	r.taken()
	a := sbc.InfoAnswer{Status: res.Status, Reason: res.Reason}
	if body := res.Body; len(body) > 0 && len(body) <= sbc.MaxInfoBody && utf8.Valid(body) {
		a.ContentType, a.Body = res.Get("Content-Type"), string(body)
	}
	r.hears(a, nil)
	if res.Status == 481 {
		c.lost(r.leg)
	}
}

// infoFailed is an INFO of the API without an answer. The call goes on: devices are found that are deaf to INFO.
func (c *Call) infoFailed(r *request) {
	if r.done {
		return
	}
	r.taken()
	r.hears(sbc.InfoAnswer{}, sbc.Errorf(sbc.CodeConflict, "the %s did not answer", r.side))
}
