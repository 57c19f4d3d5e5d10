package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListRegistrations serves the contacts of subscribers.
func (s *server) ListRegistrations(
	ctx context.Context, r gen.ListRegistrationsRequestObject,
) (gen.ListRegistrationsResponseObject, error) {
	c, p := callerOf(ctx), r.Params
	after, err := openCursor(c.scope, p.Cursor)
	if err != nil {
		return nil, err
	}
	tenant, err := c.choose(p.TenantID)
	if err != nil {
		return nil, err
	}
	found, last, err := s.o.Registrations.Registrations(ctx, sbc.RegistrationQuery{
		TenantID: tenant, DomainID: value(p.DomainID), SubscriberID: value(p.SubscriberID), AOR: value(p.Aor), Source: value(p.Source),
		UserAgent: value(p.UserAgent), Transport: sbc.Transport(value(p.Transport)), NAT: sbc.NATKind(value(p.Nat)),
		Reachable: p.Reachable, After: after, Limit: limitOf(p.Limit),
	})
	var wrong *sbc.Error
	switch {
	case errors.As(err, &wrong) && wrong.Code == sbc.CodeInvalid: // there is no body: a parameter it is
		return nil, &sbc.Error{Code: codeParameter, Message: wrong.Message, Faults: wrong.Faults}
	case err != nil:
		return nil, err
	}
	page := gen.ListRegistrations200JSONResponse{}
	if last != "" {
		cursor := makeCursor(c.scope, last)
		page.NextCursor = &cursor
	}
	if found == nil {
		found = []sbc.Registration{}
	}
	page.Items, err = convert[[]gen.Registration](found)
	return page, err
}

// GetRegistration shows a contact.
func (s *server) GetRegistration(
	ctx context.Context, r gen.GetRegistrationRequestObject,
) (gen.GetRegistrationResponseObject, error) {
	found, err := s.o.Registrations.Registration(ctx, callerOf(ctx).tenant(), r.RegistrationID)
	if err != nil {
		return nil, err
	}
	body, err := convert[gen.Registration](found)
	if err != nil {
		return nil, err
	}
	tag, err := contentTag(body)
	if err != nil {
		return nil, err
	}
	if err := unmodified(r.Params.IfNoneMatch, tag); err != nil {
		return nil, err
	}
	return gen.GetRegistration200JSONResponse{Body: body, Headers: gen.GetRegistration200ResponseHeaders{ETag: tag}}, nil
}

// DeleteRegistration takes a contact away. As with calls, it is done first and written down after.
func (s *server) DeleteRegistration(
	ctx context.Context, r gen.DeleteRegistrationRequestObject,
) (gen.DeleteRegistrationResponseObject, error) {
	tenant := callerOf(ctx).tenant()
	found, err := s.o.Registrations.Registration(ctx, tenant, r.RegistrationID)
	if err != nil || value(r.Params.DryRun) {
		return gen.DeleteRegistration204Response{}, err
	}
	if err := s.o.Registrations.Unregister(ctx, tenant, found.ID); err != nil {
		return nil, err
	}
	s.tell(ctx, told{tenant: found.TenantID, call: found.ID, status: http.StatusNoContent, after: map[string]any{
		"subscriber_id": found.SubscriberID, "aor": found.AOR, "contact": found.Contact, "source": found.Source,
	}})
	return gen.DeleteRegistration204Response{}, nil
}

// RefreshRegistration asks a phone whether it is there.
func (s *server) RefreshRegistration(
	ctx context.Context, r gen.RefreshRegistrationRequestObject,
) (gen.RefreshRegistrationResponseObject, error) {
	do := s.o.Registrations.RefreshRegistration
	if value(r.Params.DryRun) {
		do = s.o.Registrations.Registration
	}
	found, err := do(ctx, callerOf(ctx).tenant(), r.RegistrationID)
	if err != nil {
		return nil, err
	}
	body, err := convert[gen.Registration](found)
	if err != nil {
		return nil, err
	}
	if !value(r.Params.DryRun) {
		s.tell(ctx, told{tenant: found.TenantID, call: found.ID, status: http.StatusOK, body: body, after: map[string]any{
			"aor": found.AOR, "misses": found.Misses, "round_trip_ms": found.RoundTripMS,
		}})
	}
	return gen.RefreshRegistration200JSONResponse{Body: body}, nil
}
