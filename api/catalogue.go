package api

import "github.com/sallyport/sallyport/sbc"

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
func catalogue() []kindOfError { return append(mistakes(), conflicts()...) }

// mistakes are the codes of requests that are wrong whatever the state of things.
func mistakes() []kindOfError {
	return []kindOfError{
		{
			code: codeParameter, status: 400, title: "A parameter is wrong",
			meaning: "A query, path or header parameter is not known, appears twice or has a value it cannot have.",
			remedy: "errors names each one, with what would be right. Unknown parameters are errors so that a misspelt filter " +
				"does not return everything.",
		},
		{
			code: codeBody, status: 400, title: "The body cannot be read",
			meaning: "The body is missing, is not JSON, or holds more than one JSON value.",
			remedy:  "Send one JSON object in UTF-8.",
		},
		{
			code: codeCursor, status: 400, title: "The cursor is not one of ours",
			meaning: "The cursor is damaged or was made up.",
			remedy:  "Begin again without a cursor.",
		},
		{
			code: codeCursorScope, status: 400, title: "The cursor belongs to other filters",
			meaning: "A cursor goes on with the list it came from: same operation, same filters, same tenant.",
			remedy:  "Send the filters of the first page, or begin again without a cursor.",
		},
		{
			code: sbc.CodeUnauthorized, status: 401, title: "No valid API key",
			meaning: "There is no key, or it is not one of ours, expired, or switched off.",
			remedy:  `Send "Authorization: Bearer spk_…".`,
		},
		{
			code: sbc.CodeForbidden, status: 403, title: "Not allowed",
			meaning: "The key is good, but its scopes or its tenant do not cover this.",
			remedy:  "Use a key with the scope that detail names.",
		},
		{
			code: sbc.CodeNotFound, status: 404, title: "Not found",
			meaning: "There is no such thing, or it belongs to another tenant.",
			remedy:  "Check the id, and the path in openapi.yaml.",
		},
		{
			code: codeMethod, status: 405, title: "The path does not know this method",
			meaning: "The path exists, but not with this method.",
			remedy:  "The header Allow lists those it knows.",
		},
	}
}

// conflicts are the rest: what collides with the state of things, and faults of ours.
func conflicts() []kindOfError {
	return []kindOfError{
		{
			code: sbc.CodeConflict, status: 409, title: "It collides with what exists",
			meaning: "A name or external id is taken, or the change would leave the border in a state it must not be in.",
			remedy:  "detail and errors say what collides.",
		},
		{
			code: sbc.CodeReferenced, status: 409, title: "Others need it",
			meaning: "A resource cannot be deleted while others refer to it.",
			remedy:  "Change or delete those in referrers first.",
		},
		{
			code: codeInFlight, status: 409, title: "The first request is still under way", retryable: true,
			meaning: "A request with the same Idempotency-Key is being worked on.",
			remedy:  "Wait for its answer, or repeat the request a moment later.",
		},
		{
			code: sbc.CodePrecondition, status: 412, title: "It was changed in between",
			meaning: "The resource is not as If-Match or If-None-Match demands.",
			remedy:  "Read it again and decide again; revision is the current one.",
		},
		{
			code: codeTooLarge, status: 413, title: "The body is too long",
			meaning: "A body may have 1 MiB, a WAV file 24 MiB.",
			remedy:  "Send less.",
		},
		{
			code: codeMediaType, status: 415, title: "The body has the wrong type",
			meaning: "The operation takes another Content-Type.",
			remedy:  "detail names the right one.",
		},
		{
			code: sbc.CodeInvalid, status: 422, title: "The body breaks a rule",
			meaning: "The body is JSON, but not what the operation takes.",
			remedy:  "errors names every fault at once, each with a JSON pointer to its place.",
		},
		{
			code: codeReused, status: 422, title: "The Idempotency-Key was used before",
			meaning: "The key belongs to an earlier request that was not the same.",
			remedy:  "Make a new key for each new request.",
		},
		{
			code: sbc.CodeRequired, status: 428, title: "If-Match is needed",
			meaning: "The tenant demands that changes say which state they change.",
			remedy:  "Read the resource and send its ETag as If-Match.",
		},
		{
			code: sbc.CodeInternal, status: 500, title: "A fault of ours",
			meaning: "Something went wrong that should not.",
			remedy:  "The log has it under the request id. Please report it.",
		},
		{
			code: codeUndocumented, status: 500, title: "The answer breaks the specification",
			meaning: "The server checks its own answers (in tests and in the demo) and this one failed.",
			remedy:  "Please report it.",
		},
		{
			code: sbc.CodeUnavailable, status: 503, title: "Not available now", retryable: true,
			meaning: "The store, or something of the machine, cannot be had now. Calls are not touched by that.",
			remedy:  "Try again later.",
		},
		{
			code: codeNotReady, status: 503, title: "Not ready", retryable: true,
			meaning: "The node is not ready for traffic.",
			remedy:  "conditions says why.",
		},
	}
}
