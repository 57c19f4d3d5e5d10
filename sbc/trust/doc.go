// Package trust makes of TLS profiles, certificates and authorities what a handshake needs: it says what we show and whom we believe.
//
// # The idea
//
// Everything is parsed and checked when it is written; a Set is immutable and part of one Snapshot. Whoever accepts or opens a
// connection asks the Snapshot of that moment for the Profile and makes the tls.Config of this one connection from it, so a certificate
// that is exchanged counts with the next handshake, in both roles, and connections that are up stay.
//
// Peers are verified here and not by crypto/tls (VerifyConnection instead of RootCAs and ServerName): so resumed sessions are verified
// like new ones, names are compared as SIP wants it (RFC 5922), and lists of revoked certificates count.
//
// # Resumption
//
// In the server role tickets are sealed with keys of the Profile, which is a new one as soon as anything that it is made of changes: a
// ticket of before is not understood then and the handshake is a full one. A ticket that is understood brings back the chain that the
// client showed, and it is verified again. In the client role nothing is resumed: connections to trunks are few and long.
//
// # Names
//
// RFC 5922 7.2: "Implementations MUST NOT match any form of wildcard". A name of a peer, be it the host asked for or one of the profile's
// peer names, is compared as a whole with the SIP URIs, DNS names and addresses in subjectAltName; the common name is never read (RFC
// 5922 7.1 allows it without subjectAltName only, and every such certificate is older than TLS 1.2). A peer whose certificate is for
// "*.example.net" is believed where the profile says "*.example.net" as a peer name, in these letters: then it was decided by somebody.
package trust
