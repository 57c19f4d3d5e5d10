package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListRealms serves the list of realms.
func (s *server) ListRealms(ctx context.Context, r gen.ListRealmsRequestObject) (gen.ListRealmsResponseObject, error) {
	p := r.Params
	items, next, err := list[gen.Realm](ctx, s, top(sbc.KindRealm), filters{
		limit: p.Limit, cursor: p.Cursor, name: p.Name, externalID: p.ExternalID, enabled: p.Enabled, label: p.Label,
		tenant: p.TenantID,
	})
	return gen.ListRealms200JSONResponse{Items: items, NextCursor: next}, err
}

// CreateRealm makes a realm.
func (s *server) CreateRealm(ctx context.Context, r gen.CreateRealmRequestObject) (gen.CreateRealmResponseObject, error) {
	v, err := create[gen.Realm](ctx, s, write{place: top(sbc.KindRealm), dryRun: r.Params.DryRun, body: r.Body})
	return gen.CreateRealm201JSONResponse{
		Body: v.body, Headers: gen.CreateRealm201ResponseHeaders{ETag: v.tag, Location: v.location},
	}, err
}

// GetRealm shows a realm.
func (s *server) GetRealm(ctx context.Context, r gen.GetRealmRequestObject) (gen.GetRealmResponseObject, error) {
	v, err := show[gen.Realm](ctx, s, top(sbc.KindRealm), r.RealmID, r.Params.IfNoneMatch)
	return gen.GetRealm200JSONResponse{Body: v.body, Headers: gen.GetRealm200ResponseHeaders{ETag: v.tag}}, err
}

// ReplaceRealm puts a whole realm in the place of another.
func (s *server) ReplaceRealm(ctx context.Context, r gen.ReplaceRealmRequestObject) (gen.ReplaceRealmResponseObject, error) {
	v, err := replace[gen.Realm](ctx, s, write{
		place: top(sbc.KindRealm), id: r.RealmID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.ReplaceRealm200JSONResponse{Body: v.body, Headers: gen.ReplaceRealm200ResponseHeaders{ETag: v.tag}}, err
}

// UpdateRealm changes some fields of a realm.
func (s *server) UpdateRealm(ctx context.Context, r gen.UpdateRealmRequestObject) (gen.UpdateRealmResponseObject, error) {
	v, err := patch[gen.Realm](ctx, s, write{
		place: top(sbc.KindRealm), id: r.RealmID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.UpdateRealm200JSONResponse{Body: v.body, Headers: gen.UpdateRealm200ResponseHeaders{ETag: v.tag}}, err
}

// DeleteRealm deletes a realm.
func (s *server) DeleteRealm(ctx context.Context, r gen.DeleteRealmRequestObject) (gen.DeleteRealmResponseObject, error) {
	return gen.DeleteRealm204Response{}, remove(ctx, s, write{
		place: top(sbc.KindRealm), id: r.RealmID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch,
	})
}

// UpsertRealm makes or replaces the realm with an external id.
func (s *server) UpsertRealm(ctx context.Context, r gen.UpsertRealmRequestObject) (gen.UpsertRealmResponseObject, error) {
	v, err := upsert[gen.Realm](ctx, s, write{
		place: top(sbc.KindRealm), id: r.ExternalID, dryRun: r.Params.DryRun, body: r.Body,
		ifMatch: r.Params.IfMatch, ifNoneMatch: r.Params.IfNoneMatch,
	})
	if v.created {
		return gen.UpsertRealm201JSONResponse{
			Body: v.body, Headers: gen.UpsertRealm201ResponseHeaders{ETag: v.tag, Location: v.location},
		}, err
	}
	return gen.UpsertRealm200JSONResponse{Body: v.body, Headers: gen.UpsertRealm200ResponseHeaders{ETag: v.tag}}, err
}
