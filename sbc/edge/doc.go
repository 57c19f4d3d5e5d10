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
// # TLS and WebSocket
//
// A connection that needs more than bytes, TLS (RFC 3261 26.3), WebSocket (RFC 7118) or both, gets it in its own goroutine between being
// accepted, when it is counted, and being read; from then on it is a connection like any other. How TLS is spoken is asked of Options.TLS
// with each handshake, so that changed certificates count from the next one on. Connections that we open belong to an interface, an
// address, a TLS profile and the name that the certificate must hold, which is that of the target (RFC 5922 4): what is for one name never
// goes by the connection of another. One that was made to us carries our own requests only within what came by it, or where the peer asked
// for that and its certificate holds the name (RFC 5923). Who speaks WebSocket is reached by its own connection alone.
//
// A request for a sips URI leaves by TLS or not at all, and one that came in the clear gets 480 with warning 380 (RFC 5630). Nothing is
// moved from TLS to another transport, be it too large or its peer unreachable.
//
// # Limits
//
// Requests for sips URIs go by _sips._tcp without asking NAPTR first. Our own Via never asks for an alias. An interface bound to the unspecified address answers from whatever address the kernel chooses. ICMP
// errors of UDP are not read: a dead UDP peer is noticed by its silence.
package edge
