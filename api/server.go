package api

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/template"
)

// server holds what the handlers need; they are its methods. Those of resources are in resources.go, the others implement
// gen.StrictServerInterface.
type server struct {
	o       Options
	log     *slog.Logger
	ops     operations
	errors  map[sbc.Code]kindOfError
	keys    *keyring
	flights *flights
	metrics *metrics
	docs    *documentation

	presenters map[sbc.Kind]presenter
	templates  []*template.Template
}

// New builds the handler of the whole API: resources, documentation, health and metrics.
func New(o Options) (http.Handler, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if o.Stopping == nil {
		o.Stopping = context.Background()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	spec, err := prepared()
	if err != nil {
		return nil, err
	}
	s := &server{o: o, log: o.Log, ops: spec.ops, errors: map[sbc.Code]kindOfError{}, flights: &flights{keys: map[string]bool{}},
		presenters: presenters()}
	for _, k := range catalogue() {
		s.errors[k.code] = k
	}
	if s.docs, err = renderDocumentation(spec, o.Version, catalogue()); err != nil {
		return nil, err
	}
	if s.templates, err = template.All(); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(o.Registerer); err != nil {
		return nil, fmt.Errorf("api: metrics: %w", err)
	}
	s.keys = &keyring{store: o.Store, status: o.Status, log: o.Log, now: time.Now}
	return s.routes()
}

// routes gives echo the routes of resources and the generated ones, behind the middleware.
func (s *server) routes() (http.Handler, error) {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		s.fail(c, &caller{requestID: c.Response().Header().Get(echo.HeaderXRequestID), op: &operation{}}, err)
	}
	e.Use(s.envelope)
	gen.RegisterHandlers(e, gen.NewStrictHandler(s, nil))
	if err := s.resourceRoutes(e); err != nil {
		return nil, err
	}
	return handler{e}, nil
}

// headKey marks the context of a HEAD request.
type headKey struct{}

// handler is echo with HEAD, which it serves as GET without its body; net/http leaves that out by itself (RFC 9110 9.3.2). Probes
// ask so.
type handler struct{ *echo.Echo }

// ServeHTTP serves one request.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		r = r.WithContext(context.WithValue(r.Context(), headKey{}, true))
		r.Method = http.MethodGet
	}
	h.Echo.ServeHTTP(w, r)
}

// envelope is what every request goes through: a name, a watch, the checks, and one place where errors become problem documents.
func (s *server) envelope(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		r := c.Request()
		who := &caller{requestID: requestID(r), sourceIP: sourceIP(r), path: r.URL.EscapedPath(), op: &operation{}}
		if op, ok := s.ops[r.Method+" "+c.Path()]; ok {
			who.op = op
			for _, p := range op.path {
				who.ladder = append(who.ladder, pathValue(c, p.name))
			}
		}
		s.headers(c.Response().Header(), r.URL.Path, who.requestID)
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), callerKey{}, who)))
		answer := s.record(c)
		if err := s.guarded(c, who, next); err != nil {
			s.fail(c, who, err)
		}
		if err := answer.check(who.op, r); err != nil {
			s.fail(c, who, err)
		}
		answer.send(s.log)
		s.metrics.observe(who.op.id, c.Response().Status, time.Since(began))
		return nil
	}
}

// guarded runs a request and turns a panic into an error: one bad request must not take the calls of a node with it.
func (s *server) guarded(c echo.Context, who *caller, next echo.HandlerFunc) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.metrics.panics.Inc()
			s.log.Error("api: panic", "request_id", who.requestID, "operation_id", who.op.id, "panic", fmt.Sprint(p),
				"stack", string(debug.Stack()))
			err = sbc.Errorf(sbc.CodeInternal, "")
		}
	}()
	return s.admitted(c, who, next)
}

// admitted lets a request through to its handler if key, parameters and body are right.
func (s *server) admitted(c echo.Context, who *caller, next echo.HandlerFunc) error {
	op := who.op
	if op.id == "" {
		return next(c) // the router's 404 or 405
	}
	if err := s.authorize(c, who); err != nil {
		return err
	}
	if err := op.validateParameters(c); err != nil {
		return err
	}
	who.scope = scopeOf(c, who)
	if op.streams {
		return next(c)
	}
	var raw []byte
	if op.body != nil {
		var err error
		if raw, err = s.takeBody(c, who); err != nil {
			return err
		}
	}
	return s.idempotent(c, who, raw, func() error { return next(c) })
}

// authorize finds out whose key it is and whether it covers the operation.
func (s *server) authorize(c echo.Context, who *caller) error {
	op := who.op
	if op.open() {
		return nil
	}
	key, err := bearer(c.Request().Header.Get(echo.HeaderAuthorization))
	if err != nil {
		return err
	}
	if who.key, err = s.keys.find(c.Request().Context(), key); err != nil {
		return err
	}
	if op.permission != permitAny && !token.Covers(who.key.scopes, sbc.Scope(op.permission)) {
		return sbc.Errorf(sbc.CodeForbidden, "the key needs the scope %s", op.permission)
	}
	if op.systemWide && who.key.tenant != "" {
		return sbc.Errorf(sbc.CodeForbidden, "this is for system-wide keys; the key belongs to the tenant %s", who.key.tenant)
	}
	return nil
}

// scopeOf is what a cursor is bound to: operation, path, filters and the tenant seen.
func scopeOf(c echo.Context, who *caller) string {
	q := url.Values{}
	for name, values := range c.QueryParams() {
		if name != "cursor" && name != "after" && name != "limit" {
			q[name] = slices.Sorted(slices.Values(values))
		}
	}
	return who.op.id + " " + who.path + " " + who.tenant() + " " + q.Encode()
}

// pathValue is a path parameter in plain text. echo gives it as it came where the path had escapes that matter.
func pathValue(c echo.Context, name string) string {
	value := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return value
	}
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

// headers are those of every answer. Nothing here is meant to be shown inside another page or kept by a proxy.
func (s *server) headers(h http.Header, path, requestID string) {
	h.Set(echo.HeaderXRequestID, requestID)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	policy := "default-src 'none'; frame-ancestors 'none'"
	if s.docs.serves(path) {
		policy = s.docs.policy
	}
	h.Set("Content-Security-Policy", policy)
}

// requestID keeps the client's name for the request if it is harmless, else makes one.
func requestID(r *http.Request) string {
	id := r.Header.Get(echo.HeaderXRequestID)
	if len(id) < 1 || len(id) > 64 {
		return sbc.NewID(sbc.PrefixRequest)
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return sbc.NewID(sbc.PrefixRequest)
		}
	}
	return id
}

// sourceIP is where the connection came from. Headers of proxies are not believed: nobody said which proxy may be.
func sourceIP(r *http.Request) string {
	if a, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return a.Addr().Unmap().String()
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return ""
}
