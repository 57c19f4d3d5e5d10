// Package voicemail keeps the messages of mailboxes: it says whether one may be left, stores what was recorded, tells of it, plays
// what is stored, and forgets what is old.
//
// # Idea
//
// Nobody who has a call to attend to waits for the store: what needs it runs on a goroutine of its own, in bounded number and time, and
// answers by a function. What was recorded is tried again while the store is away, and only given up when the node stops.
//
// # Limits
//
// A message is in memory until its call is over: a node that dies loses those being recorded. What changes on one node is told to the
// phones that this node knows.
package voicemail
