package header

import (
	"net/netip"
	"strings"
)

// holdsAddress tells whether a text holds an IP address in any spelling, escapes decoded.
func holdsAddress(s string) bool {
	every := func(netip.Addr) bool { return true }
	return scanAddresses(strings.ToLower(s), every) || scanAddresses(strings.ToLower(unescape(s)), every)
}

// shared is the address space between carriers and their customers (RFC 6598), which is of no use outside either.
var shared = netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)

// internal tells whether an address means something inside a network only.
func internal(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || shared.Contains(a)
}

// scanAddresses calls f for every IP address in a text in lower case, until f says true: four numbers with dots, hyphens or
// underscores between them ("ip-192-0-2-1"), also with leading zeros; anything that reads as IPv6.
func scanAddresses(s string, f func(netip.Addr) bool) bool {
	for i := 0; i < len(s); i++ {
		if isDigit(s[i]) && (i == 0 || !isDigit(s[i-1])) {
			if a, ok := dotted(s[i:]); ok && f(a) {
				return true
			}
		}
		// A digit after a digit, or a colon after one, belongs to what was read before.
		if begins := isHex(s[i]) || strings.HasPrefix(s[i:], "::"); begins && (i == 0 || !isHex(s[i-1])) {
			if a, ok := colons(s[i:]); ok && f(a) {
				return true
			}
		}
	}
	return false
}

// dotted reads four numbers up to 255 at the beginning of s.
func dotted(s string) (netip.Addr, bool) {
	var quad [4]byte
	for n := range quad {
		if n > 0 {
			if s == "" || s[0] != '.' && s[0] != '-' && s[0] != '_' {
				return netip.Addr{}, false
			}
			s = s[1:]
		}
		value, digits := 0, 0
		for digits < len(s) && isDigit(s[digits]) && digits < 4 {
			value = value*10 + int(s[digits]-'0')
			digits++
		}
		if digits == 0 || value > 255 || digits > 3 {
			return netip.Addr{}, false
		}
		quad[n], s = byte(value), s[digits:]
	}
	return netip.AddrFrom4(quad), true
}

// colons reads an IPv6 address at the beginning of s: the longest piece that is one, cut between groups.
func colons(s string) (netip.Addr, bool) {
	const longest = 45 // with IPv4 at its end
	end, count := 0, 0
	for end < len(s) && end <= longest && (isHex(s[end]) || s[end] == ':' || s[end] == '.') {
		if s[end] == ':' {
			count++
		}
		end++
	}
	for count >= 2 && end >= 3 {
		if a, err := netip.ParseAddr(s[:end]); err == nil && a.Is6() {
			return a.Unmap(), true
		}
		// On to the last colon or dot; a colon may belong to the address ("2001:db8::"), so it is tried with and without.
		cut := strings.LastIndexAny(s[:end], ":.")
		if cut < 0 {
			break
		}
		if cut+1 < end {
			cut++
		}
		end = cut
	}
	return netip.Addr{}, false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' }
