package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListEvents serves the events of this node.
func (s *server) ListEvents(ctx context.Context, r gen.ListEventsRequestObject) (gen.ListEventsResponseObject, error) {
	c, p := callerOf(ctx), r.Params
	after, err := openCursor(c.scope, p.After)
	if err != nil {
		return nil, err
	}
	tenant, err := c.choose(p.TenantID)
	if err != nil {
		return nil, err
	}
	limit := limitOf(p.Limit)
	events, missed := s.o.Events(sbc.EventQuery{
		TenantID: tenant, CallID: value(p.CallID), Type: sbc.EventType(value(p.Type)), After: after, Limit: limit + 1,
	})
	page := gen.ListEvents200JSONResponse{NextCursor: p.After, Missed: missed}
	if len(events) > limit {
		events, page.HasMore = events[:limit], true
	}
	if n := len(events); n > 0 {
		cursor := makeCursor(c.scope, events[n-1].ID)
		page.NextCursor = &cursor
	}
	page.Items, err = convert[[]gen.Event](events)
	return page, err
}
