package call

import "bytes"

// redacted is a message as others than its peers may see it: of the answers to challenges, from which a weak password can be
// guessed, the response is left out, and the keys of media are. Every other octet stays. A message without secrets is the one given.
func redacted(raw []byte) []byte { return withoutKeys(withoutAnswers(raw)) }

// withoutKeys writes x over the keys of SDES (RFC 4568 6.1: all behind "inline:"), the passwords of ICE (RFC 8839 5.4), the keys of
// MIKEY (RFC 4567) and those of the old k= line.
func withoutKeys(raw []byte) []byte {
	out, cloned := raw, false
	for at := 0; at < len(raw); {
		end := len(raw)
		if n := bytes.IndexByte(raw[at:], '\n'); n >= 0 {
			end = at + n
		}
		if from := secretIn(raw[at:end]); from >= 0 {
			if !cloned {
				out, cloned = bytes.Clone(raw), true
			}
			for i := at + from; i < end && raw[i] != '\r'; i++ {
				out[i] = 'x'
			}
		}
		at = end + 1
	}
	return out
}

// secretIn is where in a line of SDP the secret begins; -1 without one.
func secretIn(line []byte) int {
	if len(line) < 2 || line[1] != '=' {
		return -1
	}
	lower := bytes.ToLower(line)
	for _, name := range [...]string{"a=crypto:", "a=key-mgmt:", "a=ice-pwd:", "k="} {
		if !bytes.HasPrefix(lower, []byte(name)) {
			continue
		}
		if i := bytes.Index(lower, []byte("inline:")); i >= 0 {
			return i + len("inline:")
		}
		return len(name)
	}
	return -1
}

// withoutAnswers leaves out the responses to challenges.
func withoutAnswers(raw []byte) []byte {
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !bytes.Contains(head, []byte("uthorization")) && !bytes.Contains(bytes.ToLower(head), []byte("authorization")) {
		return raw
	}
	out := bytes.Clone(raw)
	for at := 0; at < len(head); {
		end := len(head)
		if n := bytes.Index(head[at:], []byte("\r\n")); n >= 0 {
			end = at + n
		}
		name, _, ok := bytes.Cut(head[at:end], []byte(":"))
		name = bytes.ToLower(bytes.TrimSpace(name))
		if ok && (string(name) == "authorization" || string(name) == "proxy-authorization") {
			for end+2 < len(head) && (head[end+2] == ' ' || head[end+2] == '\t') { // a folded line
				if n := bytes.Index(head[end+2:], []byte("\r\n")); n >= 0 {
					end += 2 + n
				} else {
					end = len(head)
				}
			}
			hide(out[at+len(name):end], []byte("response"))
		}
		at = end + 2
	}
	return out
}

// hide writes x over the value of every parameter of a name in a header.
func hide(value, name []byte) {
	lower := bytes.ToLower(value)
	for at := 0; ; {
		i := bytes.Index(lower[at:], name)
		if i < 0 {
			return
		}
		at += i + len(name)
		for rest := at; rest < len(value); rest++ {
			c := value[rest]
			if c == ',' || c == '\r' {
				break
			}
			if c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' {
				value[rest] = 'x'
			}
		}
	}
}
