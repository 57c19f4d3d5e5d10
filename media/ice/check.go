package ice

import (
	"crypto/subtle"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

const (
	header         = 20
	cookie         = 0x2112a442
	bindingRequest = 0x0001
	// mostOctets and mostAttributes bound a check that is looked at: real ones have ten attributes and 150 octets, two user names of
	// 256 octets (RFC 8839 5.4) included it stays below.
	mostOctets, mostAttributes = 1024, 32
)

// Looks reports whether a datagram is STUN by its first octet (RFC 7983 7).
func Looks(b []byte) bool { return len(b) > 0 && b[0] < 4 }

// request is what a check says.
type request struct {
	username, integrity                                          []byte
	priority                                                     uint32
	prioritized, nominates, controlled, controlling, fingerprint bool
	unknown                                                      []uint16
}

// Take handles a datagram that Looks like STUN, which came at now (nanoseconds of a steady clock), and gives the answer for its
// source, nil for none. b is used as scratch.
func (a *Agent) Take(b []byte, source netip.AddrPort, c Component, now int64) []byte {
	if !plausible(b) || c >= components {
		a.discard()
		return nil
	}
	answer, chosen := a.take(b, source, c, now)
	if chosen {
		a.watcher.Selected(c, source)
	}
	return answer
}

// plausible looks at the header: whole and nothing but a binding request.
func plausible(b []byte) bool {
	return len(b) >= header && len(b) <= mostOctets && binary.BigEndian.Uint16(b) == bindingRequest &&
		int(binary.BigEndian.Uint16(b[2:])) == len(b)-header && len(b)%4 == 0 && binary.BigEndian.Uint32(b[4:]) == cookie
}

func (a *Agent) discard() {
	a.mu.Lock()
	a.stats.Discarded++
	a.mu.Unlock()
}

func (a *Agent) take(b []byte, source netip.AddrPort, c Component, now int64) (answer []byte, chosen bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, key, ok := a.verify(b, source, c, now)
	if !ok {
		a.stats.Discarded++
		return nil, false
	}
	switch {
	case len(r.unknown) > 0:
		return a.refuse(key, stun.CodeUnknownAttribute, r.unknown), false
	case !r.prioritized || r.controlled && r.controlling:
		return a.refuse(key, stun.CodeBadRequest, nil), false
	case r.controlled: // we never control: RFC 8445 6.1.1, 7.3.1.1
		return a.refuse(key, stun.CodeRoleConflict, nil), false
	}
	if string(key) == a.local.Password {
		chosen = a.heard(&a.parts[c], c, source, &r, now)
	} else if p := &a.parts[c]; p.selected == source && !p.fresh {
		p.heard = now // consent until the restart is through
	}
	a.stats.Answered++
	return a.succeed(key, source), chosen
}

// verify tells whether a check is the peer's. What costs more than a look comes last. The lock is held.
func (a *Agent) verify(b []byte, source netip.AddrPort, c Component, now int64) (r request, key []byte, ok bool) {
	if a.closed {
		return r, nil, false
	}
	a.msg.Raw = b
	if a.msg.Decode() != nil || len(a.msg.Attributes) > mostAttributes {
		return r, nil, false
	}
	r.read(&a.msg)
	password, known := a.user(r.username)
	if !known || r.integrity == nil || !r.fingerprint {
		return r, nil, false
	}
	budget, rate := &a.spare, float64(failureRate)
	if p := a.parts[c].find(source); p != nil {
		budget, rate = &p.budget, pairRate
	}
	if !budget.take(now, rate) {
		return r, nil, false
	}
	key = []byte(password)
	if stun.Fingerprint.Check(&a.msg) != nil || stun.MessageIntegrity(key).Check(&a.msg) != nil {
		return r, nil, false
	}
	if budget == &a.spare {
		budget.left++ // the peer's own checks use up nothing of what strangers have
	}
	return r, key, true
}

// read takes out what is there before MESSAGE-INTEGRITY; what follows it is not covered and does not count (RFC 8489 14.5),
// except for FINGERPRINT, which must be the last.
func (r *request) read(m *stun.Message) {
	for i, at := range m.Attributes {
		if at.Type == stun.AttrFingerprint {
			r.fingerprint = i == len(m.Attributes)-1 && len(at.Value) == 4
		}
		if r.integrity != nil {
			continue
		}
		switch at.Type {
		case stun.AttrMessageIntegrity:
			r.integrity = at.Value
		case stun.AttrUsername:
			r.username = at.Value
		case stun.AttrPriority:
			if r.prioritized = len(at.Value) == 4; r.prioritized {
				r.priority = binary.BigEndian.Uint32(at.Value)
			}
		case stun.AttrUseCandidate:
			r.nominates = true
		case stun.AttrICEControlled:
			r.controlled = true
		case stun.AttrICEControlling:
			r.controlling = true
		case stun.AttrMessageIntegritySHA256, stun.AttrFingerprint:
		default:
			if at.Type < 0x8000 { // RFC 8489 14: comprehension is required
				r.unknown = append(r.unknown, uint16(at.Type))
			}
		}
	}
}

// user finds the password for "ours:theirs" (RFC 8445 7.2.2).
func (a *Agent) user(name []byte) (password string, ok bool) {
	for _, c := range [...]Credentials{a.local, a.former} {
		n := len(c.Fragment)
		if n == 0 || len(name) <= n || name[n] != ':' || subtle.ConstantTimeCompare(name[:n], []byte(c.Fragment)) != 1 {
			continue
		}
		if c == a.local && string(name[n+1:]) != a.remote.Fragment {
			return "", false
		}
		return c.Password, true
	}
	return "", false
}

// heard notes a good check, and tells whether it moves the media. The lock is held.
func (a *Agent) heard(p *component, c Component, source netip.AddrPort, r *request, now int64) (chosen bool) {
	q := p.learn(source, now)
	again := q.nominated && r.nominates
	q.last, q.priority, q.nominated = now, r.priority, r.nominates
	if r.nominates {
		p.urge(source)
	}
	if r.nominates && p.chooses(q, again) {
		chosen = true
		p.selected, p.fresh = source, true
		a.former = Credentials{}
	}
	if p.selected != source {
		return false
	}
	if p.lost { // RFC 7675 asks for new credentials; a lite side gets its consent by being asked, and it is asked again
		p.lost, chosen = false, true
	}
	p.heard = now
	if p.timer == nil {
		p.timer = time.AfterFunc(Consent, func() { a.lapse(c, p, now) })
	}
	return chosen
}

// lapse is called when consent may be over: seen is when the pair had been heard last as the timer was set.
func (a *Agent) lapse(c Component, p *component, seen int64) {
	a.mu.Lock()
	if a.closed || p.lost {
		a.mu.Unlock()
		return
	}
	if later := p.heard; later > seen {
		p.timer = time.AfterFunc(time.Duration(later-seen), func() { a.lapse(c, p, later) })
		a.mu.Unlock()
		return
	}
	p.lost, p.timer = true, nil
	a.mu.Unlock()
	a.watcher.Lost(c)
}

// refuse makes an error response. The lock is held.
func (a *Agent) refuse(key []byte, code stun.ErrorCode, unknown []uint16) []byte {
	a.stats.Refused++
	setters := []stun.Setter{stun.NewTransactionIDSetter(a.msg.TransactionID), stun.BindingError, code}
	if len(unknown) > 0 {
		list := make(stun.UnknownAttributes, 0, len(unknown))
		for _, t := range unknown {
			list = append(list, stun.AttrType(t))
		}
		setters = append(setters, list)
	}
	return build(append(setters, stun.MessageIntegrity(key), stun.Fingerprint))
}

// succeed makes the response to a good check. The lock is held.
func (a *Agent) succeed(key []byte, source netip.AddrPort) []byte {
	mapped := &stun.XORMappedAddress{IP: source.Addr().Unmap().AsSlice(), Port: int(source.Port())}
	return build([]stun.Setter{
		stun.NewTransactionIDSetter(a.msg.TransactionID), stun.BindingSuccess, mapped, stun.MessageIntegrity(key), stun.Fingerprint,
	})
}

func build(setters []stun.Setter) []byte {
	m := &stun.Message{Raw: make([]byte, 0, 128)}
	if m.Build(setters...) != nil {
		return nil
	}
	return m.Raw
}
