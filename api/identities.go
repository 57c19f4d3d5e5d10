package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
)

// ListIdentities serves the list of identities.
func (s *server) ListIdentities(
	ctx context.Context, r gen.ListIdentitiesRequestObject,
) (gen.ListIdentitiesResponseObject, error) {
	p := r.Params
	items, next, err := list[gen.Identity](ctx, s, identitiesOf(r.TrunkID), filters{
		limit: p.Limit, cursor: p.Cursor, name: p.Name, externalID: p.ExternalID, enabled: p.Enabled, label: p.Label,
	})
	return gen.ListIdentities200JSONResponse{Items: items, NextCursor: next}, err
}

// CreateIdentity makes an identity.
func (s *server) CreateIdentity(
	ctx context.Context, r gen.CreateIdentityRequestObject,
) (gen.CreateIdentityResponseObject, error) {
	v, err := create[gen.Identity](ctx, s, write{place: identitiesOf(r.TrunkID), dryRun: r.Params.DryRun, body: r.Body})
	return gen.CreateIdentity201JSONResponse{
		Body: v.body, Headers: gen.CreateIdentity201ResponseHeaders{ETag: v.tag, Location: v.location},
	}, err
}

// GetIdentity shows an identity.
func (s *server) GetIdentity(ctx context.Context, r gen.GetIdentityRequestObject) (gen.GetIdentityResponseObject, error) {
	v, err := show[gen.Identity](ctx, s, identitiesOf(r.TrunkID), r.IdentityID, r.Params.IfNoneMatch)
	return gen.GetIdentity200JSONResponse{Body: v.body, Headers: gen.GetIdentity200ResponseHeaders{ETag: v.tag}}, err
}

// ReplaceIdentity puts a whole identity in the place of another.
func (s *server) ReplaceIdentity(
	ctx context.Context, r gen.ReplaceIdentityRequestObject,
) (gen.ReplaceIdentityResponseObject, error) {
	v, err := replace[gen.Identity](ctx, s, write{
		place: identitiesOf(r.TrunkID), id: r.IdentityID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.ReplaceIdentity200JSONResponse{Body: v.body, Headers: gen.ReplaceIdentity200ResponseHeaders{ETag: v.tag}}, err
}

// UpdateIdentity changes some fields of an identity.
func (s *server) UpdateIdentity(
	ctx context.Context, r gen.UpdateIdentityRequestObject,
) (gen.UpdateIdentityResponseObject, error) {
	v, err := patch[gen.Identity](ctx, s, write{
		place: identitiesOf(r.TrunkID), id: r.IdentityID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.UpdateIdentity200JSONResponse{Body: v.body, Headers: gen.UpdateIdentity200ResponseHeaders{ETag: v.tag}}, err
}

// DeleteIdentity deletes an identity.
func (s *server) DeleteIdentity(
	ctx context.Context, r gen.DeleteIdentityRequestObject,
) (gen.DeleteIdentityResponseObject, error) {
	return gen.DeleteIdentity204Response{}, remove(ctx, s, write{place: identitiesOf(r.TrunkID), id: r.IdentityID, dryRun: r.Params.DryRun,
		ifMatch: r.Params.IfMatch})
}

// UpsertIdentity makes or replaces the identity with an external id.
func (s *server) UpsertIdentity(
	ctx context.Context, r gen.UpsertIdentityRequestObject,
) (gen.UpsertIdentityResponseObject, error) {
	v, err := upsert[gen.Identity](ctx, s, write{
		place: identitiesOf(r.TrunkID), id: r.ExternalID, dryRun: r.Params.DryRun, body: r.Body,
		ifMatch: r.Params.IfMatch, ifNoneMatch: r.Params.IfNoneMatch,
	})
	if v.created {
		return gen.UpsertIdentity201JSONResponse{
			Body: v.body, Headers: gen.UpsertIdentity201ResponseHeaders{ETag: v.tag, Location: v.location},
		}, err
	}
	return gen.UpsertIdentity200JSONResponse{Body: v.body, Headers: gen.UpsertIdentity200ResponseHeaders{ETag: v.tag}}, err
}
