// Package mwi tells phones how many messages wait (RFC 3842): by subscription to the event package message-summary (RFC 6665), which
// a subscriber may have of its own account, and without one, where a phone registered and did not subscribe.
//
// # Idea
//
// A subscription is a dialog that the border serves itself. What changes in a mailbox is looked up, then told: at most one NOTIFY is
// under way in a subscription, and what changes meanwhile is told by the next one. Subscriptions are in memory: after a restart phones
// get 481 to their refresh and subscribe anew.
package mwi
