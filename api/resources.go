package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// The operations on configured resources differ in nothing but the kind, which the specification names (x-kind). They are
// served by the handlers of this file and left out of the generated server (gen/overlay.yaml). A new kind needs one line in
// presenters, and one in partOf if it is part of another.

// presenter maps a resource to its generated type; fields are put on top.
type presenter func(v any, fields ...field) (any, error)

func presented[G any](v any, fields ...field) (any, error) { return convert[G](v, fields...) }

// presenters are the generated types of the kinds.
func presenters() map[sbc.Kind]presenter {
	return map[sbc.Kind]presenter{
		sbc.KindTenant:               presented[gen.Tenant],
		sbc.KindAPIKey:               presented[gen.APIKey],
		sbc.KindRealm:                presented[gen.Realm],
		sbc.KindSIPInterface:         presented[gen.SIPInterface],
		sbc.KindMediaPool:            presented[gen.MediaPool],
		sbc.KindTrunk:                presented[gen.Trunk],
		sbc.KindEndpoint:             presented[gen.Endpoint],
		sbc.KindIdentity:             presented[gen.Identity],
		sbc.KindRoutingPlan:          presented[gen.RoutingPlan],
		sbc.KindRule:                 presented[gen.Rule],
		sbc.KindRouteList:            presented[gen.RouteList],
		sbc.KindTarget:               presented[gen.Target],
		sbc.KindSignallingProfile:    presented[gen.SignallingProfile],
		sbc.KindMediaProfile:         presented[gen.MediaProfile],
		sbc.KindHeaderProfile:        presented[gen.HeaderProfile],
		sbc.KindLimitProfile:         presented[gen.LimitProfile],
		sbc.KindAnnouncement:         presented[gen.Announcement],
		sbc.KindDomain:               presented[gen.Domain],
		sbc.KindSubscriber:           presented[gen.Subscriber],
		sbc.KindAlias:                presented[gen.Alias],
		sbc.KindAccessRule:           presented[gen.AccessRule],
		sbc.KindGroup:                presented[gen.Group],
		sbc.KindNumberList:           presented[gen.NumberList],
		sbc.KindFloodProfile:         presented[gen.FloodProfile],
		sbc.KindDialplan:             presented[gen.Dialplan],
		sbc.KindTimeProfile:          presented[gen.TimeProfile],
		sbc.KindHolidayCalendar:      presented[gen.HolidayCalendar],
		sbc.KindNumberPlan:           presented[gen.NumberPlan],
		sbc.KindNumber:               presented[gen.Number],
		sbc.KindRateDeck:             presented[gen.RateDeck],
		sbc.KindQualityProfile:       presented[gen.QualityProfile],
		sbc.KindRegistrant:           presented[gen.Registrant],
		sbc.KindCertificateAuthority: presented[gen.CertificateAuthority],
		sbc.KindCertificate:          presented[gen.Certificate],
		sbc.KindTLSProfile:           presented[gen.TLSProfile],
	}
}

// partOf says of which kind a kind is a part, and by which field it refers to it; "" for a kind of its own.
func partOf(kind sbc.Kind) (parent sbc.Kind, field string) {
	switch kind {
	case sbc.KindEndpoint, sbc.KindIdentity, sbc.KindRegistrant:
		return sbc.KindTrunk, "trunk_id"
	case sbc.KindRule:
		return sbc.KindRoutingPlan, "routing_plan_id"
	case sbc.KindTarget:
		return sbc.KindRouteList, "route_list_id"
	}
	return "", ""
}

// setParent writes the parent's id into the field that refers to it.
func setParent(r sbc.Resource, id string) {
	switch r := r.(type) {
	case *sbc.Endpoint:
		r.TrunkID = id
	case *sbc.Identity:
		r.TrunkID = id
	case *sbc.Registrant:
		r.TrunkID = id
	case *sbc.Rule:
		r.RoutingPlanID = id
	case *sbc.Target:
		r.RouteListID = id
	}
}

// resourceHandler serves one operation on resources.
type resourceHandler func(c echo.Context, who *caller) error

// resourceRoutes adds the operations on resources. What an operation does is the first word of its name.
func (s *server) resourceRoutes(e *echo.Echo) error {
	does := map[string]resourceHandler{
		"list": s.listResources, "get": s.getResource, "create": s.createResource, "replace": s.replaceResource,
		"update": s.updateResource, "upsert": s.upsertResource, "delete": s.deleteResource, "upload": s.uploadAudio,
		"download": s.downloadAudio, "lookup": s.lookupRate, "read": s.readSecurity,
	}
	for at, op := range s.ops {
		if op.streams {
			if err := s.streamRoute(e, at, op); err != nil {
				return err
			}
			continue
		}
		if op.kind == "" {
			continue
		}
		verb := op.id[:max(strings.IndexFunc(op.id, unicode.IsUpper), 0)]
		serve, known := does[verb]
		if !known || s.presenters[op.kind] == nil {
			return fmt.Errorf("openapi.yaml: nothing serves %s of the kind %q", op.id, op.kind)
		}
		method, path, _ := strings.Cut(at, " ")
		e.Add(method, path, func(c echo.Context) error { return serve(c, callerOf(c.Request().Context())) })
	}
	return nil
}

