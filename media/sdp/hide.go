package sdp

import (
	"net/netip"
	"strings"
)

// hiddenNames are the host names a description puts into o= and c=, and those the caller knows.
func hiddenNames(d *Description, more []string) []string {
	names := more[:len(more):len(more)]
	add := func(host string, a netip.Addr) {
		if host != "" && host != "-" && !a.IsValid() {
			names = append(names, host)
		}
	}
	add(d.Origin.Host, d.Origin.Addr)
	add(d.Connection.Host, d.Connection.Addr)
	for i := range d.Media {
		if c := d.Media[i].Connection; c.Host != d.Connection.Host {
			add(c.Host, c.Addr)
		}
	}
	return names
}

// clean reports that a value holds no control character, no address and no name to hide.
func (w *writer) clean(s string) bool {
	if control(s) || holdsAddress(s) {
		return false
	}
	for _, name := range w.hide {
		if holdsName(s, name) {
			return false
		}
	}
	return true
}

// formats gives the formats of m without those in which an address or a name hides.
func (w *writer) formats(m *Media) []string {
	for i, f := range m.Formats {
		if w.cleanFormat(f) {
			continue
		}
		kept := append(make([]string, 0, len(m.Formats)), m.Formats[:i]...)
		for _, f := range m.Formats[i+1:] {
			if w.cleanFormat(f) {
				kept = append(kept, f)
			}
		}
		return kept
	}
	return m.Formats
}

func (w *writer) cleanFormat(f string) bool {
	_, number := payloadType(f)
	return number || w.harmless(f)
}

// holdsName finds name in s without case: a name with dots anywhere, a single label ("pbx") only as a word of its own.
func holdsName(s, name string) bool {
	if name == "" {
		return false
	}
	dotted := strings.IndexByte(name, '.') >= 0
	for i := 0; i+len(name) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(name)], name) &&
			(dotted || !wordByte(s, i-1) && !wordByte(s, i+len(name))) {
			return true
		}
	}
	return false
}

func wordByte(s string, i int) bool {
	if i < 0 || i >= len(s) {
		return false
	}
	c := s[i]
	return digit(c) || c == '-' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
