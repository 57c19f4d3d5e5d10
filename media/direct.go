package media

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/sallyport/sallyport/media/sdp"
)

// Two parties may exchange media without us: each is told the addresses and ports that the other one names, and nothing else of its
// description that would not pass anyway. No port is reserved for them, nothing is counted, and silence cannot be heard.

// SetDirect says whether media of two parties go directly, from the next round between them on. It is decided before the first; Switch
// changes it later.
func (s *Session) SetDirect(p, q *Party, direct bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setDirect(p, q, direct)
}

func (s *Session) setDirect(p, q *Party, direct bool) {
	if s.goesDirect(p, q) == direct {
		return
	}
	if direct {
		s.direct = append(s.direct, [2]*Party{p, q})
		return
	}
	s.direct = slices.DeleteFunc(s.direct, func(d [2]*Party) bool { return d == [2]*Party{p, q} || d == [2]*Party{q, p} })
}

// Direct tells whether media of two parties go directly.
func (s *Session) Direct(p, q *Party) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.goesDirect(p, q)
}

func (s *Session) goesDirect(p, q *Party) bool {
	return len(s.direct) > 0 && (slices.Contains(s.direct, [2]*Party{p, q}) || slices.Contains(s.direct, [2]*Party{q, p}))
}

// isDirect tells whether a party exchanges media with another one without us.
func (s *Session) isDirect(p *Party) bool {
	return slices.ContainsFunc(s.direct, func(d [2]*Party) bool { return d[0] == p || d[1] == p })
}

// Switch begins a round like Reoffer that leaves directions as they are, or gives them all as d and, once it is answered, has media of
// the two go directly or through us. A Switch the other way should follow. Errors: those of Reoffer.
func (s *Session) Switch(from, to *Party, direct bool, d Direction) (*Exchange, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from.said == nil {
		return nil, ErrUnheard
	}
	return s.offer(&Exchange{s: s, from: from, to: to, form: rejoined, direct: direct, steady: true, turned: d}, []byte(from.last))
}

// openly is how a description looks to a party whose media go directly: it names the addresses of whoever wrote it.
func (p *Party) openly(d, former *sdp.Description) (sdp.View, error) {
	v := sdp.View{Former: former, Streams: make([]sdp.Stream, len(d.Media)), Direct: true}
	var err error
	if v.Origin, err = p.address(); err != nil {
		return v, err
	}
	for i := range d.Media {
		m := &d.Media[i]
		if !m.Relayable() {
			continue
		}
		at := m.Connection.Addr
		if !at.IsValid() {
			return v, fmt.Errorf("%w: line %d has no literal address", ErrUnsupported, i+1)
		}
		st := sdp.Stream{Port: m.Port, Address: at, Mux: m.Mux}
		if m.RTCP.Addr() == at { // RFC 3605 2.1: another address of RTCP would be one more that is told
			st.RTCPPort = m.RTCPPort
		}
		if !v.Address.IsValid() {
			v.Address = at
		}
		v.Streams[i] = st
	}
	if !v.Address.IsValid() {
		v.Address = v.Origin
	}
	return v, nil
}

// address is any address of ours in the realm of a party.
func (p *Party) address() (netip.Addr, error) {
	pools := *p.s.e.pools.Load()
	for _, id := range p.o.Pools {
		if q := pools[id]; q != nil {
			return q.advertised(), nil
		}
	}
	return netip.Addr{}, ErrNoPorts
}

// vacate gives up what the parties of a direct round had of us before.
func (x *Exchange) vacate() {
	for _, p := range [...]*Party{x.from, x.to} {
		for _, e := range p.ends {
			if e != nil {
				e.disconnect()
				e.used = false
			}
		}
		p.trim()
	}
	x.s.settled()
}

// Moved tells whether a party whose media go directly wants them elsewhere than before, as it said in its answer to a renewal.
func (x *Exchange) Moved() bool { return x.elsewhere }

// compares notes whether the answer to a renewal names other addresses than were told to the other party.
func (x *Exchange) compares(agreed *sdp.Description) {
	before, err := x.to.own()
	if err != nil || !x.s.isDirect(x.to) {
		return
	}
	for i := range min(len(before.Media), len(agreed.Media)) {
		was, is := &before.Media[i], &agreed.Media[i]
		x.elsewhere = x.elsewhere || was.Port != is.Port || was.Connection.Addr != is.Connection.Addr
	}
}

// heldDirectly tells whether a party whose media go directly was told not to send on any line that it has.
func (p *Party) heldDirectly() bool {
	own, err := p.own()
	if err != nil || p.said == nil {
		return false
	}
	some := false
	for i := range min(len(own.Media), len(p.said.Media)) {
		if own.Media[i].Rejected() || p.said.Media[i].Rejected() {
			continue
		}
		if !p.said.Media[i].Held() {
			return false
		}
		some = true
	}
	return some
}

// Addresses lists where an offer wants media, line by line; ok is false if it cannot be read, a line that could be relayed has no literal
// address, or there is no such line.
func Addresses(offer []byte) (list []netip.Addr, ok bool) {
	d, err := sdp.Parse(offer)
	if err != nil {
		return nil, false
	}
	for i := range d.Media {
		m := &d.Media[i]
		if !m.Relayable() {
			continue
		}
		if !m.Destination().IsValid() {
			return nil, false
		}
		list = append(list, m.Connection.Addr)
	}
	return list, len(list) > 0
}
