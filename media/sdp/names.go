package sdp

import "strings"

// harmless is clean for what is free text: it holds nothing either that looks like a host name or like user@host.
func (w *writer) harmless(s string) bool { return !holdsHost(s) && w.clean(s) }

// holdsHost reports whether s holds what looks like a host name, a name with dots whose last label is of letters, or user@host. It
// errs on the side of yes; escaped dots count.
func holdsHost(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case '.':
			if labelByte(s, i-1) && topLabel(s[i+1:]) {
				return true
			}
		case '@':
			if labelByte(s, i-1) && labelByte(s, i+1) {
				return true
			}
		case '%': // RFC 3986 section 2.1: "%2E" and "%40"
			if i+2 < len(s) && (s[i+1] == '2' && s[i+2]|0x20 == 'e' || s[i+1] == '4' && s[i+2] == '0') {
				return true
			}
		}
	}
	return false
}

// topLabel reports whether s begins with a label of two letters or more, or with an encoded one (RFC 5890 section 2.3.2.1).
func topLabel(s string) bool {
	letters := 0
	for letters < len(s) && letter(s[letters]) {
		letters++
	}
	if letters == 2 && len(s) > 4 && strings.EqualFold(s[:4], "xn--") {
		return true
	}
	return letters >= 2 && !labelByte(s, letters)
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80 }

// labelByte reports whether s[i] may be part of a label.
func labelByte(s string, i int) bool {
	return i >= 0 && i < len(s) && (letter(s[i]) || digit(s[i]) || s[i] == '-' || s[i] == '_')
}

// codec gives an attribute of a payload type without what may not pass, "" if that is all of it.
func (w *writer) codec(attr string) string {
	name, value := splitAttribute(attr)
	switch {
	case w.harmless(attr):
		return attr
	case name == "fmtp":
		return w.parameters(value)
	case name == "rtpmap" && registered(value) && w.clean(attr):
		return attr
	}
	return ""
}

// registered reports that an rtpmap names a codec of the trees of RFC 6838 section 3, such as "vnd.onvif.metadata": others have no
// dots.
func registered(value string) bool {
	_, name := field(value)
	name = trimLeft(name)
	for _, tree := range [...]string{"vnd.", "prs.", "x."} {
		if len(name) > len(tree) && strings.EqualFold(name[:len(tree)], tree) {
			return true
		}
	}
	return false
}

// parameters writes an fmtp anew without those parameters that hold an address or a name.
func (w *writer) parameters(value string) string {
	format, rest := field(value)
	if _, ok := payloadType(format); !ok && !w.harmless(format) {
		return ""
	}
	var kept []string
	for p := range strings.SplitSeq(rest, ";") {
		if p = strings.TrimSpace(p); p != "" && w.harmless(p) {
			kept = append(kept, p)
		}
	}
	if len(kept) == 0 {
		return ""
	}
	return "fmtp:" + format + " " + strings.Join(kept, ";")
}

// plainLabel reports that a label (RFC 4574) is a figure, as those that machines write are.
func plainLabel(value string) bool { return decimals(value) && len(value) <= 8 }

// language reports that a value is a language tag (RFC 5646 section 2.1) of language, script and region: the rest of the grammar
// takes any words.
func language(value string) bool {
	tag, rest, more := strings.Cut(value, "-")
	if len(tag) < 2 || len(tag) > 3 || !letters(tag) {
		return false
	}
	if part, tail, further := strings.Cut(rest, "-"); len(part) == 4 && letters(part) {
		rest, more = tail, further
	}
	return !more || len(rest) == 2 && letters(rest) || len(rest) == 3 && decimals(rest)
}

func letters(s string) bool {
	for i := range len(s) {
		if s[i]|0x20 < 'a' || s[i]|0x20 > 'z' {
			return false
		}
	}
	return true
}

// section is the name of one m= line (RFC 5888 section 4) on either side.
type section struct{ theirs, ours string }

// nameSections gives every m= line with a name another one: toward the answerer its number, toward the offerer the one it gave.
// A name may be any word, and so any host's.
func (w *writer) nameSections(lines []Media, ours func(i int) string) {
	for i := range lines {
		name := sectionName(&lines[i])
		if name == "" {
			continue
		}
		if w.sections == nil {
			w.sections = make([]section, len(lines))
		}
		w.sections[i] = section{name, ours(i)}
	}
}

// sectionName is the value of the first a=mid, "" without one.
func sectionName(m *Media) string {
	for _, l := range m.Lines {
		if l.kind == attrMid {
			_, value := splitAttribute(l.Value)
			return trimRight(value)
		}
	}
	return ""
}

// mid writes the name of the m= line under way.
func (w *writer) mid() bool {
	i := w.line - 1
	if i < 0 || i >= len(w.sections) || w.sections[i].ours == "" || w.view.Bare || w.view.stream(i).names() {
		return false
	}
	w.add('a', attrMid, "mid:"+w.sections[i].ours)
	return true
}

// group writes a group of m= lines with our names for them. Not BUNDLE, for every line has its own port here (RFC 9143), and
// none of whose lines one is rejected: it would name a line that is not there.
func (w *writer) group(value string) bool {
	if w.partial {
		return false
	}
	words := strings.Fields(value)
	if len(words) < 2 || !semantics(words[0]) {
		return false
	}
	for n, word := range words[1:] {
		if words[n+1] = w.ours(word); words[n+1] == "" {
			return false
		}
	}
	words[0] = strings.ToUpper(words[0])
	w.add('a', attrGroup, "group:"+strings.Join(words, " "))
	return true
}

// ours is our name for the m= line that they call so.
func (w *writer) ours(theirs string) string {
	for _, s := range w.sections {
		if s.theirs == theirs {
			return s.ours
		}
	}
	return ""
}

// semantics knows what groups are for: RFC 5888, 3524, 4756, 5956, 5583, 7104, 7195.
func semantics(word string) bool {
	for _, s := range [...]string{"LS", "FID", "SRF", "FEC", "FEC-FR", "DDP", "DUP", "CS"} {
		if strings.EqualFold(s, word) {
			return true
		}
	}
	return false
}
