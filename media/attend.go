package media

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/media/sdp"
)

// Attend answers a party's offer ourselves, because nobody else does: one audio line in a format we can speak, with
// telephone-events if they are offered, everything else refused. The party can be played to then. Errors: ErrNoVoice if there
// is no such line, ErrBadSDP, ErrNoPorts, ErrPending, ErrClosed.
func (s *Session) Attend(p *Party, offer []byte) (answer []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || p.dropped || p.s != s {
		return nil, ErrClosed
	}
	if s.pending(p, p) {
		return nil, ErrPending
	}
	d, err := sdp.Parse(offer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSDP, err)
	}
	x := &Exchange{s: s, from: p, to: p, offer: d}
	if err := x.unlock(); err != nil {
		return nil, err
	}
	line, own := ourAnswer(d)
	if line < 0 {
		return nil, ErrNoVoice
	}
	agreed, err := sdp.Parse([]byte(own))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSDP, err)
	}
	defer x.finish()
	wanted := d.Media[line].Connection.Addr
	if !wanted.IsValid() {
		wanted = p.signalling
	}
	if err := x.hold(p, line, wanted); err != nil {
		return nil, err
	}
	return x.attend(agreed, line)
}

// attend completes the round.
func (x *Exchange) attend(agreed *sdp.Description, line int) ([]byte, error) {
	p := x.from
	view, err := p.view(x.offer, nil)
	if err != nil {
		return nil, err
	}
	for i := range view.Streams {
		if i != line {
			view.Streams[i] = sdp.Stream{}
		}
	}
	if agreed, _, err = sdp.Check(x.offer, agreed); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSDP, err)
	}
	x.answerKeys(&view)
	x.answerReach(&view)
	back, err := sdp.Answer(x.offer, agreed, view)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSDP, err)
	}
	out := p.author.Say(back)
	e, m := p.ends[line], &x.offer.Media[line]
	codecs, mux := agreed.Media[line].Codecs(), m.Mux && back.Media[line].Mux
	e.used, e.codec = true, word(codec(&agreed.Media[line], codecs))
	e.disconnect()
	e.reached(p, x.fromReach.at(line))
	e.expect(p, m, mux, p.s.e.clock())
	p.s.lock(p, e, x.fromLocks.at(line), p.s.e.clock())
	p.last, p.said = x.offer.Text(), p.author.Said()
	e.listen(formats(codecs), mux)
	p.s.retune()
	return out, nil
}

// ourAnswer writes what we answer to an offer, and says which line of it is spoken on; -1 if there is none.
func ourAnswer(d *sdp.Description) (line int, text string) {
	var b strings.Builder
	b.WriteString("v=0\r\no=- 0 0 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n") // the view's address takes its place
	line = -1
	for i := range d.Media {
		m := &d.Media[i]
		if line < 0 && m.Relayable() && strings.EqualFold(m.Kind, "audio") {
			if formats := ourFormats(m); formats != "" {
				line = i
				b.WriteString("m=" + m.Kind + " 9 " + m.Proto + formats)
				continue
			}
		}
		b.WriteString("m=" + m.Kind + " 0 " + m.Proto + " " + strings.Join(m.Formats, " ") + "\r\n")
	}
	return line, b.String()
}

// ourFormats are the formats of an offered line that we can speak, "" if there are none, with the lines that explain them.
func ourFormats(m *sdp.Media) string {
	var formats, lines string
	sound := false
	codecs := m.Codecs()
	for i := range codecs {
		c := &codecs[i]
		_, law := lawOf(c)
		event := c.TelephoneEvent() && c.Clock == 8000
		if !event && (!law || sound) {
			continue
		}
		pt := strconv.Itoa(int(c.PT))
		formats += " " + pt
		lines += "a=rtpmap:" + pt + " " + c.Name + "/" + strconv.Itoa(c.Clock) + "\r\n"
		if event {
			lines += "a=fmtp:" + pt + " 0-15\r\n"
		}
		sound = sound || law
	}
	if !sound {
		return ""
	}
	return formats + "\r\n" + lines
}
