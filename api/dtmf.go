package api

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// SendDTMF sends digits to a side. They may be a secret: the audit log has their number only.
func (s *server) SendDTMF(ctx context.Context, r gen.SendDTMFRequestObject) (gen.SendDTMFResponseObject, error) {
	o := sbc.DTMFOrder{
		Side: sbc.Side(r.Body.Side), Digits: r.Body.Digits,
		Duration: milliseconds(r.Body.DurationMs), Gap: milliseconds(r.Body.GapMs),
	}
	return gen.SendDTMF204Response{}, s.carryOut(ctx, order{
		id: r.CallID, dryRun: r.Params.DryRun, faults: o.Validate(), told: map[string]any{"side": o.Side, "digits": len(o.Digits)},
		do: func(id string) error { return s.o.Calls.SendDTMF(ctx, id, o) },
	})
}

func milliseconds(n *int) time.Duration { return time.Duration(value(n)) * time.Millisecond }
