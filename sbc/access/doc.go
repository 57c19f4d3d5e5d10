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
// Requests within dialogs are believed by their tags and their source, as those of trunks are; they are not challenged.
package access
