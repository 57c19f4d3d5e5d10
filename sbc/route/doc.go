// Package route decides where a call goes: it finds the rule for a number in a routing plan and lays out the attempts in the
// order in which they are to be made.
//
// # The idea
//
// A plan's rules sit in a trie over the characters of their prefixes. Of the enabled rules whose terms hold (time, groups of callers,
// conditions) the one with the longest prefix decides; of one prefix those that hold at times come first, then the smallest priority, then
// the smallest id. A rule may have the next one decide if it has nobody to call, or if nobody took the call: then Plan.Next is where the
// decision goes on. The rule's route list gives trunks and subscribers, each trunk gives its endpoints. Strip and prefix of an endpoint
// are applied to the rule's number anew for every attempt.
//
// The trie is persistent: Table.WithRules changes one rule by copying the nodes above it, a few microseconds whatever the plan's
// size, and the old Table goes on serving the calls that hold it. Rules refer to route lists by id and are looked up when they
// decide, so that a change of a list, trunk or endpoint leaves the tries alone.
//
// # Limits
//
// Subscribers are known by id only: whoever asks looks them up. What is alive is told by Query.Live. At most MaxAttempts attempts are laid
// out for one rule; rules lead to another plan at most maxJumps times.
//
// A Table is immutable and safe for concurrent use. Clock and chance come in as arguments.
package route
