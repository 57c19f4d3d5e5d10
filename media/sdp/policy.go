package sdp

import (
	"slices"
	"strconv"
	"strings"
)

// Policy is what may pass between a side and us, beside what hiding asks for. Nil lets everything pass as it is. Names of
// codecs are compared without case and may have a clock rate behind them ("speex/16000"); "G729A" and the like are G729.
type Policy struct {
	// Allow, where it has entries, are the only codecs of RTP lines let through. Formats that go with any codec, telephone-event
	// (RFC 4733) and CN (RFC 3389), are left alone: what must not pass of them is denied by name.
	Allow []string
	// Deny are taken out; here formats of other lines may stand as well ("t38").
	Deny []string
	// Order come first, in this order.
	Order []string
	// Ptime is the packet time asked for on audio lines, in milliseconds; 0 leaves what the other side said. It is never more than
	// the other side's maxptime.
	Ptime int
	// Strip are names of attributes that never pass to the side. Directions that mean something are not stripped.
	Strip []string
}

// names reports whether a list holds a codec.
func names(list []string, c *Codec) bool { return place(list, c) < len(list) }

// place is where a list names a codec, its length if nowhere.
func place(list []string, c *Codec) int {
	for i, entry := range list {
		name, rate, rated := strings.Cut(entry, "/")
		if sameName(name, c.Name) && (!rated || rate == strconv.Itoa(c.Clock)) {
			return i
		}
	}
	return len(list)
}

// passes reports whether a codec may pass.
func (p *Policy) passes(c *Codec) bool {
	if p == nil {
		return true
	}
	return !names(p.Deny, c) && (len(p.Allow) == 0 || c.TelephoneEvent() || c.ComfortNoise() || names(p.Allow, c))
}

// strips reports whether an attribute is kept from the side; s is its name, or all of it.
func (p *Policy) strips(s string) bool {
	if p == nil || len(p.Strip) == 0 {
		return false
	}
	name, _ := splitAttribute(s)
	name = trimRight(name)
	if classify(name) == attrDirection && direction(name) != SendRecv {
		return false
	}
	return slices.ContainsFunc(p.Strip, func(other string) bool { return strings.EqualFold(other, name) })
}

// chosen gives the formats of an offered line that both sides' policies let pass, in the order the receiver's has; nil if none
// of them carries anything but keys and noise. changed tells that some are missing.
func (w *writer) chosen(m *Media, formats []string) (kept []string, changed bool) {
	from, to := w.view.Source, w.view.Policy
	if from == nil && to == nil {
		return formats, false
	}
	codecs := m.Codecs()
	if m.Transport != TransportRTP {
		kept = slices.DeleteFunc(slices.Clone(formats), func(f string) bool {
			c := &Codec{Name: f}
			return from != nil && names(from.Deny, c) || to != nil && names(to.Deny, c)
		})
		return kept, len(kept) != len(formats)
	}
	left := make([]Codec, 0, len(codecs))
	speech := false
	for i := range codecs {
		c := &codecs[i]
		if from.passes(c) && to.passes(c) && slices.Contains(formats, decimal(c.PT)) {
			left = append(left, *c)
			speech = speech || !c.TelephoneEvent() && !c.ComfortNoise()
		}
	}
	if !speech {
		return nil, true
	}
	left = paired(left)
	to.sort(left)
	for i := range left {
		kept = append(kept, decimal(left[i].PT))
	}
	return kept, len(kept) != len(formats)
}

// barred reports that the policies let nothing of a line pass.
func (w *writer) barred(m *Media) bool {
	if w.view.Policy == nil && w.view.Source == nil {
		return false
	}
	kept, _ := w.chosen(m, m.Formats)
	return len(kept) == 0
}

// paired takes out retransmissions (RFC 4588) of codecs that are not there any more.
func paired(codecs []Codec) []Codec {
	all := slices.Clone(codecs)
	return slices.DeleteFunc(codecs, func(c Codec) bool {
		rest, ok := strings.CutPrefix(c.Fmtp, "apt=")
		if !ok || !strings.EqualFold(c.Name, "rtx") {
			return false
		}
		word, _, _ := strings.Cut(rest, ";")
		pt, ok := payloadType(trimRight(word))
		return ok && !slices.ContainsFunc(all, func(other Codec) bool { return other.PT == pt })
	})
}

// sort puts the codecs that the policy names first, the others behind as they stood.
func (p *Policy) sort(codecs []Codec) {
	if p == nil || len(p.Order) == 0 {
		return
	}
	slices.SortStableFunc(codecs, func(a, b Codec) int { return place(p.Order, &a) - place(p.Order, &b) })
}

// order does the same for the formats of an answer, which have the offer's numbers.
func (w *writer) order(asked *Media, formats []string) []string {
	p := w.view.Policy
	if p == nil || len(p.Order) == 0 {
		return formats
	}
	rank := func(format string) int {
		pt, _ := payloadType(format)
		codecs := asked.Codecs()
		for i := range codecs {
			if codecs[i].PT == pt {
				return place(p.Order, &codecs[i])
			}
		}
		return len(p.Order)
	}
	formats = slices.Clone(formats)
	slices.SortStableFunc(formats, func(a, b string) int { return rank(a) - rank(b) })
	return formats
}

// packetTime writes the a=ptime that the policy asks for; false if it asks for none.
func (w *writer) packetTime(out, m *Media) bool {
	p := w.view.Policy
	if p == nil || p.Ptime == 0 || out.Transport != TransportRTP || !strings.EqualFold(out.Kind, "audio") {
		return false
	}
	if out.Ptime == 0 {
		out.Ptime = p.Ptime
		if m.MaxPtime > 0 {
			out.Ptime = min(out.Ptime, m.MaxPtime)
		}
		w.add('a', attrPtime, "ptime:"+strconv.Itoa(out.Ptime))
	}
	return true
}
