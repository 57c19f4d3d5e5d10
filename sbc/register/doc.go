// Package register is the registrar of the border (RFC 3261 10): which subscriber is reached where, and by which flow.
//
// # The idea
//
// A REGISTER that the door has let in is read (request.go), held against the domain's policy (policy.go), and turned into
// changes of the subscriber's bindings by a function that changes nothing itself (plan.go). The changes are made under the
// lock of one shard, written to a journal on the local disk, and then answered: a 200 that was sent survives kill -9.
//
//	REGISTER ─► read ─► policy ─► plan ─► table ─► journal ─► 200
//	                                        │
//	                     calls ◄─ Contacts ─┤─► keep-alives, expiry (beat.go)
//
// A contact is reached by the way its REGISTER came: over the connection, or at the source address by the same interface.
// What the phone wrote into Contact stands in the Request-URI only; it is a destination just where it agrees with the source,
// or where the domain's policy believes it.
//
// # An upstream registrar
//
// Where a domain's accounts are an upstream registrar's (sbc.RegistrationMode), a REGISTER is held against the domain's
// policy as ever, and then carried there (carry.go, ask_upstream.go) as one of ours: the address of record, a contact of ours
// whose user part is a token, and the phone's answer to the registrar's challenge are all that is told. A 2xx makes the
// planned changes, a 403 or 404 takes away what the phone wanted to refresh, and what is no answer or a 5xx leaves the phone
// registered until the end upstream. In the throttling modes the registrar is asked for more time, and a refresh is answered
// here as long as the phone's next one comes before the end there, but only if it came by the very way of the contact that it
// is about: nobody has proved anything here, so who comes by another way has to prove upstream who it is. The token is a MAC,
// the same for the same contact whenever it is asked for; what it stands for is written to the journal with each binding, and
// calls of the registrar find the phones by it (ByToken).
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
// REGISTERs get 503. Whether a contact was reachable is not written down: after a restart those reached by UDP count as
// reachable until a keep-alive says otherwise, those behind a NAT that came by a connection do not until they register again.
//
// Without the phones' passwords nothing can be refreshed or taken away upstream by ourselves, but where the registrar
// believes our address: a contact that ends here without a REGISTER is offered for removal, and else lasts there until its
// end. Service-Route (RFC 3608) and P-Associated-URI of its answers go nowhere: calls of the phones follow the domain's plan.
// GRUUs are not made, for the registrar would not know them.
package register
