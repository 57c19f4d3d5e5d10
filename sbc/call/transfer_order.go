package call

import (
	"context"

	"github.com/sallyport/sallyport/sbc"
)

// Transfer connects one side of a call with a number, or with a side of another call. It returns when that has begun; what becomes
// of it is told by events. Errors: CodeNotFound, CodeInvalid, CodeConflict if the call is not up, is being transferred already, or
// the plan and the limits of the trunk of the side that is let go do not permit the call.
func (m *Manager) Transfer(_ context.Context, id string, o sbc.TransferOrder) error {
	if err := sbc.Invalid(o.Validate()); err != nil {
		return err
	}
	c := m.calls.call(id)
	if c == nil {
		return sbc.Errorf(sbc.CodeNotFound, "there is no call %s in progress", id)
	}
	var other *Call
	if o.CallID != "" {
		if other = m.calls.call(o.CallID); other == nil || other == c {
			return sbc.Invalid([]sbc.Fault{{Pointer: "#/call_id", Code: "reference", Detail: "is not another call in progress"}})
		}
	}
	var err error
	c.order(func() { err = c.transferBy(o, other) })
	return err
}

// transferBy begins a transfer that the API wishes.
func (c *Call) transferBy(o sbc.TransferOrder, other *Call) error {
	switch {
	case c.st.ended:
		return sbc.Errorf(sbc.CodeNotFound, "there is no call %s in progress", c.id)
	case !c.ready():
		return sbc.Errorf(sbc.CodeConflict, "the call is not up, or is being transferred already")
	case c.transfers >= maxTransfers:
		return sbc.Errorf(sbc.CodeConflict, "the call was transferred %d times, as often as it may", c.transfers)
	}
	kept := c.legAt(o.Keep)
	old := c.other(kept)
	t := &transfer{place: c.placeOf(old), old: old, kept: kept, by: "api", number: o.Target}
	if other != nil {
		t.number, t.asked = o.CallID, &askedLeg{call: other, side: o.With}
		c.begun(t)
		c.raiseAt(evMerge, t.place)
		return nil
	}
	if code := c.transferCall(t); code != 0 {
		return sbc.Errorf(sbc.CodeConflict, "the plan or the limits of trunk %s do not permit a call to this number", old.end.trunkID)
	}
	return nil
}
