package relay

import (
	"errors"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/media/secure"
)

// lateKeys is how long packets under former keys still pass after an exchange that changed them: they were under way, and the party
// may not have seen our answer yet.
const lateKeys = 2 * time.Second

// Keys are how what a party sends is opened, and what goes to it is sealed. Where one is nil nothing passes in that direction: its keys
// are not known yet.
type Keys struct {
	In, Out *secure.Context
}

// crypt is the encryption of a stream. Immutable but for its contexts.
type crypt struct {
	Keys
	former *secure.Context // of what came in before, until a moment
	until  int64
}

// Secure says that a party's media are encrypted from now on; nil says that they are not. What comes under the keys it had before is
// taken for a moment longer. Contexts that stay are to be given again: they know which packets were there.
func (s *Stream) Secure(k *Keys, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k == nil {
		s.crypt.Store(nil)
		s.recount("")
		return
	}
	if k.Out != nil {
		s.recount(k.Out.Suite())
	} else {
		s.recount("")
	}
	before, next := s.crypt.Load(), &crypt{Keys: *k}
	if before != nil && before.In != k.In {
		next.former, next.until = before.In, now+int64(lateKeys)
	}
	s.crypt.Store(next)
}

// Secured gives the keys of a party; nil if its media are not encrypted.
func (s *Stream) Secured() *Keys {
	if c := s.crypt.Load(); c != nil {
		return &c.Keys
	}
	return nil
}

// open decrypts RTP or RTCP that came. A packet that is not from who has the key is malformed to us: it counts, and has no effect.
func (c *crypt) open(b []byte, control bool, now int64) ([]byte, outcome) {
	var spare []byte
	if c.former != nil && now < c.until {
		spare = append(spare, b...) // what fails leaves nothing of the packet
	}
	out, err := decrypt(c.In, b, control)
	if err != nil && spare != nil {
		var again error
		if out, again = decrypt(c.former, b[:copy(b, spare)], control); again == nil || errors.Is(again, secure.ErrReplay) {
			err = again
		}
	}
	switch {
	case err == nil:
		return out, pass
	case errors.Is(err, secure.ErrReplay):
		return nil, replayed
	}
	return nil, unauthentic
}

func decrypt(c *secure.Context, b []byte, control bool) ([]byte, error) {
	switch {
	case c == nil:
		return nil, secure.ErrAuth
	case control:
		return c.OpenRTCP(b)
	}
	return c.OpenRTP(b)
}

// seal encrypts what goes to a party, where that is agreed; false if it may not go.
func (s *Stream) seal(b []byte, control bool) ([]byte, bool) {
	if s == nil {
		return b, true
	}
	c := s.crypt.Load()
	if c == nil {
		return b, true
	}
	if c.Out == nil {
		return b, false
	}
	var err error
	if control {
		b, err = c.Out.SealRTCP(b)
	} else {
		b, err = c.Out.SealRTP(b)
	}
	return b, err == nil
}

// openRTCP is open for a packet by its source: strangers cost no decryption.
func (s *Stream) openRTCP(b []byte, src netip.AddrPort, now int64) ([]byte, outcome) {
	c := s.crypt.Load()
	if c == nil {
		return b, pass
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.rtcp
	if s.mux {
		l = &s.rtp
	}
	if l.check(src, now) == stranger {
		s.discarded++
		return nil, wrongSource
	}
	out, result := c.open(b, true, now)
	if result != pass {
		s.discarded++
	}
	return out, result
}

// count notes what became of a packet that did not pass.
func (t *tally) count(o outcome) {
	switch o {
	case wrongSource:
		t.wrongSource++
	case malformed:
		t.malformed++
	case unauthentic:
		t.unauthentic++
	case replayed:
		t.replayed++
	case consumed:
		t.consumed++
	}
}
