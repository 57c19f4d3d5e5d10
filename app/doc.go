// Package app is the running product: it opens the store, the journal, the media engine, the edge, the calls and the API, ties
// them together in one straight line (wire.go) and takes them apart in the reverse order (lifecycle.go).
//
// It is the only package that knows everyone. cmd/sallyport starts it from flags; the integration tests and anyone who embeds a
// border start the same thing in their own process.
package app
