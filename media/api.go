package media

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/media/sdp"
)

// What can go wrong in a round of offer and answer.
var (
	// ErrNoPorts says that no pool of the party has a free pair of ports of the right address family (503).
	ErrNoPorts = errors.New("media: no ports")
	// ErrBadSDP says that a description cannot be understood or does not fit its offer; it wraps the detail (400 or 488).
	ErrBadSDP = errors.New("media: bad SDP")
	// ErrUnsupported says that nothing in the offer can be relayed (488).
	ErrUnsupported = errors.New("media: nothing acceptable offered")
	// ErrBarred says that the codec policies of the two parties leave nothing of the offer; it wraps ErrUnsupported.
	ErrBarred = fmt.Errorf("%w: barred by codec policy", ErrUnsupported)
	// ErrPending says that a round between these parties is still open (491).
	ErrPending = errors.New("media: exchange pending")
	// ErrUnheard says that a party has not described itself yet, so that nothing can be offered in its name.
	ErrUnheard = errors.New("media: party not described")
	// ErrClosed says that the session or the engine is closed, or the exchange is over.
	ErrClosed = errors.New("media: closed")
)

// Latch says to which source addresses media may attach itself (RFC 7362). Its values are those of sbc.Latching.
type Latch string

// The latching rules.
const (
	LatchSDP Latch = "sdp" // exactly the address and port of the SDP
	LatchNAT Latch = "nat" // the address of the SDP or of the signalling source, any port, once per exchange
)

// Pool is an address of ours with a range of UDP ports. Advertised stands in SDP instead of Address if valid.
type Pool struct {
	ID                  string
	Address, Advertised netip.Addr
	PortMin, PortMax    int
}

// PoolStatus counts the pairs of ports of a pool. State is "ready", or "draining" once removed while calls still use it.
type PoolStatus struct {
	State                     string
	Total, InUse, Quarantined int
}

// PoolError says which pool of a Prepare cannot be served.
type PoolError struct {
	ID  string
	Err error
}

func (e *PoolError) Error() string { return "media pool " + e.ID + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *PoolError) Unwrap() error { return e.Err }

// Options of an Engine. The zero value is usable.
type Options struct {
	// Quarantine is how long a released pair of ports rests before it serves another call; 0 means 2 s.
	Quarantine time.Duration
	// Threads moves packets; 0 means one per core, at most.
	Threads    int
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// SessionOptions of one call.
type SessionOptions struct {
	// Silence is how long no media at all may arrive before OnSilence is called; HoldSilence the same while the call is on hold.
	// 0 means never. With a party whose options say SilenceEither the same times hold for each party alone.
	Silence, HoldSilence time.Duration
	// OnSilence is called at most once, from a goroutine of the engine: with the party that is silent, nil if all are, and with the
	// time of the last media of that party, or of all (or of Answered). It must not block.
	OnSilence func(silent *Party, last time.Time)
	// OnDTMF is called for every digit that a party sent as a telephone-event (RFC 4733), when it is over, by the thread that
	// moves packets: it must not block. Nil listens to no digits.
	OnDTMF func(from *Party, digit byte, d time.Duration)
	// OnBroken is called when a party's media will have no keys: its handshake (DTLS) failed for good, or was with somebody whose
	// certificate signalling did not tell of (secure.ErrFingerprint). Nothing passes to it or from it. It must not block.
	OnBroken func(p *Party, err error)
}

// Policy is which codecs and attributes may pass between a party and us; see there.
type Policy = sdp.Policy

// DTMF says how a party and we tell each other digits.
type DTMF uint8

// The ways.
const (
	// DTMFAsAgreed leaves it to the parties: telephone-events pass if both know them.
	DTMFAsAgreed DTMF = iota
	// DTMFEvents offers telephone-events to the party and takes them from it, whatever the other one knows.
	DTMFEvents
	// DTMFSignalled never speaks of telephone-events to the party and sends it none: it is told digits by signalling.
	DTMFSignalled
)

// PartyOptions of one side of a call.
type PartyOptions struct {
	// Pools are tried in order: the first of the right address family with room serves.
	Pools []string
	// Signalling is the address the party's signalling comes from.
	Signalling netip.Addr
	// Latch is LatchNAT if empty.
	Latch Latch
	// Policy holds for every description to and from the party; nil lets all pass. It is not changed and may be shared.
	Policy *Policy
	// SilenceEither ends a call of this party when one side is silent that should send: a party that was told not to, or said it
	// will not, need not, RTCP counts as media, and one whose last packet was comfort noise (RFC 3389) has the time of
	// HoldSilence.
	SilenceEither bool
	// DTMF is how digits are told; with DTMFSignalled the other party may send telephone-events all the same, and OnDTMF has
	// them.
	DTMF DTMF
	// Audible says that somebody plays to whom this party puts on hold: where it offers "inactive" the other one is told to go on
	// listening.
	Audible bool
	// Secure is how media of the party are encrypted.
	Secure Secure
	// ICE answers the checks of a party that speaks ICE (RFC 8445 2.5), and offers that to it; otherwise what it says of it counts
	// as not said. RTCPMux asks for RTCP on the port of RTP (RFC 5761), and takes it; with ICE or DTLS it is taken in any case.
	ICE, RTCPMux bool
}

// StreamStats is one media stream as one party sends it: what was received from that party and passed on.
type StreamStats struct {
	From *Party
	// Index is the position of the m-line, Media its kind, Codec what was agreed.
	Index                       int
	Media, Codec                string
	LocalAddress, RemoteAddress string
	// Packets and Octets (RTP with header) received from this side; Lost by sequence numbers (RFC 3550 A.3).
	Packets, Octets uint64
	Lost            int64
	// Discarded counts packets of strangers and of no known form; RelayedPackets were sent on to the other side.
	Discarded, RelayedPackets, RTCPPackets uint64
	// JitterMS is by RFC 3550 A.8; RoundTripMS from RTCP (6.4.1), 0 if unknown; MOS is the estimate of ITU-T G.107, 0 if unknown.
	JitterMS, RoundTripMS, MOS float64
	FirstPacket, LastPacket    *time.Time
	SSRC                       uint32
	// SRTP is the suite by which the line is encrypted between the party and us; "" in the clear.
	SRTP string
	// ZRTP says that the party sends ZRTP (RFC 6189).
	ZRTP bool
}
