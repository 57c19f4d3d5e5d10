// Package dialog is one SIP dialog (RFC 3261 12): its identifiers, its two spaces of sequence numbers, its route set and its
// remote target. It builds the requests we send within it and judges those that come.
//
// # Idea
//
// A Dialog knows nothing of media, transactions or the other side of a call: a back-to-back user agent owns two that share
// nothing. The forks of one INVITE are several dialogs made from the same request. A Dialog is made by NewUAS from an INVITE we
// answer, or by NewUAC from an INVITE we sent and a response that carries a To tag.
//
// # Where requests go
//
// Real peers sit behind address translation and write private addresses in Contact and Record-Route. Therefore the address the
// peer really sends from wins wherever the route set or the remote target names another one; where both name the same address,
// the port that the peer wrote counts (gateways that send from one port and listen on another). On streams the connection itself
// is used while it is open. The Request-URI and the Route headers are always as RFC 3261 12.2.1.1 has them.
//
// # Limits
//
// A Dialog is not safe for concurrent use: it belongs to its call's queue. Usages other than the INVITE's (SUBSCRIBE, REFER) are
// not counted (RFC 5057): the dialog ends with its call.
package dialog
