package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListRoutingPlans serves the list of routing plans.
func (s *server) ListRoutingPlans(
	ctx context.Context, r gen.ListRoutingPlansRequestObject,
) (gen.ListRoutingPlansResponseObject, error) {
	p := r.Params
	items, next, err := list[gen.RoutingPlan](ctx, s, top(sbc.KindRoutingPlan), filters{
		limit: p.Limit, cursor: p.Cursor, name: p.Name, externalID: p.ExternalID, enabled: p.Enabled, label: p.Label,
		tenant: p.TenantID,
	})
	return gen.ListRoutingPlans200JSONResponse{Items: items, NextCursor: next}, err
}

// CreateRoutingPlan makes a routing plan.
func (s *server) CreateRoutingPlan(
	ctx context.Context, r gen.CreateRoutingPlanRequestObject,
) (gen.CreateRoutingPlanResponseObject, error) {
	v, err := create[gen.RoutingPlan](ctx, s, write{place: top(sbc.KindRoutingPlan), dryRun: r.Params.DryRun, body: r.Body})
	return gen.CreateRoutingPlan201JSONResponse{
		Body: v.body, Headers: gen.CreateRoutingPlan201ResponseHeaders{ETag: v.tag, Location: v.location},
	}, err
}

// GetRoutingPlan shows a routing plan.
func (s *server) GetRoutingPlan(
	ctx context.Context, r gen.GetRoutingPlanRequestObject,
) (gen.GetRoutingPlanResponseObject, error) {
	v, err := show[gen.RoutingPlan](ctx, s, top(sbc.KindRoutingPlan), r.RoutingPlanID, r.Params.IfNoneMatch)
	return gen.GetRoutingPlan200JSONResponse{Body: v.body, Headers: gen.GetRoutingPlan200ResponseHeaders{ETag: v.tag}}, err
}

// ReplaceRoutingPlan puts a whole routing plan in the place of another.
func (s *server) ReplaceRoutingPlan(
	ctx context.Context, r gen.ReplaceRoutingPlanRequestObject,
) (gen.ReplaceRoutingPlanResponseObject, error) {
	v, err := replace[gen.RoutingPlan](ctx, s, write{
		place: top(sbc.KindRoutingPlan), id: r.RoutingPlanID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.ReplaceRoutingPlan200JSONResponse{
		Body: v.body, Headers: gen.ReplaceRoutingPlan200ResponseHeaders{ETag: v.tag},
	}, err
}

// UpdateRoutingPlan changes some fields of a routing plan.
func (s *server) UpdateRoutingPlan(
	ctx context.Context, r gen.UpdateRoutingPlanRequestObject,
) (gen.UpdateRoutingPlanResponseObject, error) {
	v, err := patch[gen.RoutingPlan](ctx, s, write{
		place: top(sbc.KindRoutingPlan), id: r.RoutingPlanID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.UpdateRoutingPlan200JSONResponse{
		Body: v.body, Headers: gen.UpdateRoutingPlan200ResponseHeaders{ETag: v.tag},
	}, err
}

// DeleteRoutingPlan deletes a routing plan.
func (s *server) DeleteRoutingPlan(
	ctx context.Context, r gen.DeleteRoutingPlanRequestObject,
) (gen.DeleteRoutingPlanResponseObject, error) {
	return gen.DeleteRoutingPlan204Response{}, remove(ctx, s, write{place: top(sbc.KindRoutingPlan), id: r.RoutingPlanID, dryRun: r.Params.DryRun,
		ifMatch: r.Params.IfMatch})
}

// UpsertRoutingPlan makes or replaces the routing plan with an external id.
func (s *server) UpsertRoutingPlan(
	ctx context.Context, r gen.UpsertRoutingPlanRequestObject,
) (gen.UpsertRoutingPlanResponseObject, error) {
	v, err := upsert[gen.RoutingPlan](ctx, s, write{
		place: top(sbc.KindRoutingPlan), id: r.ExternalID, dryRun: r.Params.DryRun, body: r.Body,
		ifMatch: r.Params.IfMatch, ifNoneMatch: r.Params.IfNoneMatch,
	})
	if v.created {
		return gen.UpsertRoutingPlan201JSONResponse{
			Body: v.body, Headers: gen.UpsertRoutingPlan201ResponseHeaders{ETag: v.tag, Location: v.location},
		}, err
	}
	return gen.UpsertRoutingPlan200JSONResponse{
		Body: v.body, Headers: gen.UpsertRoutingPlan200ResponseHeaders{ETag: v.tag},
	}, err
}
