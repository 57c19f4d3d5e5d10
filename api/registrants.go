package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// RegisterNow has this node register at a carrier.
func (s *server) RegisterNow(ctx context.Context, r gen.RegisterNowRequestObject) (gen.RegisterNowResponseObject, error) {
	parent, field := partOf(sbc.KindRegistrant)
	at := place{kind: sbc.KindRegistrant, parent: parent, id: r.TrunkID, field: field}
	if _, err := at.find(s.stored(ctx), callerOf(ctx).tenant(), r.RegistrantID); err != nil {
		return nil, err
	}
	status, ok := s.o.Register(r.RegistrantID)
	if !ok {
		return nil, sbc.Errorf(sbc.CodeConflict, "the registrant or its trunk is out of service")
	}
	body, err := convert[gen.RegistrantStatus](status)
	return gen.RegisterNow200JSONResponse(body), err
}
