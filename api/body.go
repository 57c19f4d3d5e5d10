package api

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport/sbc"
)

// takeBody reads, decodes and checks a body and puts the decoded value where the handlers find it. All faults come at
// once: those of the schema, those sbc knows, and references to nothing.
func (s *server) takeBody(c echo.Context, who *caller) ([]byte, error) {
	op := who.op
	if !strings.HasSuffix(op.body.contentType, "json") {
		var err error
		who.audio, err = op.takeAudio(c)
		return nil, err
	}
	raw, object, err := op.readBody(c)
	if err != nil {
		return nil, err
	}
	faults := op.stripReadOnly(who, object)
	faults = append(faults, op.validateBody(object)...)
	if len(faults) > 0 {
		return nil, sbc.Invalid(s.moreFaults(c.Request().Context(), who, object, faults))
	}
	who.body = object
	c.Request().Body = &validatedBody{Reader: bytes.NewReader(raw), value: object}
	return raw, nil
}

// stripReadOnly lets a PUT send back what was read. What only the server sets is taken out of the body; ids must be those of the
// path. Elsewhere such fields are faults with a better explanation than that they are unknown.
func (op *operation) stripReadOnly(who *caller, object map[string]any) []sbc.Fault {
	if op.kind == "" {
		return nil
	}
	var faults []sbc.Fault
	fault := func(name, code, detail string) {
		faults = append(faults, sbc.Fault{Pointer: "#/" + name, Code: code, Detail: detail})
	}
	must := who.given(op.kind)
	for _, name := range []string{
		"id", "revision", "created_at", "updated_at", "status", "hint", "duration_ms", "trunk_id", "routing_plan_id",
		"route_list_id", "name", "algorithms",
	} {
		v, there := object[name]
		if _, writable := op.body.schema.Properties[name]; !there || writable {
			continue
		}
		is, bound := must[name]
		switch {
		case name == "hint" && op.kind != sbc.KindAPIKey, name == "duration_ms" && op.kind != sbc.KindAnnouncement,
			name == "algorithms" && op.kind != sbc.KindSubscriber, strings.HasSuffix(name, "_id") && !bound:
			continue // not a field of this kind at all: the schema says so
		case op.method != http.MethodPut:
			fault(name, "read_only", "is set by the server; leave it out")
		case bound && is != "" && v != is:
			fault(name, "immutable", fmt.Sprintf("must be %q, as in the path", is))
		}
		delete(object, name)
	}
	return faults
}

// given are the ids that the path fixes: the resource's own and its parent's. "" where the path does not say it.
func (c *caller) given(kind sbc.Kind) map[string]string {
	values := c.ladder
	m := map[string]string{"id": ""}
	if _, field := partOf(kind); field != "" && len(values) > 0 {
		m[field] = values[0]
		values = values[1:]
	}
	if len(values) == 1 && !strings.Contains(c.path, "/by-external-id/") {
		m["id"] = values[0]
	}
	return m
}

// moreFaults adds to the faults of the schema what is wrong with the fields that passed it, so that the client need not ask
// twice. It is a courtesy: where it cannot look, the faults it got are what it gives.
func (s *server) moreFaults(ctx context.Context, who *caller, body map[string]any, faults []sbc.Fault) []sbc.Fault {
	if who.op.kind == "" {
		return faults
	}
	wrong := map[string]bool{}
	for _, f := range faults {
		wrong[firstSegment(f.Pointer)] = true
	}
	clean := maps.Clone(body)
	for name := range wrong {
		delete(clean, name)
	}
	r, err := s.imagine(ctx, who, clean)
	if err != nil {
		return faults
	}
	further := faultsIn(s.stored(ctx), r)
	if further == nil {
		return faults
	}
	for _, f := range asError(further).Faults {
		if !wrong[firstSegment(f.Pointer)] {
			faults = append(faults, f)
		}
	}
	return faults
}

// imagine is the resource as it would be with the fields of a body that are right.
func (s *server) imagine(ctx context.Context, who *caller, clean map[string]any) (sbc.Resource, error) {
	kind := who.op.kind
	r := sbc.New(kind)
	ids := who.given(kind)
	if who.op.method == http.MethodPatch {
		old, err := top(kind).find(s.stored(ctx), who.tenant(), ids["id"])
		if err != nil {
			return nil, err
		}
		err = patched(r, old, clean)
		alike(r)
		return r, err
	}
	if err := decodeOnto(r, clean); err != nil {
		return nil, err
	}
	alike(r)
	_, field := partOf(kind)
	setParent(r, ids[field])
	tenant, err := who.assign(kind, r.Base().TenantID)
	r.Base().TenantID = tenant
	return r, err
}

// firstSegment is the name of the field a pointer begins with.
func firstSegment(pointer string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(pointer, "#/"), "/")
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
}
