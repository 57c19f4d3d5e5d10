package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
)

// ListTargets serves the list of targets.
func (s *server) ListTargets(ctx context.Context, r gen.ListTargetsRequestObject) (gen.ListTargetsResponseObject, error) {
	p := r.Params
	items, next, err := list[gen.Target](ctx, s, targetsOf(r.RouteListID), filters{
		limit: p.Limit, cursor: p.Cursor, name: p.Name, externalID: p.ExternalID, enabled: p.Enabled, label: p.Label,
	})
	return gen.ListTargets200JSONResponse{Items: items, NextCursor: next}, err
}

// CreateTarget makes a target.
func (s *server) CreateTarget(ctx context.Context, r gen.CreateTargetRequestObject) (gen.CreateTargetResponseObject, error) {
	v, err := create[gen.Target](ctx, s, write{place: targetsOf(r.RouteListID), dryRun: r.Params.DryRun, body: r.Body})
	return gen.CreateTarget201JSONResponse{
		Body: v.body, Headers: gen.CreateTarget201ResponseHeaders{ETag: v.tag, Location: v.location},
	}, err
}

// GetTarget shows a target.
func (s *server) GetTarget(ctx context.Context, r gen.GetTargetRequestObject) (gen.GetTargetResponseObject, error) {
	v, err := show[gen.Target](ctx, s, targetsOf(r.RouteListID), r.TargetID, r.Params.IfNoneMatch)
	return gen.GetTarget200JSONResponse{Body: v.body, Headers: gen.GetTarget200ResponseHeaders{ETag: v.tag}}, err
}

// ReplaceTarget puts a whole target in the place of another.
func (s *server) ReplaceTarget(ctx context.Context, r gen.ReplaceTargetRequestObject) (gen.ReplaceTargetResponseObject, error) {
	v, err := replace[gen.Target](ctx, s, write{
		place: targetsOf(r.RouteListID), id: r.TargetID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.ReplaceTarget200JSONResponse{Body: v.body, Headers: gen.ReplaceTarget200ResponseHeaders{ETag: v.tag}}, err
}

// UpdateTarget changes some fields of a target.
func (s *server) UpdateTarget(ctx context.Context, r gen.UpdateTargetRequestObject) (gen.UpdateTargetResponseObject, error) {
	v, err := patch[gen.Target](ctx, s, write{
		place: targetsOf(r.RouteListID), id: r.TargetID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.UpdateTarget200JSONResponse{Body: v.body, Headers: gen.UpdateTarget200ResponseHeaders{ETag: v.tag}}, err
}

// DeleteTarget deletes a target.
func (s *server) DeleteTarget(ctx context.Context, r gen.DeleteTargetRequestObject) (gen.DeleteTargetResponseObject, error) {
	return gen.DeleteTarget204Response{}, remove(ctx, s, write{place: targetsOf(r.RouteListID), id: r.TargetID, dryRun: r.Params.DryRun,
		ifMatch: r.Params.IfMatch})
}

// UpsertTarget makes or replaces the target with an external id.
func (s *server) UpsertTarget(ctx context.Context, r gen.UpsertTargetRequestObject) (gen.UpsertTargetResponseObject, error) {
	v, err := upsert[gen.Target](ctx, s, write{
		place: targetsOf(r.RouteListID), id: r.ExternalID, dryRun: r.Params.DryRun, body: r.Body,
		ifMatch: r.Params.IfMatch, ifNoneMatch: r.Params.IfNoneMatch,
	})
	if v.created {
		return gen.UpsertTarget201JSONResponse{
			Body: v.body, Headers: gen.UpsertTarget201ResponseHeaders{ETag: v.tag, Location: v.location},
		}, err
	}
	return gen.UpsertTarget200JSONResponse{Body: v.body, Headers: gen.UpsertTarget200ResponseHeaders{ETag: v.tag}}, err
}
