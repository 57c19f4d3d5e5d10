package api

import (
	"context"
	"net/http"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// toldCalls bounds the ids that one audit event holds.
const toldCalls = 1000

// HangUpCall releases a call.
func (s *server) HangUpCall(ctx context.Context, r gen.HangUpCallRequestObject) (gen.HangUpCallResponseObject, error) {
	reason := value(r.Params.Reason)
	return gen.HangUpCall204Response{}, s.carryOut(ctx, order{
		id: r.CallID, dryRun: r.Params.DryRun, told: map[string]any{"end_reason": string(sbc.EndAdmin), "reason": reason},
		do: func(id string) error { return s.o.Calls.HangUp(ctx, id, reason) },
	})
}

// HangUpCalls releases every call that a filter selects.
func (s *server) HangUpCalls(ctx context.Context, r gen.HangUpCallsRequestObject) (gen.HangUpCallsResponseObject, error) {
	c, b := callerOf(ctx), r.Body
	tenant, err := c.choose(b.TenantID)
	if err != nil {
		return nil, err
	}
	f := sbc.CallFilter{
		State: sbc.CallState(value(b.State)), IngressTrunkID: value(b.IngressTrunkID), EgressTrunkID: value(b.EgressTrunkID),
		Caller: value(b.Caller), Callee: value(b.Callee),
	}
	if some := f != (sbc.CallFilter{}) || value(b.TenantID) != ""; some == value(b.All) {
		return nil, sbc.Invalid([]sbc.Fault{{Pointer: "#/all", Code: "required",
			Detail: "must be true where no other field selects, and only there"}})
	}
	f.TenantID = tenant
	ids, err := s.o.Calls.HangUpAll(ctx, f, value(b.Reason), value(r.Params.DryRun))
	if ids == nil {
		ids = []string{}
	}
	answer := gen.HungUpCalls{CallIds: ids}
	if !value(r.Params.DryRun) && (len(ids) > 0 || err == nil) {
		// Where the time was up, some are gone: that is told although the request failed.
		s.tell(ctx, told{tenant: tenant, body: answer, failed: err != nil, status: http.StatusOK, after: map[string]any{
			"end_reason": string(sbc.EndAdmin), "reason": value(b.Reason), "calls": len(ids), "call_ids": ids[:min(len(ids), toldCalls)],
		}})
	}
	return gen.HangUpCalls200JSONResponse{Body: answer}, err
}
