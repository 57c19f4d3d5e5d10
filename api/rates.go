package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/rates"
)

// maxRates bounds an uploaded rate deck in bytes. A client that sends nothing for as long as importPatience is cut off.
const maxRates = 256 << 20

// table is an uploaded rate deck.
type table struct {
	blob   []byte
	status sbc.RateDeckStatus
}

// uploadRates puts rates in the place of a deck's. They are read as they come; nothing is kept unless all of them are good.
func (s *server) uploadRates(c echo.Context, who *caller) error {
	ctx, r := c.Request().Context(), c.Request()
	if err := who.op.contentType(r); err != nil {
		return err
	}
	p, id := who.where()
	if _, err := p.find(s.stored(ctx), who.tenant(), id); err != nil {
		return err // before a long body is read
	}
	if r.ContentLength > maxRates {
		return &http.MaxBytesError{Limit: maxRates}
	}
	body := http.MaxBytesReader(c.Response(), r.Body, maxRates)
	got, faults, err := rates.Read(&patient{body, http.NewResponseController(c.Response().Writer)})
	switch {
	case err != nil && asError(err).Code != codeTooLarge:
		return &sbc.Error{Code: codeBody, Message: "the body broke off", Cause: err}
	case err != nil:
		return err
	case len(faults) > 0:
		return sbc.Invalid(faults)
	}
	up := &table{}
	if up.blob, err = rates.Pack(got); err != nil {
		return err
	}
	now := time.Now().UTC()
	up.status = sbc.RateDeckStatus{RateCount: got.Len(), UploadedAt: &now}
	ch := s.newChange(ctx, who.asked(r))
	ch.rates = up
	err = ch.run(ctx, func(tx sbc.Tx) error {
		old, err := ch.place.find(inTx(tx), who.tenant(), ch.id)
		if err != nil {
			return err
		}
		return ch.exchange(tx, old, func(r sbc.Resource) error { return decodeOnto(r, bare(old)) })
	})
	v, err := ch.finish(err)
	return v.send(c, err)
}

// keepRates carries over what a body cannot say of a deck, or sets what was uploaded.
func (ch *change) keepRates(d, before *sbc.RateDeck) {
	d.RatesSHA256, d.RatesBytes, d.Rates = before.RatesSHA256, before.RatesBytes, before.Rates
	if ch.rates == nil {
		return
	}
	if hash := sbc.HashBlob(ch.rates.blob); hash != before.RatesSHA256 { // the same rates again change nothing
		d.RatesSHA256, d.RatesBytes, d.Rates = hash, len(ch.rates.blob), &ch.rates.status
	}
}

// putRates writes uploaded rates with their deck.
func (ch *change) putRates(tx sbc.Tx, r sbc.Resource) error {
	d, ok := r.(*sbc.RateDeck)
	if !ok || ch.rates == nil {
		return nil
	}
	_, err := tx.PutBlob(d.Blob(), ch.rates.blob)
	return err
}

// deck finds the rate deck that the path names; it has rates.
func (s *server) deck(c echo.Context, who *caller) (*sbc.RateDeck, error) {
	p, id := who.where()
	r, err := p.find(s.stored(c.Request().Context()), who.tenant(), id)
	if err != nil {
		return nil, err
	}
	d, ok := r.(*sbc.RateDeck)
	if !ok || d.RatesSHA256 == "" {
		return nil, sbc.Errorf(sbc.CodeNotFound, "the rate deck %s has no rates yet", clip(id))
	}
	return d, nil
}

// downloadRates answers with the rates of a deck as CSV.
func (s *server) downloadRates(c echo.Context, who *caller) error {
	d, err := s.deck(c, who)
	if err != nil {
		return err
	}
	tag := etag(d.Revision)
	if err := unmodified(who.op.given(c.Request(), "If-None-Match"), tag); err != nil {
		return err
	}
	_, blob, err := s.o.Blobs.Blob(c.Request().Context(), d.ID, sbc.BlobRates)
	if err != nil {
		return err
	}
	z, err := gzip.NewReader(bytes.NewReader(blob))
	if err != nil {
		return fmt.Errorf("the rates of %s: %w", d.ID, err)
	}
	h := c.Response().Header()
	h.Set("ETag", tag)
	h.Set("Content-Type", "text/csv; charset=utf-8")
	c.Response().WriteHeader(http.StatusOK)
	if c.Request().Context().Value(headKey{}) != nil {
		return nil
	}
	rc := http.NewResponseController(c.Response().Writer)
	for {
		_ = rc.SetWriteDeadline(time.Now().Add(importPatience)) // not every writer has any
		switch _, err := io.CopyN(c.Response(), z, 1<<20); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := rc.Flush(); err != nil {
			return err
		}
	}
}

// lookupRate answers with the rate that a call to a number is charged by.
func (s *server) lookupRate(c echo.Context, who *caller) error {
	at, number := time.Now(), c.QueryParam("number")
	if number == "" {
		return wrongParameters([]sbc.Fault{{Parameter: "number", Code: "required", Detail: "must be the number called"}})
	}
	d, err := s.deck(c, who)
	if err != nil {
		return err
	}
	if given := c.QueryParam("at"); given != "" {
		if at, err = time.Parse(time.RFC3339, given); err != nil {
			return wrongParameters([]sbc.Fault{{Parameter: "at", Code: "format", Detail: "is no moment of RFC 3339"}})
		}
	}
	t := s.o.Rates(d.RatesSHA256)
	if t == nil {
		return sbc.Errorf(sbc.CodeUnavailable, "the rates of %s are not on this node yet", d.ID)
	}
	r := t.Lookup(number, at)
	if r == nil {
		return sbc.Errorf(sbc.CodeNotFound, "no rate of %s holds for %q at %s", d.ID, clip(number), at.UTC().Format(time.RFC3339))
	}
	return send(c, http.StatusOK, rateView(d.Currency, r))
}

// rateView is a rate as the API shows it.
func rateView(currency string, r *sbc.Rate) gen.Rate {
	v := gen.Rate{
		Prefix: r.Prefix, Currency: currency, PerMinute: sbc.FormatMoney(r.PerMinute), Connection: sbc.FormatMoney(r.Connection),
		MinimumS: r.MinimumS, IncrementS: r.IncrementS,
	}
	if !r.From.IsZero() {
		v.From = &r.From
	}
	if !r.Until.IsZero() {
		v.Until = &r.Until
	}
	if r.Name != "" {
		v.Name = &r.Name
	}
	return v
}
