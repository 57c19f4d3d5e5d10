// Package edge is the border's own SIP transport and transaction layer: sockets, RFC 3261 sections 17 and 18, RFC 6026, RFC
// 3581 and RFC 3263.
//
// # Idea
//
// Bytes come in on a socket, are parsed by package msg, matched to a transaction, and what is new is handed to the functions of
// Options, in the goroutine that read the bytes. So messages of one peer stay in order without any queue: one goroutine reads
// a UDP socket, one reads a connection, and none exists for a message or a transaction. Those who are called must not block.
//
//	datagram, stream ─► msg.Parse ─► transaction? ─► absorbed, answered again, or its owner hears it
//	                                  └─ new ─► Options.Admit ─► protocol checks ─► Options.Handle
//
// Transactions live in shards. A shard's one lock guards its maps, its timer wheel and the state of its transactions; it is
// never held while anything is sent or called. Timers are ticks of 20 ms of one wheel, driven by a single time.AfterFunc
// that exists only while something waits; each transaction has one entry in it. Time comes from package time alone, and
// sockets from the small network interface, so that the whole edge runs in virtual time in tests (testing/synctest).
//
// A finished transaction keeps its key (a keyed 128-bit hash), its destination and, where it may have to repeat them, the
// bytes of its last message: less than 1 KB. Neither the request nor its owner are kept, with one exception: an INVITE answered
// with 2xx can get further 2xx for 64*T1 (RFC 6026), so its owner is held as long.
//
// # Who is answered
//
// A request that no transaction knows goes to Admit before anything else; on Silence nothing leaves, whatever else is wrong
// with it. Refusals are sent without state and never again (RFC 3261 8.2.7), and only so many a second to one address.
// Answers go where the packet came from (received, rport); maddr is ignored.
//
// # Limits
//
// No TLS and WebSocket yet. An interface bound to the unspecified address answers from whatever address the kernel chooses. ICMP
// errors of UDP are not read: a dead UDP peer is noticed by its silence.
package edge
