package api

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// Numbers tries what is compiled of numbers and times, by the code that live calls use. Errors: CodeNotFound where this node has no such
// dialplan or time profile.
type Numbers interface {
	Translate(dialplanID string, calls []sbc.DialplanCall) ([]sbc.DialplanResult, error)
	Within(timeProfileID string, at time.Time) (sbc.TimeCheck, error)
}

// TestDialplan tells what a dialplan makes of calls.
func (s *server) TestDialplan(ctx context.Context, r gen.TestDialplanRequestObject) (gen.TestDialplanResponseObject, error) {
	if _, err := s.o.Store.Get(ctx, sbc.KindDialplan, callerOf(ctx).tenant(), r.DialplanID); err != nil {
		return nil, err
	}
	calls, err := convert[[]sbc.DialplanCall](r.Body.Calls)
	if err == nil {
		err = sbc.Invalid(sbc.ValidateTrial(calls))
	}
	if err != nil {
		return nil, err
	}
	results, err := s.o.Numbers.Translate(r.DialplanID, calls)
	if err != nil {
		return nil, err
	}
	body, err := convert[[]gen.DialplanResult](results)
	return gen.TestDialplan200JSONResponse{Results: body}, err
}

// CheckTimeProfile tells whether a moment is within a time profile.
func (s *server) CheckTimeProfile(
	ctx context.Context, r gen.CheckTimeProfileRequestObject,
) (gen.CheckTimeProfileResponseObject, error) {
	if _, err := s.o.Store.Get(ctx, sbc.KindTimeProfile, callerOf(ctx).tenant(), r.TimeProfileID); err != nil {
		return nil, err
	}
	at := time.Now()
	if r.Params.At != nil {
		at = *r.Params.At
	}
	check, err := s.o.Numbers.Within(r.TimeProfileID, at)
	if err != nil {
		return nil, err
	}
	body, err := convert[gen.TimeCheck](check)
	return gen.CheckTimeProfile200JSONResponse(body), err
}
