package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListAPIKeys serves the list of API keys.
func (s *server) ListAPIKeys(ctx context.Context, r gen.ListAPIKeysRequestObject) (gen.ListAPIKeysResponseObject, error) {
	p := r.Params
	items, next, err := list[gen.APIKey](ctx, s, top(sbc.KindAPIKey), filters{
		limit: p.Limit, cursor: p.Cursor, name: p.Name, externalID: p.ExternalID, enabled: p.Enabled, label: p.Label,
		tenant: p.TenantID,
	})
	return gen.ListAPIKeys200JSONResponse{Items: items, NextCursor: next}, err
}

// CreateAPIKey makes an API key.
func (s *server) CreateAPIKey(ctx context.Context, r gen.CreateAPIKeyRequestObject) (gen.CreateAPIKeyResponseObject, error) {
	v, err := create[gen.APIKeyCreated](ctx, s, write{place: top(sbc.KindAPIKey), dryRun: r.Params.DryRun, body: r.Body})
	return gen.CreateAPIKey201JSONResponse{
		Body: v.body, Headers: gen.CreateAPIKey201ResponseHeaders{ETag: v.tag, Location: v.location},
	}, err
}

// GetAPIKey shows an API key.
func (s *server) GetAPIKey(ctx context.Context, r gen.GetAPIKeyRequestObject) (gen.GetAPIKeyResponseObject, error) {
	v, err := show[gen.APIKey](ctx, s, top(sbc.KindAPIKey), r.APIKeyID, nil)
	return gen.GetAPIKey200JSONResponse{Body: v.body, Headers: gen.GetAPIKey200ResponseHeaders{ETag: v.tag}}, err
}

// ReplaceAPIKey puts a whole API key in the place of another.
func (s *server) ReplaceAPIKey(ctx context.Context, r gen.ReplaceAPIKeyRequestObject) (gen.ReplaceAPIKeyResponseObject, error) {
	v, err := replace[gen.APIKey](ctx, s, write{
		place: top(sbc.KindAPIKey), id: r.APIKeyID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.ReplaceAPIKey200JSONResponse{Body: v.body, Headers: gen.ReplaceAPIKey200ResponseHeaders{ETag: v.tag}}, err
}

// UpdateAPIKey changes some fields of an API key.
func (s *server) UpdateAPIKey(ctx context.Context, r gen.UpdateAPIKeyRequestObject) (gen.UpdateAPIKeyResponseObject, error) {
	v, err := patch[gen.APIKey](ctx, s, write{
		place: top(sbc.KindAPIKey), id: r.APIKeyID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.UpdateAPIKey200JSONResponse{Body: v.body, Headers: gen.UpdateAPIKey200ResponseHeaders{ETag: v.tag}}, err
}

// DeleteAPIKey deletes an API key.
func (s *server) DeleteAPIKey(ctx context.Context, r gen.DeleteAPIKeyRequestObject) (gen.DeleteAPIKeyResponseObject, error) {
	return gen.DeleteAPIKey204Response{}, remove(ctx, s, write{place: top(sbc.KindAPIKey), id: r.APIKeyID, dryRun: r.Params.DryRun,
		ifMatch: r.Params.IfMatch})
}

// UpsertAPIKey makes or replaces the API key with an external id.
func (s *server) UpsertAPIKey(ctx context.Context, r gen.UpsertAPIKeyRequestObject) (gen.UpsertAPIKeyResponseObject, error) {
	v, err := upsert[gen.APIKeyCreated](ctx, s, write{
		place: top(sbc.KindAPIKey), id: r.ExternalID, dryRun: r.Params.DryRun, body: r.Body,
		ifMatch: r.Params.IfMatch, ifNoneMatch: r.Params.IfNoneMatch,
	})
	if err != nil {
		return nil, err
	}
	if v.created {
		return gen.UpsertAPIKey201JSONResponse{
			Body: v.body, Headers: gen.UpsertAPIKey201ResponseHeaders{ETag: v.tag, Location: v.location},
		}, nil
	}
	body, err := convert[gen.APIKey](v.body) // without the key, which did not change
	if err != nil {
		return nil, err
	}
	return gen.UpsertAPIKey200JSONResponse{Body: body, Headers: gen.UpsertAPIKey200ResponseHeaders{ETag: v.tag}}, nil
}
