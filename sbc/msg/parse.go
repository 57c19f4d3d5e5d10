package msg

import (
	"bytes"
	"slices"
	"strings"
	"unsafe"

	"github.com/emiago/sipgo/sip"
)

// MaxHeaders bounds the header lines of a message, folded ones counted singly. More get 513.
const MaxHeaders = 512

// maxMaxForwards is the highest value of Max-Forwards (RFC 3261 20.22).
const maxMaxForwards = 255

// parser reads one message. The first fault decides the answer; reading goes on, so that the answer can be addressed.
type parser struct {
	arena
	m      *Message
	status int
	reason string
	seen   uint64 // which single-instance headers came, by headerID
	viaOK  bool
	vias   int
	length int // Content-Length, -1 where there is none
}

func (p *parser) fail(status int, reason string) {
	if p.status == 0 {
		p.status, p.reason = status, reason
	}
}

// failHeader names the header in the reason. It makes a string for the first fault only: a header bomb shall stay cheap.
func (p *parser) failHeader(what string, id headerID) {
	if p.status == 0 {
		p.status, p.reason = 400, what+knownHeaders[id].name
	}
}

// Parse reads one message that fills raw, as a datagram does; octets after the body are ignored (RFC 3261 18.3). It takes raw
// over: the message's strings are windows into it. Every error is a *ParseError.
func Parse(raw []byte) (*Message, error) {
	text := bytes.TrimLeft(raw, "\r\n") // RFC 3261 7.5
	if len(text) == 0 {
		return nil, &ParseError{Status: 400, Reason: "Empty Message"}
	}
	p := parser{m: &Message{Raw: raw, MaxForwards: -1}, length: -1}
	// Nobody writes to raw any more, so its bytes may be strings.
	sc := scanner{s: unsafe.String(unsafe.SliceData(text), len(text))}
	line, _, _ := sc.next(false)
	p.kv = make([]sip.HeaderKV, 0, min(strings.Count(sc.s, ";")+1, 24)) // about as many parameters as there can be
	if !p.startLine(line) {
		return nil, &ParseError{Status: 400, Reason: "Not SIP"}
	}
	var room [24]Header // most messages have no more; what is kept of them is cut to size
	p.m.Headers = slices.Clone(p.headers(&sc, room[:0]))
	if !sc.clean() {
		p.fail(400, "Bare CR, LF or NUL")
	}
	if !sc.done {
		p.fail(400, "Incomplete Header")
	}
	p.required()
	p.body(text[sc.pos:])
	return p.result()
}

// IsKeepAlive tells that a datagram is no message but padding that keeps a NAT binding alive: CR, LF, NUL and spaces only, or
// nothing (RFC 5626 4.4.1, and the habits of phones).
func IsKeepAlive(raw []byte) bool {
	if len(raw) > 64 {
		return false
	}
	for _, c := range raw {
		if c != '\r' && c != '\n' && c != 0 && c != ' ' {
			return false
		}
	}
	return true
}

func (p *parser) result() (*Message, error) {
	if p.status == 0 {
		return p.m, nil
	}
	e := &ParseError{Status: p.status, Reason: p.reason}
	if p.m.IsRequest() && p.m.Method != ACK && p.viaOK {
		e.Partial = p.m
	}
	return nil, e
}

// headers reads the header section, at most MaxHeaders lines of it, and puts it behind all.
func (p *parser) headers(sc *scanner, all []Header) []Header {
	for {
		name, value, ok := sc.header()
		if !ok {
			return all
		}
		if sc.crlf > MaxHeaders+1 {
			p.fail(513, "Too Many Headers")
			return all
		}
		if name == "" {
			p.fail(400, "Malformed Header")
			continue
		}
		all = append(all, Header{Name: name, Value: value})
		if id := identify(name); id != idOther {
			p.header(id, value)
		}
	}
}

