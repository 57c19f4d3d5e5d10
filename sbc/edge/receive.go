package edge

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// datagram takes in what one UDP packet held. The buffer is the reader's: what is kept is copied, once and to size.
func (e *Edge) datagram(s *socket, b []byte, from netip.AddrPort) {
	defer e.recovered("datagram")
	i := s.at()
	if i == nil || msg.IsKeepAlive(b) {
		return
	}
	if q := s.query.Load(); q != nil && q.takes(b, from) {
		return
	}
	hop := msg.Hop{Interface: i.ID, Transport: sbc.TransportUDP, Local: s.bound, Remote: from, At: time.Now()}
	passes := e.passes(hop, b, s)
	s.sift(passes)
	switch {
	case !passes:
		return
	case i.STUN && isSTUN(b):
		e.stun(s.packets, b, from)
		return
	case e.overload.turnsAway(s, hop, b):
		return
	case !plausible(b):
		e.metrics.parseErrors.WithLabelValues("udp", "garbage").Inc()
		return
	}
	e.read(s, hop, bytes.Clone(b))
	s.refusing = false
}

// read takes in a datagram that is ours to keep.
func (e *Edge) read(s *socket, hop msg.Hop, b []byte) {
	i := s.at()
	if i == nil { // it went while the datagram stood in line
		return
	}
	m, err := msg.Parse(b)
	switch {
	case err != nil:
		e.o.Guard.Malformed(hop, b)
		e.broken(err, s, hop)
	case len(b) > i.MaxMessage:
		e.broken(&msg.ParseError{Status: 513, Partial: m}, s, hop)
	default:
		m.Hop = hop
		e.receive(m, s)
	}
}

// plausible tells what may be SIP from what cannot: a start line begins with a token, and no message is shorter.
func plausible(b []byte) bool {
	if b[0] == '\r' || b[0] == '\n' { // RFC 3261 7.5
		b = bytes.TrimLeft(b, "\r\n")
	}
	if len(b) < 20 {
		return false
	}
	c := b[0] | 0x20
	return c >= 'a' && c <= 'z' || strings.IndexByte("-.!%*_+`'~0123456789", b[0]) >= 0
}

// streamed takes in one message of a connection. A fault in it is answered, and the connection goes on: it may carry the calls of
// many (dependencies.md 2.1, fault 8).
func (e *Edge) streamed(c *conn, raw []byte) {
	defer e.recovered("stream message")
	hop := c.hop()
	if hop.Interface == "" {
		return
	}
	if !e.passes(hop, raw, c) {
		return
	}
	m, err := msg.Parse(raw)
	if err != nil {
		e.o.Guard.Malformed(hop, raw)
		e.broken(err, c, hop)
		return
	}
	m.Hop = hop
	e.receive(m, c)
}

// misframed answers the message after which a stream cannot be read on.
func (e *Edge) misframed(c *conn, err error) {
	defer e.recovered("stream framing")
	if h := c.hop(); h.Interface != "" {
		e.o.Guard.Malformed(h, nil)
		e.broken(err, c, h)
	}
}

// broken answers a request that could be read well enough for that, unless Admit wants silence. Its sender is asked for nothing
// else: strangers hear nothing of our parser.
func (e *Edge) broken(err error, l link, hop msg.Hop) {
	var pe *msg.ParseError
	if !errors.As(err, &pe) {
		return
	}
	e.metrics.parseErrors.WithLabelValues(string(hop.Transport), "syntax").Inc()
	m := pe.Partial
	if m == nil || !m.IsRequest() || m.Method == msg.ACK {
		return
	}
	m.Hop = hop
	stamp(m)
	if e.o.Admit(m).Action == msg.Silence {
		e.metrics.drops.WithLabelValues("stranger").Inc()
		return
	}
	e.refuse(m, l, msg.Decision{Status: pe.Status, Reason: pe.Reason}, e.answers)
}

