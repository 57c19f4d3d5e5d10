package sdp

import "strings"

// session writes the session level of d. Times come from another description if this is an answer, which must repeat the
// offer's (RFC 3264 section 6).
func (w *writer) session(d, times *Description) {
	o := originValue(plain(w.view.origin()))
	c := o[len(emptyOrigin):]
	if w.view.Direct {
		c = connectionValue(w.address)
	}
	w.add('v', 0, "0")
	w.add('o', 0, o)
	w.add('s', 0, "-")
	w.add('c', 0, c)
	w.out.Connection = Connection{Host: c[len("IN IP4 "):], Addr: w.address}
	w.out.Origin = Origin{
		Raw: w.lines[1].Value, Username: "-", SessionID: "0", Version: "0", Host: o[len(emptyOrigin)+len("IN IP4 "):],
		Addr: plain(w.view.origin()),
	}
	w.bandwidth(d.Lines)
	w.times(times)
	for _, l := range d.Lines {
		if l.Type != 'a' {
			continue
		}
		switch l.kind {
		case attrDirection, attrRTCP, attrMux, attrMuxOnly: // written at every m= line instead
		case attrPayload: // means nothing here
		default:
			w.passTimed(l, &w.ptime, &w.maxPtime)
		}
	}
	w.own(w.view.Attributes)
	w.unknown(d.Lines)
}

// times writes t=, and r= and z= behind it, or "t=0 0" where there is none.
func (w *writer) times(d *Description) {
	seen := false
	for _, l := range d.Lines {
		switch l.Type {
		case 't':
			if value, ok := timing(l.Value); ok {
				w.add('t', 0, value)
				seen = true
			}
		case 'r', 'z':
			if seen && w.harmless(l.Value) {
				w.lines = append(w.lines, l)
			}
		}
	}
	if !seen {
		w.add('t', 0, "0 0")
	}
}

// timing reads "start stop" (RFC 8866 section 5.9) and gives it back with one blank between.
func timing(s string) (string, bool) {
	start, rest := field(s)
	stop, rest := field(rest)
	if !decimals(start) || !decimals(stop) || trimLeft(rest) != "" {
		return "", false
	}
	if len(s) == len(start)+1+len(stop) && s[len(start)] == ' ' {
		return s, true
	}
	return start + " " + stop, true
}

func decimals(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= 20
}

// unknown passes lines of types that RFC 8866 does not have, if the caller wants them.
func (w *writer) unknown(from []Line) {
	if !w.view.KeepUnknownLines {
		return
	}
	for _, l := range from {
		if l.Type != 0 && strings.IndexByte("vosiuepcbtrzkam", l.Type) < 0 && w.harmless(l.Value) {
			w.lines = append(w.lines, l)
		}
	}
}
