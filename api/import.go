package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/bulk"
)

// maxImport bounds the body of an import in bytes. A client that sends nothing for as long as importPatience is cut off.
const (
	maxImport      = 256 << 20
	importPatience = 30 * time.Second
)

// importKinds are the kinds that can be imported, by their names in the parameter.
func importKinds() map[string]sbc.Kind {
	return map[string]sbc.Kind{
		"subscribers": sbc.KindSubscriber, "aliases": sbc.KindAlias, "access-rules": sbc.KindAccessRule, "groups": sbc.KindGroup,
		"number-lists": sbc.KindNumberList,
	}
}

// importResources takes the body of an import and makes a job of it.
func (s *server) importResources(c echo.Context, who *caller) error {
	im, err := s.newImport(c, who)
	if err != nil {
		return err
	}
	body, fingerprint, err := s.receive(c)
	if err != nil {
		return err
	}
	started := false
	err = s.idempotent(c, who, fingerprint, func() error {
		if _, err := bulk.NewReader(body.Open(), im.job.ContentType, im.job.Kind); err != nil {
			return err
		}
		started = true
		return s.startImport(c, who, im, body)
	})
	if !started {
		if e := body.Close(); e != nil {
			s.log.Warn("api: the body of an import stays on disk", "request_id", who.requestID, "error", e)
		}
	}
	return err
}

// newImport reads what is asked for.
func (s *server) newImport(c echo.Context, who *caller) (*importer, error) {
	q, r := c.QueryParams(), c.Request()
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != bulk.CSV && media != bulk.NDJSON {
		return nil, sbc.Errorf(codeMediaType, "the body is %q; send it as %s or %s", clip(r.Header.Get("Content-Type")), bulk.CSV, bulk.NDJSON)
	}
	kind := importKinds()[q.Get("kind")]
	if kind == "" {
		return nil, wrongParameters([]sbc.Fault{{Parameter: "kind", Code: "required", Detail: "must say what the rows are"}})
	}
	job := sbc.Job{
		ID: sbc.NewID(sbc.PrefixJob), Kind: kind, Mode: sbc.ImportMode(cmp.Or(q.Get("mode"), string(sbc.ImportInsert))),
		MatchOn: sbc.LookupName, DryRun: q.Get("dry_run") == "true", ContentType: media, Actor: who.key.id, SourceIP: who.sourceIP,
		RequestID: who.requestID,
	}
	switch q.Get("match_on") {
	case "external_id":
		job.MatchOn = sbc.LookupExternalID
	case "username":
		if kind != sbc.KindSubscriber {
			return nil, wrongParameters([]sbc.Fault{{Parameter: "match_on", Code: "enum", Detail: "is for subscribers only; use name"}})
		}
	}
	if job.TenantID, err = who.assign(kind, q.Get("tenant_id")); err != nil {
		return nil, err
	}
	return s.importerOf(r.Context(), who, job, q)
}

// importerOf finds the domain of the rows and the rules they are checked by.
func (s *server) importerOf(ctx context.Context, who *caller, job sbc.Job, q url.Values) (*importer, error) {
	im := &importer{s: s, job: job, claims: map[uint64]int{}}
	for _, op := range s.ops {
		if op.kind == job.Kind && strings.HasPrefix(op.id, "create") {
			im.create = op
		}
		if op.kind == job.Kind && strings.HasPrefix(op.id, "update") {
			im.update = op
		}
	}
	im.c = &caller{requestID: who.requestID, sourceIP: who.sourceIP, key: who.key, op: im.update}
	asked, inDomain := q.Get("domain_id"), im.create.body.schema.Properties["domain_id"] != nil
	switch {
	case asked != "" && !inDomain:
		return nil, wrongParameters([]sbc.Fault{{Parameter: "domain_id", Code: "forbidden", Detail: "is not for what belongs to no domain"}})
	case asked == "" && inDomain && job.Mode == sbc.ImportSync:
		return nil, wrongParameters([]sbc.Fault{{Parameter: "domain_id", Code: "required",
			Detail: "must be there for mode=sync: what no row names is deleted in it"}})
	case asked == "":
		return im, nil
	}
	domain, err := s.o.Store.Get(ctx, sbc.KindDomain, job.TenantID, asked)
	if err != nil && sbc.CodeOf(err) == sbc.CodeNotFound {
		var page []sbc.Resource
		page, _, err = s.o.Store.List(ctx, sbc.Query{Kind: sbc.KindDomain, TenantID: job.TenantID, Name: asked, Limit: 1})
		if err == nil && len(page) == 0 {
			err = wrongParameters([]sbc.Fault{{Parameter: "domain_id", Code: "unknown_reference", Detail: "there is no domain " + clip(asked)}})
		} else if err == nil {
			domain = page[0]
		}
	}
	if err != nil {
		return nil, err
	}
	im.domain = domain.Base().ID
	return im, nil
}

