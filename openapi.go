// Package sallyport is a session border controller: one binary that stands between networks that do not trust each other and
// carries voice calls between them. This package holds nothing but the contract of its API; the program is cmd/sallyport, the
// product as a library is app.
package sallyport

import _ "embed" // for the file below

//go:embed openapi.yaml
var specification string

// Specification is openapi.yaml, the contract of the API.
func Specification() string { return specification }
