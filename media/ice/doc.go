// Package ice answers the connectivity checks of peers: the lite side of ICE (RFC 8445 2.5), which checks nothing itself. It
// knows no sockets: datagrams and their sources come in, answers go out, and whoever made the Agent is told which source the
// peer chose for its media and when the peer has stopped asking for them (RFC 7675).
//
// Only who knows the password of the line's description gets an answer, so a border whose ports are scanned is silent, and
// nobody can be made the target of answers. What a stranger's check costs is bounded: a look at its header and its user name;
// integrity is computed for who names the right user only, and not more often than failureRate times a second for sources that
// never proved to be the peer.
package ice
