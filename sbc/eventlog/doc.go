// Package eventlog keeps the newest events of a node in memory, in the order of their ids, for readers that ask for what came
// after the last one they saw.
//
// # The idea
//
// Each type of event has a ring of its own, so that a flood of one (somebody who guesses at dialogs, digits on a busy day)
// pushes out its own kind only. Ids are given under the lock that orders the rings: whoever has seen an id has seen, or
// missed, all below it. What falls out of a ring unread or not is counted; a reader that comes too late is told.
//
// A feed follows what happens: it has no queue of its own, only a place in the rings and a channel that says when there is
// something new. So nobody waits for a reader, and one that does not keep up finds a gap as any other one would.
//
// The changes of calls' states are too many to be raised for nobody: Wants tells whether somebody reads or follows them, or did
// so in the last minutes. What was not raised counts as a gap.
//
// # Limits
//
// Events are of this node alone and do not outlive it. Nobody waits for a reader.
package eventlog
