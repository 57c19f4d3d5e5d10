package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListMediaPools serves the list of media pools.
func (s *server) ListMediaPools(
	ctx context.Context, r gen.ListMediaPoolsRequestObject,
) (gen.ListMediaPoolsResponseObject, error) {
	p := r.Params
	items, next, err := list[gen.MediaPool](ctx, s, top(sbc.KindMediaPool), filters{
		limit: p.Limit, cursor: p.Cursor, name: p.Name, externalID: p.ExternalID, enabled: p.Enabled, label: p.Label,
		tenant: p.TenantID, refs: []*string{p.RealmID},
	})
	return gen.ListMediaPools200JSONResponse{Items: items, NextCursor: next}, err
}

// CreateMediaPool makes a media pool.
func (s *server) CreateMediaPool(
	ctx context.Context, r gen.CreateMediaPoolRequestObject,
) (gen.CreateMediaPoolResponseObject, error) {
	v, err := create[gen.MediaPool](ctx, s, write{place: top(sbc.KindMediaPool), dryRun: r.Params.DryRun, body: r.Body})
	return gen.CreateMediaPool201JSONResponse{
		Body: v.body, Headers: gen.CreateMediaPool201ResponseHeaders{ETag: v.tag, Location: v.location},
	}, err
}

// GetMediaPool shows a media pool.
func (s *server) GetMediaPool(ctx context.Context, r gen.GetMediaPoolRequestObject) (gen.GetMediaPoolResponseObject, error) {
	v, err := show[gen.MediaPool](ctx, s, top(sbc.KindMediaPool), r.MediaPoolID, nil)
	return gen.GetMediaPool200JSONResponse{Body: v.body, Headers: gen.GetMediaPool200ResponseHeaders{ETag: v.tag}}, err
}

// ReplaceMediaPool puts a whole media pool in the place of another.
func (s *server) ReplaceMediaPool(
	ctx context.Context, r gen.ReplaceMediaPoolRequestObject,
) (gen.ReplaceMediaPoolResponseObject, error) {
	v, err := replace[gen.MediaPool](ctx, s, write{
		place: top(sbc.KindMediaPool), id: r.MediaPoolID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.ReplaceMediaPool200JSONResponse{Body: v.body, Headers: gen.ReplaceMediaPool200ResponseHeaders{ETag: v.tag}}, err
}

// UpdateMediaPool changes some fields of a media pool.
func (s *server) UpdateMediaPool(
	ctx context.Context, r gen.UpdateMediaPoolRequestObject,
) (gen.UpdateMediaPoolResponseObject, error) {
	v, err := patch[gen.MediaPool](ctx, s, write{
		place: top(sbc.KindMediaPool), id: r.MediaPoolID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.UpdateMediaPool200JSONResponse{Body: v.body, Headers: gen.UpdateMediaPool200ResponseHeaders{ETag: v.tag}}, err
}

// DeleteMediaPool deletes a media pool.
func (s *server) DeleteMediaPool(
	ctx context.Context, r gen.DeleteMediaPoolRequestObject,
) (gen.DeleteMediaPoolResponseObject, error) {
	return gen.DeleteMediaPool204Response{}, remove(ctx, s, write{place: top(sbc.KindMediaPool), id: r.MediaPoolID, dryRun: r.Params.DryRun,
		ifMatch: r.Params.IfMatch})
}

// UpsertMediaPool makes or replaces the media pool with an external id.
func (s *server) UpsertMediaPool(
	ctx context.Context, r gen.UpsertMediaPoolRequestObject,
) (gen.UpsertMediaPoolResponseObject, error) {
	v, err := upsert[gen.MediaPool](ctx, s, write{
		place: top(sbc.KindMediaPool), id: r.ExternalID, dryRun: r.Params.DryRun, body: r.Body,
		ifMatch: r.Params.IfMatch, ifNoneMatch: r.Params.IfNoneMatch,
	})
	if v.created {
		return gen.UpsertMediaPool201JSONResponse{
			Body: v.body, Headers: gen.UpsertMediaPool201ResponseHeaders{ETag: v.tag, Location: v.location},
		}, err
	}
	return gen.UpsertMediaPool200JSONResponse{Body: v.body, Headers: gen.UpsertMediaPool200ResponseHeaders{ETag: v.tag}}, err
}
