package secure

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

const (
	// Overhead is by how many octets a packet grows at most: the tag of GCM and the index of SRTCP (RFC 7714 9.2), or the longer tag
	// of SHA-1; an MKI (maxMKI) beside them.
	Overhead = 16 + 4 + maxMKI
	// window is how many packets back the replay lists reach (RFC 3711 3.3.2 asks for 64 at least).
	window = 128
	// sources bounds the SSRCs of one context: each takes memory as long as it lives, because forgetting one would forget what must
	// not be sealed, or opened, again.
	sources = 256
)

// What is wrong with a packet.
var (
	// ErrAuth says that a packet is not from who has the key, was changed on its way, or has no form.
	ErrAuth = errors.New("secure: not authentic")
	// ErrReplay says that it was there before, or is older than the replay list.
	ErrReplay = errors.New("secure: replayed")
	// ErrRepeated says that something was sealed under its number before, or that it comes too late for that to be known.
	ErrRepeated = errors.New("secure: number used before")
	// ErrSources says that there were too many SSRCs.
	ErrSources = errors.New("secure: too many sources")
	// ErrSeal says that a packet cannot be sealed: it has no form, or the life of the key is over (RFC 3711 9.2).
	ErrSeal = errors.New("secure: cannot be sealed")
)

// Context seals what goes to one party, or opens what comes from it. One Context does one of both. Safe for concurrent use: its lock
// is held for the time of one packet.
type Context struct {
	suite Suite

	mu     sync.Mutex
	c      *srtp.Context
	rtp    rtp.Header // reused
	rtcp   rtcp.Header
	sealed map[uint32]*sent
	last   *sent               // of the SSRC last
	known  map[uint32]struct{} // SSRCs of what was opened, and of RTCP that was sealed
	ssrc   uint32              // the last of them
	some   bool
	hunts  int // packets for which roll-over counters are still tried, see Hunt
}

// New makes a context.
func New(k Keys) (*Context, error) {
	profile, ok := k.Suite.profile()
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrSuite, string(k.Suite))
	}
	options := []srtp.ContextOption{srtp.SRTPReplayProtection(window), srtp.SRTCPReplayProtection(window)} // off by default there
	if len(k.MKI) > 0 {
		options = append(options, srtp.MasterKeyIndicator(k.MKI))
	}
	c, err := srtp.CreateContext(k.Key, k.Salt, profile, options...)
	if err != nil {
		return nil, fmt.Errorf("secure: %s: %w", k.Suite, err)
	}
	return &Context{suite: k.Suite, c: c}, nil
}

// Suite is how it encrypts.
func (c *Context) Suite() Suite { return c.suite }

// OpenRTP decrypts a packet in place and gives it without what was added to it. What fails leaves b in no certain state. Errors:
// ErrAuth, ErrReplay, ErrSources.
func (c *Context) OpenRTP(b []byte) ([]byte, error) {
	if len(b) < 12 {
		return nil, ErrAuth
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ssrc := binary.BigEndian.Uint32(b[8:])
	if !c.room(ssrc) {
		return nil, ErrSources
	}
	if c.hunts > 0 {
		return c.hunt(b, ssrc)
	}
	out, err := c.c.DecryptRTP(b, b, &c.rtp)
	if err != nil {
		return nil, wrong(err)
	}
	c.note(ssrc)
	return out, nil
}

// OpenRTCP is OpenRTP for SRTCP.
func (c *Context) OpenRTCP(b []byte) ([]byte, error) {
	if len(b) < 8 {
		return nil, ErrAuth
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ssrc := binary.BigEndian.Uint32(b[4:])
	if !c.room(ssrc) {
		return nil, ErrSources
	}
	out, err := c.c.DecryptRTCP(b, b, &c.rtcp)
	if err != nil {
		return nil, wrong(err)
	}
	c.note(ssrc)
	return out, nil
}

// room says whether a source is known or may become so. The lock is held.
func (c *Context) room(ssrc uint32) bool {
	if c.some && ssrc == c.ssrc || len(c.known) < sources {
		return true
	}
	_, ok := c.known[ssrc]
	return ok
}

// note remembers a source. The lock is held.
func (c *Context) note(ssrc uint32) {
	if c.some && ssrc == c.ssrc {
		return
	}
	if c.known == nil {
		c.known = make(map[uint32]struct{}, 1)
	}
	c.known[ssrc] = struct{}{}
	c.ssrc, c.some = ssrc, true
}

// duplicate is how pion, which does not export that error, names what was there before.
const duplicate = "duplicated packet"

// wrong gives pion's errors our names.
func wrong(err error) error {
	if cause := errors.Unwrap(err); cause != nil && cause.Error() == duplicate {
		return ErrReplay
	}
	return ErrAuth
}

// SealRTP encrypts a packet in place: b needs room for Overhead octets behind it. Its sequence number may be changed, see sent. What
// fails leaves b in no certain state. Errors: ErrRepeated, ErrSources, ErrSeal.
func (c *Context) SealRTP(b []byte) ([]byte, error) {
	if len(b) < 12 {
		return nil, ErrSeal
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.number(b); err != nil {
		return nil, err
	}
	out, err := c.c.EncryptRTP(b, b, &c.rtp)
	if err != nil {
		return nil, ErrSeal
	}
	return out, nil
}

// SealRTCP is SealRTP for RTCP: the index is the context's own, so that there is nothing to repeat.
func (c *Context) SealRTCP(b []byte) ([]byte, error) {
	if len(b) < 8 {
		return nil, ErrSeal
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ssrc := binary.BigEndian.Uint32(b[4:])
	if !c.room(ssrc) {
		return nil, ErrSources
	}
	c.note(ssrc)
	out, err := c.c.EncryptRTCP(b, b, &c.rtcp)
	if err != nil {
		return nil, ErrSeal
	}
	return out, nil
}
