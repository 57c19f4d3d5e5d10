package call

import (
	"context"
	"errors"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Reinvite negotiates media anew with the sides, one after the other, and returns when they have agreed. Errors: CodeNotFound,
// CodeInvalid, CodeConflict if the call is not up or a side refuses; the context's. Sides that agreed before stay as they are then.
func (m *Manager) Reinvite(ctx context.Context, id string, o sbc.ReinviteOrder) error {
	c := m.calls.call(id)
	if c == nil {
		return sbc.Errorf(sbc.CodeNotFound, "there is no call %s in progress", id)
	}
	if err := sbc.Invalid(o.Validate()); err != nil {
		return err
	}
	sides := o.Sides
	if len(sides) == 0 {
		sides = []sbc.Side{sbc.SideCaller, sbc.SideCallee}
	}
	for _, side := range sides {
		agreed := make(chan error, 1)
		c.order(func() { c.reinvite(side, o.NewPort, agreed) })
		select {
		case err := <-agreed:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// reinvite offers a side again what it was told last, or the same with other ports; agreed hears how it ended.
func (c *Call) reinvite(side sbc.Side, move bool, agreed chan<- error) {
	l := c.legAt(side)
	if c.visible() != sbc.CallConfirmed || l == nil || !c.settled(l) {
		agreed <- sbc.Errorf(sbc.CodeConflict, "the call is not up")
		return
	}
	p := &proposal{leg: l, method: msg.INVITE, done: func(err error) { agreed <- refusal(side, err) }}
	if move && c.direct() {
		agreed <- sbc.Errorf(sbc.CodeConflict, "the call has no ports here: its media do not pass the border")
		return
	}
	if move {
		p.offer = func() (Exchange, error) { return c.session.Move(l.party) }
	}
	c.propose(p)
}

// refusal is what came of a change of ours, for the API.
func refusal(side sbc.Side, err error) error {
	var refused *refusedError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errOver):
		return sbc.Errorf(sbc.CodeConflict, "the call has ended")
	case errors.As(err, &refused):
		return sbc.Errorf(sbc.CodeConflict, "the %s answered %d", side, refused.code)
	}
	return sbc.Errorf(sbc.CodeConflict, "the %s could not be told: %v", side, err)
}
