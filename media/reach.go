package media

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/media/ice"
	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/sdp"
)

// How a party is reached that speaks ICE (RFC 8445, RFC 8839), as browsers do: we are the lite side of it, with one candidate,
// and its media come from, and go to, the one pair that it chose. Beside that what else browsers want to be told: the names of
// lines and the bundle of them (RFC 9143), which is one line here.

// reach is what one m-line of a party says of it.
type reach struct {
	ice      ice.Credentials // zero without ICE
	mismatch bool            // somebody changed the addresses on the way (RFC 8839 4.2.5)
	mid      string
	bundled  bool
}

func (r *reach) on() bool { return r != nil && r.ice != (ice.Credentials{}) }

// reaches are those of one party in a round; nil if none of its lines says anything of it.
type reaches []reach

func (l reaches) at(i int) *reach {
	if i < len(l) {
		return &l[i]
	}
	return nil
}

// hears reads what a party says of how it is reached. Where it speaks ICE, and may, its lines count as if they came from the
// address of its signalling: what they name is one of many, or nobody's.
func (p *Party) hears(d *sdp.Description) reaches {
	if !p.o.ICE {
		return nil
	}
	list := make(reaches, len(d.Media))
	for i := range d.Media {
		m, r := &d.Media[i], &list[i]
		r.mid = m.Name()
		r.bundled = d.Bundled(r.mid)
		c := ice.Credentials{Fragment: first(d.Inherited(i, "ice-ufrag")), Password: first(d.Inherited(i, "ice-pwd"))}
		if m.Rejected() || m.Transport != sdp.TransportRTP || !c.Valid() {
			continue
		}
		if r.mismatch = m.Mismatch(); r.mismatch {
			continue
		}
		r.ice = ice.Credentials{Fragment: strings.Clone(c.Fragment), Password: strings.Clone(c.Password)}
		if p.signalling.IsValid() {
			m.At(p.signalling)
		}
	}
	return list
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// bundle refuses all lines of an offer's bundle but the first for sound: they would come by its port, and there is one stream
// to a port.
func (l reaches) bundle(d *sdp.Description) {
	some := false
	for i := range d.Media {
		if r := l.at(i); r != nil && r.bundled && !d.Media[i].Rejected() {
			if some || !strings.EqualFold(d.Media[i].Kind, "audio") {
				d.Media[i].Refuse()
				continue
			}
			some = true
		}
	}
}

// mux says whether RTCP shares the port of RTP in an answer to a line.
func (x *Exchange) muxes(i int) bool {
	m := &x.offer.Media[i]
	k := x.fromLocks.at(i)
	return m.Mux && (x.from.o.RTCPMux || m.MuxOnly || x.fromReach.at(i).on() || k != nil && k.dtls != nil)
}

// answerReach puts what we say of how we are reached on the lines of an answer.
func (x *Exchange) answerReach(v *sdp.View) {
	if x.direct {
		return
	}
	lite, bundle := false, ""
	for i := range v.Streams {
		s, r := &v.Streams[i], x.fromReach.at(i)
		s.Mux = x.muxes(i)
		if s.Port == 0 || r == nil {
			continue
		}
		switch {
		case r.mismatch:
			s.Attributes = append(s.Attributes, "ice-mismatch")
		case r.on():
			lite = true
			s.Attributes = append(s.Attributes, x.from.credentials(i, r.ice, *s, v.Address)...)
		}
		if r.mid != "" {
			s.Attributes = append(s.Attributes, "mid:"+r.mid)
		}
		if r.bundled && bundle == "" {
			bundle = "group:BUNDLE " + r.mid
		}
	}
	v.Attributes = session(lite, bundle)
}

// offerReach does the same for an offer.
func (x *Exchange) offerReach(v *sdp.View) {
	p := x.to
	if x.direct {
		return
	}
	v.Bare = x.to.o.ICE || x.from.o.ICE
	bundle := ""
	for i := range v.Streams {
		s, m := &v.Streams[i], &x.offer.Media[i]
		s.Mux = p.o.RTCPMux || p.o.ICE || slices.ContainsFunc(s.Attributes, isSetup)
		// Feedback is of browsers, and few others know its profile (RFC 4585 4).
		if (x.from.o.ICE || x.fromLocks.at(i) != nil) && !p.o.ICE && p.keyed(i) == nil && m.Transport == sdp.TransportRTP {
			s.Proto = strings.TrimSuffix(cmp.Or(s.Proto, m.Proto), "F")
		}
		if s.Port == 0 || !p.o.ICE || m.Transport != sdp.TransportRTP {
			continue
		}
		s.Attributes = append(s.Attributes, p.credentials(i, p.ends[i].reach.remote(), *s, v.Address)...)
		mid := strconv.Itoa(i)
		s.Attributes = append(s.Attributes, "mid:"+mid, "msid:media "+strings.ToLower(m.Kind)+mid)
		if bundle == "" && strings.EqualFold(m.Kind, "audio") {
			bundle = "group:BUNDLE " + mid
		}
	}
	v.Attributes = session(p.o.ICE, bundle)
}

// isSetup tells that an attribute is the role in a handshake.
func isSetup(a string) bool { return strings.HasPrefix(a, "setup:") }

// remote gives the credentials, zero for none.
func (r *reach) remote() ice.Credentials {
	if r == nil {
		return ice.Credentials{}
	}
	return r.ice
}

// session is what stands at session level.
func session(lite bool, bundle string) (lines []string) {
	if lite {
		lines = append(lines, "ice-lite")
	}
	if bundle != "" {
		lines = append(lines, bundle)
	}
	return lines
}

// credentials are our part of ICE on a line: other ones than before if the party begins anew (RFC 8445 9).
func (p *Party) credentials(i int, remote ice.Credentials, s sdp.Stream, address netip.Addr) []string {
	e := p.ends[i]
	if e.agent == nil {
		e.agent = ice.New(e.open(p.s.e))
	}
	if e.agent.Restarts(remote) {
		e.agent.Restart()
	}
	if s.Address.IsValid() {
		address = s.Address
	}
	own := e.agent.Local()
	lines := []string{"ice-ufrag:" + own.Fragment, "ice-pwd:" + own.Password, candidate(1, address, s.Port)}
	if !s.Mux || !p.o.ICE {
		lines = append(lines, candidate(2, address, s.Port+1))
	}
	return append(lines, "end-of-candidates")
}

// candidate is our only one of a component: 126 is the preference of a host's address, 65535 that of the only one (RFC 8445
// 5.1.2).
func candidate(component int, a netip.Addr, port int) string {
	priority := 126<<24 | 65535<<8 | (256 - component)
	place := a.String() + " " + strconv.Itoa(port)
	return "candidate:1 " + strconv.Itoa(component) + " udp " + strconv.Itoa(priority) + " " + place + " typ host"
}

// reached puts what a party said of it to use, before the stream is told what to expect.
func (e *end) reached(p *Party, r *reach) {
	if !r.on() {
		e.reach = nil
		if e.gate != nil {
			e.gate.agent.Store(nil)
		}
		return
	}
	e.reach = r
	if e.agent == nil { // it answered with ICE to what we said without
		e.reach = nil
		return
	}
	e.agent.Expect(r.ice)
	e.open(p.s.e).agent.Store(e.agent)
}

// expected is what may come from where on a line: with ICE nothing but from the pair that is chosen.
func (e *end) expected(p *Party, m *sdp.Media) (media, control relay.Peer) {
	if e.reach != nil {
		return media, control
	}
	return p.expected(m.Destination()), p.expected(m.RTCP)
}
