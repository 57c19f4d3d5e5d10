// Package registrant registers the border at carriers that want it (RFC 3261 10.2), so that they send calls to its contact.
//
// # The idea
//
// A Manager looks at the Snapshot a few times a second; each registrant in service has an entry, which is a small machine: REGISTER,
// answer, wait. One request of an entry is under way at a time. All REGISTERs of an entry have one Call-ID and one From tag, and their
// numbers rise. What an entry waits for is a time, never a goroutine.
//
// # Waiting
//
// A registration is refreshed at the percentage that is configured, or up to a twentieth of it sooner, so that many do not come at once.
// After a failure the wait doubles up to its cap, again with chance in it; a Retry-After counts where it asks for more. Wrong
// credentials, which is a challenge to credentials that were made for a fresh nonce, are not tried again before something is changed:
// carriers ban who guesses. Nor is what got 403 or 404, where the account is the carrier's matter. A change through the API is tried at
// once. After a 423 the longer time is asked for, and remembered.
//
// # Contacts
//
// Where no contact user is configured it is a keyed hash of the registrant's id: the same after a restart, so that the registration is
// replaced and not doubled, and nothing that can be guessed. A request to it is the trunk's wherever it comes from. A contact user
// that was configured can be guessed: there the source must be an address that has answered our REGISTERs, or one that the registrar's
// name has besides.
//
// # The way there and back
//
// A name may have several servers: of those that are silent or overloaded the next is tried (RFC 3263 4.3); credentials go to the one that
// asked for them. Calls come back by the connection or NAT binding of the REGISTER, so that is kept open; if it is found broken, we
// register anew at once. The proxies of a Service-Route (RFC 3608) are on the way of calls and texts to the trunk, as long as we are
// registered.
//
// # Limits
//
// Every node registers by itself. Path (RFC 3327) is offered to proxies, and nothing is done with it. A Manager is safe for concurrent use; its lock is never held
// while anybody else is called.
package registrant
