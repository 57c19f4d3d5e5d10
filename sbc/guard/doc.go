// Package guard decides about messages before they are read: who sends too much, who is banned, who guesses passwords.
//
// # The idea
//
// The edge shows each datagram, and each message of a stream, with where it came from. Everything that is needed for the decision
// is in memory that was set aside at the start and does not grow: the times of the last requests of each source, exact to the
// microsecond, in a table that forgets the source that was silent longest. So a flood from forged sources costs a look and never
// memory.
//
//	message ─► banned? ─► exempt? ─► scanner? ─► within the window? ─► parser
//
// Every arrival counts, those that are dropped too: a source is heard again when it has become slow enough, not when a window
// ends. IPv6 is counted by address, /64 and /48, because whoever has one address has its /64.
//
// # Who is never counted
//
// Sources of trunks and of subscribers that are known by their address, the networks that a profile exempts, and sources from
// which somebody authenticated not long ago: behind one address may be an office. What an account may send is bounded by itself
// (Allowed).
//
// # What bans
//
// A ban drops everything of a network, so nobody may be able to have another banned. Evidence is only what cannot be forged:
// messages of a stream, whose sender has heard us, and wrong answers to a challenge that bears a nonce of ours, which was sent to
// that address. Where a profile bans floods, one by UDP is dropped for as long as it lasts, and no longer. Bans are bounded in
// number, grow with each repetition within a day, have words of evidence, can be lifted, and are in a file that survives the
// process.
//
// # Limits
//
// Bans are those of this node. Windows of more than 1024 requests are counted in groups of limit/1024, so that the last part in a
// thousand may be dropped early. The keep-alives of RFC 5626 (CRLF) are not counted: the edge drops them without reading.
package guard
