package api

import (
	"cmp"
	"context"
	"slices"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListLimitUsage shows what a limit profile counts. A profile by number may have many counts: they come in pages.
func (s *server) ListLimitUsage(
	ctx context.Context, r gen.ListLimitUsageRequestObject,
) (gen.ListLimitUsageResponseObject, error) {
	c := callerOf(ctx)
	after, err := openCursor(c.scope, r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	if _, err := top(sbc.KindLimitProfile).find(s.stored(ctx), c.tenant(), r.LimitProfileID); err != nil {
		return nil, err
	}
	counts := slices.Clone(s.o.LimitUsage(r.LimitProfileID))
	counts = slices.DeleteFunc(counts, func(u sbc.LimitUsage) bool { return after != "" && u.Key <= after })
	slices.SortFunc(counts, func(a, b sbc.LimitUsage) int { return cmp.Compare(a.Key, b.Key) })
	var page gen.ListLimitUsage200JSONResponse
	if limit := limitOf(r.Params.Limit); len(counts) > limit {
		counts = counts[:limit]
		cursor := makeCursor(c.scope, counts[limit-1].Key)
		page.NextCursor = &cursor
	}
	page.Items, err = convert[[]gen.LimitUsage](counts)
	return page, err
}
