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

// holdsName finds name in s as a word of its own, without case.
func holdsName(s, name string) bool {
	if name == "" {
		return false
	}
	for i := 0; i+len(name) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(name)], name) && !wordByte(s, i-1) && !wordByte(s, i+len(name)) {
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
