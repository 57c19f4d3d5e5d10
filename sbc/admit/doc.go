// Package admit decides whether a call may come in or go out: it counts the calls in progress and those of the last second, of
// each trunk and under each key of the limit profiles that bind it, and takes a place everywhere or nowhere.
//
// # The idea
//
// Counting and taking happen under one lock, so that a burst cannot pass a limit between the look and the step, and a call
// that one limit refuses has been counted by none. What is taken is a Place, given back exactly once however often it is
// released: a count can be neither negative nor too low. Limits are read from what is passed in, so that a change counts for
// the next call. The Tally lives outside the configuration snapshots, because calls outlive them.
//
// A count is forgotten with its last call and its last second: numbers that callers make up leave nothing behind. Places know
// whose they are; Reconcile gives back those of calls that are no more. It should never find any.
//
// # Limits
//
// Counts are of this node alone. Floods before a request is parsed are not counted here.
package admit
