package sdp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// What browsers say beside codecs: names of m= lines, bundles, ICE, fingerprints (RFC 8829). As with keys, the caller reads it
// with [Description.Attributes] and writes ours by [Stream.Attributes] and [View.Attributes]; nothing of it passes from one
// side to the other.

// Attributes gives the values of all attributes at session level that have a name, in order; it is written in small letters.
func (d *Description) Attributes(name string) []string { return values(d.Lines, name) }

// Attributes gives the values of all attributes of a line that have a name, in order; it is written in small letters.
func (m *Media) Attributes(name string) []string { return values(m.Lines, name) }

func values(lines []Line, name string) []string {
	var list []string
	for _, l := range lines {
		if l.Type != 'a' {
			continue
		}
		if n, value := splitAttribute(l.Value); strings.EqualFold(trimRight(n), name) {
			list = append(list, trimRight(value))
		}
	}
	return list
}

// Inherited gives the values that hold for a line: its own, or else those at session level.
func (d *Description) Inherited(i int, name string) []string {
	if list := d.Media[i].Attributes(name); len(list) > 0 {
		return list
	}
	return d.Attributes(name)
}

// Name is what the line is called (a=mid, RFC 5888 4); "" if it has no name, or none that may be repeated.
func (m *Media) Name() string {
	list := m.Attributes("mid")
	if len(list) == 0 || !token(list[0]) {
		return ""
	}
	return list[0]
}

// token reports whether s may stand for itself (RFC 8866 section 9), and is short.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]", c) >= 0 {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// Bundled reports whether a line is in a group of lines that share a transport (RFC 9143).
func (d *Description) Bundled(name string) bool {
	for _, g := range d.Attributes("group") {
		words := strings.Fields(g)
		if len(words) > 1 && strings.EqualFold(words[0], "BUNDLE") && slices.Contains(words[1:], name) {
			return true
		}
	}
	return false
}

// At makes a line say another address, where its own means nothing: with ICE it is one of many, or that of nobody (RFC 8839 4.4).
func (m *Media) At(a netip.Addr) {
	m.Connection = Connection{Host: a.String(), Addr: plain(a)}
}

// Mismatch reports whether a line has candidates of ICE (RFC 8839 5.1), none of which is the address that it says it sends
// from: somebody between changed one and not the others (RFC 8839 4.2.5). Port 9 of no address stands for none yet.
func (m *Media) Mismatch() bool {
	list := m.Attributes("candidate")
	if len(list) == 0 || m.Port == 9 || m.Zero() {
		return false
	}
	for _, c := range list {
		words := strings.Fields(c)
		if len(words) < 8 || words[1] != "1" || words[5] != strconv.Itoa(m.Port) {
			continue
		}
		if a := parseAddr(words[4]); !a.IsValid() || a == m.Connection.Addr {
			return false // a name is not resolved
		}
	}
	return m.Connection.Addr.IsValid()
}

// names reports whether our attributes name the line.
func (s Stream) names() bool {
	return slices.ContainsFunc(s.Attributes, func(a string) bool { return strings.HasPrefix(a, "mid:") })
}

// ofBrowsers reports whether an attribute is about packets of one side that the other one, which is none, does not have (RFC
// 8285, RFC 5506, RFC 8853).
func ofBrowsers(attr string) bool {
	name, _ := splitAttribute(attr)
	name = trimRight(name)
	for _, n := range [...]string{"extmap", "extmap-allow-mixed", "rtcp-rsize", "rid", "simulcast"} {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}
