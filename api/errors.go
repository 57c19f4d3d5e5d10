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

// The codes of errors that only HTTP knows; the others are sbc's.
const (
	codeParameter    sbc.Code = "invalid_parameter"
	codeBody         sbc.Code = "malformed_body"
	codeCursor       sbc.Code = "cursor_invalid"
	codeCursorScope  sbc.Code = "cursor_mismatch"
	codeMethod       sbc.Code = "method_not_allowed"
	codeTooLarge     sbc.Code = "payload_too_large"
	codeMediaType    sbc.Code = "unsupported_media_type"
	codeInFlight     sbc.Code = "idempotency_in_flight"
	codeReused       sbc.Code = "idempotency_key_reused"
	codeNotReady     sbc.Code = "not_ready"
	codeUndocumented sbc.Code = "undocumented_response"
)

// notModified is no error: it ends a conditional GET with 304 and the validator the client has (RFC 9110 15.4.5).
type notModified struct{ tag string }

func (notModified) Error() string { return "not modified" }

// kindOfError is one row of the catalogue: what a code means on the wire and to people.
type kindOfError struct {
	code      sbc.Code
	status    int
	title     string
	meaning   string
	remedy    string
	retryable bool
}

// catalogue is the one table from codes to HTTP. /docs/errors shows it.
func catalogue() []kindOfError {
	return []kindOfError{
		{codeParameter, 400, "A parameter is wrong", "A query, path or header parameter is not known, appears twice or has a value it cannot have.",
			"errors names each one, with what would be right. Unknown parameters are errors so that a misspelt filter does not return everything.", false},
		{codeBody, 400, "The body cannot be read", "The body is missing, is not JSON, or holds more than one JSON value.", "Send one JSON object in UTF-8.", false},
		{codeCursor, 400, "The cursor is not one of ours", "The cursor is damaged or was made up.", "Begin again without a cursor.", false},
		{codeCursorScope, 400, "The cursor belongs to other filters", "A cursor goes on with the list it came from: same operation, same filters, same tenant.",
			"Send the filters of the first page, or begin again without a cursor.", false},
		{sbc.CodeUnauthorized, 401, "No valid API key", "There is no key, or it is not one of ours, expired, or switched off.", `Send "Authorization: Bearer spk_…".`, false},
		{sbc.CodeForbidden, 403, "Not allowed", "The key is good, but its scopes or its tenant do not cover this.", "Use a key with the scope that detail names.", false},
		{sbc.CodeNotFound, 404, "Not found", "There is no such thing, or it belongs to another tenant.", "Check the id, and the path in openapi.yaml.", false},
		{codeMethod, 405, "The path does not know this method", "The path exists, but not with this method.", "The header Allow lists those it knows.", false},
		{sbc.CodeConflict, 409, "It collides with what exists", "A name or external id is taken, or the change would leave the border in a state it must not be in.", "detail and errors say what collides.", false},
		{sbc.CodeReferenced, 409, "Others need it", "A resource cannot be deleted while others refer to it.", "Change or delete those in referrers first.", false},
		{codeInFlight, 409, "The first request is still under way", "A request with the same Idempotency-Key is being worked on.", "Wait for its answer, or repeat the request a moment later.", true},
		{sbc.CodePrecondition, 412, "It was changed in between", "The resource is not as If-Match or If-None-Match demands.", "Read it again and decide again; revision is the current one.", false},
		{codeTooLarge, 413, "The body is too long", "A body may have 1 MiB.", "Send less.", false},
		{codeMediaType, 415, "The body has the wrong type", "The operation takes another Content-Type.", "detail names the right one.", false},
		{sbc.CodeInvalid, 422, "The body breaks a rule", "The body is JSON, but not what the operation takes.", "errors names every fault at once, each with a JSON pointer to its place.", false},
		{codeReused, 422, "The Idempotency-Key was used before", "The key belongs to an earlier request that was not the same.", "Make a new key for each new request.", false},
		{sbc.CodeRequired, 428, "If-Match is needed", "The tenant demands that changes say which state they change.", "Read the resource and send its ETag as If-Match.", false},
		{sbc.CodeInternal, 500, "A fault of ours", "Something went wrong that should not.", "The log has it under the request id. Please report it.", false},
		{codeUndocumented, 500, "The answer breaks the specification", "The server checks its own answers (in tests and in the demo) and this one failed.", "Please report it.", false},
		{sbc.CodeUnavailable, 503, "Not available now", "The store, or something of the machine, cannot be had now. Calls are not touched by that.", "Try again later.", true},
		{codeNotReady, 503, "Not ready", "The node is not ready for traffic.", "conditions says why.", true},
	}
}

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
			faults = append(faults, gen.Fault{Pointer: nonEmpty(f.Pointer), Parameter: nonEmpty(f.Parameter), Code: f.Code, Detail: f.Detail})
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
		s.log.Error("api: request failed", "request_id", who.requestID, "operation_id", who.op.id, "code", e.Code, "error", err)
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
