package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// GetCallDecision shows why a call in progress goes where it goes.
func (s *server) GetCallDecision(
	ctx context.Context, r gen.GetCallDecisionRequestObject,
) (gen.GetCallDecisionResponseObject, error) {
	if _, err := s.call(ctx, r.CallID); err != nil {
		return nil, err
	}
	decision, ok := s.o.Calls.Decision(r.CallID)
	if !ok {
		return nil, sbc.Errorf(sbc.CodeNotFound, "the decision on the call %s was made by a process before this one, or it is just over",
			clip(r.CallID))
	}
	body, err := convert[gen.Explanation](decision)
	return gen.GetCallDecision200JSONResponse(body), err
}

// GetCDRDecision shows why a call that is over went where it went.
func (s *server) GetCDRDecision(
	ctx context.Context, r gen.GetCDRDecisionRequestObject,
) (gen.GetCDRDecisionResponseObject, error) {
	record, err := s.o.Records.CDR(ctx, callerOf(ctx).tenant(), r.CDRID)
	switch {
	case err != nil:
		return nil, err
	case record == nil:
		return nil, sbc.Errorf(sbc.CodeNotFound, "there is no record %s", clip(r.CDRID))
	case record.Decision == nil:
		return nil, sbc.Errorf(sbc.CodeNotFound, "no decision was kept with the record %s", clip(r.CDRID))
	}
	body, err := convert[gen.Explanation](record.Decision)
	return gen.GetCDRDecision200JSONResponse(body), err
}

// DiagnoseTrunk finds out whether calls can go to a trunk.
func (s *server) DiagnoseTrunk(ctx context.Context, r gen.DiagnoseTrunkRequestObject) (gen.DiagnoseTrunkResponseObject, error) {
	if _, err := top(sbc.KindTrunk).find(s.stored(ctx), callerOf(ctx).tenant(), r.TrunkID); err != nil {
		return nil, err
	}
	found, err := s.o.Diagnose(ctx, r.TrunkID)
	if err != nil {
		return nil, err
	}
	body, err := convert[gen.Diagnosis](found)
	return gen.DiagnoseTrunk200JSONResponse(body), err
}
