package integration

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// party is one side of a call with a place for its media and the border's door for it.
type party struct {
	*line
	*ear
	door    netip.AddrPort
	version int
}

// describe writes SDP that names the party's place.
func (p *party) describe(format string, more ...string) string {
	p.version++
	return p.p.offers(p.version, append([]string{fmt.Sprintf(format, p.ear.addr.Port())}, more...)...)
}

// sees takes the border's door from SDP that came.
func (p *party) sees(t *testing.T, body []byte) {
	t.Helper()
	d := readSDP(t, body)
	if len(d.media) == 0 || d.media[0].port == 0 {
		t.Fatalf("no door in %q", body)
	}
	p.door = d.media[0].at
}

// talkWithMedia sets a call up in which both sides have a place for media.
func (s *stage) talkWithMedia(t *testing.T, format string) (caller, callee *party, number string) {
	t.Helper()
	number = s.number()
	a, b := &party{ear: listen(t, s.w.westPeer)}, &party{ear: listen(t, s.w.eastPeer)}
	a.line = &line{p: s.west}
	offer := a.describe(format)
	a.line = s.west.dial(number, offer)
	b.line = s.east.ring()
	b.sees(t, b.invite.Body)
	b.line.say(b.invite, 200, "", b.describe(format))
	a.sees(t, a.final(200).Body)
	b.hear(msg.ACK)
	s.west.sync(s.west.border)
	return a, b, number
}

// renew carries a change of the session that from asks for, with what both describe.
func renew(t *testing.T, from, to *party, method msg.Method, format string) {
	t.Helper()
	asked, got := change(from.line, to.line, method, from.describe(format), to.describe(format))
	to.sees(t, asked.Body)
	from.sees(t, got.Body)
}

// both proves that media passes in both directions.
func both(t *testing.T, a, b *party, pt byte) {
	t.Helper()
	p, q := carries(t, a.ear, a.door, b.ear, pt), carries(t, b.ear, b.door, a.ear, pt)
	if p.from != b.door || q.from != a.door {
		t.Errorf("media comes from %v and %v; the doors are %v and %v", p.from, q.from, b.door, a.door)
	}
}

const (
	pcmu = "m=audio %d RTP/AVP 0\r\na=rtpmap:0 PCMU/8000"
	pcma = "m=audio %d RTP/AVP 8\r\na=rtpmap:8 PCMA/8000"
	opus = "m=audio %d RTP/AVP 111\r\na=rtpmap:111 opus/48000/2"
	t38  = "m=image %d udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxRateManagement:transferredTCF\r\na=T38FaxUdpEC:t38UDPRedundancy"
)

