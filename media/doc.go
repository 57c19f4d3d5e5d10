// Package media is what signalling may ask of the media plane: a Session for each call, a Party for each side of it and an
// Exchange for each round of offer and answer.
//
// Signalling passes SDP bytes and gets SDP bytes back; it never edits them and never sees a port. Offer reserves ports and
// prepares while the running path keeps running, Answer completes the round and swaps the path in with one atomic store per
// port, Reject forgets the round. Reoffer and Renew begin rounds of our own accord, from what was said before; Take moves a party
// from another call. What is decided about a line afterwards (where packets go, who is on hold, who should be heard) follows from
// what each party said and was told last, whoever of them asked.
//
// Media of two parties may also go directly, without us (SetDirect): then each is told the addresses of the other, and no port is
// reserved.
//
// A Session and what belongs to it are used from one call's queue only. Packets are moved by package media/relay and never wait
// for signalling. Encryption ends here, each party having keys of its own: in descriptions (keys.go) or by a handshake
// (shake.go); so does ICE, of which we are the lite side (reach.go). What the package does not do yet: transcoding.
package media
