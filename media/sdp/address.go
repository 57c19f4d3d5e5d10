package sdp

import (
	"net/netip"
	"strings"
)

// parseAddr reads a literal address as it stands in c=, o= and a=rtcp: brackets, zones, multicast suffixes ("/127") and
// mapped IPv4 are accepted. Names and figures with leading zeros (octal to some, decimal to others) give an invalid Addr.
func parseAddr(host string) netip.Addr {
	if i := strings.IndexByte(host, '/'); i >= 0 {
		host = host[:i]
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "" || !maybeAddr(host) {
		return netip.Addr{} // a name: spare ParseAddr's error value
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return plain(a)
}

// plain is the form in which addresses are compared.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func maybeAddr(host string) bool {
	last := host[len(host)-1]
	return '0' <= last && last <= '9' || strings.IndexByte(host, ':') >= 0
}

// holdsAddress reports whether s holds something that reads as an IP address. It errs on the side of yes: four figures
// with dots are an address, also in "1.2.3.4.5".
func holdsAddress(s string) bool {
	dots, colons := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '.':
			dots++
		case ':':
			colons++
		}
	}
	if dots < 3 && colons < 2 {
		return false
	}
	found := false
	runs(s, func(run string) bool {
		found = quad(run, func(string) bool { return true }) || sixLike(run)
		return !found
	})
	return found
}

// runs calls f for each longest stretch of hexadecimal digits, dots and colons until f says false.
func runs(s string, f func(run string) bool) {
	start := -1
	for i := range len(s) {
		if addressByte(s[i]) {
			if start < 0 {
				start = i
			}
			continue
		}
		if start >= 0 && !f(s[start:i]) {
			return
		}
		start = -1
	}
	if start >= 0 {
		f(s[start:])
	}
}

func addressByte(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == ':' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// quad calls f for each stretch of four decimal figures with dots between, until f says true.
func quad(run string, f func(quad string) bool) bool {
	for i := range len(run) {
		if !digit(run[i]) || i > 0 && digit(run[i-1]) {
			continue
		}
		if end := quadEnd(run, i); end > 0 && f(run[i:end]) {
			return true
		}
	}
	return false
}

// quadEnd gives the end of the four figures beginning at i, or 0.
func quadEnd(run string, i int) int {
	for group := range 4 {
		start := i
		for i < len(run) && digit(run[i]) {
			i++
		}
		if i == start || i-start > 3 {
			return 0
		}
		if group == 3 {
			return i
		}
		if i == len(run) || run[i] != '.' {
			return 0
		}
		i++
	}
	return 0
}

// sixLike reports whether a run could be an IPv6 address: "::" or seven colons.
func sixLike(run string) bool {
	colons := strings.Count(run, ":")
	return colons >= 7 || colons >= 2 && strings.Contains(run, "::")
}

// Leaks reports whether one of the addresses stands in body as text, in any spelling (IPv6 written long, short, in
// capitals or mapped). It is a check for tests and last lines of defence, not for every message.
func Leaks(body []byte, forbidden []netip.Addr) bool {
	if len(forbidden) == 0 {
		return false
	}
	hit := func(text string) bool {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return false
		}
		for _, f := range forbidden {
			if plain(f) == plain(a) {
				return true
			}
		}
		return false
	}
	found := false
	runs(string(body), func(run string) bool {
		found = quad(run, hit) || sixes(run, hit)
		return !found
	})
	return found
}

// sixes tries every stretch of whole groups of a run, since "port:2001:db8::1" and "2001:db8::1:5060" hide the address
// among other figures.
func sixes(run string, hit func(string) bool) bool {
	if strings.Count(run, ":") < 2 {
		return false
	}
	const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
	for i := range len(run) {
		if i > 0 && run[i-1] != ':' && run[i] != ':' {
			continue
		}
		for end := i + 2; end <= len(run) && end-i <= longest; end++ {
			if end < len(run) && addressDigit(run[end]) && run[end-1] != ':' {
				continue
			}
			if hit(run[i:end]) {
				return true
			}
		}
	}
	return false
}

func addressDigit(c byte) bool { return addressByte(c) && c != ':' && c != '.' }
