package sdp

import (
	"slices"
	"strconv"
	"strings"
)

// eventFormats are the events we know: the keys of a telephone (RFC 4733 3.2).
const eventFormats = "0-15"

// events applies the rule for telephone-events to the formats of an offered line: what is put in is explained by p.extra, what
// is left out is named in p.without.
func (p *plan) events(m *Media, rule EventRule) {
	if rule == EventsAsTheyAre || p.transport != TransportRTP || !strings.EqualFold(p.kind, "audio") {
		return
	}
	codecs := m.Codecs()
	if rule == EventsLeftOut {
		p.leaveOut(codecs)
		return
	}
	clock := 0
	for i := range codecs {
		if codecs[i].TelephoneEvent() {
			return
		}
		if clock == 0 || codecs[i].Clock == 8000 {
			clock = codecs[i].Clock
		}
	}
	if pt, ok := unused(m); ok && clock > 0 {
		p.formats = append(slices.Clip(p.formats), decimal(pt))
		p.explain(pt, clock)
	}
}

// leaveOut takes the telephone-events away.
func (p *plan) leaveOut(codecs []Codec) {
	for i := range codecs {
		if codecs[i].TelephoneEvent() {
			p.without = append(p.without, codecs[i].PT)
		}
	}
	if p.without == nil {
		return
	}
	p.formats = slices.DeleteFunc(slices.Clone(p.formats), func(f string) bool {
		pt, ok := payloadType(f)
		return ok && slices.Contains(p.without, pt)
	})
}

// explain says what a payload type is.
func (p *plan) explain(pt uint8, clock int) {
	n := decimal(pt)
	p.extra = append(p.extra, "rtpmap:"+n+" telephone-event/"+strconv.Itoa(clock), "fmtp:"+n+" "+eventFormats)
}

// unused finds a dynamic payload type (RFC 3551 section 3) that the line does not use: 101 for choice, because old devices
// expect it.
func unused(m *Media) (uint8, bool) {
	if !lists(m, 101) {
		return 101, true
	}
	for pt := uint8(96); pt < 128; pt++ {
		if !lists(m, pt) {
			return pt, true
		}
	}
	return 0, false
}

// answerEvents applies the rule to an answer, whose pairs are known: events that were offered are taken by us if the other side
// does not.
func (p *plan) answerEvents(asked *Media, rule EventRule) {
	if rule == EventsAsTheyAre || !strings.EqualFold(asked.Kind, "audio") {
		return
	}
	offered := asked.Codecs()
	is := func(q pair) bool {
		return slices.ContainsFunc(offered, func(c Codec) bool { return c.PT == q.offered && c.TelephoneEvent() })
	}
	switch {
	case rule == EventsLeftOut:
		p.pairs = slices.DeleteFunc(p.pairs, is)
	case !slices.ContainsFunc(p.pairs, is) && len(p.pairs) > 0:
		if c := eventFor(offered, p.pairs[0].offered); c != nil {
			p.own = append(p.own, c.PT)
			p.explain(c.PT, c.Clock)
		}
	}
}

// eventFor finds the telephone-event whose clock is that of a payload type, or else the first one.
func eventFor(codecs []Codec, pt uint8) (event *Codec) {
	clock := 0
	for i := range codecs {
		if codecs[i].PT == pt {
			clock = codecs[i].Clock
		}
	}
	for i := range codecs {
		if c := &codecs[i]; c.TelephoneEvent() && c.Clock > 0 && (event == nil || c.Clock == clock && event.Clock != clock) {
			event = c
		}
	}
	return event
}

// explained reports whether an attribute explains one of the payload types.
func explained(attr string, pts []uint8) bool {
	_, value := splitAttribute(attr)
	word, _ := field(value)
	pt, ok := payloadType(word)
	return ok && slices.Contains(pts, pt)
}
