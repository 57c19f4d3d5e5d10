package edge

import (
	"net/netip"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// maxAliasNames bounds the names by which one connection is found.
const maxAliasNames = 4

// alias lets a connection that was made to us carry our requests to whoever made it, if it asks for that (RFC 5923): only by TLS, only
// for the names in the certificate that was shown and was good, and to the address it came from with the port that it listens on. The
// first request of the connection decides.
func (c *conn) alias(m *msg.Message) {
	if c.aliased || c.outbound || c.sock.transport != sbc.TransportTLS {
		return
	}
	c.aliased = true
	peer, i := c.peer.Load(), c.at()
	if _, asked := m.Via.Param("alias"); !asked || peer == nil || i == nil {
		return
	}
	at := netip.AddrPortFrom(c.remote.Addr(), viaPort(m))
	t := c.sock.edge.streams
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[c.id] != c {
		return
	}
	for _, name := range peer.Names[:min(len(peer.Names), maxAliasNames)] {
		k := flowKey{c.sock, at, security{profile: i.TLSProfileID, name: name}}
		if old := t.aliases[k]; old == nil || !old.alive() {
			t.aliases[k], c.aliases = c, append(c.aliases, k)
		}
	}
}

// forgetAliases is called with the lock held.
func (t *streams) forgetAliases(c *conn) {
	for _, k := range c.aliases {
		if t.aliases[k] == c {
			delete(t.aliases, k)
		}
	}
}
