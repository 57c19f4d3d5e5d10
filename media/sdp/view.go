package sdp

import "net/netip"

// View is how a description shall look to the side that gets it.
type View struct {
	Address netip.Addr // ours: c= and, at first, o=
	Streams []Stream   // one per m= line, in order; lines without one are rejected

	// Direct says that the Streams, and Address, are those of the other side, so that media come without us: Origin is ours for o=
	// then, and an answer keeps the payload types of its author, since nobody translates packets (RFC 3264 section 6.1).
	Direct bool
	Origin netip.Addr

	// Former is what we said last to this side, if anything: an offer never has fewer m= lines than the one before
	// (RFC 3264 section 8). Answer does not look at it.
	Former *Description

	// Awake makes every stream sendrecv, whatever the description says of its direction: [Rewrite] makes an offer of our own
	// accord out of what a side said earlier, when it may have been on hold.
	Awake bool

	// Policy is that of the side that gets it. Of Source, the policy of the side an offer came from, only Allow and Deny count.
	Policy, Source *Policy
	// Audible makes "inactive" into "sendonly" in what [Rewrite] makes: the side that gets it is played to.
	Audible bool

	// Events says what becomes of telephone-events (RFC 4733) on audio lines.
	Events EventRule

	// Bare leaves out what a browser says of its packets beside their formats: header extensions, feedback, the size of RTCP.
	Bare bool
	// Attributes are written at session level as they are.
	Attributes []string

	Hide             []string // host names that may not pass inside an attribute, beside those the description names itself
	KeepUnknownLines bool     // pass lines whose type RFC 8866 does not know
}

// EventRule says what becomes of telephone-events (RFC 4733) on audio lines.
type EventRule uint8

// The rules.
const (
	EventsAsTheyAre EventRule = iota
	EventsPutIn               // an offer has them; an answer too, if they were offered
	EventsLeftOut
)

// Stream is our end of one m= line.
type Stream struct {
	Port     int        // 0 rejects the line
	RTCPPort int        // 0: Port+1, as RFC 3550 section 11 has it
	Address  netip.Addr // zero: View.Address
	Mux      bool       // write a=rtcp-mux; in an answer only if it was offered (RFC 5761 section 5.1.1)
	// Proto is the protocol that is written in place of the other side's, "" for that; Attributes are written as they are.
	Proto      string
	Attributes []string
	// NoZRTP leaves a=zrtp-hash (RFC 6189 8) out.
	NoZRTP bool
}

func (v *View) check() error {
	if a := v.origin(); !a.IsValid() || a.IsUnspecified() || !v.Address.IsValid() {
		return fault(ErrView, "no address")
	}
	for i := range v.Streams {
		s := &v.Streams[i]
		if s.Port < 0 || s.Port > maxPort || s.RTCPPort < 0 || s.RTCPPort > maxPort {
			return fault(ErrView, "stream %d: port out of range", i+1)
		}
	}
	return nil
}

// origin is the address for o=.
func (v *View) origin() netip.Addr {
	if v.Direct {
		return v.Origin
	}
	return v.Address
}

func (v *View) stream(i int) Stream {
	if i < len(v.Streams) {
		return v.Streams[i]
	}
	return Stream{}
}
