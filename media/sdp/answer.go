package sdp

import (
	"fmt"
	"slices"
	"strings"
)

// Check holds an answer against the offer it answers (RFC 3264 section 6) and repairs what devices get wrong where the
// meaning is plain: missing or surplus m= lines, a stream taken that was not offered, a direction the offer does not
// allow, RTP/AVP against RTP/AVPF, rtcp-mux or formats never offered. The result has exactly the offer's m= lines; its
// facts count where they differ from its lines. Notes name the repairs (32 at most); arguments are left as they were.
// Errors: ErrMismatch.
func Check(sent, answer *Description) (agreed *Description, notes []string, err error) {
	c := checker{sent: sent}
	out := newDescription(len(sent.Media))
	lines := out.Media[:len(sent.Media)]
	c.align(lines, answer.Media)
	for i := range lines {
		if err := c.line(i, &sent.Media[i], &lines[i]); err != nil {
			return nil, nil, err
		}
	}
	*out = *answer
	out.Media = lines
	return out, c.notes, nil
}

type checker struct {
	sent  *Description
	notes []string
}

// maxNotes bounds what a hostile answer can make us write.
const maxNotes = 32

func (c *checker) note(i int, format string, args ...any) {
	if len(c.notes) >= maxNotes {
		return
	}
	c.notes = append(c.notes, fmt.Sprintf("m= line %d: ", i+1)+fmt.Sprintf(format, args...))
}

// align gives each offered line its answer. The n-th answers the n-th; if their numbers differ, kinds are matched in
// order, what is missing was refused, and what is too much was never offered.
func (c *checker) align(lines, answered []Media) {
	if len(answered) == len(lines) {
		copy(lines, answered)
		return
	}
	next := 0
	for i := range lines {
		offered := &c.sent.Media[i]
		if next < len(answered) && (strings.EqualFold(offered.Kind, answered[next].Kind) || len(answered)-next >= len(lines)-i) {
			lines[i] = answered[next]
			next++
			continue
		}
		lines[i] = refusal(offered)
		c.note(i, "not answered, taken as refused")
	}
	for ; next < len(answered); next++ {
		c.note(next, "never offered, ignored")
	}
}

// refusal is the answer that rejects an offered line.
func refusal(offered *Media) Media {
	return Media{
		Kind: offered.Kind, Proto: offered.Proto, Transport: offered.Transport, PortCount: 1, Formats: offered.Formats,
		Direction: offered.Direction.Reverse(),
	}
}

// line checks one answered line and changes its facts where they need repair.
func (c *checker) line(i int, offered, m *Media) error {
	if m.Rejected() {
		return nil
	}
	if offered.Rejected() { // RFC 3264 section 6: "MUST be marked as rejected in the answer"
		c.note(i, "answered with port %d though offered with 0", m.Port)
		*m = refusal(offered)
		return nil
	}
	if !strings.EqualFold(offered.Kind, m.Kind) {
		return fault(ErrMismatch, "m= line %d: %s answered, %s offered", i+1, short(m.Kind), short(offered.Kind))
	}
	if offered.Transport != m.Transport || offered.Transport == TransportOther && !strings.EqualFold(offered.Proto, m.Proto) {
		return fault(ErrMismatch, "m= line %d: %s answered, %s offered", i+1, short(m.Proto), short(offered.Proto))
	}
	if !strings.EqualFold(offered.Proto, m.Proto) {
		c.note(i, "%s answered, %s offered", short(m.Proto), short(offered.Proto))
		m.Proto = offered.Proto
	}
	if err := c.formats(i, offered, m); err != nil {
		return err
	}
	if d := m.Direction & offered.Direction.Reverse(); d != m.Direction {
		c.note(i, "%s answered, %s offered", m.Direction, offered.Direction)
		m.Direction, m.explicit = d, true
	}
	if m.Mux && !offered.Mux {
		c.note(i, "rtcp-mux answered, not offered")
		m.Mux = false
	}
	return nil
}

// formats leaves those that were offered; an RTP line must keep at least one (RFC 3264 section 6.1).
func (c *checker) formats(i int, offered, m *Media) error {
	if offered.Transport != TransportRTP {
		return nil
	}
	pairs := pairFormats(offered, m)
	if len(pairs) == 0 {
		return fault(ErrMismatch, "m= line %d: no format in common", i+1)
	}
	if len(pairs) == len(m.Formats) {
		return nil
	}
	kept := make([]string, 0, len(pairs))
	for _, f := range m.Formats {
		if pt, ok := payloadType(f); ok && answers(pairs, pt) {
			kept = append(kept, f)
			continue
		}
		c.note(i, "format %s was not offered", short(f))
	}
	m.Formats, m.codecs = kept, nil
	return nil
}

func answers(pairs []pair, pt uint8) bool {
	for _, p := range pairs {
		if p.answered == pt {
			return true
		}
	}
	return false
}

// Answer makes our answer to offer out of agreed, the checked answer of the other side to what we made of that offer. It
// has exactly the offer's m= lines; those refused by either side or without a port in the view have port 0. Payload
// types carry the offer's numbers ([Pair] has the maps for the relay), directions are such as the offer allows.
// Errors: ErrMismatch if agreed has fewer m= lines, ErrView.
func Answer(offer, agreed *Description, v View) (*Description, error) {
	if len(agreed.Media) < len(offer.Media) {
		return nil, fault(ErrMismatch, "%d m= lines answered, %d offered", len(agreed.Media), len(offer.Media))
	}
	if err := v.check(); err != nil {
		return nil, err
	}
	w := newWriter(agreed, v)
	for i := range offer.Media {
		w.partial = w.partial || offer.Media[i].Rejected() || agreed.Media[i].Rejected() || v.stream(i).Port == 0
	}
	w.nameSections(agreed.Media[:len(offer.Media)], func(i int) string { return sectionName(&offer.Media[i]) })
	w.session(agreed, offer)
	for i := range offer.Media {
		asked, m, s := &offer.Media[i], &agreed.Media[i], v.stream(i)
		p := plan{
			kind: asked.Kind, proto: asked.Proto, transport: asked.Transport, answer: true,
			direction: heldDirection(m) & asked.Direction.Reverse(),
			mux:       s.Mux && asked.Mux,
		}
		if asked.Rejected() || m.Rejected() || s.Port == 0 || !p.agree(asked, m, &w) {
			w.reject(asked)
			continue
		}
		p.formats = w.order(asked, p.formats)
		w.media(m, s, p)
	}
	return w.finish(), nil
}

// agree fills in the formats, under the offer's numbers and in its spelling; false if none is left.
func (p *plan) agree(asked, m *Media, w *writer) bool {
	if p.transport != TransportRTP {
		if p.formats = w.formats(m); slices.EqualFunc(p.formats, asked.Formats, strings.EqualFold) {
			p.formats = asked.Formats
		}
		return len(p.formats) > 0
	}
	p.pairs = pairFormats(asked, m)
	if w.view.Direct {
		for i := range p.pairs {
			p.pairs[i].offered = p.pairs[i].answered
		}
	}
	p.answerEvents(asked, w.view.Events)
	if same(p.pairs) && len(p.pairs) == len(m.Formats) && p.own == nil {
		p.formats = m.Formats
		return len(p.formats) > 0
	}
	p.formats = make([]string, 0, len(p.pairs))
	for _, q := range p.pairs {
		p.formats = append(p.formats, decimal(q.offered))
	}
	for _, pt := range p.own {
		p.formats = append(p.formats, decimal(pt))
	}
	return len(p.formats) > 0
}
