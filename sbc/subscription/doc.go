// Package subscription carries SUBSCRIBE, NOTIFY, PUBLISH and MESSAGE outside of calls over the border (RFC 6665, 3903, 3428)
// as a back-to-back user agent: what is behind one side shows on the other no more than it does in calls.
//
// # The idea
//
// A subscription is two dialogs of our own, one with each side. The subscriber's SUBSCRIBE is routed as a call would be, by its
// trunk's plan; both trunks' signalling profiles must list the event package. NOTIFY travels back through the other dialog, its
// body written anew from what its format allows (body.go): numbers stay, hosts are ours, what would name a device or a dialog is
// left out. An entity tag of a published state is ours, too. MESSAGE and PUBLISH are one request and one answer.
//
//	subscriber ──SUBSCRIBE──► near │ far ──SUBSCRIBE──► notifier
//	           ◄───NOTIFY──── near │ far ◄───NOTIFY────
//
// # Concurrency
//
// A subscription's state belongs to its queue (serial), as a call's does: whoever brings a message does the work unless somebody
// else is at it already. No lock is held while calling out. A panic ends the subscription it happened in.
//
// # Limits
//
// State is soft: it is not written down, and a subscriber that refreshes after a restart gets 481 and subscribes again (RFC 6665
// 4.1.2.2). Of several notifiers that answer one SUBSCRIBE the first one counts. Bodies whose format is not known do not pass.
package subscription
