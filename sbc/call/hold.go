package call

import (
	"context"
	"errors"
	"strconv"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// errUnchanged says that a change of ours is not needed any more.
var errUnchanged = errors.New("call: nothing to change")

// Hold puts a side on hold with a re-INVITE, or takes it back, and returns when the side has agreed. The other side is told
// nothing. Errors: CodeNotFound, CodeInvalid for a side that is none, CodeConflict if the call is not up, the other side has
// put this one on hold, or the side refuses; the context's.
func (m *Manager) Hold(ctx context.Context, id string, o sbc.HoldOrder) error {
	c := m.calls.call(id)
	if c == nil {
		return sbc.Errorf(sbc.CodeNotFound, "there is no call %s in progress", id)
	}
	if o.Side != sbc.SideCaller && o.Side != sbc.SideCallee {
		return sbc.Invalid([]sbc.Fault{{Pointer: "#/side", Code: "enum", Detail: "must be caller or callee"}})
	}
	if o.Held {
		if err := m.hereToHold(ctx, c, o.Side); err != nil {
			return err
		}
	}
	agreed := make(chan error, 1)
	c.order(func() { c.pause(o, agreed) })
	select {
	case err := <-agreed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pause carries out a hold by the API; agreed hears how it ended.
func (c *Call) pause(o sbc.HoldOrder, agreed chan<- error) {
	l := c.legAt(o.Side)
	switch {
	case c.visible() != sbc.CallConfirmed || l == nil || !c.settled(l) || c.served():
		agreed <- sbc.Errorf(sbc.CodeConflict, "the call is not up")
		return
	case o.Held == l.paused && (o.Held || !l.held):
		agreed <- nil
		return
	case !o.Held && !l.paused:
		agreed <- sbc.Errorf(sbc.CodeConflict, "the %s is held by the other side", o.Side)
		return
	}
	before := l.paused
	l.paused = o.Held
	if l.held && o.Held { // by the other side already
		agreed <- nil
		return
	}
	c.turn(l, func(err error) {
		if err != nil && !errors.Is(err, errOver) {
			l.paused = before
		}
		agreed <- refusal(o.Side, err)
	})
	if other := c.other(l); !o.Held && other != nil {
		c.unturn(other)
	}
}

// turn tells a leg whether it is on hold by us. A peer on hold that would hear nothing is told so: with "inactive".
func (c *Call) turn(l *leg, done func(error)) {
	c.propose(&proposal{leg: l, method: msg.INVITE, done: done, offer: func() (Exchange, error) {
		d := media.SendRecv
		switch {
		case l.paused && c.snap.Media(l.trunk).Hold == sbc.HoldPass:
			d = media.Inactive
		case l.paused:
			d = media.SendOnly
		}
		return c.session.Renew(l.party, d)
	}})
}

// unturn tells the other side of one that is taken back to speak again, if it was told meanwhile that this one only listens: by
// a re-INVITE of the side on hold.
func (c *Call) unturn(l *leg) {
	c.propose(&proposal{leg: l, method: msg.INVITE, offer: func() (Exchange, error) {
		x, err := c.session.Renew(l.party, media.SendRecv)
		if err == nil && (l.paused || c.session.Held(l.party) || !x.Changed()) {
			x.Reject()
			return nil, errUnchanged
		}
		return x, err
	}})
}

// noteHold looks who is on hold after a change of the session, and tells.
func (c *Call) noteHold() {
	c.noteMode()
	for _, l := range [...]*leg{c.a, c.b} {
		if l == nil || l.party == nil || c.session == nil {
			continue
		}
		held := c.session.Held(l.party)
		if held != l.held {
			l.held = held
			c.heldMedia(l)
			c.event(sbc.EventCallHold, l, map[string]string{"side": string(l.side), "held": strconv.FormatBool(held)})
		}
	}
}

// holdAgain puts a side on hold anew that the API holds and that a change of a peer's took back.
func (c *Call) holdAgain() {
	for _, l := range [...]*leg{c.a, c.b} {
		if l != nil && l.paused && !l.held && c.kept(l) {
			c.turn(l, nil)
		}
	}
}

// heldSides lists the sides on hold, for the API.
func (c *Call) heldSides() (sides []sbc.Side) {
	for _, l := range [...]*leg{c.a, c.b} {
		if l != nil && l.held {
			sides = append(sides, l.side)
		}
	}
	return sides
}
