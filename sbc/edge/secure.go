package edge

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TLS is how one profile speaks TLS at the moment of a handshake. Connections that stand do not hear of changes.
type TLS struct {
	// Server is for those who connect to us.
	Server *tls.Config
	// Client gives what is for those we connect to: the certificate must hold the name (RFC 5922 7.3), which is also sent as SNI.
	Client func(name string) *tls.Config
	// Handshake bounds a handshake (5 s).
	Handshake time.Duration
	// Names are those of a certificate (RFC 5922 7.1), in lower case.
	Names func(*x509.Certificate) []string
	// VerifiesClients and VerifiesServers tell that no handshake succeeds unless the certificate that was shown is good: only then its
	// names count.
	VerifiesClients, VerifiesServers bool
}

// handshakeTime is how long a handshake may take where the profile does not say.
const handshakeTime = 5 * time.Second

const (
	// handshakeRate is how many handshakes a second one source may begin with us, handshakeBurst how many at once: each costs a signature,
	// about a millisecond of a core with RSA, whether or not the source has any use for it, and a site that comes back after an outage has
	// as many phones as it may have connections (sbc.SIPInterface.MaxConnectionsPerSource, 50 unless set).
	handshakeRate  = 50
	handshakeBurst = 100
)

// errNoTLS says that there is no way to speak TLS: no profile, or one that cannot be used.
var errNoTLS = errors.New("edge: no TLS profile that could be used")

// security is what tells TLS connections to one address apart: the profile, and the name that the certificate must hold.
type security struct{ profile, name string }

// profile gives the TLS of a profile as it is now.
func (e *Edge) profile(id string) (TLS, error) {
	if e.o.TLS == nil {
		return TLS{}, errNoTLS
	}
	t, ok := e.o.TLS(id)
	if !ok {
		return TLS{}, fmt.Errorf("%w: %q", errNoTLS, id)
	}
	t.Handshake = cmp.Or(t.Handshake, handshakeTime)
	return t, nil
}

// greet does what an accepted connection needs before SIP is spoken on it. It runs in the connection's own goroutine: who stalls in it
// delays nobody else, and counts among the connections of its source meanwhile.
func (c *conn) greet() {
	cause := error(msg.ErrClosed)
	handed := false
	defer func() {
		if !handed {
			c.shut(cause)
		}
	}()
	if c.sock.transport.Encrypted() {
		if err := c.secureIn(); err != nil {
			cause = err
			c.sock.edge.log.Debug("edge: TLS", "from", c.remote, "error", err)
			return
		}
	}
	if c.sock.web != nil {
		handed = c.sock.web.take(c)
		return
	}
	if handed = c.ready(); handed {
		c.serve()
	}
}

// ready opens a connection that was accepted; it is false if it was closed meanwhile.
func (c *conn) ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == connClosed {
		return false
	}
	c.state = connOpen
	c.flushLocked()
	return true
}

// secureIn is the handshake with who connected to us.
func (c *conn) secureIn() error {
	i := c.at()
	if i == nil {
		return msg.ErrClosed
	}
	t, err := c.sock.edge.profile(i.TLSProfileID)
	if err != nil {
		return err
	}
	nc := tls.Server(c.nc, t.Server)
	if err := c.handshake(nc, t.Handshake, "in"); err != nil {
		var foreign tls.RecordHeaderError
		if errors.As(err, &foreign) { // that was not TLS at all
			c.sock.edge.metrics.parseErrors.WithLabelValues(string(c.sock.transport), "garbage").Inc()
			c.sock.edge.o.Guard.Malformed(c.hop(), nil)
		}
		return err
	}
	s := nc.ConnectionState()
	c.peer.Store(t.peer(&s, security{profile: i.TLSProfileID}, t.VerifiesClients))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nc = nc
	return nil
}

// secureOut is the handshake with whom we connected to.
func (c *conn) secureOut(plain net.Conn) (net.Conn, error) {
	t, err := c.sock.edge.profile(c.tls.profile)
	if err != nil {
		_ = plain.Close() // nothing was said on it
		return nil, err
	}
	nc := tls.Client(plain, t.Client(c.tls.name))
	if err := c.handshake(nc, t.Handshake, "out"); err != nil {
		_ = plain.Close() // the same
		c.sock.edge.log.Warn("edge: TLS", "to", c.remote, "name", c.tls.name, "error", err)
		return nil, fmt.Errorf("TLS with %s: %w", c.tls.name, err)
	}
	s := nc.ConnectionState()
	c.peer.Store(t.peer(&s, c.tls, t.VerifiesServers))
	return nc, nil
}

// handshake takes no longer than it may. Renegotiation is refused in both roles (crypto/tls).
func (c *conn) handshake(nc *tls.Conn, within time.Duration, direction string) error {
	e := c.sock.edge
	ctx, cancel := context.WithTimeout(e.ctx, within)
	defer cancel()
	err := nc.HandshakeContext(ctx)
	result := "ok"
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		result = "timeout"
	case err != nil:
		result = "failed"
	}
	e.metrics.handshakes.WithLabelValues(direction, result).Inc()
	return err
}

// peer tells who it is at the other end.
func (t *TLS) peer(s *tls.ConnectionState, with security, verified bool) *msg.Peer {
	p := &msg.Peer{
		Name: with.name, Profile: with.profile, Version: tls.VersionName(s.Version), Cipher: tls.CipherSuiteName(s.CipherSuite),
	}
	if verified && len(s.PeerCertificates) > 0 {
		p.Names = t.Names(s.PeerCertificates[0])
	}
	return p
}

// back is how TLS is spoken on a new connection to who connected to us: it must be the same again.
func (c *conn) back(sentBy string) security {
	s := c.tls
	if i := c.at(); i != nil && s.profile == "" {
		s.profile = i.TLSProfileID
	}
	if p := c.peer.Load(); s.name == "" && p != nil && len(p.Names) > 0 {
		s.name = p.Names[0]
	}
	s.name = cmp.Or(s.name, sentBy)
	return s
}

// secureOnly tells whether a request may go by TLS or not at all: one for a sips URI, wherever its way begins (RFC 3261 26.2.2, RFC
// 5630 3.1.3).
func secureOnly(m *msg.Message, t *msg.Target) bool { return t.Secure || m.RequestURI.Scheme == "sips" }

// way names the transport of a target as far as it is given. What has to be secure goes by TLS whatever was named; where all interfaces
// speak TLS it is TLS too.
func (e *Edge) way(m *msg.Message, t *msg.Target) sbc.Transport {
	if secureOnly(m, t) {
		return sbc.TransportTLS
	}
	if t.Transport != "" || len(t.Interfaces) == 0 {
		return t.Transport
	}
	all, found := *e.ifaces.Load(), false
	for _, id := range t.Interfaces {
		switch i := all[id]; {
		case i == nil || i.Transport.WebSocket():
		case i.Transport != sbc.TransportTLS:
			return ""
		default:
			found = true
		}
	}
	if found {
		return sbc.TransportTLS
	}
	return ""
}
