package api

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// HeaderTrial is a message before and after header rules; Applied are the places, from 0, of those that changed something.
type HeaderTrial struct {
	Before  string `json:"before"`
	After   string `json:"after"`
	Applied []int  `json:"applied"`
}

// TestHeaderProfile tries header rules on a message.
func (s *server) TestHeaderProfile(
	ctx context.Context, r gen.TestHeaderProfileRequestObject,
) (gen.TestHeaderProfileResponseObject, error) {
	profile, err := s.triedProfile(ctx, r.Body)
	if err != nil {
		return nil, err
	}
	trial, err := s.o.TestHeaders(profile, sbc.HeaderStage(r.Body.Stage), r.Body.Message, value(r.Body.Fields))
	if err != nil {
		return nil, atRules(err)
	}
	body, err := convert[gen.HeaderTestResult](trial)
	return gen.TestHeaderProfile200JSONResponse(body), err
}

// triedProfile is the profile that the request names, or one made of the rules in it.
func (s *server) triedProfile(ctx context.Context, b *gen.HeaderTest) (*sbc.HeaderProfile, error) {
	const at = "#/header_profile_id"
	profile := &sbc.HeaderProfile{Meta: sbc.Meta{Name: "test"}}
	switch {
	case (b.HeaderProfileID == nil) == (b.Rules == nil):
		return nil, sbc.Invalid([]sbc.Fault{{Pointer: at, Code: "required", Detail: "must be given, or rules in its place"}})
	case b.Rules != nil:
		var err error
		profile.Rules, err = convert[[]sbc.HeaderRule](b.Rules)
		return profile, err
	}
	r, err := s.o.Store.Get(ctx, sbc.KindHeaderProfile, callerOf(ctx).tenant(), *b.HeaderProfileID)
	if err != nil && sbc.CodeOf(err) == sbc.CodeNotFound {
		return nil, sbc.Invalid([]sbc.Fault{unknownReference(sbc.Reference{Pointer: at, Kind: sbc.KindHeaderProfile,
			ID: *b.HeaderProfileID})})
	}
	if err != nil {
		return nil, err
	}
	if stored, ok := r.(*sbc.HeaderProfile); ok {
		profile = stored
	}
	return profile, nil
}

// atRules points to the rules of the request where the fault is in the profile made of them.
func atRules(err error) error {
	var e *sbc.Error
	if !errors.As(err, &e) {
		return err
	}
	told := *e
	told.Faults = slices.Clone(e.Faults)
	for i := range told.Faults {
		if rest, ok := strings.CutPrefix(told.Faults[i].Pointer, "#/profile"); ok {
			told.Faults[i].Pointer = "#" + rest
		}
	}
	return &told
}
