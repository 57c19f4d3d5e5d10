//go:build !linux

package edge

// unpolled leaves sockets to Go's network poller.
func (e *Edge) unpolled(p packetConn) packetConn { return p }

// measured leaves them as they are: only Linux tells what waits in a socket.
func measured(p packetConn) packetConn { return p }
