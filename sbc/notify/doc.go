// Package notify has the words of SIP event notification (RFC 6665) that subscriptions inside and outside of calls share: the
// Event and Subscription-State headers, and the bodies of the event packages that are known, written anew so that nothing of one
// side shows on the other.
package notify
