package sdp

import "net/netip"

// Bounds of what [Parse] accepts.
const (
	MaxBytes   = 64 << 10 // octets of one description
	MaxLines   = 2048     // lines of one description
	MaxMedia   = 32       // m= lines
	MaxFormats = 256      // formats of one m= line
)

// Line is one line as it came: "a=ptime:20" is {Type: 'a', Value: "ptime:20"}. A line without "x=" in front has Type 0
// and its whole text as Value.
type Line struct {
	Type  byte
	kind  attribute // what an a= line is, found once by Parse
	Value string
}

// Description is one session description. Read-only after Parse: lines and facts belong together.
type Description struct {
	Lines      []Line // session level: all before the first m=
	Media      []Media
	Origin     Origin
	Connection Connection // session level c=

	text string // what Parse read
}

// Text is what [Parse] read, "" for a description of our own. It costs nothing to keep beside one made of it by [Rewrite] or
// [Answer]: their lines are pieces of it.
func (d *Description) Text() string { return d.text }

// Origin is what could be read of the o= line. A malformed line leaves zero fields; Raw always holds its value.
type Origin struct {
	Raw       string
	Username  string
	SessionID string // digits as written: real devices exceed 64 bits or put a sign in front
	Version   string
	Host      string
	Addr      netip.Addr // invalid if Host is a name
}

// Connection is a c= line. Addr is unmapped and without zone; invalid if Host is a name or nothing was said.
type Connection struct {
	Host string
	Addr netip.Addr
}

// Direction of a stream as its sender sees it (RFC 3264 section 5.1).
type Direction uint8

// Directions are two bits: may send, may receive.
const (
	Inactive Direction = 0
	SendOnly Direction = 1
	RecvOnly Direction = 2
	SendRecv Direction = 3
)

// Sends reports whether the describing side wants to send.
func (d Direction) Sends() bool { return d&SendOnly != 0 }

// Receives reports whether the describing side wants to receive.
func (d Direction) Receives() bool { return d&RecvOnly != 0 }

// Reverse is the same stream seen from the other end.
func (d Direction) Reverse() Direction { return d>>1&1 | d&1<<1 }

// String is the attribute's name.
func (d Direction) String() string {
	switch d {
	case SendOnly:
		return "sendonly"
	case RecvOnly:
		return "recvonly"
	case Inactive:
		return "inactive"
	default:
		return "sendrecv"
	}
}

// Transport is the class of an m= line's protocol, as far as a relay cares.
type Transport uint8

// Classes of transport.
const (
	TransportOther Transport = iota // not known to us
	TransportRTP                    // RTP/AVP, RTP/AVPF
	TransportSRTP                   // RTP/SAVP, RTP/SAVPF: keys in a=crypto (RFC 4568)
	TransportDTLS                   // UDP/TLS/..., UDP/DTLS/...: keys by handshake (RFC 5764, RFC 7345, RFC 8841)
	TransportUDPTL                  // udptl: T.38 fax
	TransportUDP                    // udp, UDP/BFCP: other datagrams
	TransportTCP                    // TCP/..., RTP/AVP/TCP
)

// Media is one m= line with all that belongs to it.
type Media struct {
	Kind      string // "audio", "video", "image" ... as written
	Proto     string // as written; compare with EqualFold
	Transport Transport
	Port      int      // 0: rejected or removed
	PortCount int      // n of "port/n", at least 1
	Formats   []string // payload types, or format names such as "t38"

	Connection Connection     // media level c=, or else the session's
	RTCP       netip.AddrPort // where RTCP goes without mux: a=rtcp, or else Port+1; invalid if there is nowhere to send to
	RTCPPort   int            // port of a=rtcp, 0 if not said
	Mux        bool           // a=rtcp-mux (RFC 5761)
	MuxOnly    bool           // a=rtcp-mux-only (RFC 8858)
	Direction  Direction      // media level, or else the session's, or else sendrecv
	Ptime      int            // milliseconds, 0 if not said
	MaxPtime   int            // milliseconds, 0 if not said
	ICE        bool           // the sender speaks ICE (a=ice-ufrag or a=candidate)
	Encrypted  bool           // a=crypto or a=fingerprint is there, whatever the protocol says

	Lines []Line // all after the m= line up to the next

	explicit bool    // a direction attribute was written, here or at session level
	begin    int     // where Lines begin among those of the whole description
	codecs   []Codec // what Codecs gives, found once; nil if it is to be found when asked for
}

// single is a description with room for the one m= line that most have.
type single struct {
	Description
	media [1]Media
}

// newDescription makes an empty one for so many m= lines.
func newDescription(lines int) *Description {
	if lines > 1 {
		return &Description{Media: make([]Media, 0, lines)}
	}
	s := &single{}
	s.Media = s.media[:0]
	return &s.Description
}

// Rejected reports port 0: refused in an answer, removed or not wanted in an offer (RFC 3264 sections 5.1, 6, 8.2).
func (m *Media) Rejected() bool { return m.Port == 0 }

// Zero reports the old way to hold: a c= line with 0.0.0.0 or :: (RFC 3264 section 8.4, RFC 6157).
func (m *Media) Zero() bool { return m.Connection.Addr.IsValid() && m.Connection.Addr.IsUnspecified() }

// Held reports that the sender of this description does not want to receive media on this line: sendonly, inactive, or
// the zero address.
func (m *Media) Held() bool { return !m.Rejected() && (!m.Direction.Receives() || m.Zero()) }

// Relayable reports whether the line is wanted and a relay of datagrams without keys can carry it.
func (m *Media) Relayable() bool {
	switch m.Transport {
	case TransportRTP, TransportUDPTL, TransportUDP:
		return m.Port != 0 && len(m.Formats) > 0 && !m.Connection.Addr.IsMulticast()
	default:
		return false
	}
}

// Destination is where the sender of this description wants media: address and port. Invalid if the line is rejected,
// held by the zero address, or has no literal unicast address.
func (m *Media) Destination() netip.AddrPort {
	if m.Rejected() || m.Zero() || !m.Connection.Addr.IsValid() || m.Connection.Addr.IsMulticast() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(m.Connection.Addr, uint16(m.Port))
}
