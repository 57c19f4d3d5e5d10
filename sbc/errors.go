package sbc

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what kind of error happened, in a word that API clients may rely on. api/errors.go gives each an HTTP status.
type Code string

// The codes.
const (
	CodeInvalid      Code = "invalid"               // the input breaks a rule: Faults say which
	CodeNotFound     Code = "not_found"             // no such resource, or not for this tenant
	CodeConflict     Code = "conflict"              // the input collides with what exists
	CodeReferenced   Code = "referenced"            // it cannot be deleted: Referrers need it
	CodePrecondition Code = "precondition_failed"   // If-Match names an older revision
	CodeRequired     Code = "precondition_required" // the tenant demands If-Match
	CodeUnauthorized Code = "unauthorized"          // no key, or a wrong one
	CodeForbidden    Code = "forbidden"             // the key's scopes do not cover it
	CodeUnavailable  Code = "unavailable"           // the store or a resource of the machine cannot be had now
	CodeInternal     Code = "internal"              // a fault of ours
)

// Fault is one thing wrong with an input, and where.
type Fault struct {
	// Pointer is a JSON pointer (RFC 6901) into the body as a URI fragment, for example "#/port".
	Pointer string `json:"pointer,omitempty"`
	// Parameter names a query, path or header parameter instead.
	Parameter string `json:"parameter,omitempty"`
	// ResourceID says, where a change wrote several resources, into which of them Pointer points. It is not shown.
	ResourceID string `json:"-"`
	Code       string `json:"code"`
	// Detail says what is wrong and what would be right.
	Detail string `json:"detail"`
}

// Referrer is a resource that keeps another from being deleted.
type Referrer struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Error is an error with a code for programs, a message for people and a cause for the log.
type Error struct {
	Code      Code
	Message   string
	Faults    []Fault
	Referrers []Referrer
	// Revision is the current one where Code is CodePrecondition.
	Revision int64
	Cause    error
}

// Error joins code, message, faults and cause in one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Code, e.Message)
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "; %s%s %s", f.Pointer, f.Parameter, f.Detail)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error without faults.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes an Error of faults; nil faults give a nil error.
func Invalid(faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	return &Error{Code: CodeInvalid, Message: "the input breaks a rule; see errors", Faults: faults}
}

// CodeOf finds the code in an error's chain; an error of somebody else's is CodeInternal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
