// Package discover finds out by which addresses the world sees ours when the border is behind a 1:1 NAT: STUN servers (RFC 8489) are
// asked, now and then.
//
// # The idea
//
// A Finder knows a list of Sources, which are SIP interfaces and media pools with a server, and of each the last address that was told.
// It asks for none by itself: Options.Ask does, from the socket of that interface or an address of that pool. Answers are believed as
// far as Ask believes them. A new address is told to Options.Changed, which has the configuration served with it; a failure changes
// nothing but the status, and the question is asked again sooner. What was told is kept in a file, so that a process which starts says
// at once what the one before it knew.
//
// # Limits
//
// Only the address counts; a NAT that changes ports is told in the status, and helps nobody. A Finder is safe for concurrent use.
package discover
