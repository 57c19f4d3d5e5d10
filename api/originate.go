package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// OriginateCall calls one number, then another, and connects the two.
func (s *server) OriginateCall(
	ctx context.Context, r gen.OriginateCallRequestObject,
) (gen.OriginateCallResponseObject, error) {
	c, b := callerOf(ctx), r.Body
	o := sbc.OriginateOrder{
		TrunkID: b.TrunkID, From: b.From, To: b.To, Caller: value(b.Caller), Variables: value(b.Variables),
		MaxDurationS: value(b.MaxDurationS), AnnouncementID: value(b.AnnouncementID),
	}
	if err := s.originable(ctx, c, &o); err != nil {
		return nil, err
	}
	call, err := s.originate(ctx, o, value(r.Params.DryRun))
	if err != nil {
		return nil, err
	}
	body, err := convert[gen.Call](call)
	if err != nil {
		return nil, err
	}
	at := strings.TrimSuffix(c.path, "/") + "/" + call.ID
	if !value(r.Params.DryRun) {
		s.tell(ctx, told{
			tenant: call.TenantID, call: call.ID, status: http.StatusAccepted, header: map[string]string{"Location": at}, body: body,
			after: map[string]any{"trunk_id": o.TrunkID, "from": o.From, "to": o.To, "caller": o.Caller, "variables": o.Variables,
				"max_duration_s": o.MaxDurationS, "announcement_id": o.AnnouncementID},
		})
	}
	return gen.OriginateCall202JSONResponse{Body: body, Headers: gen.OriginateCall202ResponseHeaders{Location: at}}, nil
}

// originate makes the call; a dry run shows what it would look like at its beginning.
func (s *server) originate(ctx context.Context, o sbc.OriginateOrder, dryRun bool) (sbc.CallInfo, error) {
	if !dryRun {
		return s.o.Calls.Originate(ctx, o)
	}
	return sbc.CallInfo{
		ID: sbc.NewID(sbc.PrefixCall), TenantID: o.TenantID, State: sbc.CallSetup, OpenSIPSState: sbc.CallSetup.OpenSIPS(), IngressTrunkID: o.TrunkID,
		Caller: o.From, Callee: o.To,
		StartedAt: time.Now().UTC(), MaxDurationS: o.MaxDurationS, Variables: o.Variables, Legs: []sbc.LegInfo{},
		ConfigRevision: s.o.Status.ConfigStatus().Active,
	}, nil
}

// originable finds everything wrong with a call that is to be made, and whose it is: the trunk's tenant's.
func (s *server) originable(ctx context.Context, c *caller, o *sbc.OriginateOrder) error {
	faults := o.Validate()
	trunk, err := s.o.Store.Get(ctx, sbc.KindTrunk, c.tenant(), o.TrunkID)
	switch {
	case err != nil && sbc.CodeOf(err) == sbc.CodeNotFound:
		return sbc.Invalid(append(faults, unknownReference(sbc.Reference{Pointer: "#/trunk_id", Kind: sbc.KindTrunk, ID: o.TrunkID})))
	case err != nil:
		return err
	case !trunk.Base().Enabled:
		faults = append(faults, sbc.Fault{Pointer: "#/trunk_id", Code: "disabled", Detail: "is not enabled"})
	}
	o.TenantID = trunk.Base().TenantID
	more, err := s.playable(ctx, o.TenantID, o.AnnouncementID)
	if err != nil {
		return err
	}
	return sbc.Invalid(append(faults, more...))
}
