// Package sdp reads, judges and writes session descriptions (RFC 8866) and does the arithmetic of offer and answer
// (RFC 3264) for a border that stands between two sides. It is pure: no sockets, no clock, no randomness, no state but
// what a caller holds in an [Author].
//
// # The idea
//
// A [Description] keeps every line it was given, in order, also those it does not understand; beside the lines stand the
// facts the border needs (address, port, direction, rtcp-mux ...). Reading is lenient, because real devices put c= after
// a=, forget s= and t=, end lines with a bare LF or send two c= lines. Writing is strict: what leaves is ours, in the order
// of the grammar, CRLF at every end.
//
// One exchange, seen by the caller (package media):
//
//	offer, err := sdp.Parse(body)                  // from A
//	sent, err := sdp.Rewrite(offer, viewForB)      // our address and ports, everything of A hidden
//	out := authorB.Say(sent)                       // o= line and its version; bytes for B
//	answer, err := sdp.Parse(body)                 // from B
//	agreed, notes, err := sdp.Check(sent, answer)  // RFC 3264 section 6; repaired where that is safe
//	back, err := sdp.Answer(offer, agreed, viewForA)
//	out = authorA.Say(back)                        // bytes for A
//	maps := sdp.Pair(&sent.Media[i], &agreed.Media[i]) // payload types for the relay
//
// A late offer is the same with the roles turned round. Every function leaves its arguments as they were, so that an
// offer may be answered several times (183, then 200, or another fork).
//
// # What does not pass
//
// o= and s= are ours; i=, u=, e=, p= and k= are dropped; c=, ports and a=rtcp are ours; ICE, SSRC, msid, BUNDLE, keys,
// fingerprints, capability negotiation, preconditions and a=tool are dropped; m= lines and their groups have names of ours;
// labels are figures, languages are language tags; any other attribute passes unless it holds an IP address, one of the host
// names of the description it came in, or anything that looks like a host name or like user@host. Of fmtp only the parameters
// that do so are dropped. Lines of unknown type are dropped unless
// [View.KeepUnknownLines] says otherwise, since RFC 8866 section 5 lets a strict peer discard the whole description.
//
// With [View.Direct] c=, ports and the port of a=rtcp are those of the other side; all else is as said.
//
// # Limits
//
// RTP in the clear, UDPTL and plain UDP can be relayed ([Media.Relayable]); SRTP and DTLS lines too once the caller has their keys
// ([Media.Clear]); TCP lines, and others without keys, the caller refuses by giving them no port. Only the first port of "49170/2" is used. Host names in c= are
// reported and not resolved. Multicast is not relayed.
package sdp
