package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/bulk"
)

// exportPage is how many resources are read at a time.
const exportPage = 1000

// scopeSecrets lets a key export the hashes of secrets.
const scopeSecrets sbc.Scope = "subscribers:secrets"

// export serves all resources of a kind as a table.
func (s *server) export(kind sbc.Kind) resourceHandler {
	return func(c echo.Context, who *caller) error {
		p := c.QueryParams()
		tenant := p.Get("tenant_id")
		tenant, err := who.choose(&tenant)
		if err != nil {
			return err
		}
		e := &exporter{s: s, c: c, kind: kind, contentType: bulk.CSV, secrets: p.Get("secrets") == "true"}
		if e.secrets && !token.Covers(who.key.scopes, scopeSecrets) {
			return sbc.Errorf(sbc.CodeForbidden, "the key needs the scope %s to export secrets", scopeSecrets)
		}
		if p.Get("format") == "ndjson" {
			e.contentType = bulk.NDJSON
		}
		if p.Get("references") == "name" {
			e.names = map[string]string{}
		}
		return e.run(sbc.Query{Kind: kind, TenantID: tenant, Ref: p.Get("domain_id"), Limit: exportPage})
	}
}

// exporter is one export.
type exporter struct {
	s           *server
	c           echo.Context
	kind        sbc.Kind
	contentType string
	secrets     bool
	// names are those of resources that others refer to, by id; nil where ids are shown.
	names map[string]string
}

// run writes page by page. The first page is read before the answer begins, so that a store that is away is a proper error.
func (e *exporter) run(q sbc.Query) error {
	ctx := e.c.Request().Context()
	page, next, err := e.s.o.Store.List(ctx, q)
	if err != nil {
		return err
	}
	without := []string{"password"}
	if !e.secrets {
		without = secretFields()
	}
	h := e.c.Response().Header()
	h.Set("Content-Type", e.contentType)
	if e.contentType == bulk.CSV {
		h.Set("Content-Type", bulk.CSV+"; charset=utf-8")
	}
	e.c.Response().WriteHeader(http.StatusOK)
	if ctx.Value(headKey{}) != nil {
		return nil
	}
	// The connection's deadlines are for requests that end soon; each page has its own.
	out := http.ResponseWriter(e.c.Response())
	rc := http.NewResponseController(e.c.Response().Writer)
	table, err := bulk.NewWriter(out, e.contentType, e.kind, without...)
	for ; err == nil; page, next, err = e.s.o.Store.List(ctx, q) {
		_ = rc.SetWriteDeadline(time.Now().Add(importPatience)) // not every writer has any
		for _, r := range page {
			if err := e.write(ctx, table, r); err != nil {
				return err
			}
		}
		if err := table.Flush(); err != nil || next == "" {
			return err
		}
		if err := rc.Flush(); err != nil {
			return err
		}
		q.After = next
	}
	return err
}

// write adds one resource.
func (e *exporter) write(ctx context.Context, table *bulk.Writer, r sbc.Resource) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode %T: %w", r, err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return fmt.Errorf("decode %T: %w", r, err)
	}
	if e.names == nil {
		return table.Write(fields)
	}
	for field, kind := range referenceFields() {
		switch v := fields[field].(type) {
		case string:
			fields[field], err = e.named(ctx, kind, v)
		case []any:
			for i := range v {
				if id, ok := v[i].(string); ok && err == nil {
					v[i], err = e.named(ctx, kind, id)
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return table.Write(fields)
}

// maxNames bounds the names that an export remembers.
const maxNames = 10_000

// named is the name of a resource, its id if it is gone meanwhile.
func (e *exporter) named(ctx context.Context, kind sbc.Kind, id string) (string, error) {
	if name, known := e.names[id]; known || id == "" {
		return name, nil
	}
	r, err := e.s.o.Store.Get(ctx, kind, "", id)
	switch {
	case err != nil && sbc.CodeOf(err) == sbc.CodeNotFound:
		return id, nil
	case err != nil:
		return "", err
	}
	if len(e.names) >= maxNames {
		clear(e.names)
	}
	e.names[id] = r.Base().Name
	return e.names[id], nil
}
