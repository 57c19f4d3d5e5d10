package api

import (
	"context"
	"maps"
	"time"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// UpdateCall changes what can be changed in a call in progress. A dry run shows the call as it would be.
func (s *server) UpdateCall(ctx context.Context, r gen.UpdateCallRequestObject) (gen.UpdateCallResponseObject, error) {
	change := sbc.CallChange{MaxDurationS: r.Body.MaxDurationS, Variables: value(r.Body.Variables)}
	call, err := s.call(ctx, r.CallID)
	if err != nil {
		return nil, err
	}
	if err := sbc.Invalid(change.Validate()); err != nil {
		return nil, err
	}
	if value(r.Params.DryRun) {
		if call, err = changed(call, change); err != nil {
			return nil, err
		}
	} else {
		if call, err = s.o.Calls.Change(ctx, call.ID, change); err != nil {
			return nil, err
		}
		s.tell(ctx, told{tenant: call.TenantID, call: call.ID, after: map[string]any{
			"max_duration_s": change.MaxDurationS, "variables": change.Variables,
		}})
	}
	body, err := convert[gen.Call](call)
	if err != nil {
		return nil, err
	}
	tag, err := contentTag(body)
	return gen.UpdateCall200JSONResponse{Body: body, Headers: gen.UpdateCall200ResponseHeaders{ETag: tag}}, err
}

// changed is a call as it would be after a change.
func changed(call sbc.CallInfo, c sbc.CallChange) (sbc.CallInfo, error) {
	if c.MaxDurationS != nil {
		call.MaxDurationS = *c.MaxDurationS
		if call.AnsweredAt != nil {
			at := call.AnsweredAt.Add(time.Duration(*c.MaxDurationS) * time.Second)
			call.EndsAt = &at
		}
	}
	set := maps.Clone(call.Variables)
	if set == nil {
		set = map[string]string{}
	}
	for name, value := range c.Variables {
		if delete(set, name); value != nil {
			set[name] = *value
		}
	}
	if len(set) > sbc.MaxVariables {
		return call, sbc.Invalid([]sbc.Fault{{
			Pointer: "#/variables", Code: "too_many", Detail: "the call would have too many variables",
		}})
	}
	call.Variables = set
	return call, nil
}
