package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// TransferCall connects a side of a call with somebody else.
func (s *server) TransferCall(ctx context.Context, r gen.TransferCallRequestObject) (gen.TransferCallResponseObject, error) {
	b := r.Body
	o := sbc.TransferOrder{
		Keep: sbc.Side(b.Keep), Target: value(b.Target), CallID: value(b.CallID), With: sbc.Side(value(b.With)),
		Reason: value(b.Reason),
	}
	return gen.TransferCall204Response{}, s.carryOut(ctx, order{
		id: r.CallID, dryRun: r.Params.DryRun, faults: o.Validate(),
		check: func(call sbc.CallInfo) ([]sbc.Fault, error) { return s.otherCall(call, o.CallID), nil },
		told: map[string]any{"keep": o.Keep, "target": o.Target, "call_id": o.CallID, "with": o.With,
			"reason": o.Reason},
		do: func(id string) error { return s.o.Calls.Transfer(ctx, id, o) },
	})
}

// otherCall finds what is wrong with the call that another one is to be joined with: it must be in progress and of the same
// tenant.
func (s *server) otherCall(call sbc.CallInfo, id string) []sbc.Fault {
	if id == "" {
		return nil
	}
	other, ok := s.o.Calls.Get(id)
	switch {
	case !ok || other.TenantID != call.TenantID:
		return []sbc.Fault{{Pointer: "#/call_id", Code: "unknown_reference", Detail: "there is no call " + clip(id) + " in progress"}}
	case other.ID == call.ID:
		return []sbc.Fault{{Pointer: "#/call_id", Code: "conflict", Detail: "must be another call"}}
	}
	return nil
}
