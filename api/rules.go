package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
)

// ListRules serves the list of rules.
func (s *server) ListRules(ctx context.Context, r gen.ListRulesRequestObject) (gen.ListRulesResponseObject, error) {
	p := r.Params
	items, next, err := list[gen.Rule](ctx, s, rulesOf(r.RoutingPlanID), filters{
		limit: p.Limit, cursor: p.Cursor, name: p.Name, externalID: p.ExternalID, enabled: p.Enabled, label: p.Label,
	})
	return gen.ListRules200JSONResponse{Items: items, NextCursor: next}, err
}

// CreateRule makes a rule.
func (s *server) CreateRule(ctx context.Context, r gen.CreateRuleRequestObject) (gen.CreateRuleResponseObject, error) {
	v, err := create[gen.Rule](ctx, s, write{place: rulesOf(r.RoutingPlanID), dryRun: r.Params.DryRun, body: r.Body})
	return gen.CreateRule201JSONResponse{
		Body: v.body, Headers: gen.CreateRule201ResponseHeaders{ETag: v.tag, Location: v.location},
	}, err
}

// GetRule shows a rule.
func (s *server) GetRule(ctx context.Context, r gen.GetRuleRequestObject) (gen.GetRuleResponseObject, error) {
	v, err := show[gen.Rule](ctx, s, rulesOf(r.RoutingPlanID), r.RuleID, r.Params.IfNoneMatch)
	return gen.GetRule200JSONResponse{Body: v.body, Headers: gen.GetRule200ResponseHeaders{ETag: v.tag}}, err
}

// ReplaceRule puts a whole rule in the place of another.
func (s *server) ReplaceRule(ctx context.Context, r gen.ReplaceRuleRequestObject) (gen.ReplaceRuleResponseObject, error) {
	v, err := replace[gen.Rule](ctx, s, write{
		place: rulesOf(r.RoutingPlanID), id: r.RuleID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.ReplaceRule200JSONResponse{Body: v.body, Headers: gen.ReplaceRule200ResponseHeaders{ETag: v.tag}}, err
}

// UpdateRule changes some fields of a rule.
func (s *server) UpdateRule(ctx context.Context, r gen.UpdateRuleRequestObject) (gen.UpdateRuleResponseObject, error) {
	v, err := patch[gen.Rule](ctx, s, write{
		place: rulesOf(r.RoutingPlanID), id: r.RuleID, dryRun: r.Params.DryRun, ifMatch: r.Params.IfMatch, body: r.Body,
	})
	return gen.UpdateRule200JSONResponse{Body: v.body, Headers: gen.UpdateRule200ResponseHeaders{ETag: v.tag}}, err
}

// DeleteRule deletes a rule.
func (s *server) DeleteRule(ctx context.Context, r gen.DeleteRuleRequestObject) (gen.DeleteRuleResponseObject, error) {
	return gen.DeleteRule204Response{}, remove(ctx, s, write{place: rulesOf(r.RoutingPlanID), id: r.RuleID, dryRun: r.Params.DryRun,
		ifMatch: r.Params.IfMatch})
}

// UpsertRule makes or replaces the rule with an external id.
func (s *server) UpsertRule(ctx context.Context, r gen.UpsertRuleRequestObject) (gen.UpsertRuleResponseObject, error) {
	v, err := upsert[gen.Rule](ctx, s, write{
		place: rulesOf(r.RoutingPlanID), id: r.ExternalID, dryRun: r.Params.DryRun, body: r.Body,
		ifMatch: r.Params.IfMatch, ifNoneMatch: r.Params.IfNoneMatch,
	})
	if v.created {
		return gen.UpsertRule201JSONResponse{
			Body: v.body, Headers: gen.UpsertRule201ResponseHeaders{ETag: v.tag, Location: v.location},
		}, err
	}
	return gen.UpsertRule200JSONResponse{Body: v.body, Headers: gen.UpsertRule200ResponseHeaders{ETag: v.tag}}, err
}
