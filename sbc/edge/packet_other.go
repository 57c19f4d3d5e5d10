//go:build !linux

package edge

// unpolled leaves sockets to Go's network poller.
func (e *Edge) unpolled(p packetConn) packetConn { return p }
