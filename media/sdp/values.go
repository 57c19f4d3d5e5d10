package sdp

import (
	"net/netip"
	"strings"
)

// parseOrigin reads "username id version IN IP4 host" (RFC 8866 section 5.2) as far as it goes. Fields are taken from the
// end, because user names with blanks occur.
func parseOrigin(value string) Origin {
	o := Origin{Raw: value}
	var words [6]string
	n, rest := 0, value
	for rest != "" && n < len(words) {
		if words[n], rest = field(rest); words[n] != "" {
			n++
		}
	}
	if trimLeft(rest) != "" { // more than six words: the user name has blanks
		all := strings.Fields(value)
		copy(words[1:], all[len(all)-5:])
		words[0] = strings.Join(all[:len(all)-5], " ")
	}
	if n < len(words) {
		if n > 0 { // the host is what matters most: it must not leak
			o.Host = words[n-1]
			o.Addr = parseAddr(o.Host)
		}
		return o
	}
	o.Username, o.SessionID, o.Version, o.Host = words[0], words[1], words[2], words[5]
	o.Addr = parseAddr(o.Host)
	return o
}

// parseConnection reads "IN IP4 host" (RFC 8866 section 5.7). The address type is not believed: the host tells its family.
func parseConnection(value string) Connection {
	var host, word string
	for value != "" { // the last word is the host, also where "IN" or the type was forgotten
		if word, value = field(value); word != "" {
			host = word
		}
	}
	return Connection{Host: host, Addr: parseAddr(host)}
}

// parseRTCP reads "port [IN IP4 host]" (RFC 3605 section 2.1). The AddrPort is valid only if an address was given.
func parseRTCP(value string) (int, netip.AddrPort) {
	word, rest := field(value)
	port, _, ok := parsePort(word)
	if !ok || port == 0 {
		return 0, netip.AddrPort{}
	}
	if rest = trimLeft(rest); rest == "" {
		return port, netip.AddrPort{}
	}
	return port, netip.AddrPortFrom(parseConnection(rest).Addr, uint16(port))
}

// parsePort reads "port" or "port/count".
func parsePort(s string) (port, count int, ok bool) {
	i, n := 0, 0
	for ; i < len(s) && digit(s[i]); i++ {
		if n = n*10 + int(s[i]-'0'); n > maxPort {
			return 0, 0, false
		}
	}
	if i == 0 {
		return 0, 0, false
	}
	if i == len(s) {
		return n, 1, true
	}
	if s[i] != '/' {
		return 0, 0, false
	}
	return n, max(number(s[i+1:], maxPort), 1), true
}

// transport gives the class of a protocol word.
func transport(proto string) Transport {
	switch proto { // the usual ones need no folding
	case "RTP/AVP", "RTP/AVPF":
		return TransportRTP
	case "udptl", "UDPTL":
		return TransportUDPTL
	}
	switch p := strings.ToUpper(proto); {
	case p == "RTP/AVP" || p == "RTP/AVPF":
		return TransportRTP
	case p == "RTP/SAVP" || p == "RTP/SAVPF":
		return TransportSRTP
	case p == "UDPTL":
		return TransportUDPTL
	case strings.HasPrefix(p, "UDP/TLS/") || strings.HasPrefix(p, "UDP/DTLS/") || strings.HasPrefix(p, "DTLS/"):
		return TransportDTLS
	case strings.HasPrefix(p, "TCP") || strings.HasSuffix(p, "/TCP"):
		return TransportTCP
	case p == "UDP" || strings.HasPrefix(p, "UDP/"):
		return TransportUDP
	default:
		return TransportOther
	}
}
