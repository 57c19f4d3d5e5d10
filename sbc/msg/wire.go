package msg

import (
	"errors"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// Why a client transaction ended without a final response, or a server transaction without its ACK.
var (
	ErrNoResponse = errors.New("msg: no response at all")             // Timers.NoResponse or B, nothing came
	ErrTimeout    = errors.New("msg: no final response in time")      // B, F or C after a provisional
	ErrTransport  = errors.New("msg: no address could be reached")    // every address tried failed to send
	ErrClosed     = errors.New("msg: the edge or the flow is closed") // shut down, or the interface was removed
	ErrForbidden  = errors.New("msg: nobody may be sent there")       // the target was supplied by a caller, and leads where it may not
	ErrNoAck      = errors.New("msg: no ACK for the 2xx")             // 64*T1 after the 2xx (RFC 3261 13.3.1.4)
)

// Hop is where a message came from or went to.
type Hop struct {
	Interface string         // id of the SIP interface
	Transport sbc.Transport  //
	Local     netip.AddrPort // our address, unmapped
	Remote    netip.AddrPort // the peer's address, unmapped
	Conn      uint64         // number of the connection on streams, 0 on UDP
	At        time.Time
	Secure    bool  `json:",omitempty"` // it travelled encrypted
	Peer      *Peer `json:",omitempty"` // who is at the other end by TLS; nil without it, and until the handshake is done
}

// The timers of RFC 3261 table 4 where nothing else is said.
const (
	DefaultT1 = 500 * time.Millisecond
	DefaultT2 = 4 * time.Second
	DefaultT4 = 5 * time.Second
	DefaultC  = 3 * time.Minute
)

// Timers are the times of one transaction. Zero fields mean the defaults of RFC 3261 table 4.
type Timers struct {
	T1, T2, T4 time.Duration
	B          time.Duration // B and F: how long without a final response (F), or without any answer; 0 is 64*T1
	NoResponse time.Duration // no response at all → Failed(ErrNoResponse); 0 is B
	C          time.Duration // INVITE: after the last provisional (RFC 3261 16.6 step 11); 0 is 3 minutes
}

// WithDefaults fills the zero fields.
func (t Timers) WithDefaults() Timers {
	fill := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	fill(&t.T1, DefaultT1)
	fill(&t.T2, DefaultT2)
	fill(&t.T4, DefaultT4)
	fill(&t.B, 64*t.T1)
	fill(&t.NoResponse, t.B)
	fill(&t.C, DefaultC)
	return t
}

// Target is where a request shall go.
type Target struct {
	Host       string        // name or address, IPv6 without brackets
	Port       int           // 0: by SRV or the transport's default
	Transport  sbc.Transport // "": by RFC 3263
	Interfaces []string      // candidate SIP interfaces in order of preference: the first that fits transport and family
	Supplied   bool          // a caller named it: it may not lead to our own or our trunks' networks
	Flow       *Hop          // stream connection to use if it is still open, else fall through
	Secure     bool          // by TLS or not at all (RFC 5630); requests for sips URIs are so anyhow
	TLSProfile string        // id of the TLS profile; "" is that of the SIP interface
	Name       string        // the name that the peer's certificate must hold (RFC 5922 4); "" is Host
}

// Local is what we advertise on one interface.
type Local struct {
	Interface string
	Transport sbc.Transport
	Host      string // IPv6 without brackets
	Port      int
	Sips      bool // the request is for a sips URI: Contact is one too (RFC 3261 8.1.1.8, 12.1.1)
}

// scheme is that of our Contact.
func (l Local) scheme() string {
	if l.Sips {
		return "sips"
	}
	return "sip"
}

// transport is the parameter of our Contact; "" needs none. There is one for both kinds of WebSocket (RFC 7118 5.2.1), and a sips URI
// says nothing of TLS (RFC 3261 26.2.2).
func (l Local) transport() string {
	switch l.Transport {
	case sbc.TransportUDP:
		return ""
	case sbc.TransportWSS:
		return string(sbc.TransportWS)
	case sbc.TransportTLS:
		if l.Sips {
			return ""
		}
	}
	return string(l.Transport)
}

// Contact gives the value of a Contact header, for example "<sip:user@192.0.2.1:5060;transport=tcp>". The user part is
// escaped as RFC 3261 25.1 wants it; "" leaves it out.
func (l Local) Contact(user string) string {
	b := make([]byte, 0, 64)
	b = append(b, '<')
	b = append(b, l.scheme()...)
	b = append(b, ':')
	if user != "" {
		b = appendEscaped(b, user)
		b = append(b, '@')
	}
	b = appendHostPort(b, l.Host, l.Port)
	if t := l.transport(); t != "" {
		b = append(b, ";transport="...)
		b = append(b, t...)
	}
	return string(append(b, '>'))
}

// ContactLike is Contact with the user part of somebody else's and some of its parameters, those of the URI apart. They are as they were
// written.
func (l Local) ContactLike(user string, uri, params Params) string {
	n := NameAddr{Params: params}
	n.URI.Scheme, n.URI.User, n.URI.Host, n.URI.Port = l.scheme(), user, l.Host, l.Port
	n.URI.UriParams = uri
	if t := l.transport(); t != "" {
		n.URI.UriParams = SetParam(uri, "transport", t)
	}
	return n.String()
}

// Outbound is a request to be sent, and who hears what becomes of it.
type Outbound struct {
	Request *Message
	Target  Target
	Timers  Timers
	Owner   Owner
}

// Owner is who sends a request. Its methods are called in order and must not block.
type Owner interface {
	// Prepare is called for each address tried, before serialising: it sets Contact; edge itself puts Via.
	Prepare(req *Message, local Local)
	// Response hears every provisional and final, retransmitted 2xx included.
	Response(tx ClientTx, res *Message)
	// Failed is called once, instead of a final: ErrNoResponse, ErrTimeout, ErrTransport, ErrClosed.
	Failed(tx ClientTx, err error)
	// Sent hears each message first put on the wire (request, CANCEL, ACK of a failure), not retransmissions.
	Sent(raw []byte, hop Hop)
}

// Chooser is an Owner that says which final answers of one address lead to the next one that a name has (RFC 3263 4.3). Without it, 503
// does. It is asked under a lock and must only look at what does not change.
type Chooser interface {
	Next(code int) bool
}

// ClientTx is a request under way.
type ClientTx interface {
	// Cancel sends a CANCEL (RFC 3261 9.1) with these headers besides its own; it waits for a provisional by itself. A second
	// call does nothing.
	Cancel(headers ...Header)
	// Local is what the request advertised, Hop where it went. Both are zero before the first address was tried.
	Local() Local
	Hop() Hop
}

// ServerTx is a request to be answered. The functions it is given are called in order and must not block.
type ServerTx interface {
	Request() *Message
	// Respond sends a provisional or final response. A 2xx to INVITE is retransmitted until Acked, or for 64*T1, then
	// OnFailed hears ErrNoAck.
	Respond(res *Message) error
	// Acked tells that the ACK for the 2xx came (RFC 6026).
	Acked()
	// Local is what we advertise on the interface the request came in by.
	Local() Local
	// OnCancel hears the CANCEL that matched. It has been answered with 200 (To tag as SetTag says); the 487 is the listener's.
	OnCancel(f func(cancel *Message))
	// OnFailed hears a broken transport (ErrTransport, ErrClosed) and the missing ACK (ErrNoAck).
	OnFailed(f func(err error))
	// OnSent hears each response first put on the wire.
	OnSent(f func(raw []byte, hop Hop))
	// SetTag sets the To tag that is put on every response above 100 that has none, the CANCEL's 200 included.
	SetTag(tag string)
}

// Action is what shall happen to a new request.
type Action int

// The actions. The zero value is silence: who forgets to decide serves nobody.
const (
	Silence Action = iota // no answer at all
	Serve                 // a transaction is made and the request handled
	Refuse                // a stateless final answer, never retransmitted (RFC 3261 8.2.7)
)

// Decision says what happens to a new request, before a transaction exists for it.
type Decision struct {
	Action Action
	// Status, Reason ("" is the standard text) and Headers make the answer of Refuse.
	Status  int
	Reason  string
	Headers []Header
}