// header checks that what must be single is, and reads what the message is known by. In responses only the headers that frame
// and match it are held to that: a doubled Expires shall not cost a call.
func (p *parser) header(id headerID, value string) {
	if knownHeaders[id].single && (id <= idContentType || p.m.IsRequest()) {
		if p.seen>>id&1 != 0 {
			p.failHeader("Duplicate ", id)
			return
		}
		p.seen |= 1 << id
	}
	if p.read(id, value) != nil {
		p.failHeader("Malformed ", id)
	}
}

// read fills the field of a header that has one.
func (p *parser) read(id headerID, value string) (err error) {
	switch id {
	case idVia:
		err = p.viaHeader(value)
	case idFrom:
		p.m.From, err = p.party(value)
	case idTo:
		p.m.To, err = p.party(value)
	case idCallID:
		p.m.CallID, err = callID(value)
	case idCSeq:
		p.m.CSeq, err = ParseCSeq(value)
	case idMaxForwards:
		if p.m.IsRequest() { // in a response it means nothing
			p.m.MaxForwards, err = digits(value, maxMaxForwards)
		}
	case idContentLength:
		p.length, err = digits(value, 1<<31-1)
	case idContact:
		err = p.contact(value)
	}
	return err
}

// callID takes any text without white space: what devices send is seldom RFC 3261's word [ "@" word ].
func callID(value string) (string, error) {
	if value == "" || strings.ContainsAny(value, " \t") {
		return value, errCallID
	}
	return value, nil
}

func digits(s string, max uint64) (int, error) {
	n, ok := number(s, max)
	if !ok {
		return -1, errNumber
	}
	return int(n), nil
}

// viaHeader reads the topmost value and wants the others not to be empty (RFC 4475 3.1.2.1).
func (p *parser) viaHeader(list string) error {
	for more := true; more; {
		var one string
		if one, list, more = nextElement(list); one == "" {
			return errEmpty
		}
		if p.vias++; p.vias > 1 {
			continue
		}
		v, err := p.via(one)
		if err != nil {
			return err
		}
		p.m.Via, p.viaOK = v, true
		if doubled(v.Params, "branch") || doubled(v.Params, "received") || doubled(v.Params, "rport") {
			return errDoubleParam
		}
	}
	return nil
}

// party reads From and To. A doubled tag would let two readers see two dialogs.
func (p *parser) party(value string) (NameAddr, error) {
	n, err := p.nameAddr(value)
	if err == nil && doubled(n.Params, "tag") {
		err = errDoubleParam
	}
	return n, err
}

// contact checks the Contacts of a request, so that its sender hears of a malformed one; responses are looked at by Contacts.
func (p *parser) contact(list string) error {
	if p.m.Status != 0 {
		return nil
	}
	mark := len(p.kv)
	for more := true; more; {
		var one string
		if one, list, more = nextElement(list); one == "" {
			return errEmpty
		}
		_, err := p.nameAddr(one)
		p.kv = p.kv[:mark]
		if err != nil {
			return err
		}
	}
	return nil
}

// required checks what every message must have (RFC 3261 8.1.1) and what must agree.
func (p *parser) required() {
	m := p.m
	if p.vias == 0 {
		p.fail(400, "Missing Via")
	}
	for id := idFrom; id <= idCSeq; id++ {
		if p.seen>>id&1 == 0 {
			p.failHeader("Missing ", id)
		}
	}
	if !m.IsRequest() {
		return
	}
	if m.CSeq.Method != m.Method {
		p.fail(400, "CSeq Method Mismatch") // RFC 3261 8.1.1.5
	}
	if m.Via.Branch() == MagicCookie {
		p.fail(400, "Missing Transaction Identifier") // RFC 4475 3.2.1
	}
}

// body cuts the body. More than came is a fault; the rest of a datagram is ignored (RFC 3261 18.3).
func (p *parser) body(rest []byte) {
	if p.length >= 0 {
		if p.length > len(rest) {
			p.fail(400, "Content-Length Larger Than Message")
		} else {
			rest = rest[:p.length:p.length]
		}
	}
	if len(rest) > 0 {
		p.m.Body = rest
	}
}
