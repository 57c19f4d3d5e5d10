package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// notModified is no error: it ends a conditional GET with 304 and the validator the client has (RFC 9110 15.4.5).
type notModified struct{ tag string }

func (notModified) Error() string { return "not modified" }

// byCode finds a row; codes that nobody knows are internal.
func (s *server) byCode(code sbc.Code) kindOfError {
	if k, ok := s.errors[code]; ok {
		return k
	}
	return s.errors[sbc.CodeInternal]
}

// asError makes any error one with a code.
func asError(err error) *sbc.Error {
	var known *sbc.Error
	if errors.As(err, &known) {
		return known
	}
	var tooLong *http.MaxBytesError
	var fromEcho *echo.HTTPError
	switch {
	case errors.As(err, &tooLong):
		return sbc.Errorf(codeTooLarge, "a body may have %d bytes at most", tooLong.Limit)
	case errors.As(err, &fromEcho):
		return ofEcho(fromEcho)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &sbc.Error{Code: sbc.CodeUnavailable, Message: "the request was given up before it was done", Cause: err}
	}
	return &sbc.Error{Code: sbc.CodeInternal, Cause: err}
}

// ofEcho translates the errors of the router and of the generated code.
func ofEcho(e *echo.HTTPError) *sbc.Error {
	switch e.Code {
	case http.StatusNotFound:
		return sbc.Errorf(sbc.CodeNotFound, "nothing is served at this path; openapi.yaml lists those that are")
	case http.StatusMethodNotAllowed:
		return sbc.Errorf(codeMethod, "this path does not know the method; see the header Allow")
	case http.StatusBadRequest:
		return sbc.Errorf(codeParameter, "%v", e.Message)
	case http.StatusUnsupportedMediaType:
		return sbc.Errorf(codeMediaType, "send the body as application/json")
	}
	return &sbc.Error{Code: sbc.CodeInternal, Cause: e}
}

// problem builds the document for an error. Causes stay in the log.
func (s *server) problem(e *sbc.Error, requestID string) (int, gen.Problem) {
	kind := s.byCode(e.Code)
	p := gen.Problem{
		Type: "/docs/errors/" + string(kind.code), Title: kind.title, Status: kind.status, Detail: e.Message, Instance: requestID,
		Code: string(kind.code), Retryable: kind.retryable,
	}
	if p.Detail == "" || kind.code == sbc.CodeInternal {
		p.Detail = kind.remedy
	}
	if len(e.Faults) > 0 {
		faults := make([]gen.Fault, 0, len(e.Faults))
		for _, f := range e.Faults {
			faults = append(faults, gen.Fault{
				Pointer: nonEmpty(f.Pointer), Parameter: nonEmpty(f.Parameter), Code: f.Code, Detail: f.Detail,
			})
		}
		p.Errors = &faults
	}
	if len(e.Referrers) > 0 {
		referrers := make([]gen.Referrer, 0, len(e.Referrers))
		for _, r := range e.Referrers {
			referrers = append(referrers, gen.Referrer{Kind: gen.ResourceKind(r.Kind), ID: r.ID, Name: r.Name})
		}
		p.Referrers = &referrers
	}
	if e.Revision > 0 {
		p.Revision = &e.Revision
	}
	return kind.status, p
}

// fail writes the problem document for an error.
func (s *server) fail(c echo.Context, who *caller, err error) {
	if c.Response().Committed {
		s.log.Error("api: the answer broke off", "request_id", who.requestID, "error", err)
		return
	}
	if same := (notModified{}); errors.As(err, &same) {
		c.Response().Header().Set("ETag", same.tag)
		c.Response().WriteHeader(http.StatusNotModified)
		return
	}
	e := asError(err)
	status, p := s.problem(e, who.requestID)
	var unready *notReady
	if errors.As(err, &unready) {
		p.Conditions = &unready.conditions
	}
	if status >= http.StatusInternalServerError && e.Code != codeNotReady && !errors.Is(err, context.Canceled) {
		s.log.Error("api: request failed", "request_id", who.requestID, "operation_id", who.op.id, "code", e.Code,
			"error", err)
	}
	h := c.Response().Header()
	switch {
	case status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="sallyport"`) // RFC 6750 3
	case p.Retryable:
		h.Set("Retry-After", "1")
	}
	if e.Code == sbc.CodePrecondition && e.Revision > 0 {
		h.Set("ETag", etag(e.Revision))
	}
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte(`{"code":"internal"}`)
	}
	h.Set("Content-Type", "application/problem+json")
	c.Response().WriteHeader(status)
	if _, err := c.Response().Write(body); err != nil {
		s.log.Debug("api: answer not delivered", "request_id", who.requestID, "error", err)
	}
}

// nonEmpty gives nil for an empty string: a field that is not there.
func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// wrongParameters makes one error of faults in parameters.
func wrongParameters(faults []sbc.Fault) error {
	if len(faults) == 0 {
		return nil
	}
	says := make([]string, 0, len(faults))
	for _, f := range faults {
		says = append(says, fmt.Sprintf("%s %s", f.Parameter, f.Detail))
	}
	return &sbc.Error{Code: codeParameter, Message: strings.Join(says, "; "), Faults: faults}
}
