// Package register is the registrar of the border (RFC 3261 10): which subscriber is reached where, and by which flow.
//
// # The idea
//
// A REGISTER that the door has let in is read (request.go), held against the domain's policy (policy.go), and turned into changes
// of the subscriber's bindings by a function that changes nothing itself (plan.go). The changes are made under the lock of one
// shard, written to a journal on the local disk, and then answered: a 200 that was sent survives kill -9.
//
//	REGISTER ─► read ─► policy ─► plan ─► table ─► journal ─► 200
//	                                        │
//	                     calls ◄─ Contacts ─┤─► keep-alives, expiry (beat.go)
//
// A contact is reached by the way its REGISTER came: over the connection, or at the source address by the same interface. What
// the phone wrote into Contact stands in the Request-URI only; it is a destination just where it agrees with the source, or where
// the domain's policy believes it.
//
// # Concurrency
//
// The table is cut into shards by subscriber, each behind a small lock that is never held while anybody else is called. One
// goroutine (Run) does what time brings: expiry and keep-alives, whose moments are spread by chance over the interval. Another
// exists while there is something to write.
//
// # Limits
//
// Times run by the monotonic clock: setting the machine's clock expires nothing. MaxBindings bounds the table; beyond it
// REGISTERs get 503. Whether a contact was reachable is not written down: after a restart those reached by UDP count as reachable
// until a keep-alive says otherwise, those behind a NAT that came by a connection do not until they register again.
package register
