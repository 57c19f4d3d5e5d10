// Package probe knows which endpoints can take calls: by OPTIONS (RFC 3261 11) and by what becomes of the attempts of calls.
//
// # The idea
//
// What is known of one endpoint is a small state that changes by four things only: a probe was answered or not, an attempt was, time
// went by, the settings changed. It holds no clock and does no I/O (health.go). Around it, a Prober keeps one state for each endpoint
// of the configuration, sends the probes, evenly spread over their interval, and tells of changes.
//
// Calls ask for every endpoint that they might use, and bring a result for every attempt: neither waits, and for an endpoint with
// which all is well neither takes a lock.
//
// # Limits
//
// States are of this node alone, and begin anew with its process. Whether an endpoint drains or is disabled is said by the
// configuration, not here.
package probe
