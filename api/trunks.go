package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListTrunks serves the list of trunks.
func (s *server) ListTrunks(ctx context.Context, r gen.ListTrunksRequestObject) (gen.ListTrunksResponseObject, error) {
	p := r.Params
	items, next, err := list[gen.Trunk](ctx, s, top(sbc.KindTrunk), filters{
		limit: p.Limit, cursor: p.Cursor, name: p.Name, externalID: p.ExternalID, enabled: p.Enabled, label: p.Label,
		tenant: p.TenantID, refs: []*string{p.RealmID, p.RoutingPlanID},
	})
	return gen.ListTrunks200JSONResponse{Items: items, NextCursor: next}, err
}

// CreateTrunk makes a trunk.
func (s *server) CreateTrunk(ctx context.Context, r gen.CreateTrunkRequestObject) (gen.CreateTrunkResponseObject, error) {
	v, err := create[gen.Trunk](ctx, s, write{place: top(sbc.KindTrunk), dryRun: r.Params.DryRun, body: r.Body})
	return gen.CreateTrunk201JSONResponse{
		Body: v.body, Headers: gen.CreateTrunk201ResponseHeaders{ETag: v.tag, Location: v.location},
	}, err
}

// GetTrunk shows a trunk.
func (s *server) GetTrunk(ctx context.Context, r gen.GetTrunkRequestObject) (gen.GetTrunkResponseObject, error) {
	v, err := show[gen.Trunk](ctx, s, top(sbc.KindTrunk), r.TrunkID, r.Params.IfNoneMatch)
	return gen.GetTrunk200JSONResponse{Body: v.body, Headers: gen.GetTrunk200ResponseHeaders{ETag: v.tag}}, err
}

// ReplaceTrunk puts a whole trunk in the place of another.
func (s *server) ReplaceTrunk(ctx context.Context, r gen.ReplaceTrunkRequestObject) (gen.ReplaceTrunkResponseObject, error) {
	v, err := replace[gen.Trunk](ctx, s, write{
		place: top(sbc.KindTrunk), id: r.TrunkID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.ReplaceTrunk200JSONResponse{Body: v.body, Headers: gen.ReplaceTrunk200ResponseHeaders{ETag: v.tag}}, err
}

// UpdateTrunk changes some fields of a trunk.
func (s *server) UpdateTrunk(ctx context.Context, r gen.UpdateTrunkRequestObject) (gen.UpdateTrunkResponseObject, error) {
	v, err := patch[gen.Trunk](ctx, s, write{
		place: top(sbc.KindTrunk), id: r.TrunkID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.UpdateTrunk200JSONResponse{Body: v.body, Headers: gen.UpdateTrunk200ResponseHeaders{ETag: v.tag}}, err
}

// DeleteTrunk deletes a trunk.
func (s *server) DeleteTrunk(ctx context.Context, r gen.DeleteTrunkRequestObject) (gen.DeleteTrunkResponseObject, error) {
	return gen.DeleteTrunk204Response{}, remove(ctx, s, write{
		place: top(sbc.KindTrunk), id: r.TrunkID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch,
	})
}

// UpsertTrunk makes or replaces the trunk with an external id.
func (s *server) UpsertTrunk(ctx context.Context, r gen.UpsertTrunkRequestObject) (gen.UpsertTrunkResponseObject, error) {
	v, err := upsert[gen.Trunk](ctx, s, write{
		place: top(sbc.KindTrunk), id: r.ExternalID, dryRun: r.Params.DryRun, body: r.Body,
		ifMatch: r.Params.IfMatch, ifNoneMatch: r.Params.IfNoneMatch,
	})
	if v.created {
		return gen.UpsertTrunk201JSONResponse{
			Body: v.body, Headers: gen.UpsertTrunk201ResponseHeaders{ETag: v.tag, Location: v.location},
		}, err
	}
	return gen.UpsertTrunk200JSONResponse{Body: v.body, Headers: gen.UpsertTrunk200ResponseHeaders{ETag: v.tag}}, err
}
