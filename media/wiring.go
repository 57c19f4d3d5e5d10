package media

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/sdp"
)

// connect makes the paths that an answer agreed on and swaps them in. agreed is the checked answer of the party offered to, back
// what the offerer is told, or was told if it is not asked again. The session's lock is held.
func (x *Exchange) connect(agreed, back *sdp.Description) {
	for i := range x.offer.Media {
		a, b := x.from.end(i), x.to.end(i)
		if a == nil || b == nil || i >= len(back.Media) {
			continue
		}
		if back.Media[i].Rejected() || agreed.Media[i].Rejected() {
			a.refuse(b)
			continue
		}
		l := line{
			x: x, a: a, b: b,
			offer: &x.offer.Media[i], sent: &x.sent.Media[i], agreed: &agreed.Media[i], back: &back.Media[i],
		}
		l.connect(i)
		a.told(l.back, l.offer)
		b.told(l.sent, l.agreed)
	}
	x.s.settled()
}

// told notes what a party was told and says about sending.
func (e *end) told(said, own *sdp.Media) {
	e.held = said.Held()
	e.sends = !e.held && own.Direction.Sends()
}

func (p *Party) end(i int) *end {
	if i >= len(p.ends) {
		return nil
	}
	return p.ends[i]
}

// line is one m-line of an answered exchange: a belongs to the offerer, b to the answerer.
type line struct {
	x                         *Exchange
	a, b                      *end
	offer, sent, agreed, back *sdp.Media
	formats                   *relay.Formats
}

func (l *line) connect(i int) {
	a, b := l.a, l.b
	a.join(b)
	var codecs []sdp.Codec
	if l.offer.Transport == sdp.TransportRTP {
		codecs = l.agreed.Codecs()
	}
	a.codec = word(codec(l.agreed, codecs))
	a.kind = word(l.offer.Kind) // only now: an offer that is refused changes nothing
	b.codec, b.kind = a.codec, a.kind
	muxA, muxB := l.offer.Mux && l.back.Mux, l.sent.Mux && l.agreed.Mux
	now := l.x.s.e.clock()
	// The offerer's description does not change when another answer follows, so its latch stays as it is then.
	if expected := uint64(1) << (i & 63); l.x.expected&expected == 0 {
		l.x.expected |= expected
		if l.x.form == asked {
			a.reached(l.x.from, l.x.fromReach.at(i))
		}
		a.expect(l.x.from, l.offer, muxA, now)
	}
	b.reached(l.x.to, l.x.toReach.at(i))
	b.expect(l.x.to, l.agreed, muxB, now)
	l.lock(i, now)
	maps := sdp.Pairing{}
	switch {
	case l.offer.Transport != sdp.TransportRTP:
	case l.x.form == rejoined:
		l.formats = l.payloads(codecs)
		maps.ToAnswerer = sdp.Translate(l.back, l.offer, l.agreed)
		maps.ToOfferer = sdp.Translate(l.sent, l.agreed, l.offer)
	default:
		l.formats, maps = l.payloads(codecs), sdp.Pair(l.sent, l.agreed)
	}
	l.path(a, b, muxA, muxB, maps.ToAnswerer)
	l.path(b, a, muxB, muxA, maps.ToOfferer)
}

// expect tells the stream where its packets come from by the party's description.
func (e *end) expect(p *Party, m *sdp.Media, mux bool, now int64) {
	media, control := e.expected(p, m)
	e.stream.Expect(media, control, mux, now)
}

// ours says whether an address is one of this call's own doors. Two parties who each name the other's would make us send packets
// to ourselves for ever.
func (s *Session) ours(a netip.AddrPort) bool {
	for _, p := range s.parties {
		for _, e := range p.ends {
			if e != nil && e.pair.Local.Port() == a.Port()&^1 && (a.Addr() == e.pool.Address || a.Addr() == e.pool.advertised()) {
				return true
			}
		}
	}
	return false
}

