package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
)

// ListEndpoints serves the list of endpoints.
func (s *server) ListEndpoints(ctx context.Context, r gen.ListEndpointsRequestObject) (gen.ListEndpointsResponseObject, error) {
	p := r.Params
	items, next, err := list[gen.Endpoint](ctx, s, endpointsOf(r.TrunkID), filters{
		limit: p.Limit, cursor: p.Cursor, name: p.Name, externalID: p.ExternalID, enabled: p.Enabled, label: p.Label,
	})
	return gen.ListEndpoints200JSONResponse{Items: items, NextCursor: next}, err
}

// CreateEndpoint makes an endpoint.
func (s *server) CreateEndpoint(
	ctx context.Context, r gen.CreateEndpointRequestObject,
) (gen.CreateEndpointResponseObject, error) {
	v, err := create[gen.Endpoint](ctx, s, write{place: endpointsOf(r.TrunkID), dryRun: r.Params.DryRun, body: r.Body})
	return gen.CreateEndpoint201JSONResponse{
		Body: v.body, Headers: gen.CreateEndpoint201ResponseHeaders{ETag: v.tag, Location: v.location},
	}, err
}

// GetEndpoint shows an endpoint.
func (s *server) GetEndpoint(ctx context.Context, r gen.GetEndpointRequestObject) (gen.GetEndpointResponseObject, error) {
	v, err := show[gen.Endpoint](ctx, s, endpointsOf(r.TrunkID), r.EndpointID, r.Params.IfNoneMatch)
	return gen.GetEndpoint200JSONResponse{Body: v.body, Headers: gen.GetEndpoint200ResponseHeaders{ETag: v.tag}}, err
}

// ReplaceEndpoint puts a whole endpoint in the place of another.
func (s *server) ReplaceEndpoint(
	ctx context.Context, r gen.ReplaceEndpointRequestObject,
) (gen.ReplaceEndpointResponseObject, error) {
	v, err := replace[gen.Endpoint](ctx, s, write{
		place: endpointsOf(r.TrunkID), id: r.EndpointID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.ReplaceEndpoint200JSONResponse{Body: v.body, Headers: gen.ReplaceEndpoint200ResponseHeaders{ETag: v.tag}}, err
}

// UpdateEndpoint changes some fields of an endpoint.
func (s *server) UpdateEndpoint(
	ctx context.Context, r gen.UpdateEndpointRequestObject,
) (gen.UpdateEndpointResponseObject, error) {
	v, err := patch[gen.Endpoint](ctx, s, write{
		place: endpointsOf(r.TrunkID), id: r.EndpointID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.UpdateEndpoint200JSONResponse{Body: v.body, Headers: gen.UpdateEndpoint200ResponseHeaders{ETag: v.tag}}, err
}

// DeleteEndpoint deletes an endpoint.
func (s *server) DeleteEndpoint(
	ctx context.Context, r gen.DeleteEndpointRequestObject,
) (gen.DeleteEndpointResponseObject, error) {
	return gen.DeleteEndpoint204Response{}, remove(ctx, s, write{place: endpointsOf(r.TrunkID), id: r.EndpointID, dryRun: r.Params.DryRun,
		ifMatch: r.Params.IfMatch})
}

// UpsertEndpoint makes or replaces the endpoint with an external id.
func (s *server) UpsertEndpoint(
	ctx context.Context, r gen.UpsertEndpointRequestObject,
) (gen.UpsertEndpointResponseObject, error) {
	v, err := upsert[gen.Endpoint](ctx, s, write{
		place: endpointsOf(r.TrunkID), id: r.ExternalID, dryRun: r.Params.DryRun, body: r.Body,
		ifMatch: r.Params.IfMatch, ifNoneMatch: r.Params.IfNoneMatch,
	})
	if v.created {
		return gen.UpsertEndpoint201JSONResponse{
			Body: v.body, Headers: gen.UpsertEndpoint201ResponseHeaders{ETag: v.tag, Location: v.location},
		}, err
	}
	return gen.UpsertEndpoint200JSONResponse{Body: v.body, Headers: gen.UpsertEndpoint200ResponseHeaders{ETag: v.tag}}, err
}
