package edge

import (
	"bytes"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// What is more than the node can carry is turned away at a glance: to read it as everything else is read would take a tenth of what
// it takes to serve it, and at ten times the load nothing would be left. The answer is the one that the long way gives, without
// state (RFC 3261 8.2.7); it is sent only to those of whom the long way has found of late that they may be served, so that strangers
// hear no more of us than otherwise.

// turnsAway deals with a datagram that is not to be read, if it is one. It is called by the reader of the socket.
func (o *overload) turnsAway(s *socket, hop msg.Hop, raw []byte) bool {
	if !o.bounded.Load() {
		return false
	}
	if bytes.HasPrefix(raw, []byte("ACK ")) {
		return bytes.Contains(raw, o.mark) // for a refusal of ours, of which nothing is known any more
	}
	var g glance
	if !glanceAt(raw, &g) {
		return rawBegins(raw) && o.waits(s, hop, raw, nil)
	}
	if !g.begins() || g.method == string(msg.INVITE) && o.forHelp(&g, s, hop) {
		return false
	}
	return o.waits(s, hop, raw, &g)
}

// waits puts a datagram in line, or refuses it where that is full; it is false for one to be read for that, because nothing is known
// of its sender.
func (o *overload) waits(s *socket, hop msg.Hop, raw []byte, g *glance) bool {
	if len(s.line) < lineLength {
		s.line = append(s.line, inLine{bytes.Clone(raw), hop, o.edge.txs.now()})
		return true
	}
	return o.refuses(s, hop, g)
}

// refuses refuses a datagram at a glance.
func (o *overload) refuses(s *socket, hop msg.Hop, g *glance) bool {
	switch {
	case g == nil:
		o.noteShed()
		return true
	case s.friends.has(hop.Remote, o.edge.txs.now()) && o.unserved(s, hop, g):
		o.edge.metrics.request("in", s.seen.Method, sbc.TransportUDP)
		o.noteShed()
		o.edge.turnAway(s, &s.seen, g)
		return true
	case !o.edge.shed.allow(netip.Addr{}): // of all those together of whom nothing is known
		o.noteShed()
		return true
	}
	s.refusing = true
	return false
}

// inLine is a datagram that begins something while there is too much to do.
type inLine struct {
	raw []byte
	hop msg.Hop
	at  time.Duration
}

// turn gives the first in line its turn, if there is nothing else to do. It is called by the reader of the socket, before it waits
// for a datagram; it is false when one is to be read.
func (s *socket) turn() bool {
	if len(s.line) == 0 {
		return false
	}
	o := &s.edge.overload
	if p, ok := s.packets.(hurried); ok && p.left() {
		return false
	}
	if s.turns++; s.turns%lineYields == 0 {
		runtime.Gosched() // what was set going goes first
	}
	if !s.empty() {
		return false
	}
	s.caughtUp()
	first := s.line[0]
	age := s.edge.txs.now() - first.at
	if o.behind.Load() > 0 && age < lineGivesWay {
		t := time.NewTimer(time.Millisecond)
		<-t.C
		return true
	}
	s.line[0] = inLine{}
	if s.line = s.line[1:]; len(s.line) == 0 {
		s.line = nil
	}
	s.served(first, age)
	return true
}

// served reads what stood in line, unless that was for too long.
func (s *socket) served(first inLine, age time.Duration) {
	e := s.edge
	defer e.recovered("datagram")
	var g glance
	if age > lineTime && glanceAt(first.raw, &g) && e.overload.refuses(s, first.hop, &g) {
		return
	}
	if !s.refusing {
		e.overload.shares(1 << 16)
	}
	e.read(s, first.hop, first.raw)
	s.refusing = false
}

// empty tells that nothing waits in the socket, nor was read of it and not dealt with. Where that is not known it is so.
func (s *socket) empty() bool {
	if p, ok := s.packets.(hurried); ok && s.hurried {
		return !p.more()
	}
	b, ok := s.packets.(backlogged)
	if !ok {
		return true
	}
	waiting, room := b.backlog()
	return waiting <= min(room/2, behindAt)/8
}

// unserved tells that a request is none that is served already. It is false where the long way has to find that out.
func (o *overload) unserved(s *socket, hop msg.Hop, g *glance) bool {
	via, err := msg.ParseVia(g.vias[0])
	if err != nil || strings.IndexByte(g.vias[0], ',') >= 0 || !strings.HasPrefix(via.Branch(), msg.MagicCookie) ||
		len(via.Branch()) == len(msg.MagicCookie) {
		return false
	}
	m := &s.seen
	m.Method, m.Via, m.Hop = msg.Method(g.method), via, hop
	return o.edge.txs.findServer(o.edge.txs.serverKey(m, m.Method)) == nil
}

// forHelp tells whether an INVITE is a call for help, from its Request-URI alone.
func (o *overload) forHelp(g *glance, s *socket, hop msg.Hop) bool {
	if user, ok := strings.CutPrefix(g.uri, "sip:"); ok {
		if at := strings.IndexByte(user, '@'); at > shortNumber && strings.IndexAny(user[:at], ";%:") < 0 {
			return false
		}
	}
	uri, err := msg.ParseURI(g.uri)
	if err != nil {
		return false
	}
	s.seen.Method, s.seen.RequestURI, s.seen.Hop = msg.INVITE, uri, hop
	return o.edge.o.Emergency(&s.seen)
}

// tagFor makes the To tag of a refusal from what a retransmission repeats.
func (o *overload) tagFor(callID, branch string) string {
	return string(o.mark[len(";tag="):]) + strconv.FormatUint(o.edge.txs.hash("shed", callID, branch)[0], 36)
}

// turnAway answers 503 (RFC 3261 8.2.6, 21.5.4).
func (e *Edge) turnAway(s *socket, m *msg.Message, g *glance) {
	b, ok := buffers.Get().(*[]byte)
	if !ok { // the pool holds nothing else
		return
	}
	stamp(m)
	text := append((*b)[:0], "SIP/2.0 503 Service Unavailable\r\n"...)
	for i := range g.count {
		text = append(text, "Via: "...)
		if i == 0 {
			text = m.Via.AppendTo(text)
		} else {
			text = append(text, g.vias[i]...)
		}
		text = append(text, "\r\n"...)
	}
	text = append(append(text, "From: "...), g.from...)
	text = append(append(text, "\r\nTo: "...), g.to...)
	text = append(append(text, ";tag="...), e.overload.tagFor(g.callID, m.Via.Branch())...)
	text = append(append(text, "\r\nCall-ID: "...), g.callID...)
	text = append(append(text, "\r\nCSeq: "...), g.cseq...)
	text = append(append(text, "\r\nRetry-After: "...), retryAfterOverload(m.Method)...)
	if e.o.ServerName != "" {
		text = append(append(text, "\r\nServer: "...), e.o.ServerName...)
	}
	text = append(text, "\r\nContent-Length: 0\r\n\r\n"...)
	e.metrics.response("out", m.Method, 503)
	if err := s.send(text, answerTo(m, s)); err != nil {
		e.log.Debug("edge: refusing", "status", 503, "error", err)
	}
	*b = text[:0]
	buffers.Put(b)
}

// Bounds of friends.
const (
	maxFriends = 4096
	friendFor  = 30 * time.Second
)

// friends are the peers of a socket that may be served, as the long way has found of late.
type friends struct {
	mu    sync.Mutex
	until map[netip.AddrPort]time.Duration
}

// note keeps one; where there is no room the others are forgotten, and found again.
func (f *friends) note(a netip.AddrPort, now time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.until == nil || len(f.until) >= maxFriends {
		f.until = make(map[netip.AddrPort]time.Duration, 16)
	}
	f.until[a] = now + friendFor
}

func (f *friends) has(a netip.AddrPort, now time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return now < f.until[a]
}