// path swaps in what the ports of one end do with packets: they leave by the ports of the other.
func (l *line) path(from, to *end, mux, muxTo bool, m *sdp.PayloadMap) {
	control := relay.Egress{Port: to.pair.RTCP, To: to.stream, Control: true}
	if muxTo {
		control = relay.Egress{Port: to.pair.RTP, To: to.stream}
	}
	var paths struct{ first, second relay.Path } // one allocation
	path := &paths.first
	*path = relay.Path{
		From: from.stream, Mux: mux, Formats: l.formats, Map: (*relay.PayloadMap)(m), Mask: l.x.s.e.mask,
		RTP: relay.Egress{Port: to.pair.RTP, To: to.stream}, RTCP: control,
		Digits: from.digits, Tap: from.tap, NoEvents: l.deaf(to),
		ZRTP: !from.noZRTP && !to.noZRTP,
	}
	switch {
	case l.formats == nil: // nothing that is said, or heard, is among datagrams that are not looked into
		path.Kind, path.Digits, path.Tap, path.NoEvents = relay.KindOpaque, nil, nil, false
	default:
		path.Out, path.Back = to.outlet(), from.outlet()
	}
	if mux || l.formats == nil {
		from.set(path, nil)
		return
	}
	paths.second = *path
	paths.second.Kind = relay.KindRTCP
	from.set(path, &paths.second)
}

// set swaps the paths of all ports.
func (e *end) set(rtp, rtcp *relay.Path) {
	for _, p := range e.pairs() {
		if p != nil {
			setPair(p, rtp, rtcp)
		}
	}
}

// payloads are the payload types either side may send: each should use the other's numbers, some use their own.
func (l *line) payloads(agreed []sdp.Codec) *relay.Formats {
	sent := l.sent.Codecs()
	var ours []sdp.Codec
	if l.a.dtmf != DTMFAsAgreed || l.b.dtmf != DTMFAsAgreed { // we may have taken telephone-events that the other side does not know
		ours = l.back.Codecs()
	}
	return formats(sent, agreed, ours)
}

// formats are the payload types of codecs, in the words of the relay.
func formats(lists ...[]sdp.Codec) *relay.Formats {
	var list []relay.Format
	for _, codecs := range lists {
		list = slices.Grow(list, len(codecs))
		for i := range codecs {
			c := &codecs[i]
			f := relay.Format{PT: c.PT, Clock: uint32(max(c.Clock, 0)), Event: c.TelephoneEvent(), Noise: c.ComfortNoise()}
			f.Frame, f.SID = c.SilenceFrame()
			list = append(list, f)
		}
	}
	return relay.NewFormats(list)
}

// word is s on its own: the figures keep it for long, and with it they would keep the whole description it is a piece of.
func word(s string) string {
	for _, usual := range [...]string{"audio", "PCMA", "PCMU", "G722", "G729", "opus", "video", "image", "t38"} {
		if s == usual {
			return usual
		}
	}
	return strings.Clone(s)
}

// codec names what an answer agreed on: its first format that is neither keys nor noise.
func codec(m *sdp.Media, codecs []sdp.Codec) string {
	if codecs == nil && len(m.Formats) > 0 {
		return m.Formats[0]
	}
	for i := range codecs {
		if !codecs[i].TelephoneEvent() && !codecs[i].ComfortNoise() {
			return codecs[i].Name
		}
	}
	return ""
}

// join makes two ends each other's. Whoever one of them was connected with before (another fork, a failed attempt) is cut off.
func (e *end) join(to *end) {
	if e.peer != to {
		e.disconnect()
	}
	if to.peer != e {
		to.disconnect()
	}
	e.peer, to.peer = to, e
	e.used, to.used = true, true
}

// refuse is the answer "no" on an m-line.
func (e *end) refuse(to *end) {
	if e.peer == to || e.peer == nil {
		e.disconnect()
		e.used = false
	}
	if to.peer == e || to.peer == nil {
		to.disconnect()
		to.used = false
	}
}

// disconnect stops the ports of an end and of the one it was connected with.
func (e *end) disconnect() {
	e.set(nil, nil)
	if q := e.peer; q != nil && q.peer == e {
		q.set(nil, nil)
		q.peer = nil
	}
	e.peer = nil
}
