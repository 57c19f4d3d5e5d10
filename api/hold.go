package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// hold puts a side on hold or takes it back.
func (s *server) hold(ctx context.Context, id string, dryRun *bool, side gen.CallSide, held bool) error {
	o := sbc.HoldOrder{Side: sbc.Side(side), Held: held}
	return s.carryOut(ctx, order{
		id: id, dryRun: dryRun, faults: o.Validate(), told: map[string]any{"side": side, "held": held},
		do: func(id string) error { return s.o.Calls.Hold(ctx, id, o) },
	})
}

// HoldCall puts a side of a call on hold.
func (s *server) HoldCall(ctx context.Context, r gen.HoldCallRequestObject) (gen.HoldCallResponseObject, error) {
	return gen.HoldCall204Response{}, s.hold(ctx, r.CallID, r.Params.DryRun, r.Body.Side, true)
}

// ResumeCall takes a side of a call back from hold.
func (s *server) ResumeCall(ctx context.Context, r gen.ResumeCallRequestObject) (gen.ResumeCallResponseObject, error) {
	return gen.ResumeCall204Response{}, s.hold(ctx, r.CallID, r.Params.DryRun, r.Body.Side, false)
}
