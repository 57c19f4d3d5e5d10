package call

import (
	"context"
	"errors"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// anchoring is a direct call on its way through us: both peers are offered, one after the other, what the other one said last with
// addresses of ours, and directions as they were. It waits its turn with the changes of the peers.
type anchoring struct {
	// done are told how it ended.
	done []func(error)
}

// errNoMedia says that a call has no media here, and cannot have them now.
var errNoMedia = errors.New("call: its media do not pass the border")

// anchor brings the media of a direct call here; done hears nil when they come, at once for a call that is relayed, or why not. A call
// once anchored stays so.
func (c *Call) anchor(done func(error)) {
	switch {
	case c.anchoring != nil:
		c.anchoring.done = append(c.anchoring.done, done)
		return
	case !c.direct():
		done(nil)
		return
	case !c.settled(c.a) || !c.settled(c.b) || c.tr != nil:
		done(errNoMedia)
		return
	}
	x := &anchoring{done: []func(error){done}}
	c.anchoring = x
	a, b := c.a, c.b
	c.reroute(a, b, false, func(err error) {
		if err != nil {
			c.anchored(x, err)
			return
		}
		c.reroute(b, a, false, func(err error) {
			if err != nil && !errors.Is(err, errOver) && c.a == a && c.b == b { // it hears the other one no more: back as it was
				c.reroute(a, b, true, nil)
			}
			c.anchored(x, err)
		})
	})
}

// reroute offers a leg what another one said last, to go directly or through us.
func (c *Call) reroute(who, to *leg, direct bool, done func(error)) {
	c.propose(&proposal{leg: to, method: msg.INVITE, done: done, offer: func() (Exchange, error) {
		if who.party == nil || to.party == nil || c.session == nil {
			return nil, errOver
		}
		return c.session.Switch(who.party, to.party, direct, c.facing(who, to))
	}})
}

// facing is the direction of what a leg is told of another one's media, where the API holds either of them: whom it holds is told so,
// the other one nothing (hold.go).
func (c *Call) facing(who, to *leg) media.Direction {
	switch {
	case to.paused && c.snap.Media(to.trunk).Hold == sbc.HoldPass:
		return media.Inactive
	case to.paused:
		return media.SendOnly
	case who.paused:
		return media.SendRecv
	}
	return media.Unchanged
}

// anchored tells all who waited.
func (c *Call) anchored(x *anchoring, err error) {
	if c.anchoring == x {
		c.anchoring = nil
	}
	for _, done := range x.done {
		done(err)
	}
}

// hereToHold is here for a side that is to be held by the API and hears something then.
func (m *Manager) hereToHold(ctx context.Context, c *Call, side sbc.Side) error {
	needed := false
	c.look(func() {
		l := c.legAt(side)
		needed = l != nil && c.direct() && c.snap.Media(l.trunk).Hold != sbc.HoldPass
	})
	if !needed {
		return nil
	}
	return m.here(ctx, c)
}

// here brings the media of a call here for an order of the API, and returns when they come. Errors: CodeConflict if that cannot be; the
// context's.
func (m *Manager) here(ctx context.Context, c *Call) error {
	ready := make(chan error, 1)
	c.order(func() { c.anchor(func(err error) { ready <- err }) })
	select {
	case err := <-ready:
		return notHere(err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// notHere is why the media of a direct call could not be brought here, for the API.
func notHere(err error) error {
	var refused *refusedError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errOver):
		return sbc.Errorf(sbc.CodeConflict, "the call has ended")
	case errors.As(err, &refused):
		return sbc.Errorf(sbc.CodeConflict, "the call's media do not pass the border, and a side answered %d when asked to", refused.code)
	}
	return sbc.Errorf(sbc.CodeConflict, "the call's media do not pass the border, and cannot be brought here now: %v", err)
}
