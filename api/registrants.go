package api

import (
	"context"
	"net/http"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// RegisterNow has this node register at a carrier.
func (s *server) RegisterNow(ctx context.Context, r gen.RegisterNowRequestObject) (gen.RegisterNowResponseObject, error) {
	parent, field := partOf(sbc.KindRegistrant)
	at := place{kind: sbc.KindRegistrant, parent: parent, id: r.TrunkID, field: field}
	found, err := at.find(s.stored(ctx), callerOf(ctx).tenant(), r.RegistrantID)
	if err != nil {
		return nil, err
	}
	status, ok := s.o.Register(r.RegistrantID, value(r.Params.DryRun))
	if !ok {
		return nil, sbc.Errorf(sbc.CodeConflict, "the registrant or its trunk is out of service")
	}
	body, err := convert[gen.RegistrantStatus](status)
	if err != nil {
		return nil, err
	}
	if !value(r.Params.DryRun) {
		s.tell(ctx, told{tenant: found.Base().TenantID, call: r.RegistrantID, status: http.StatusOK, body: body, after: map[string]any{
			"trunk_id": r.TrunkID, "state": status.State,
		}})
	}
	return gen.RegisterNow200JSONResponse{Body: body}, nil
}
