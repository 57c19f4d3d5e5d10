package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListRealms serves the list of realms.
func (s *server) ListRealms(
	ctx context.Context, r gen.ListRealmsRequestObject,
) (gen.ListRealmsResponseObject, error) {
	p := r.Params
	items, next, err := list[gen.Realm](ctx, s, top(sbc.KindRealm), filters{
		limit: p.Limit, cursor: p.Cursor, name: p.Name, externalID: p.ExternalID, enabled: p.Enabled, label: p.Label,
		tenant: p.TenantID,
	})
	if err != nil {
		return nil, err
	}
	return gen.ListRealms200JSONResponse{Items: items, NextCursor: next}, nil
}

// CreateRealm makes a realm.
func (s *server) CreateRealm(
	ctx context.Context, r gen.CreateRealmRequestObject,
) (gen.CreateRealmResponseObject, error) {
	v, err := create[gen.Realm](ctx, s, write{place: top(sbc.KindRealm), dryRun: r.Params.DryRun, body: r.Body})
	if err != nil {
		return nil, err
	}
	return gen.CreateRealm201JSONResponse{
		Body: v.body, Headers: gen.CreateRealm201ResponseHeaders{ETag: v.tag, Location: v.location},
	}, nil
}

// GetRealm shows a realm.
func (s *server) GetRealm(ctx context.Context, r gen.GetRealmRequestObject) (gen.GetRealmResponseObject, error) {
	v, err := show[gen.Realm](ctx, s, top(sbc.KindRealm), r.RealmID, r.Params.IfNoneMatch)
	if err != nil {
		return nil, err
	}
	return gen.GetRealm200JSONResponse{Body: v.body, Headers: gen.GetRealm200ResponseHeaders{ETag: v.tag}}, nil
}

// ReplaceRealm puts a whole realm in the place of another.
func (s *server) ReplaceRealm(
	ctx context.Context, r gen.ReplaceRealmRequestObject,
) (gen.ReplaceRealmResponseObject, error) {
	v, err := replace[gen.Realm](ctx, s, write{
		place: top(sbc.KindRealm), id: r.RealmID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	if err != nil {
		return nil, err
	}
	return gen.ReplaceRealm200JSONResponse{
		Body: v.body, Headers: gen.ReplaceRealm200ResponseHeaders{ETag: v.tag},
	}, nil
}

// UpdateRealm changes some fields of a realm.
func (s *server) UpdateRealm(
	ctx context.Context, r gen.UpdateRealmRequestObject,
) (gen.UpdateRealmResponseObject, error) {
	v, err := patch[gen.Realm](ctx, s, write{
		place: top(sbc.KindRealm), id: r.RealmID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	if err != nil {
		return nil, err
	}
	return gen.UpdateRealm200JSONResponse{Body: v.body, Headers: gen.UpdateRealm200ResponseHeaders{ETag: v.tag}}, nil
}

// DeleteRealm deletes a realm.
func (s *server) DeleteRealm(
	ctx context.Context, r gen.DeleteRealmRequestObject,
) (gen.DeleteRealmResponseObject, error) {
	err := remove(ctx, s, write{place: top(sbc.KindRealm), id: r.RealmID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch})
	if err != nil {
		return nil, err
	}
	return gen.DeleteRealm204Response{}, nil
}

// UpsertRealm makes or replaces the realm with an external id.
func (s *server) UpsertRealm(
	ctx context.Context, r gen.UpsertRealmRequestObject,
) (gen.UpsertRealmResponseObject, error) {
	v, err := upsert[gen.Realm](ctx, s, write{
		place: top(sbc.KindRealm), id: r.ExternalID, dryRun: r.Params.DryRun, body: r.Body,
		ifMatch: r.Params.IfMatch, ifNoneMatch: r.Params.IfNoneMatch,
	})
	if err != nil {
		return nil, err
	}
	if v.created {
		return gen.UpsertRealm201JSONResponse{
			Body: v.body, Headers: gen.UpsertRealm201ResponseHeaders{ETag: v.tag, Location: v.location},
		}, nil
	}
	return gen.UpsertRealm200JSONResponse{Body: v.body, Headers: gen.UpsertRealm200ResponseHeaders{ETag: v.tag}}, nil
}
