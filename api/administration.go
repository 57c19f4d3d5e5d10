package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// WhoAmI tells a client which key it uses.
func (s *server) WhoAmI(ctx context.Context, _ gen.WhoAmIRequestObject) (gen.WhoAmIResponseObject, error) {
	key := callerOf(ctx).key
	body := gen.WhoAmI{
		KeyID: key.id, Name: key.name, TenantID: nonEmpty(key.tenant), SystemWide: key.tenant == "", Scopes: []gen.Scope{},
	}
	for _, scope := range key.scopes {
		body.Scopes = append(body.Scopes, gen.Scope(scope))
	}
	if !key.expires.IsZero() {
		body.ExpiresAt = &key.expires
	}
	tag, err := contentTag(body)
	return gen.WhoAmI200JSONResponse{Body: body, Headers: gen.WhoAmI200ResponseHeaders{ETag: tag}}, err
}

// ListAuditEvents serves the audit log.
func (s *server) ListAuditEvents(
	ctx context.Context, r gen.ListAuditEventsRequestObject,
) (gen.ListAuditEventsResponseObject, error) {
	c, p := callerOf(ctx), r.Params
	after, err := openCursor(c.scope, p.Cursor)
	if err != nil {
		return nil, err
	}
	tenant, err := c.choose(p.TenantID)
	if err != nil {
		return nil, err
	}
	events, more, err := s.o.Store.AuditEvents(ctx, sbc.AuditQuery{
		TenantID: tenant, After: after, Limit: limitOf(p.Limit),
		Actor: value(p.Actor), Kind: sbc.Kind(value(p.Kind)), ResourceID: value(p.ResourceID),
	})
	if err != nil {
		return nil, err
	}
	items, err := convert[[]gen.AuditEvent](events)
	if err != nil {
		return nil, err
	}
	page := gen.ListAuditEvents200JSONResponse{Items: items}
	if more != "" {
		cursor := makeCursor(c.scope, more)
		page.NextCursor = &cursor
	}
	return page, nil
}

// GetConfigStatus tells which configuration this node serves.
func (s *server) GetConfigStatus(
	context.Context, gen.GetConfigStatusRequestObject,
) (gen.GetConfigStatusResponseObject, error) {
	body, err := convert[gen.ConfigStatus](s.o.Status.ConfigStatus())
	if err != nil {
		return nil, err
	}
	tag, err := contentTag(body)
	return gen.GetConfigStatus200JSONResponse{Body: body, Headers: gen.GetConfigStatus200ResponseHeaders{ETag: tag}}, err
}
