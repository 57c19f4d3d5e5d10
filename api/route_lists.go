package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListRouteLists serves the list of route lists.
func (s *server) ListRouteLists(
	ctx context.Context, r gen.ListRouteListsRequestObject,
) (gen.ListRouteListsResponseObject, error) {
	p := r.Params
	items, next, err := list[gen.RouteList](ctx, s, top(sbc.KindRouteList), filters{
		limit: p.Limit, cursor: p.Cursor, name: p.Name, externalID: p.ExternalID, enabled: p.Enabled, label: p.Label,
		tenant: p.TenantID,
	})
	return gen.ListRouteLists200JSONResponse{Items: items, NextCursor: next}, err
}

// CreateRouteList makes a route list.
func (s *server) CreateRouteList(
	ctx context.Context, r gen.CreateRouteListRequestObject,
) (gen.CreateRouteListResponseObject, error) {
	v, err := create[gen.RouteList](ctx, s, write{place: top(sbc.KindRouteList), dryRun: r.Params.DryRun, body: r.Body})
	return gen.CreateRouteList201JSONResponse{
		Body: v.body, Headers: gen.CreateRouteList201ResponseHeaders{ETag: v.tag, Location: v.location},
	}, err
}

// GetRouteList shows a route list.
func (s *server) GetRouteList(ctx context.Context, r gen.GetRouteListRequestObject) (gen.GetRouteListResponseObject, error) {
	v, err := show[gen.RouteList](ctx, s, top(sbc.KindRouteList), r.RouteListID, r.Params.IfNoneMatch)
	return gen.GetRouteList200JSONResponse{Body: v.body, Headers: gen.GetRouteList200ResponseHeaders{ETag: v.tag}}, err
}

// ReplaceRouteList puts a whole route list in the place of another.
func (s *server) ReplaceRouteList(
	ctx context.Context, r gen.ReplaceRouteListRequestObject,
) (gen.ReplaceRouteListResponseObject, error) {
	v, err := replace[gen.RouteList](ctx, s, write{
		place: top(sbc.KindRouteList), id: r.RouteListID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.ReplaceRouteList200JSONResponse{Body: v.body, Headers: gen.ReplaceRouteList200ResponseHeaders{ETag: v.tag}}, err
}

// UpdateRouteList changes some fields of a route list.
func (s *server) UpdateRouteList(
	ctx context.Context, r gen.UpdateRouteListRequestObject,
) (gen.UpdateRouteListResponseObject, error) {
	v, err := patch[gen.RouteList](ctx, s, write{
		place: top(sbc.KindRouteList), id: r.RouteListID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.UpdateRouteList200JSONResponse{Body: v.body, Headers: gen.UpdateRouteList200ResponseHeaders{ETag: v.tag}}, err
}

// DeleteRouteList deletes a route list.
func (s *server) DeleteRouteList(
	ctx context.Context, r gen.DeleteRouteListRequestObject,
) (gen.DeleteRouteListResponseObject, error) {
	return gen.DeleteRouteList204Response{}, remove(ctx, s, write{place: top(sbc.KindRouteList), id: r.RouteListID, dryRun: r.Params.DryRun,
		ifMatch: r.Params.IfMatch})
}

// UpsertRouteList makes or replaces the route list with an external id.
func (s *server) UpsertRouteList(
	ctx context.Context, r gen.UpsertRouteListRequestObject,
) (gen.UpsertRouteListResponseObject, error) {
	v, err := upsert[gen.RouteList](ctx, s, write{
		place: top(sbc.KindRouteList), id: r.ExternalID, dryRun: r.Params.DryRun, body: r.Body,
		ifMatch: r.Params.IfMatch, ifNoneMatch: r.Params.IfNoneMatch,
	})
	if v.created {
		return gen.UpsertRouteList201JSONResponse{
			Body: v.body, Headers: gen.UpsertRouteList201ResponseHeaders{ETag: v.tag, Location: v.location},
		}, err
	}
	return gen.UpsertRouteList200JSONResponse{Body: v.body, Headers: gen.UpsertRouteList200ResponseHeaders{ETag: v.tag}}, err
}
