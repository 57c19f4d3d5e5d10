package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListTenants serves the list of tenants.
func (s *server) ListTenants(ctx context.Context, r gen.ListTenantsRequestObject) (gen.ListTenantsResponseObject, error) {
	p := r.Params
	items, next, err := list[gen.Tenant](ctx, s, top(sbc.KindTenant), filters{
		limit: p.Limit, cursor: p.Cursor, name: p.Name, externalID: p.ExternalID, enabled: p.Enabled, label: p.Label,
	})
	return gen.ListTenants200JSONResponse{Items: items, NextCursor: next}, err
}

// CreateTenant makes a tenant.
func (s *server) CreateTenant(ctx context.Context, r gen.CreateTenantRequestObject) (gen.CreateTenantResponseObject, error) {
	v, err := create[gen.Tenant](ctx, s, write{place: top(sbc.KindTenant), dryRun: r.Params.DryRun, body: r.Body})
	return gen.CreateTenant201JSONResponse{
		Body: v.body, Headers: gen.CreateTenant201ResponseHeaders{ETag: v.tag, Location: v.location},
	}, err
}

// GetTenant shows a tenant.
func (s *server) GetTenant(ctx context.Context, r gen.GetTenantRequestObject) (gen.GetTenantResponseObject, error) {
	v, err := show[gen.Tenant](ctx, s, top(sbc.KindTenant), r.TenantID, r.Params.IfNoneMatch)
	return gen.GetTenant200JSONResponse{Body: v.body, Headers: gen.GetTenant200ResponseHeaders{ETag: v.tag}}, err
}

// ReplaceTenant puts a whole tenant in the place of another.
func (s *server) ReplaceTenant(ctx context.Context, r gen.ReplaceTenantRequestObject) (gen.ReplaceTenantResponseObject, error) {
	v, err := replace[gen.Tenant](ctx, s, write{
		place: top(sbc.KindTenant), id: r.TenantID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.ReplaceTenant200JSONResponse{Body: v.body, Headers: gen.ReplaceTenant200ResponseHeaders{ETag: v.tag}}, err
}

// UpdateTenant changes some fields of a tenant.
func (s *server) UpdateTenant(ctx context.Context, r gen.UpdateTenantRequestObject) (gen.UpdateTenantResponseObject, error) {
	v, err := patch[gen.Tenant](ctx, s, write{
		place: top(sbc.KindTenant), id: r.TenantID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.UpdateTenant200JSONResponse{Body: v.body, Headers: gen.UpdateTenant200ResponseHeaders{ETag: v.tag}}, err
}

// DeleteTenant deletes a tenant.
func (s *server) DeleteTenant(ctx context.Context, r gen.DeleteTenantRequestObject) (gen.DeleteTenantResponseObject, error) {
	return gen.DeleteTenant204Response{}, remove(ctx, s, write{place: top(sbc.KindTenant), id: r.TenantID, dryRun: r.Params.DryRun,
		ifMatch: r.Params.IfMatch})
}

// UpsertTenant makes or replaces the tenant with an external id.
func (s *server) UpsertTenant(ctx context.Context, r gen.UpsertTenantRequestObject) (gen.UpsertTenantResponseObject, error) {
	v, err := upsert[gen.Tenant](ctx, s, write{
		place: top(sbc.KindTenant), id: r.ExternalID, dryRun: r.Params.DryRun, body: r.Body,
		ifMatch: r.Params.IfMatch, ifNoneMatch: r.Params.IfNoneMatch,
	})
	if v.created {
		return gen.UpsertTenant201JSONResponse{
			Body: v.body, Headers: gen.UpsertTenant201ResponseHeaders{ETag: v.tag, Location: v.location},
		}, err
	}
	return gen.UpsertTenant200JSONResponse{Body: v.body, Headers: gen.UpsertTenant200ResponseHeaders{ETag: v.tag}}, err
}
