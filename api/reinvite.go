package api

import (
	"context"
	"net/http"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ReinviteCall negotiates the media of a call anew.
func (s *server) ReinviteCall(ctx context.Context, r gen.ReinviteCallRequestObject) (gen.ReinviteCallResponseObject, error) {
	o := sbc.ReinviteOrder{NewPort: value(r.Body.Media) == gen.ReinviteOrderMediaNewPort}
	if side := value(r.Body.Side); side != "" {
		o.Sides = []sbc.Side{sbc.Side(side)}
	}
	return gen.ReinviteCall204Response{}, s.carryOut(ctx, order{
		id: r.CallID, dryRun: r.Params.DryRun, faults: o.Validate(), told: map[string]any{"sides": o.Sides, "new_port": o.NewPort},
		do: func(id string) error { return s.o.Calls.Reinvite(ctx, id, o) },
	})
}

// SendInfo sends INFO to a side. What it says may be a secret: the audit log has its type and length only.
func (s *server) SendInfo(ctx context.Context, r gen.SendInfoRequestObject) (gen.SendInfoResponseObject, error) {
	o := sbc.InfoOrder{Side: sbc.Side(r.Body.Side), ContentType: value(r.Body.ContentType), Body: value(r.Body.Body)}
	var answer gen.InfoAnswer
	err := s.carryOut(ctx, order{
		id: r.CallID, dryRun: r.Params.DryRun, faults: o.Validate(),
		told: map[string]any{"side": o.Side, "content_type": o.ContentType, "bytes": len(o.Body)},
		do: func(id string) error {
			given, err := s.o.Calls.SendInfo(ctx, id, o)
			if err == nil {
				answer, err = convert[gen.InfoAnswer](given)
			}
			return err
		},
		status: http.StatusOK, answer: &answer,
	})
	return gen.SendInfo200JSONResponse{Body: answer}, err
}
