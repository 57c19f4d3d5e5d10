package api

import (
	"context"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// GetTrunkQuality shows what a trunk is worth by the quality profiles in use for it.
func (s *server) GetTrunkQuality(
	ctx context.Context, r gen.GetTrunkQualityRequestObject,
) (gen.GetTrunkQualityResponseObject, error) {
	if _, err := s.o.Store.Get(ctx, sbc.KindTrunk, callerOf(ctx).tenant(), r.TrunkID); err != nil {
		return nil, err
	}
	items, err := convert[[]gen.TrunkQuality](s.o.Status.TrunkQuality(r.TrunkID, value(r.Params.Prefix)))
	return gen.GetTrunkQuality200JSONResponse{Items: items}, err
}
