package sdp

import (
	"strconv"
	"strings"
)

// Rewrite makes our offer out of the one we got. The result has the same m= lines, the rejected ones with port 0 and
// without attributes, and lines in the order of RFC 8866 section 5. A c= line of zeros becomes the direction that means
// the same: the peer must not see it, for it is to send to us. The o= line holds zeros until [Author.Say].
// Errors: ErrView.
func Rewrite(d *Description, v View) (*Description, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	w := newWriter(d, v)
	for i := range d.Media {
		w.partial = w.partial || d.Media[i].Rejected() || v.stream(i).Port == 0 || w.barred(&d.Media[i])
	}
	w.nameSections(d.Media, func(i int) string { return strconv.Itoa(i + 1) })
	w.session(d, d)
	for i := range d.Media {
		m := &d.Media[i]
		s := v.stream(i)
		formats, chosen := w.chosen(m, w.formats(m))
		if m.Rejected() || s.Port == 0 || len(formats) == 0 {
			w.reject(m)
			continue
		}
		p := plan{
			kind: m.Kind, proto: m.Proto, transport: m.Transport, formats: formats,
			direction: w.direction(m), mux: s.Mux, chosen: chosen,
		}
		if p.events(m, v.Events); len(p.formats) == 0 {
			w.reject(m)
			continue
		}
		w.media(m, s, p)
	}
	if v.Former != nil {
		for i := len(d.Media); i < len(v.Former.Media); i++ {
			w.reject(&v.Former.Media[i])
		}
	}
	out := w.finish()
	for i := range out.Media {
		out.Media[i].codecs = out.Media[i].findCodecs() // the answer is held against them
	}
	return out, nil
}

// direction is what an offer says of a line.
func (w *writer) direction(m *Media) Direction {
	if w.view.Awake {
		return SendRecv
	}
	d := heldDirection(m)
	if w.view.Audible && d == Inactive && strings.EqualFold(m.Kind, "audio") {
		return SendOnly
	}
	return d
}

// heldDirection is the direction a side means, with the zero address of RFC 2543 read as "do not send to me".
func heldDirection(m *Media) Direction {
	if m.Zero() {
		return m.Direction & SendOnly
	}
	return m.Direction
}
