package api

import (
	"context"
	"net/http"
	"time"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ListBans serves the bans of this node, as a page or as a script for nftables.
func (s *server) ListBans(ctx context.Context, r gen.ListBansRequestObject) (gen.ListBansResponseObject, error) {
	c, p := callerOf(ctx), r.Params
	after, err := openCursor(c.scope, p.Cursor)
	if err != nil {
		return nil, err
	}
	q := sbc.BanQuery{
		RealmID: value(p.RealmID), Source: value(p.Source), Reason: sbc.BanReason(value(p.Reason)), After: after, Limit: limitOf(p.Limit),
	}
	if value(p.Format) == gen.ListBansParamsFormatNft {
		var all []sbc.Ban
		for q.After, q.Limit = "", 0; ; {
			page, next := s.o.Bans.Bans(q)
			all = append(all, page...)
			if q.After = next; next == "" {
				return gen.ListBans200TextResponse(nftables(all, time.Now())), nil
			}
		}
	}
	bans, next := s.o.Bans.Bans(q)
	var page gen.ListBans200JSONResponse
	if next != "" {
		cursor := makeCursor(c.scope, next)
		page.NextCursor = &cursor
	}
	if bans == nil {
		bans = []sbc.Ban{}
	}
	page.Items, err = convert[[]gen.Ban](bans)
	return page, err
}

// GetBan shows a ban.
func (s *server) GetBan(_ context.Context, r gen.GetBanRequestObject) (gen.GetBanResponseObject, error) {
	b, err := s.o.Bans.Ban(r.BanID)
	if err != nil {
		return nil, err
	}
	body, err := convert[gen.Ban](b)
	return gen.GetBan200JSONResponse(body), err
}

// CreateBan bans a network.
func (s *server) CreateBan(ctx context.Context, r gen.CreateBanRequestObject) (gen.CreateBanResponseObject, error) {
	w, dry := r.Body, value(r.Params.DryRun)
	want := sbc.Ban{Source: w.Source, RealmID: value(w.RealmID), Evidence: value(w.Evidence)}
	if w.Seconds != nil {
		want.ExpiresAt = time.Now().Add(time.Duration(*w.Seconds) * time.Second)
	}
	b, err := s.o.Bans.AddBan(want, dry)
	if err != nil {
		return nil, err
	}
	body, err := convert[gen.Ban](b)
	if err != nil {
		return nil, err
	}
	location := "/v1/security/bans/" + b.ID
	if !dry {
		s.tell(ctx, told{
			subject: b.ID, status: http.StatusCreated, header: map[string]string{"Location": location}, body: body,
			after: map[string]any{"source": b.Source, "realm_id": b.RealmID, "evidence": b.Evidence, "expires_at": b.ExpiresAt},
		})
	}
	return gen.CreateBan201JSONResponse{Body: body, Headers: gen.CreateBan201ResponseHeaders{Location: location}}, nil
}

// DeleteBan lifts a ban.
func (s *server) DeleteBan(ctx context.Context, r gen.DeleteBanRequestObject) (gen.DeleteBanResponseObject, error) {
	b, err := s.o.Bans.Ban(r.BanID)
	if err == nil && !value(r.Params.DryRun) {
		if err = s.o.Bans.Unban(r.BanID); err == nil {
			s.tell(ctx, told{
				subject: b.ID, status: http.StatusNoContent, after: map[string]any{"source": b.Source, "realm_id": b.RealmID, "lifted": true},
			})
		}
	}
	return gen.DeleteBan204Response{}, err
}
