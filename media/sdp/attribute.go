package sdp

import "strings"

// attribute is what an a= line means to a border.
type attribute uint8

const (
	attrPass      attribute = iota // not known or harmless: passes if it holds no address and no name
	attrDrop                       // belongs to one side only, never passes
	attrICE                        // dropped; tells that the side speaks ICE
	attrKey                        // dropped; tells that the side wants encryption
	attrDirection                  // RFC 8866 section 6.7
	attrRTCP                       // RFC 3605
	attrMux                        // RFC 5761
	attrMuxOnly                    // RFC 8858
	attrGroup                      // RFC 5888
	attrMid                        // RFC 5888
	attrLabel                      // RFC 4574
	attrLanguage                   // RFC 8866 sections 6.11, 6.12
	attrPayload                    // rtpmap, fmtp, rtcp-fb: the value begins with a payload type
	attrPtime                      // RFC 8866 section 6.4
	attrMaxPtime                   // RFC 8866 section 6.5
	attrZRTP                       // RFC 6189 section 8.1
)

// longestName is the longest attribute name classify knows.
const longestName = 24

// splitAttribute cuts "name:value"; a property attribute has no value.
func splitAttribute(s string) (name, value string) {
	i := strings.IndexByte(s, ':')
	if i < 0 {
		return s, ""
	}
	return s[:i], trimLeft(s[i+1:])
}

// classify tells what the attribute of this name is. Names are compared without case, which the grammar does not ask
// for: "a=Candidate:" must not slip through the filter.
func classify(name string) attribute {
	name = trimRight(name)
	if len(name) > longestName {
		return byPrefix(name)
	}
	var low [longestName]byte
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		low[i] = c
	}
	return known(low[:len(name)])
}

func known(name []byte) attribute {
	switch string(name) {
	case "rtpmap", "fmtp", "rtcp-fb":
		return attrPayload
	case "sendrecv", "sendonly", "recvonly", "inactive":
		return attrDirection
	case "ptime":
		return attrPtime
	case "maxptime":
		return attrMaxPtime
	case "zrtp-hash":
		return attrZRTP
	case "rtcp":
		return attrRTCP
	case "rtcp-mux":
		return attrMux
	case "rtcp-mux-only":
		return attrMuxOnly
	case "group":
		return attrGroup
	case "mid":
		return attrMid
	case "label":
		return attrLabel
	case "lang", "sdplang":
		return attrLanguage
	case "candidate", "remote-candidates", "ice-ufrag", "ice-pwd", "ice-options", "ice-lite", "ice-mismatch",
		"ice-pacing", "end-of-candidates": // RFC 8839
		return attrICE
	case "crypto", "fingerprint", "key-mgmt": // RFC 4568, 8122, 4567
		return attrKey
	default:
		return oneSided(name)
	}
}

// oneSided knows the attributes that must stay on the side they came from.
func oneSided(name []byte) attribute {
	switch string(name) {
	case "setup", "connection", "tls-id", "dtls-id", "identity", "encryption", "cryptoscale", // transports and keys we end
		"ssrc", "ssrc-group", "msid", "msid-semantic", "bundle-only", // sources named by host (RFC 5576), bundles we end
		"tcap", "pcfg", "acfg", "acap", "csup", "creq", "ccap", "icap", "bcap", "rmcap", "omcap", "mfcap", "mscap",
		"lcfg", "secap", "sescap", // RFC 5939, 6871, 7006: other ways to connect, which would go round us
		"curr", "des", "conf", // RFC 3312: we do not list "precondition" in Supported
		"tool",                                                          // names the software
		"nortpproxy", "rtpengine", "oldmediaip", "oldoip", "sdpmangled", // marks of other media proxies
		"altc", "alt", "source-filter", "path", "direction", // other addresses; old comedia would make the peer wait for us
		"visited-realm", "secondary-realm": // 3GPP TS 29.079: media routes round us
		return attrDrop
	}
	return byPrefix(string(name))
}

// byPrefix knows families of attributes.
func byPrefix(name string) attribute {
	for _, p := range [...]string{"ice-", "omr-", "x-candidate", "x-ice"} {
		if len(name) >= len(p) && strings.EqualFold(name[:len(p)], p) {
			return attrDrop
		}
	}
	return attrPass
}

// direction reads an attribute of kind attrDirection.
func direction(name string) Direction {
	for _, d := range [...]Direction{SendOnly, RecvOnly, Inactive} {
		if strings.EqualFold(name, d.String()) {
			return d
		}
	}
	return SendRecv
}

// number reads leading decimal digits; 0 if there are none or the figure is above most. Signs, fractions and overflows
// are thereby harmless ("ptime:20.000", CVE-2026-41416).
func number(s string, most int) int {
	n := 0
	for i := 0; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		n = n*10 + int(s[i]-'0')
		if n > most {
			return 0
		}
	}
	return n
}

// field cuts the first word off s; words are parted by blanks and tabs.
func field(s string) (word, rest string) {
	s = trimLeft(s)
	for i := range len(s) {
		if s[i] == ' ' || s[i] == '\t' {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// trimLeft takes off blanks and tabs in front; strings.TrimLeft builds a set for that, which costs more than the rest.
func trimLeft(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}

// trimRight takes off blanks and tabs at the end.
func trimRight(s string) string {
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
