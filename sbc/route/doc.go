// Package route decides where a call goes: it finds the rule for a number in a routing plan and lays out the attempts in the
// order in which they are to be made.
//
// # The idea
//
// A plan's rules sit in a trie over the characters of their prefixes. The longest prefix that the number begins with and that has
// an enabled rule decides; among rules of one prefix the smallest priority, then the smallest id. The rule's route list gives
// trunks, each trunk gives its endpoints, both ordered by priority and by chance within one priority as in RFC 2782. Strip and
// prefix of an endpoint are applied to the rule's number anew for every attempt.
//
// The trie is persistent: Table.With changes one rule by copying the nodes above it, a few microseconds whatever the plan's
// size, and the old Table goes on serving the calls that hold it. Rules refer to route lists by id and are looked up when they
// decide, so that a change of a list, trunk or endpoint leaves the tries alone.
//
// # Limits
//
// One rule decides: if its route list has nobody to call, the call is refused and no shorter prefix is tried. Whether an
// endpoint is alive is not known here. At most MaxAttempts attempts are laid out.
//
// A Table is immutable and safe for concurrent use. Clock and chance come in as arguments.
package route