// receive keeps the body on disk and gives a fingerprint of it.
func (s *server) receive(c echo.Context) (*bulk.Body, []byte, error) {
	r, hash := c.Request(), sha256.New()
	if r.ContentLength > maxImport {
		return nil, nil, &http.MaxBytesError{Limit: maxImport}
	}
	limited := http.MaxBytesReader(c.Response(), r.Body, maxImport)
	body, err := s.o.Imports.Receive(&patient{limited, http.NewResponseController(c.Response().Writer)}, hash)
	if err != nil {
		if code := asError(err).Code; code != codeTooLarge && code != sbc.CodeUnavailable {
			err = &sbc.Error{Code: codeBody, Message: "the body broke off", Cause: err}
		}
		return nil, nil, err
	}
	return body, []byte(hex.EncodeToString(hash.Sum(nil))), nil
}

// patient reads a body that may take longer than other requests, as long as it goes on.
type patient struct {
	io.Reader
	rc *http.ResponseController
}

func (p *patient) Read(b []byte) (int, error) {
	// Not every connection has deadlines: those of tests have none.
	_ = p.rc.SetReadDeadline(time.Now().Add(importPatience))
	return p.Reader.Read(b)
}

// startImport hands the job over and answers.
func (s *server) startImport(c echo.Context, who *caller, im *importer, body *bulk.Body) error {
	ctx := c.Request().Context()
	job, err := s.o.Imports.Start(ctx, im.job, body, im.work)
	if err != nil {
		return err
	}
	shown, err := convert[gen.Job](job)
	if err != nil {
		return err
	}
	location := "/v1/jobs/" + job.ID
	if who.retry != nil && !job.DryRun {
		err := s.o.Store.Update(ctx, func(tx sbc.Tx) error {
			return s.remember(tx, who, http.StatusAccepted, map[string]string{"Location": location}, shown)
		})
		if err != nil {
			s.log.Error("api: the answer to an import cannot be remembered", "request_id", who.requestID, "job", job.ID, "error", err)
		}
	}
	c.Response().Header().Set("Location", location)
	return send(c, http.StatusAccepted, shown)
}

// keyOf is how a row names its resource.
func keyOf(row *bulk.Row, kind sbc.Kind) string {
	for _, name := range []string{"external_id", nameField(kind)} {
		if text, ok := row.Fields[name].(string); ok && text != "" {
			return clip(text)
		}
	}
	return ""
}

// nameField is the field of which the name of a kind is a copy.
func nameField(kind sbc.Kind) string {
	if kind == sbc.KindSubscriber {
		return "username"
	}
	return "name"
}

// errorOf makes faults of a row of an error that refused it.
func errorsOf(row *bulk.Row, kind sbc.Kind, err error) []sbc.JobError {
	e := asError(err)
	faults := e.Faults
	if len(faults) == 0 {
		faults = []sbc.Fault{{Code: string(e.Code), Detail: e.Message}}
	}
	list := make([]sbc.JobError, len(faults))
	for i, f := range faults {
		list[i] = sbc.JobError{Row: row.Number, Key: keyOf(row, kind), Pointer: row.At(f.Pointer), Code: f.Code, Detail: f.Detail}
		if f.Pointer == "" {
			list[i].Pointer = ""
		}
		for _, r := range e.Referrers {
			list[i].Detail += fmt.Sprintf("; needed by %s %s", r.Kind, r.ID)
		}
	}
	return list
}
