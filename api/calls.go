package api

import (
	"context"
	"strings"
	"time"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// auditPatience bounds how long the audit event of what was done to calls waits for the store.
const auditPatience = 5 * time.Second

// ListCalls serves the list of calls in progress.
func (s *server) ListCalls(ctx context.Context, r gen.ListCallsRequestObject) (gen.ListCallsResponseObject, error) {
	c, p := callerOf(ctx), r.Params
	after, err := openCursor(c.scope, p.Cursor)
	if err != nil {
		return nil, err
	}
	tenant, err := c.choose(p.TenantID)
	if err != nil {
		return nil, err
	}
	limit := limitOf(p.Limit)
	name, wanted, _ := strings.Cut(value(p.Variable), ":") // a name holds no colon
	calls := s.o.Calls.List(sbc.CallFilter{
		TenantID: tenant, State: sbc.CallState(value(p.State)),
		IngressTrunkID: value(p.IngressTrunkID), EgressTrunkID: value(p.EgressTrunkID),
		Caller: value(p.Caller), Callee: value(p.Callee), Variable: name, Value: wanted, Stale: value(p.Stale), After: after, Limit: limit + 1,
	})
	var next *string
	if len(calls) > limit {
		calls = calls[:limit]
		cursor := makeCursor(c.scope, calls[limit-1].ID)
		next = &cursor
	}
	items, err := convert[[]gen.Call](calls)
	if err != nil {
		return nil, err
	}
	return gen.ListCalls200JSONResponse{Items: items, NextCursor: next}, nil
}

// GetCallStatistics counts the calls of this node.
func (s *server) GetCallStatistics(
	ctx context.Context, r gen.GetCallStatisticsRequestObject,
) (gen.GetCallStatisticsResponseObject, error) {
	tenant, err := callerOf(ctx).choose(r.Params.TenantID)
	if err != nil {
		return nil, err
	}
	counted, err := convert[gen.CallStatistics](s.o.Calls.Statistics(tenant))
	return gen.GetCallStatistics200JSONResponse(counted), err
}

// GetCall shows a call in progress.
func (s *server) GetCall(ctx context.Context, r gen.GetCallRequestObject) (gen.GetCallResponseObject, error) {
	call, err := s.call(ctx, r.CallID)
	if err != nil {
		return nil, err
	}
	body, err := convert[gen.Call](call)
	if err != nil {
		return nil, err
	}
	tag, err := contentTag(body)
	if err != nil {
		return nil, err
	}
	if err := unmodified(r.Params.IfNoneMatch, tag); err != nil {
		return nil, err
	}
	return gen.GetCall200JSONResponse{Body: body, Headers: gen.GetCall200ResponseHeaders{ETag: tag}}, nil
}

// call finds a call in progress that the caller may see.
func (s *server) call(ctx context.Context, id string) (sbc.CallInfo, error) {
	call, ok := s.o.Calls.Get(id)
	if tenant := callerOf(ctx).tenant(); !ok || (tenant != "" && tenant != call.TenantID) {
		return sbc.CallInfo{}, noCall(id)
	}
	return call, nil
}

func noCall(id string) error {
	return sbc.Errorf(sbc.CodeNotFound, "there is no call %s in progress", clip(id))
}

// ListCallMessages shows the ladder of a call.
func (s *server) ListCallMessages(
	ctx context.Context, r gen.ListCallMessagesRequestObject,
) (gen.ListCallMessagesResponseObject, error) {
	if err := s.visible(ctx, r.CallID); err != nil {
		return nil, err
	}
	messages, ok := s.o.Calls.Messages(r.CallID)
	if !ok {
		return nil, sbc.Errorf(sbc.CodeNotFound, "there is no ladder of the call %s any more", clip(r.CallID))
	}
	body, err := convert[gen.Ladder](struct {
		Items []sbc.TraceMessage `json:"items"`
	}{messages})
	if err != nil {
		return nil, err
	}
	tag, err := contentTag(body)
	return gen.ListCallMessages200JSONResponse{Body: body, Headers: gen.ListCallMessages200ResponseHeaders{ETag: tag}}, err
}

// ListCallMedia shows the media statistics of a call.
func (s *server) ListCallMedia(
	ctx context.Context, r gen.ListCallMediaRequestObject,
) (gen.ListCallMediaResponseObject, error) {
	if err := s.visible(ctx, r.CallID); err != nil {
		return nil, err
	}
	streams, ok := s.o.Calls.Media(r.CallID)
	if !ok {
		return nil, sbc.Errorf(sbc.CodeNotFound,
			"there are no statistics of the call %s any more; the record of the call has them", clip(r.CallID))
	}
	body, err := convert[gen.MediaStreams](struct {
		Items []sbc.StreamStats `json:"items"`
	}{streams})
	if err != nil {
		return nil, err
	}
	tag, err := contentTag(body)
	return gen.ListCallMedia200JSONResponse{Body: body, Headers: gen.ListCallMedia200ResponseHeaders{ETag: tag}}, err
}

// visible tells whether the caller may see what is kept of a call, which may be over: then its record says whose it was.
func (s *server) visible(ctx context.Context, id string) error {
	tenant := callerOf(ctx).tenant()
	if tenant == "" {
		return nil
	}
	if call, ok := s.o.Calls.Get(id); ok && call.TenantID == tenant {
		return nil
	}
	records, err := s.o.Records.CDRs(ctx, sbc.CDRQuery{TenantID: tenant, CallID: id, Limit: 1})
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return noCall(id)
	}
	return nil
}
