package phone

import (
	"fmt"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/media/secure"
)

// cipher is the encryption of a call: our key, and the other side's once it has told it.
type cipher struct {
	own  secure.Crypto
	out  *secure.Context
	mu   sync.Mutex
	said string // the other side's line
	in   *secure.Context
}

// newCipher makes one with a new key; nil for no suite.
func newCipher(s secure.Suite) (*cipher, error) {
	if s == "" {
		return nil, nil
	}
	k, err := secure.Random(s)
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	out, err := secure.New(k)
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	return &cipher{own: secure.Crypto{Tag: "1", Keys: k}, out: out}, nil
}

// lock is the protocol of our m-line, and its keys.
func (a *audio) lock() (proto, lines string) {
	c := a.cipher
	if c == nil {
		return "RTP/AVP", ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return "RTP/SAVP", "a=crypto:" + c.own.Value() + "\r\n"
}

// unlock reads the other side's key for our suite, and takes its tag.
func (a *audio) unlock(body []byte) {
	c := a.cipher
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
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

// seal encrypts a copy of a packet.
func (c *cipher) seal(packet []byte) []byte {
	if c == nil {
		return packet
	}
	out, err := c.out.SealRTP(append(make([]byte, 0, len(packet)+secure.Overhead), packet...))
	if err != nil {
		return nil
	}
	return out
}

// open decrypts a packet in place.
func (c *cipher) open(packet []byte) ([]byte, bool) {
	if c == nil {
		return packet, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in == nil {
		return nil, false
	}
	out, err := c.in.OpenRTP(packet)
	return out, err == nil
}
