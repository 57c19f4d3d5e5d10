// Package service says what a subscriber's own settings do with a call: whether it rings, where it is forwarded, whether it is refused;
// and what a feature code that was dialled asks for.
//
// # The idea
//
// Everything here is a decision on values: the subscriber, what is known of the call, and functions that look into the configuration. sbc/call
// asks twice for each subscriber that is called: when the call arrives (Arrive), and when nobody there answered it (Unanswered). What comes
// back is a Verdict with its reason in words, which the decision trace shows. Nothing is sent and nothing waits.
//
// # The order of services (RFC 5359 names them)
//
// Lists of blocked numbers and the refusal of anonymous callers come first: who may not call is not forwarded either. Then unconditional
// forwarding, then do not disturb, then whether anybody is registered; after that it rings.
package service
