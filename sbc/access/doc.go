// Package access is the door of realms in which domains have their subscribers. It finds out whose a request outside of dialogs
// is, by its source or by digest (RFC 3261 22, RFC 7616, RFC 8760), and lets nobody else in.
//
// What is asked is decided twice. Admit sees a request before anything is kept of it: who brings no answer to a challenge of
// ours, or one to a challenge that is too old, gets a challenge without state; so do forged sources, whose answers go
// elsewhere. Only a request that bears a nonce made for its very source gets a transaction, and then Identify looks the account
// up and checks the response. Neither waits for the store: what is not in memory is told later, from another goroutine.
//
// Nobody learns here who exists. An unknown user, a wrong password, a password whose hash is not kept in the algorithm of the
// answer, and an account that is barred get the same answer after the same time: the same look-ups are made, a hash is checked
// in any case, and the refusal waits until a fixed delay after the request came. What is told without a password (OPTIONS,
// methods, foreign domains, routes) does not depend on any user.
//
// Credentials end here: nothing of them is part of what the door hands on, and package header passes none.
//
// # Limits
//
// Requests within dialogs are not challenged. RFC 3261 22.1 lets a server challenge any request but ACK and CANCEL; here the dialog
// itself was made by a request that proved whose it is, or by one of ours to a contact that did. Its tags are secrets of 80 bits
// that only its two ends have seen, and a request that bears them is taken from where the phone was heard alone: its address, with the
// policy strict its port and transport too, or an address that an access rule takes for the very subscriber. All else is refused
// with 481, changes nothing, and is counted and told (security.dialog). A challenge would add a round trip to each BYE, which phones
// that are about to leave do not wait for, and fail with those that answer challenges of INVITE and REGISTER only. Who can read what
// passes between phone and border is not kept out by this, and would not be by a digest without auth-int: TLS does that.
package access