// TestMediaFollows: whatever a re-INVITE or UPDATE of either side changes, port, address or codec, the media goes where it says.
func TestMediaFollows(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	for _, method := range []msg.Method{msg.INVITE, msg.UPDATE} {
		for _, by := range []string{"caller", "callee"} {
			sides := func(t *testing.T) (from, to *party, end func()) {
				a, b, number := s.talkWithMedia(t, pcmu)
				both(t, a, b, 0)
				end = func() {
					r := s.over(a.line, b.line, number)
					wantEnd(t, r, sbc.EndCallerBye, sbc.SideCaller, 200)
					heard := uint64(0)
					for _, m := range r.Media {
						heard += uint64(m.RelayedPackets)
					}
					if heard == 0 || r.LastMediaAt == nil {
						t.Errorf("media of the record: %+v", r.Media)
					}
				}
				if by == "callee" {
					return b, a, end
				}
				return a, b, end
			}
			name := string(method) + " by the " + by
			s.run(t, name+" moves to another port", func(t *testing.T) {
				from, to, end := sides(t)
				old := from.ear
				from.ear = listen(t, from.p.addr.Addr())
				renew(t, from, to, method, pcmu)
				both(t, from, to, 0)
				mark := old.last.Load()
				carries(t, to.ear, to.door, from.ear, 0)
				if old.last.Load() != mark {
					t.Error("the old place still hears")
				}
				end()
			})
			s.run(t, name+" moves to another address", func(t *testing.T) {
				from, to, end := sides(t)
				other := from.p.addr.Addr().As4()
				other[3] += 10
				from.ear = listen(t, netip.AddrFrom4(other))
				format := fmt.Sprintf("m=audio %%d RTP/AVP 0\r\nc=IN IP4 %v\r\na=rtpmap:0 PCMU/8000", netip.AddrFrom4(other))
				asked, got := change(from.line, to.line, method, from.describe(format), to.describe(pcmu))
				to.sees(t, asked.Body)
				from.sees(t, got.Body)
				both(t, from, to, 0)
				end()
			})
			s.run(t, name+" changes the codec", func(t *testing.T) {
				from, to, end := sides(t)
				renew(t, from, to, method, pcma)
				both(t, from, to, 8)
				renew(t, from, to, method, opus)
				both(t, from, to, 111)
				end()
			})
			s.run(t, name+" is refused and the old path stays", func(t *testing.T) {
				from, to, end := sides(t)
				was := from.ear
				from.ear = listen(t, from.p.addr.Addr())
				seq := from.request(string(method), from.describe(pcma))
				to.line.say(to.hear(method), 488, "", "")
				from.refusedWith(seq, 488)
				from.ear = was
				both(t, from, to, 0)
				end()
			})
			s.run(t, name+" goes to T.38 and back", func(t *testing.T) {
				from, to, end := sides(t)
				renew(t, from, to, method, t38)
				fax := func(a, b *party) {
					mark := "\x00\x01udptl" + msg.NewTag()
					waitFor(t, func() bool {
						if p := b.last.Load(); p != nil && p.data == mark {
							return true
						}
						a.put(a.door, []byte(mark))
						return false
					}, "T.38")
				}
				fax(from, to)
				fax(to, from)
				renew(t, from, to, method, pcmu)
				both(t, from, to, 0)
				end()
			})
		}
	}
	s.run(t, "offerless re-INVITE moves the one that answers", func(t *testing.T) {
		a, b, number := s.talkWithMedia(t, pcmu)
		both(t, a, b, 0)
		b.ear = listen(t, s.w.eastPeer)
		seq := a.request("INVITE", "")
		b.line.say(b.hear(msg.INVITE), 200, "", b.describe(pcmu))
		got := a.answer(seq, 200)
		a.sees(t, got.Body)
		a.line.ack(got, a.describe(pcmu))
		b.sees(t, b.hear(msg.ACK).Body)
		both(t, a, b, 0)
		s.over(a.line, b.line, number)
	})
	s.run(t, "early media", func(t *testing.T) {
		number := s.number()
		a, b := &party{ear: listen(t, s.w.westPeer), line: &line{p: s.west}}, &party{ear: listen(t, s.w.eastPeer)}
		a.line = s.west.dial(number, a.describe(pcmu))
		b.line = s.east.ring()
		b.sees(t, b.invite.Body)
		sdp := b.describe(pcmu)
		b.line.say(b.invite, 183, "", sdp)
		a.sees(t, a.answer(1, 183).Body)
		carries(t, b.ear, b.door, a.ear, 0)
		b.line.say(b.invite, 200, "", sdp)
		a.sees(t, a.final(200).Body)
		b.hear(msg.ACK)
		both(t, a, b, 0)
		s.over(a.line, b.line, number)
	})
	s.run(t, "the fork that answers is heard", func(t *testing.T) {
		number := s.number()
		a, b, c := &party{ear: listen(t, s.w.westPeer), line: &line{p: s.west}}, &party{ear: listen(t, s.w.eastPeer)}, &party{ear: listen(t, s.w.eastPeer)}
		a.line = s.west.dial(number, a.describe(pcmu))
		b.line = s.east.ring()
		b.sees(t, b.invite.Body)
		c.line, c.door = b.fork(), b.door
		b.line.say(b.invite, 183, "", b.describe(pcmu))
		a.sees(t, a.answer(1, 183).Body)
		carries(t, b.ear, b.door, a.ear, 0)
		c.line.say(b.invite, 200, "", c.describe(pcmu))
		a.sees(t, a.final(200).Body)
		c.hear(msg.ACK)
		both(t, a, c, 0)
		s.over(a.line, c.line, number)
	})
	s.b.quiet()
}
