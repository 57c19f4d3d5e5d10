package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// PlayToCall plays an announcement to one or both sides.
func (s *server) PlayToCall(ctx context.Context, r gen.PlayToCallRequestObject) (gen.PlayToCallResponseObject, error) {
	o := sbc.PlayOrder{AnnouncementID: r.Body.AnnouncementID, Repeat: 1}
	if r.Body.Repeat != nil {
		o.Repeat = *r.Body.Repeat
	}
	for _, side := range r.Body.Sides {
		o.Sides = append(o.Sides, sbc.Side(side))
	}
	return gen.PlayToCall204Response{}, s.carryOut(ctx, order{
		id: r.CallID, dryRun: r.Params.DryRun, faults: o.Validate(),
		check: func(call sbc.CallInfo) ([]sbc.Fault, error) { return s.playable(ctx, call.TenantID, o.AnnouncementID) },
		told:  map[string]any{"sides": o.Sides, "announcement_id": o.AnnouncementID, "repeat": o.Repeat},
		do:    func(id string) error { return s.o.Calls.Play(ctx, id, o) },
	})
}

// playable finds what is wrong with an announcement that is to be played to a tenant's call.
func (s *server) playable(ctx context.Context, tenant, id string) ([]sbc.Fault, error) {
	if id == "" {
		return nil, nil
	}
	const at = "#/announcement_id"
	r, err := s.o.Store.Get(ctx, sbc.KindAnnouncement, tenant, id)
	if err != nil && sbc.CodeOf(err) == sbc.CodeNotFound {
		return []sbc.Fault{unknownReference(sbc.Reference{Pointer: at, Kind: sbc.KindAnnouncement, ID: id})}, nil
	}
	if err != nil {
		return nil, err
	}
	a, ok := r.(*sbc.Announcement)
	switch {
	case !ok || !a.Enabled:
		return []sbc.Fault{{Pointer: at, Code: "disabled", Detail: "is not enabled"}}, nil
	case !a.HasAudio():
		return []sbc.Fault{{Pointer: at, Code: "no_audio", Detail: "has no audio yet; upload it first"}}, nil
	}
	return nil, nil
}

// StopPlayingToCall stops what is played to a call.
func (s *server) StopPlayingToCall(
	ctx context.Context, r gen.StopPlayingToCallRequestObject,
) (gen.StopPlayingToCallResponseObject, error) {
	sides := []sbc.Side{sbc.SideCaller, sbc.SideCallee}
	if r.Params.Side != nil {
		sides = []sbc.Side{sbc.Side(*r.Params.Side)}
	}
	return gen.StopPlayingToCall204Response{}, s.carryOut(ctx, order{
		id: r.CallID, dryRun: r.Params.DryRun, told: map[string]any{"sides": sides},
		do: func(id string) error { return s.o.Calls.StopPlaying(ctx, id, sides) },
	})
}
