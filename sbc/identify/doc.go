// Package identify decides whose a request is: it compares the source of a request and the number dialled with the identities
// of the trunks and names the trunk, or nobody.
//
// # The idea
//
// An identity belongs to the realm of its trunk. It is looked at only for requests that came in on an interface of that realm,
// so that 10.0.0.0/8 behind one interface is not mistaken for 10.0.0.0/8 behind another. Among the identities that match a
// request the most particular one decides, compared in this order: the longest network, a port, an interface, a transport, the
// longest tech prefix. Two identities of different trunks that are alike in all five could claim the same request: that is a
// Conflict, found when the table is compiled, never when a call arrives. There is no default trunk: what nothing claims is a
// stranger.
//
// # Limits
//
// A source address is evidence only as far as the network keeps others from forging it; UDP from the open internet needs more
// (digest, TLS: later). A port narrows UDP sources; on TCP the peer's port is a chance number and should be left 0.
//
// A Table is immutable and safe for concurrent use. A decision takes no lock and allocates nothing.
package identify