func (e *Edge) receive(m *msg.Message, l link) {
	if !m.IsRequest() {
		e.response(m, l)
		return
	}
	e.metrics.request("in", m.Method, m.Hop.Transport)
	stamp(m)
	switch m.Method {
	case msg.ACK:
		e.ack(m)
	case msg.CANCEL:
		e.cancel(m, l)
	default:
		k := e.txs.serverKey(m, m.Method)
		if t := e.txs.findServer(k); t != nil {
			e.metrics.retransmissions.WithLabelValues("in", e.metrics.method(m.Method)).Inc()
			t.repeated()
			return
		}
		e.fresh(m, k, l)
	}
}

// stamp writes into the topmost Via where the request really came from: received whenever it differs from what the Via says
// (RFC 3261 18.2.1) or rport was asked for (RFC 3581 4), and never what the sender claims.
func stamp(m *msg.Message) {
	v := m.Via
	source := m.Hop.Remote
	_, asked := v.RPort()
	_, claimed := v.Param("received")
	host, err := netip.ParseAddr(v.Host)
	same := err == nil && host.Unmap() == source.Addr()
	if same && !asked && !claimed {
		return
	}
	v.Params = stamped(v.Params, source, asked)
	m.SetTopVia(v)
}

// stamped gives the parameters with the true received, and with the true rport if it was asked for. Every request from behind a
// NAT or with rport comes through here, so it allocates once.
func stamped(p msg.Params, source netip.AddrPort, asked bool) msg.Params {
	out := append(make(msg.Params, 0, len(p)+1), p...)
	received, found := source.Addr().WithZone("").String(), false
	for i := range out {
		switch {
		case strings.EqualFold(out[i].K, "received"):
			out[i].V, found = received, true
		case asked && strings.EqualFold(out[i].K, "rport"):
			out[i].V = portText(source.Port())
		}
	}
	if !found {
		out = append(out, msg.Params{{K: "received", V: received}}...)
	}
	return out
}

func (t *table) findServer(k key) *serverTx {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server[k]
}

func (t *table) findClient(k key) *try {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client[k]
}

// ack is absorbed by the failed INVITE it belongs to (RFC 3261 17.2.1); all others are of dialogs.
func (e *Edge) ack(m *msg.Message) {
	if t := e.txs.findServer(e.txs.serverKey(m, msg.INVITE)); t != nil && t.acked() {
		return
	}
	e.o.Ack(m)
}

// cancel finds the INVITE a CANCEL is for (RFC 3261 9.2).
func (e *Edge) cancel(m *msg.Message, l link) {
	if t := e.txs.findServer(e.txs.serverKey(m, msg.INVITE)); t != nil {
		t.cancel(m, l)
		return
	}
	switch d := e.o.Admit(m); d.Action {
	case msg.Serve:
		e.refuse(m, l, msg.Decision{Status: 481}, e.answers)
	case msg.Refuse:
		e.refuse(m, l, d, e.answers)
	default:
		e.metrics.drops.WithLabelValues("stranger").Inc()
	}
}

// fresh is a request that no transaction knows.
func (e *Edge) fresh(m *msg.Message, k key, l link) {
	d := e.o.Admit(m)
	switch d.Action {
	case msg.Serve:
	case msg.Refuse:
		budget := e.refusal
		if d.Status == 403 { // what strangers get; challenges are for phones, of which there may be many behind one address
			budget = e.answers
		}
		e.refuse(m, l, d, budget)
		return
	default:
		e.metrics.drops.WithLabelValues("stranger").Inc()
		return
	}
	if d, sheds := e.overload.sheds(m, l); sheds {
		e.refuse(m, l, d, e.shed)
		return
	}
	if c, ok := l.(*conn); ok {
		c.known.Store(true)
		c.alias(m)
	}
	if d := e.check(m); d.Status != 0 {
		e.refuse(m, l, d, e.refusal)
		return
	}
	var merged key
	if m.To.Tag() == "" {
		merged = e.txs.mergeKey(m)
		if !e.noteMerged(k, merged) {
			e.refuse(m, l, msg.Decision{Status: 482, Reason: "Merged Request"}, e.refusal)
			return
		}
	}
	if h := e.newServer(m, k, merged, l); h != nil {
		e.handle(h, m)
	}
}

