// Package api serves openapi.yaml: it turns requests into reads and transactions on what the options give it, and nothing else.
// It knows sbc, auth/token and the generated package gen; who stores, who compiles and who carries calls it does not know.
//
// # One request
//
//	request ─► envelope: name, watch, headers, panic ─► authorize: key, scope ─► parameters and body by the specification
//	        ─► Idempotency-Key ─► generated decoding ─► handler (context, typed request) ─► generated encoding
//
// Errors travel as *sbc.Error and become problem documents (RFC 9457) in one place, by one table (catalogue.go).
// A handler returns its answer and the error together: beside an error the answer is empty and is not looked at.
//
// A write is one function in one transaction (write.go): find what is there, check preconditions, check the new state with
// everything it refers to, put it, write the audit event, remember the answer for an Idempotency-Key. The Provisioner returns
// when the next call uses it; a dry run does the same and rolls back.
//
// # Limits
//
// In-flight marks of idempotency keys are per node; between nodes the store's unique key decides. last_used_at of a key is what
// this node saw since it started. The calls listed are those of this node.
package api
