package call

import "bytes"

// redacted is a message as others than its peers may see it: of the answers to challenges, from which a weak password can be
// guessed, the response is left out. Every other octet stays. A message without credentials is the one given.
func redacted(raw []byte) []byte {
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
