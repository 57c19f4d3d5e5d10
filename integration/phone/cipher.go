package phone

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/media/secure"
)

// cipher is the encryption of a call: with keys in SDP ours, and the other side's once it has told it; with DTLS both, once there was a
// handshake.
type cipher struct {
	own secure.Crypto
	mu  sync.Mutex
	out *secure.Context
	// said is what the other side told: the line of its key, or its fingerprint.
	said  string
	in    *secure.Context
	shake *shake // nil with keys in SDP
}

// newCipher makes one with a new key or a new certificate; nil for neither.
func newCipher(o *Options) (*cipher, error) {
	switch {
	case o.DTLS:
		s, err := newShake()
		if err != nil {
			return nil, fmt.Errorf("phone: %w", err)
		}
		return &cipher{shake: s}, nil
	case o.SRTP == "":
		return nil, nil
	}
	k, err := secure.Random(o.SRTP)
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	out, err := secure.New(k)
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	return &cipher{own: secure.Crypto{Tag: "1", Keys: k}, out: out}, nil
}

// lock is the protocol of our m-line, and its keys or whose handshake it is.
func (a *audio) lock() (proto, lines string) {
	c := a.cipher
	if c == nil {
		return "RTP/AVP", ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shake != nil {
		return "UDP/TLS/RTP/SAVP", c.shake.lines()
	}
	return "RTP/SAVP", "a=crypto:" + c.own.Value() + "\r\n"
}

// unlock reads the other side's key for our suite, and takes its tag; or has keys made with it.
func (a *audio) unlock(body []byte) {
	c := a.cipher
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shake != nil {
		c.begin(a, string(body))
		return
	}
	for line := range strings.Lines(string(body)) {
		value, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "a=crypto:")
		if !ok || value == c.said {
			continue
		}
		theirs, err := secure.ParseCrypto(value)
		if err != nil || theirs.Keys.Suite != c.own.Keys.Suite {
			continue
		}
		if in, err := secure.New(theirs.Keys); err == nil {
			c.in, c.said, c.own.Tag = in, value, theirs.Tag
		}
	}
}

// seal encrypts a copy of a packet; false while there is no key.
func (c *cipher) seal(packet []byte) ([]byte, bool) {
	if c == nil {
		return packet, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		return nil, false
	}
	out, err := c.out.SealRTP(append(make([]byte, 0, len(packet)+secure.Overhead), packet...))
	return out, err == nil
}

// open decrypts a packet in place.
func (c *cipher) open(packet []byte, from netip.AddrPort) ([]byte, bool) {
	if c == nil {
		return packet, true
	}
	if c.shake != nil && secure.Looks(packet) {
		c.shaken(packet, from)
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in == nil {
		return nil, false
	}
	out, err := c.in.OpenRTP(packet)
	return out, err == nil
}
