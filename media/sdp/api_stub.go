package sdp

import (
	"errors"
	"net/netip"
)

type attribute uint8

// Errors of this package; what is returned wraps one of them with the place and reason.
var (
	ErrSyntax   = errors.New("malformed session description")
	ErrTooLarge = errors.New("session description over a bound")
	ErrMismatch = errors.New("answer does not fit the offer")
	ErrView     = errors.New("view cannot be written")
)

// Parse reads one description.
func Parse(body []byte) (*Description, error) { return nil, ErrSyntax }

// AppendTo appends the lines to buf.
func (d *Description) AppendTo(buf []byte) []byte { return buf }

// Codec is one payload type of an RTP line.
type Codec struct {
	PT       uint8
	Name     string
	Clock    int
	Channels int
	Fmtp     string
}

// Codecs of an RTP line in order of preference.
func (m *Media) Codecs() []Codec { return nil }

// View is how a description shall look to the side that gets it.
type View struct {
	Address          netip.Addr // ours: c=, and the address of o=
	Streams          []Stream   // one per m= line in order; lines without one are rejected
	KeepUnknownLines bool
	Hide             []string // host names that must not pass inside an attribute, beside those found in the description
}

// Stream is our end of one m= line.
type Stream struct {
	Port     int        // 0 rejects the line
	RTCPPort int        // 0: Port+1
	Address  netip.Addr // zero: View.Address
	Mux      bool       // write a=rtcp-mux (in an answer only if it was offered)
}

// Rewrite makes the offer for the other side.
func Rewrite(d *Description, v View) (*Description, error) { return nil, ErrView }

// Check holds an answer against the offer it answers.
func Check(sent, answer *Description) (agreed *Description, notes []string, err error) {
	return nil, nil, ErrMismatch
}

// Answer makes the answer to offer out of the other side's checked answer.
func Answer(offer, agreed *Description, v View) (*Description, error) { return nil, ErrView }

// PayloadMap says for each payload type which one to send instead.
type PayloadMap [128]uint8

// Pairing is how the payload types of both sides of one m= line translate. A nil map changes nothing.
type Pairing struct {
	ToAnswerer *PayloadMap // for packets of the offerer
	ToOfferer  *PayloadMap // for packets of the answerer
}

// Pair finds the payload maps of one line.
func Pair(offered, answered *Media) Pairing { return Pairing{} }

// Equal reports whether two descriptions say the same, o= aside.
func Equal(a, b *Description) bool { return false }

// Author writes our descriptions toward one peer in one dialog: it owns the o= line.
type Author struct{}

// NewAuthor gives an author; sessionID below 1<<63.
func NewAuthor(sessionID uint64) *Author { return &Author{} }

// Say gives the bytes to send; the version of o= rises by one exactly if d differs from what was said before.
func (a *Author) Say(d *Description) []byte { return nil }

// Leaks reports whether one of the addresses occurs in body, in any spelling.
func Leaks(body []byte, forbidden []netip.Addr) bool { return false }
