// Package port hands out pairs of UDP ports for media: an even one for RTP and the odd one after it for RTCP (RFC 3550 11).
//
// A Pool is one address with a range of ports. Taking and giving back a pair are O(1) and, once a pair was used, cost no system
// call: its sockets stay open for the next call. Between two calls a pair rests in quarantine, so that packets of the old call
// do not reach the new one; whoever reads the sockets drops them meanwhile. A pool holds as many open sockets as its busiest
// moment needed. Ports never used yet are drawn in random order, so that a stranger cannot guess the next one from the last.
//
// The package does not know what a socket is: it is given a function that opens one. That is the place where later ways to move
// packets (one shared socket per core, the kernel) come in: for them, "opening" a port is an entry in a table.
package port
