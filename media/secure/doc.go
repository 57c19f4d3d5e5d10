// Package secure encrypts and decrypts media (SRTP and SRTCP, RFC 3711, RFC 6188, RFC 7714) and speaks the language in which keys are
// told in session descriptions (SDES, RFC 4568). It knows nothing of calls.
//
// A Context is one direction of one party: what it sends us is opened by one, what we send it is sealed by another. It works in
// place, in a buffer with room for Overhead more octets, and does not allocate for packets that are in order.
//
// Two rules that a relay needs more than an endpoint. What is opened was never opened before: replay protection is always on. And what
// is sealed never takes the place of something that was sealed before under the same key (RFC 3711 9.1): a relay does not choose the
// sequence numbers of what it passes on, so a repeated one is not sent, and a source that begins to count anew is numbered on.
package secure
