// Package relay moves the packets of calls: it decides for every datagram whose it is, counts it and passes it on.
//
// The nouns. A Port is one UDP port of ours. A Stream is what one party sends on one m-line: where its packets may come from
// (the latch), where packets to it go, and the statistics of what it sent. A Path says what a Port does with a packet: whose it
// must be, and which Port sends it to which Stream. A Path never changes: signalling makes a new one and swaps one atomic
// pointer. A Mover owns the sockets and the threads that read them; faster ones than those here (a socket shared per core, the
// kernel) are other implementations of the same interface, since a Path is plain data and the latch is decided in Go.
//
// Who may send. A party's packets come from the address its SDP names, or, behind NAT, from that address or the address its
// signalling comes from with any port (RFC 7362 4). The first valid packet from such a source fixes it; after that only the exact
// address of the SDP can replace a source that merely shares its address with it, and only a new round of offer and answer opens
// the latch again. A packet from anywhere else is counted and dropped, from the first one on; nothing is ever sent to where a
// stranger's packet came from. An SSRC proves nothing, so it opens nothing.
//
// What is not changed: SSRC, sequence numbers and timestamps pass as they are. RTCP passes too, but with the texts that name
// machines and people (SDES, reason of BYE) replaced by pseudonyms of the same length, because a border hides topology.
//
// Locks: one small mutex per Stream, held for some ten nanoseconds per packet and never while anything else is called. The
// packet path does not allocate.
package relay
