package phone

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/sallyport/sallyport/media/secure"
)

// shake agrees on keys with the other side by DTLS (RFC 5763). What it holds is guarded by the lock of its cipher.
type shake struct {
	own  *secure.Identity
	with *secure.Association
	// setup is ours: actpass in an offer, active in an answer to one.
	setup string
	// early is what came before the other side had told its fingerprint.
	early []datagram
}

type datagram struct {
	octets []byte
	from   netip.AddrPort
}

// mostEarly bounds what waits for a fingerprint: a flight.
const mostEarly = 8

func newShake() (*shake, error) {
	own, err := secure.NewIdentity()
	if err != nil {
		return nil, err
	}
	return &shake{own: own, setup: "actpass"}, nil
}

// lines are ours of a description.
func (s *shake) lines() string {
	return fmt.Sprintf("a=fingerprint:%s\r\na=setup:%s\r\na=rtcp-mux\r\n", s.own.Fingerprint(), s.setup)
}

// begin prepares to make keys with whoever has the fingerprint of a description, unless that is so already. The lock is held.
func (c *cipher) begin(a *audio, body string) {
	print, setup := attribute(body, "fingerprint"), attribute(body, "setup")
	theirs, err := secure.ParseFingerprint(print)
	if err != nil || print == c.said {
		return
	}
	s := c.shake
	if c.said = print; setup != "active" { // also to who offers actpass: then nobody waits
		s.setup = "active"
	} else {
		s.setup = "passive"
	}
	if s.with != nil {
		s.with.Close()
	}
	s.with = secure.NewAssociation(secure.AssociationOptions{
		Identity: s.own, Active: s.setup == "active", Peer: []secure.Fingerprint{theirs}, Suites: secure.Suites(),
		Send: a.shakes,
		Ready: func(seal, open *secure.Context, _ netip.AddrPort) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.out, c.in = seal, open
		},
		Failed: func(error) {}, // then nothing is heard
	})
	for _, d := range s.early {
		s.with.Take(d.octets, d.from, true)
	}
	s.early = nil
}

// greet begins the handshake if that is ours to do, once the other side has our description.
func (a *audio) greet() {
	if a == nil || a.cipher == nil || a.cipher.shake == nil {
		return
	}
	c := a.cipher
	c.mu.Lock()
	with := c.shake.with
	c.mu.Unlock()
	if with != nil {
		with.Start()
	}
}

// shakes sends a datagram of a handshake to who began it, or to where audio is wanted.
func (a *audio) shakes(b []byte, to netip.AddrPort) {
	if !to.IsValid() {
		a.mu.Lock()
		to = a.remote
		a.mu.Unlock()
	}
	if to.IsValid() {
		_, _ = a.conn.WriteToUDPAddrPort(b, to) // it is said again
	}
}

// shaken takes a datagram of a handshake.
func (c *cipher) shaken(b []byte, from netip.AddrPort) {
	c.mu.Lock()
	s := c.shake
	with := s.with
	if with == nil && len(s.early) < mostEarly {
		s.early = append(s.early, datagram{append([]byte(nil), b...), from})
	}
	c.mu.Unlock()
	if with != nil {
		with.Take(b, from, true)
	}
}

// close ends handshakes.
func (c *cipher) close() {
	if c == nil || c.shake == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shake.with != nil {
		c.shake.with.Close()
	}
}

// attribute is the value of the first attribute of a name.
func attribute(body, name string) string {
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "a="+name+":"); ok {
			return value
		}
	}
	return ""
}
