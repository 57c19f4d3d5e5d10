// Package header decides which headers of one side's message may show on the other side. It is half of topology hiding: the
// call builds every message itself (Via, From, To, Call-ID, CSeq, Contact, Route, Allow, Supported, User-Agent and the body's
// headers are the border's own), and this package hands it the few headers that carry something of the peer's.
//
// # The idea
//
// Nothing is copied. A header passes only if a list names it, and then it is written anew: its name as the list spells it, its
// value rebuilt from what its grammar allows, in an order of our own, so that neither names, nor spelling, nor order tell which
// device wrote the message. What may hold free text is compared with everything known of the sending side — the addresses, host
// names, tags, branches, Call-ID and product of this message, the trunk's endpoints and networks, our own addresses there — and
// dropped if it holds any of it. See table.go for the lists, secrets.go for what is looked for.
//
// A trunk's pass_headers widen the list. A header passes between two trunks only if both name it: what the core tells the border
// about a call is not for the carrier unless the carrier's trunk says so. Headers that belong to a dialog or to the border's own
// protocol work can be named by nobody (Forbidden).
//
// Asserted identities (RFC 3325) pass only where both realms are trusted (peer or core), with the host replaced by HostToken: the
// caller puts its own host there when it knows from which interface the message leaves.
//
// How a trunk hears and tells who calls is its policy (sbc.CallerIdentity, caller.go): a caller who wishes to stay unnamed is
// Withheld from trunks that are not trusted, or whose policy says so, and then nothing that holds one of its Names passes.
//
// What of a Contact or Call-ID shows on the other side, where the signalling profiles of both say so, the call decides (call/contact.go).
//
// # Rules
//
// A trunk's header profile (CompileProfile) changes its messages as they come, before anything reads them, and as they go, after
// everything else. It widens no list: what a rule makes of a message that came has to pass as if the peer had written it, compared
// with what the message said before any rule (msg.Message.Original); what a rule writes into a message that goes is compared with
// what is known of the other side (May), and the line is left out if it shows any of it.
//
// # Limits
//
// Text is compared, percent-escapes decoded, IP addresses in any spelling; a peer that means to tell something (base64, prose)
// can. Bodies other than SDP are not looked into.
//
// A Table is immutable and safe for concurrent use.
package header
