package msg

import "github.com/emiago/sipgo/sip"

// Method is the method of a request. It is case-sensitive (RFC 3261 7.1).
type Method = sip.RequestMethod

// The methods we know.
const (
	INVITE    = sip.INVITE
	ACK       = sip.ACK
	CANCEL    = sip.CANCEL
	BYE       = sip.BYE
	REGISTER  = sip.REGISTER
	OPTIONS   = sip.OPTIONS
	SUBSCRIBE = sip.SUBSCRIBE
	NOTIFY    = sip.NOTIFY
	REFER     = sip.REFER
	INFO      = sip.INFO
	MESSAGE   = sip.MESSAGE
	PRACK     = sip.PRACK
	UPDATE    = sip.UPDATE
	PUBLISH   = sip.PUBLISH
)

// Version is the only version of SIP there is.
const Version = "SIP/2.0"

// Header is one header line.
type Header struct {
	Name  string // as written, without spaces around it
	Value string // unfolded, trimmed
}

// Message is a SIP request or response. It is not safe for concurrent use; read-only sharing is.
type Message struct {
	Method     Method // requests
	RequestURI URI    // requests
	Status     int    // responses; 0 in requests
	Reason     string // responses
	Version    string
	// Headers in order. Append, Prepend, Set, Remove, Get and GetAll understand compact forms both ways; only they (and the typed
	// setters) keep the fields below in step.
	Headers []Header
	Body    []byte
	Hop     Hop
	// Raw is the message as it came, nil for those we build.
	Raw []byte

	// Read from the headers by Parse and by the setters; read only.
	Via         Via // the topmost
	From, To    NameAddr
	CallID      string
	CSeq        CSeq
	MaxForwards int // -1: absent
}

// IsRequest tells requests from responses.
func (m *Message) IsRequest() bool { return m.Status == 0 }
