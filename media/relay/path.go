package relay

// Kind says what a Port carries.
type Kind uint8

// The kinds of Path.
const (
	KindRTP    Kind = iota // RTP, and RTCP if Mux
	KindRTCP               // RTCP alone
	KindOpaque             // datagrams not looked into (UDPTL)
)

// Egress is where packets go: the port of ours they leave from and the party they are for. The zero value sends nowhere.
type Egress struct {
	Port *Port
	To   *Stream
	// Control takes the address the party has for RTCP apart from RTP.
	Control bool
}

// ready says whether there is a way and an address.
func (e *Egress) ready() bool { return e.Port != nil && e.dest() != nil }

func (e *Egress) dest() *Dest {
	if e.To == nil {
		return nil
	}
	if e.Control {
		return e.To.rtcp.dest.Load()
	}
	return e.To.rtp.dest.Load()
}

// PayloadMap says for each payload type which one is sent on instead.
type PayloadMap [128]uint8

// Path is what a Port does with its packets. Immutable: a change is another Path.
type Path struct {
	Kind Kind
	// From is the stream the Port receives.
	From *Stream
	// Mux says that RTCP arrives on the RTP port as well (RFC 5761).
	Mux bool
	// RTP is the way of RTP or opaque packets, RTCP that of RTCP, whichever port it came by.
	RTP, RTCP Egress
	// Formats tell which payload types are plausible and their clocks; nil believes every type.
	Formats *Formats
	// Map translates payload types; nil leaves them.
	Map *PayloadMap
	// Out, where it is set, fits RTP into what else its receiver hears; Back is that of what its sender hears, whom RTCP tells of it.
	Out, Back *Outlet
	// Digits, where it is set, hears the telephone-events.
	Digits *Digits
	// Tap, where it is set, hears what is neither telephone-event nor comfort noise; it must not keep the octets.
	Tap Tap
	// NoEvents keeps telephone-events from the receiver, which gets the digits in another way.
	NoEvents bool
	// ZRTP says that ZRTP (RFC 6189) passes where neither side's media are encrypted by us.
	ZRTP bool
	// Mask is the key under which texts in RTCP are replaced; 0 lets them pass.
	Mask uint64
}

// Tap hears the packets of one party: their payload type, timestamp and payload. It is called by the thread that moves packets and
// must not block.
type Tap interface {
	Take(pt uint8, ts uint32, payload []byte)
}

// outcome is what became of a packet.
type outcome uint8

const (
	pass outcome = iota
	consumed
	wrongSource
	malformed
	unauthentic // not under the key that was agreed on
	replayed
)

// admits says whether a packet of a payload type may pass now, and fits it in.
func (p *Path) admits(b []byte, pt uint8, now int64) bool {
	f, _ := p.Formats.find(pt)
	if f.Event && p.NoEvents {
		return false
	}
	return p.Out == nil || p.Out.relay(b, f.Event, f.rate(), now)
}