// check holds what RFC 3261 wants of any request before somebody thinks about it. Status 0 lets it pass.
func (e *Edge) check(m *msg.Message) msg.Decision {
	switch {
	case m.RequestURI.Scheme != "" && !m.RequestURI.IsSIP() && !m.RequestURI.IsTel(): // 8.2.2.1
		return msg.Decision{Status: 416}
	case m.RequestURI.Scheme == "sips" && !m.Hop.Secure: // RFC 5630 4, 6.1
		return msg.Decision{Status: 480, Headers: []msg.Header{{Name: "Warning", Value: sipsNotAllowed}}}
	case m.To.Tag() != "": // within a dialog we are the end of the way
	case m.MaxForwards == 0 && m.Method != msg.OPTIONS: // 16.3 step 3; an OPTIONS ends here anyhow (11)
		return msg.Decision{Status: 483}
	case e.looped(m): // 16.3 step 4
		return msg.Decision{Status: 482}
	}
	switch {
	case e.txs.room(e.o.MaxTransactions):
		return msg.Decision{}
	case m.Method == msg.INVITE: // 21.5.4
		e.metrics.drops.WithLabelValues("transactions").Inc()
		return msg.Decision{Status: 503, Headers: []msg.Header{{Name: "Retry-After", Value: "5"}}}
	}
	e.metrics.drops.WithLabelValues("transactions").Inc()
	return msg.Decision{Status: statusSilence}
}

// sipsNotAllowed tells who asks for every hop to be secure, by a way that is not (RFC 5630 6.1); the agent is a pseudonym (RFC 3261
// 20.43).
const sipsNotAllowed = `380 sbc "SIPS Not Allowed"`

// statusSilence is the status of a refusal that is not sent.
const statusSilence = -1

// looped tells that a request of ours came back as it went out: one of its Via is ours and was made for the same
// Request-URI. With another Request-URI it is a spiral, which proxies between us and us make lawfully (RFC 3261 16.3, 6);
// Max-Forwards bounds those.
func (e *Edge) looped(m *msg.Message) bool {
	mark := ""
	for i := range m.Headers {
		h := &m.Headers[i]
		if !isVia(h.Name) || !strings.Contains(h.Value, branchMark) {
			continue
		}
		if mark == "" {
			mark = e.loopMark(m.RequestURI)
		}
		if strings.Contains(h.Value, mark) {
			return true
		}
	}
	return false
}

func isVia(name string) bool { return strings.EqualFold(name, "Via") || strings.EqualFold(name, "v") }

// handle gives a request to its owner. Who panics over it has answered 500.
func (e *Edge) handle(h *serverHandle, m *msg.Message) {
	answered := false
	defer func() {
		if answered {
			return
		}
		if err := h.Respond(msg.NewResponse(m, 500, "")); err != nil {
			e.log.Debug("edge: answering after a panic", "error", err)
		}
	}()
	e.o.Handle(h, m)
	answered = true
}

// response goes to the client transaction it belongs to. What nobody waits for is dropped: a border does not forward.
func (e *Edge) response(m *msg.Message, l link) {
	e.metrics.response("in", m.CSeq.Method, m.Status)
	k, ours := e.txs.clientKey(m.Via.Branch(), m.CSeq.Method)
	if !ours || severalVias(m) {
		e.metrics.drops.WithLabelValues("stray_response").Inc()
		return
	}
	t := e.txs.findClient(k)
	if t == nil {
		e.metrics.drops.WithLabelValues("stray_response").Inc()
		return
	}
	switch l := l.(type) {
	case *conn:
		l.known.Store(true)
	case *socket: // who guessed a branch is still not who was asked; another port of the same host may be
		if m.Hop.Remote.Addr().WithZone("") != t.to.Addr().Unmap().WithZone("") {
			e.metrics.drops.WithLabelValues("foreign_response").Inc()
			return
		}
	}
	t.response(m)
}

// severalVias tells that a response was meant for somebody behind us (RFC 3261 8.1.3.3). We never send more than one Via.
func severalVias(m *msg.Message) bool {
	seen := 0
	for i := range m.Headers {
		h := &m.Headers[i]
		if !isVia(h.Name) {
			continue
		}
		if seen++; strings.Contains(h.Value, ",") {
			return len(m.Values("Via")) > 1
		}
	}
	return seen > 1
}
