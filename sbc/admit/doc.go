// Package admit decides whether a call may come in or go out: it counts the calls in progress of each trunk and the calls that
// came from it within the last second, and takes a place or refuses in one step.
//
// # The idea
//
// Counting and taking happen under one lock, so that a burst cannot pass a limit between the look and the step. What is taken
// is given back by the function that Call returns, exactly once however often it is called: a counter can be neither negative
// nor too low. The limits are read from the trunk that is passed in, so that a change counts for the next call. The Tally lives
// outside the configuration snapshots, because calls outlive them.
//
// # Limits
//
// Counts are of this node alone. Floods before a request is parsed are not counted here.
package admit
