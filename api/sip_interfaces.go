package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListSIPInterfaces serves the list of SIP interfaces.
func (s *server) ListSIPInterfaces(
	ctx context.Context, r gen.ListSIPInterfacesRequestObject,
) (gen.ListSIPInterfacesResponseObject, error) {
	p := r.Params
	items, next, err := list[gen.SIPInterface](ctx, s, top(sbc.KindSIPInterface), filters{
		limit: p.Limit, cursor: p.Cursor, name: p.Name, externalID: p.ExternalID, enabled: p.Enabled, label: p.Label,
		tenant: p.TenantID, refs: []*string{p.RealmID},
	})
	return gen.ListSIPInterfaces200JSONResponse{Items: items, NextCursor: next}, err
}

// CreateSIPInterface makes a SIP interface.
func (s *server) CreateSIPInterface(
	ctx context.Context, r gen.CreateSIPInterfaceRequestObject,
) (gen.CreateSIPInterfaceResponseObject, error) {
	v, err := create[gen.SIPInterface](ctx, s, write{place: top(sbc.KindSIPInterface), dryRun: r.Params.DryRun, body: r.Body})
	return gen.CreateSIPInterface201JSONResponse{
		Body: v.body, Headers: gen.CreateSIPInterface201ResponseHeaders{ETag: v.tag, Location: v.location},
	}, err
}

// GetSIPInterface shows a SIP interface.
func (s *server) GetSIPInterface(
	ctx context.Context, r gen.GetSIPInterfaceRequestObject,
) (gen.GetSIPInterfaceResponseObject, error) {
	v, err := show[gen.SIPInterface](ctx, s, top(sbc.KindSIPInterface), r.SIPInterfaceID, nil)
	return gen.GetSIPInterface200JSONResponse{Body: v.body, Headers: gen.GetSIPInterface200ResponseHeaders{ETag: v.tag}}, err
}

// ReplaceSIPInterface puts a whole SIP interface in the place of another.
func (s *server) ReplaceSIPInterface(
	ctx context.Context, r gen.ReplaceSIPInterfaceRequestObject,
) (gen.ReplaceSIPInterfaceResponseObject, error) {
	v, err := replace[gen.SIPInterface](ctx, s, write{
		place: top(sbc.KindSIPInterface), id: r.SIPInterfaceID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.ReplaceSIPInterface200JSONResponse{
		Body: v.body, Headers: gen.ReplaceSIPInterface200ResponseHeaders{ETag: v.tag},
	}, err
}

// UpdateSIPInterface changes some fields of a SIP interface.
func (s *server) UpdateSIPInterface(
	ctx context.Context, r gen.UpdateSIPInterfaceRequestObject,
) (gen.UpdateSIPInterfaceResponseObject, error) {
	v, err := patch[gen.SIPInterface](ctx, s, write{
		place: top(sbc.KindSIPInterface), id: r.SIPInterfaceID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.UpdateSIPInterface200JSONResponse{
		Body: v.body, Headers: gen.UpdateSIPInterface200ResponseHeaders{ETag: v.tag},
	}, err
}

// DeleteSIPInterface deletes a SIP interface.
func (s *server) DeleteSIPInterface(
	ctx context.Context, r gen.DeleteSIPInterfaceRequestObject,
) (gen.DeleteSIPInterfaceResponseObject, error) {
	return gen.DeleteSIPInterface204Response{}, remove(ctx, s, write{place: top(sbc.KindSIPInterface), id: r.SIPInterfaceID, dryRun: r.Params.DryRun,
		ifMatch: r.Params.IfMatch})
}

// UpsertSIPInterface makes or replaces the SIP interface with an external id.
func (s *server) UpsertSIPInterface(
	ctx context.Context, r gen.UpsertSIPInterfaceRequestObject,
) (gen.UpsertSIPInterfaceResponseObject, error) {
	v, err := upsert[gen.SIPInterface](ctx, s, write{
		place: top(sbc.KindSIPInterface), id: r.ExternalID, dryRun: r.Params.DryRun, body: r.Body,
		ifMatch: r.Params.IfMatch, ifNoneMatch: r.Params.IfNoneMatch,
	})
	if v.created {
		return gen.UpsertSIPInterface201JSONResponse{
			Body: v.body, Headers: gen.UpsertSIPInterface201ResponseHeaders{ETag: v.tag, Location: v.location},
		}, err
	}
	return gen.UpsertSIPInterface200JSONResponse{
		Body: v.body, Headers: gen.UpsertSIPInterface200ResponseHeaders{ETag: v.tag},
	}, err
}
