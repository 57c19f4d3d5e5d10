// Package digest proves by a shared secret who sends a request (RFC 7616 for HTTP, RFC 3261 22 and RFC 8760 for SIP):
// challenges and their answers, read, written and checked, for both sides. It knows nothing of SIP messages but the values of
// four headers.
//
// # Nonces
//
// A nonce is 24 octets in base64url: when it was made, six octets of chance, and an HMAC over both, the address of the client
// and the realm. So any node that has the secret knows a nonce of the installation without having kept anything, and a nonce
// that was heard on the way is of no use from elsewhere. What is kept is kept after a right answer only: which counts (nc) of a
// nonce were used, as a window of 64 below the highest. Nobody can fill that table who has no password.
//
// The table is bounded. What falls out of it, and what was made before the node began, is too old: its nonces are stale from
// then on, so that nothing that was ever used can be used again at this node. Phones answer a stale nonce without asking their
// user. The price of keeping nothing elsewhere: another node knows nothing of the counts used here, so what was overheard can
// be used once at each other node, by somebody who has the same address, within the nonce's lifetime.
//
// # The other side
//
// A Client answers challenges with one password. It remembers the newest of each realm, so that the next request brings its
// credentials unasked; a Try bounds what one request can be asked.
//
// # Limits
//
// -sess algorithms are written and read, but the counterpart of a server that keeps no session cannot know its first cnonce:
// callers that offer none need not take any. User names that are hashed (RFC 7616 3.4.4) are never offered and match nobody.
package digest
