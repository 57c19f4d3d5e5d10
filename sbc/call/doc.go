// Package call makes two dialogs one call: a back-to-back user agent (RFC 7092) that hunts over a route list, relays what the
// two sides negotiate, and writes exactly one record for each call.
//
// # Idea
//
// What a call does is one pure function, step in machine.go: state and event in, state and actions out. Everything else turns
// what happens (messages, timers, media, the API) into events on the call's queue, and carries the actions out.
//
//	edge, media, timers, API ──► Call.post ──► queue ──► step ──► actions ──► dialog, header, media, edge, account
//
// The caller is inviting, answered, leaving, up, byeing or over; the callee of the attempt under way is none, calling, ringing,
// unwanted, cancelling, held, up, byeing or over; 18 pairs can happen. The call is over when both are. A transfer adds a third
// party (machine_target.go): the target, until it takes one side's place, and who was there before, until it is released; with them
// 101 states can happen. Sub-states that the machine does not see: the forks of an attempt (hunt.go), the session change under way
// and the one that waits (update.go).
//
// Changes of our own (propose.go: refreshes, hold by the API, parties joined anew) wait in the same queue as those of the peers:
// one is under way at a time. Each leg has its own session timer (session_timer.go), and its peer is asked with OPTIONS whether it
// is there (keep.go); one timer of the call is armed for what is due first.
//
// A call takes the configuration snapshot once, when its INVITE arrives, and keeps it to its end. Requests within a dialog are
// matched by tags alone, whatever their Request-URI or Route says; they must come from the leg's peer or its trunk.
//
// # Concurrency
//
// A call's state belongs to its queue. A goroutine exists only while the queue holds work, so an idle call costs none. Callbacks
// of edge and media only append to the queue. Timers carry a number; a late one is ignored. No lock is held while calling out. A
// panic ends the call it happened in, with a record, and no other.
//
// # After a restart
//
// With a LiveJournal a call that is up is kept on the local disk (kept.go, keeper.go) and goes on in a later process (restore.go): its
// dialogs, its ports, who was latched, timers, places on trunks and the record so far. Not kept are the ladder, subscriptions within the
// dialogs, what is being played, and a transfer or session change under way: the call is then as it was before. Our sequence numbers
// jump by 1,000, because requests may have been sent after the last snapshot. Packets are counted on from the last time that the call was
// written: those between it and the crash are missing in the figures. A call that cannot go on is released with BYE and one
// record, which ends with the process that had it.
//
// # Limits
//
// Provisional responses are reliable (RFC 3262) on each leg by its mode; to the caller one after the other, each repeated until its
// PRACK, and a 200 waits for the PRACK of the answer that it confirms. The answer of another fork or attempt that is not the same
// reaches such a caller in another dialog (RFC 3261 12.1), because the first one cannot be taken back. An offer that comes in a
// PRACK goes on in a PRACK or as UPDATE, or gets 488. Callees are offered 100rel for an INVITE without an offer only if the caller
// has it, because only a PRACK can bring the answer.
//
// An UPDATE with an offer passes in an early dialog only where the INVITE's offer was answered reliably (RFC 3311 5.1, RFC 6337
// 2.2). Else the caller's gets 500 with Retry-After, the callee's 491 (RFC 3311 5.2); without an offer both pass.
//
// A re-INVITE is answered with 100 and what was decided: provisional responses to it are not passed on, but one that wants a
// PRACK gets it (assured.go). The target of a transfer that rings may send UPDATE; its offers are answered by the border until
// it has answered.
//
// INVITE with Replaces (RFC 3891) takes the place of a party that talks, or of a callee that rings (pickup.go) if the caller's
// offer has a format that the border speaks. Early dialogs that peers began, and those of a transfer's target, are not taken
// over: 481. Join (RFC 3911) is not supported: takeover.go says what is answered.
//
// Of two session changes at once the second gets 491. One that the far side refused with 491 is tried again after the delay of
// RFC 3261 14.1, unless the far side's own comes first: then the waiting one is given back with that 491.
//
// Subscriptions that share the dialogs of a call (watch.go) end with it: the border keeps no dialog for them alone. PUBLISH has no
// place in a dialog (RFC 3903 4).
//
// Our Contact and Call-ID tell a peer nothing of the other side, unless the profiles of both say so (contact.go, sbc.ContactView).
//
// Subscribers (destination.go) are looked up before the search begins, without anyone else waiting (seek.go). Their phones are rung at
// once (branch.go): several INVITEs of one leg, which are forks as those that others make: the first 2xx wins and the others are
// released. Trunks are tried one after the other; forking there is left to the targets. What a 3xx
// does is the trunk's choice; 401 and 407 are failures: nobody's credentials travel. At most one session change at a time per
// call; one more may wait.
package call
