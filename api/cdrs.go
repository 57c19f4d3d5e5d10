package api

import (
	"context"
	"strconv"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListCDRs serves the feed of call detail records in the order of commit.
func (s *server) ListCDRs(ctx context.Context, r gen.ListCDRsRequestObject) (gen.ListCDRsResponseObject, error) {
	c, p := callerOf(ctx), r.Params
	after, err := sequenceOf(c, p.After)
	if err != nil {
		return nil, err
	}
	tenant, err := c.choose(p.TenantID)
	if err != nil {
		return nil, err
	}
	limit := limitOf(p.Limit)
	records, err := s.o.Records.CDRs(ctx, sbc.CDRQuery{
		TenantID: tenant, After: after, Limit: limit + 1, CallID: value(p.CallID),
		IngressTrunkID: value(p.IngressTrunkID), EgressTrunkID: value(p.EgressTrunkID),
		Caller: value(p.Caller), Callee: value(p.Callee),
		EndReason: sbc.EndReason(value(p.EndReason)), Disposition: sbc.Disposition(value(p.Disposition)),
		StartedAfter: value(p.StartedAfter), StartedBefore: value(p.StartedBefore),
	})
	if err != nil {
		return nil, err
	}
	page := gen.ListCDRs200JSONResponse{NextCursor: p.After}
	if len(records) > limit {
		records, page.HasMore = records[:limit], true
	}
	if n := len(records); n > 0 {
		cursor := makeCursor(c.scope, strconv.FormatInt(records[n-1].Sequence, 10))
		page.NextCursor = &cursor
	}
	for i := range records {
		records[i].Decision = nil // an operation of its own shows it
	}
	page.Items, err = convert[[]gen.CDR](records)
	return page, err
}

// sequenceOf reads the cursor of the feed.
func sequenceOf(c *caller, cursor *string) (int64, error) {
	after, err := openCursor(c.scope, cursor)
	if err != nil || after == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(after, 10, 64)
	if err != nil {
		return 0, sbc.Errorf(codeCursor, "the cursor is not one of this feed; begin again without")
	}
	return n, nil
}

// GetCDR shows one record.
func (s *server) GetCDR(ctx context.Context, r gen.GetCDRRequestObject) (gen.GetCDRResponseObject, error) {
	record, err := s.o.Records.CDR(ctx, callerOf(ctx).tenant(), r.CDRID)
	if err != nil {
		return nil, err
	}
	if record == nil {
		return nil, sbc.Errorf(sbc.CodeNotFound, "there is no record %s", clip(r.CDRID))
	}
	body, err := convert[gen.CDR](record)
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
	return gen.GetCDR200JSONResponse{Body: body, Headers: gen.GetCDR200ResponseHeaders{ETag: tag}}, nil
}