// streamRoute adds an operation whose body or answer is read or written piece by piece.
func (s *server) streamRoute(e *echo.Echo, at string, op *operation) error {
	serve, known := map[string]resourceHandler{
		"importResources": s.importResources, "uploadRates": s.uploadRates, "downloadRates": s.downloadRates,
		"exportSubscribers": s.export(sbc.KindSubscriber), "exportAliases": s.export(sbc.KindAlias),
	}[op.id]
	if !known {
		return fmt.Errorf("openapi.yaml: nothing serves %s", op.id)
	}
	method, path, _ := strings.Cut(at, " ")
	e.Add(method, path, func(c echo.Context) error { return serve(c, callerOf(c.Request().Context())) })
	return nil
}

// where is the place of the resources that the path names, and the id of the one it names: the external id in an upsert, "" where
// it names none.
func (c *caller) where() (place, string) {
	p, values := place{kind: c.op.kind}, c.ladder
	if p.parent, p.field = partOf(p.kind); p.parent != "" && len(values) > 0 {
		p.id, values = values[0], values[1:]
	}
	if len(values) == 0 {
		return p, ""
	}
	return p, values[0]
}

// asked is the write that the request asks for.
func (c *caller) asked(r *http.Request) write {
	w := write{body: c.body, dryRun: r.URL.Query().Get("dry_run") == "true"}
	w.place, w.id = c.where()
	w.ifMatch, w.ifNoneMatch = c.op.given(r, "If-Match"), c.op.given(r, "If-None-Match")
	return w
}

// given is a header that the operation knows; nil where it does not, or the request has none.
func (op *operation) given(r *http.Request, name string) *string {
	for _, p := range op.header {
		if values := r.Header.Values(name); p.name == name && len(values) > 0 {
			return &values[0]
		}
	}
	return nil
}

func (s *server) listResources(c echo.Context, who *caller) error {
	items, next, err := s.list(c.Request().Context(), who, c.QueryParams())
	if err != nil {
		return err
	}
	return send(c, http.StatusOK, struct {
		Items []any   `json:"items"`
		Next  *string `json:"next_cursor,omitempty"`
	}{items, next})
}

func (s *server) getResource(c echo.Context, who *caller) error {
	p, id := who.where()
	v, err := s.show(c.Request().Context(), p, id, who.op.given(c.Request(), "If-None-Match"), c.QueryParam("expand") == "effective")
	return v.send(c, err)
}

func (s *server) createResource(c echo.Context, who *caller) error {
	v, err := s.create(c.Request().Context(), who.asked(c.Request()))
	return v.send(c, err)
}

func (s *server) replaceResource(c echo.Context, who *caller) error {
	v, err := s.replace(c.Request().Context(), who.asked(c.Request()))
	return v.send(c, err)
}

func (s *server) updateResource(c echo.Context, who *caller) error {
	v, err := s.patch(c.Request().Context(), who.asked(c.Request()))
	return v.send(c, err)
}

func (s *server) upsertResource(c echo.Context, who *caller) error {
	v, err := s.upsert(c.Request().Context(), who.asked(c.Request()))
	return v.send(c, err)
}

func (s *server) deleteResource(c echo.Context, who *caller) error {
	if err := s.remove(c.Request().Context(), who.asked(c.Request())); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// view is a resource as the API shows it, with its ETag.
type view struct {
	body     any
	tag      string
	location string
	created  bool
}

// send answers with the resource; an error of what led to it is passed on.
func (v view) send(c echo.Context, err error) error {
	if err != nil {
		return err
	}
	status, h := http.StatusOK, c.Response().Header()
	h.Set("ETag", v.tag)
	if v.created {
		status = http.StatusCreated
		h.Set("Location", v.location)
	}
	return send(c, status, v.body)
}

// send answers with a JSON body, as the generated code does.
func send(c echo.Context, status int, body any) error {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(body); err != nil {
		return fmt.Errorf("encode %T: %w", body, err)
	}
	c.Response().Header().Set("Content-Type", "application/json")
	c.Response().WriteHeader(status)
	_, err := c.Response().Write(b.Bytes())
	return err
}

// number reads a parameter that was checked before.
func number(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}
