package header

import (
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/sbc/msg"
)

// The lengths of words.
const (
	// leastWord is the shortest word looked for: shorter ones ("1" as a tag) are in every text.
	leastWord = 3
	// anywhere is the length from which a word is looked for within other words, too.
	anywhere = 8
	// leastProduct is the shortest part of a product's name.
	leastProduct = 4
	// maxAddresses bounds the addresses taken from a body.
	maxAddresses = 64
	// maxScan bounds the body that is searched for addresses.
	maxScan = 16 << 10
)

// Secrets are what must not show of one side.
type Secrets struct {
	known
	// words are tags, branches, Call-IDs and names of products, in lower case.
	words []string
}

// Gather collects what a message tells of its side: everything in it that names a host, a dialog or a product.
func Gather(in *msg.Message) *Secrets {
	s := &Secrets{}
	for _, a := range []netip.Addr{in.Hop.Remote.Addr(), in.Hop.Local.Addr()} {
		if a.IsValid() {
			s.addrs = append(s.addrs, a.Unmap().WithZone(""))
		}
	}
	s.addURI(in.RequestURI)
	s.addURI(in.From.URI)
	s.addURI(in.To.URI)
	s.word(in.From.Tag())
	s.word(in.To.Tag())
	s.callID(in.CallID)
	s.vias(in)
	for _, name := range []string{"Contact", "Route", "Record-Route", "Path", "Service-Route", "Reply-To", "Referred-By",
		"Call-Info"} {
		s.addresses(in, name)
	}
	for _, name := range []string{"User-Agent", "Server", "Organization"} {
		for _, v := range in.GetAll(name) {
			s.product(v)
		}
	}
	for i, v := range in.GetAll("Warning") {
		// RFC 3261 20.43: code, agent, text.
		if f := strings.Fields(v); i < maxSame && len(f) > 1 {
			s.host(f[1])
		}
	}
	s.description(in)
	if in.Original != nil { // a rule may have taken away what tells that a word is one
		s.merge(Gather(in.Original))
	}
	return s
}

// merge takes up what another has.
func (s *Secrets) merge(o *Secrets) {
	s.join(&o.known)
	s.words = append(s.words, o.words...)
}

// description takes up the addresses of an SDP body, wherever they stand (RFC 8866 5.2, 5.7, 6; candidates of RFC 8839 5.1).
func (s *Secrets) description(in *msg.Message) {
	if n := len(in.Body); n == 0 || n > maxScan || !strings.HasPrefix(strings.ToLower(in.Get("Content-Type")), "application/sdp") {
		return
	}
	for word := range strings.FieldsSeq(string(in.Body)) {
		if !strings.ContainsAny(word, ".:") {
			continue
		}
		word, _, _ = strings.Cut(word, "/") // time to live
		if a, err := netip.ParseAddr(word); err == nil && len(s.addrs) < maxAddresses {
			s.add(a.Unmap().String())
		}
	}
}

// Add takes up words of any sort: an address, a host, a tag.
func (s *Secrets) Add(words ...string) {
	for _, w := range words {
		if _, err := netip.ParseAddr(strings.Trim(w, "[]")); err == nil || strings.Contains(w, ".") {
			s.host(w)
		} else {
			s.word(w)
		}
	}
}

// join takes up what is known beside the message.
func (s *Secrets) join(k *known) {
	s.hosts = append(s.hosts, k.hosts...)
	s.addrs = append(s.addrs, k.addrs...)
	s.nets = append(s.nets, k.nets...)
}

// host takes up "host", "host:port" or "[v6]:port".
func (s *Secrets) host(h string) {
	if ap, err := netip.ParseAddrPort(h); err == nil {
		h = ap.Addr().String()
	} else if name, _, ok := strings.Cut(h, ":"); ok && strings.Count(h, ":") == 1 {
		h = name
	}
	s.add(strings.Trim(h, "[]"))
}

// word takes up a word; of one that is made of parts ("a84b4c76e66710.pc33") also the long parts by themselves.
func (s *Secrets) word(w string) {
	w = strings.ToLower(w)
	if len(w) >= leastWord {
		s.words = append(s.words, w)
	}
	for part := range strings.FieldsFuncSeq(w, func(r rune) bool { return r < utf8.RuneSelf && !isWordByte(byte(r)) }) {
		if len(part) >= anywhere && len(part) < len(w) {
			s.words = append(s.words, part)
		}
	}
}

// callID takes up a Call-ID and both halves of one that is "random@host".
func (s *Secrets) callID(id string) {
	s.word(id)
	if local, host, ok := strings.Cut(id, "@"); ok {
		s.word(local)
		s.host(host)
	}
}

func (s *Secrets) addURI(u msg.URI) {
	s.host(u.Host)
	for _, p := range []string{"maddr", "received"} {
		if v, ok := u.Param(p); ok {
			s.host(v)
		}
	}
}

func (s *Secrets) vias(in *msg.Message) {
	vias, err := in.Vias()
	if err != nil {
		vias = []msg.Via{in.Via}
	}
	for _, v := range vias {
		s.host(v.Host)
		s.host(v.Received())
		if m, ok := v.Param("maddr"); ok {
			s.host(m)
		}
		// Without the cookie, which every branch begins with (RFC 3261 8.1.1.7).
		s.word(strings.TrimPrefix(v.Branch(), "z9hG4bK"))
	}
}

// addresses takes up the URIs of a header; of Contact also a user part that is no number: a device's own name for itself.
func (s *Secrets) addresses(in *msg.Message, name string) {
	for i, value := range in.Values(name) {
		if i == maxSame {
			return
		}
		a, err := msg.ParseNameAddr(value)
		if err != nil {
			continue
		}
		s.addURI(a.URI)
		user := a.URI.User
		if name == "Contact" && len(user) >= anywhere && user != in.From.URI.User && user != in.To.URI.User &&
			!telPart.MatchString(user) {
			s.word(user)
		}
	}
}

// product takes up the name of a device or program, whole and in parts: "Asterisk PBX 18.2" hides "Asterisk", too.
func (s *Secrets) product(name string) {
	s.word(name)
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(" /()[],;:_", r) }) {
		if len(part) >= leastProduct && strings.ContainsFunc(part, isLetter) {
			s.word(part)
		}
	}
}

func isLetter(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }

// Shows tells whether a text shows any of the secrets: as it is, or with percent-escapes (RFC 3261 25.1 "escaped") decoded.
func (s *Secrets) Shows(text string) bool {
	text = strings.ToLower(text)
	if s.shows(text) {
		return true
	}
	for range 3 { // an escape may be escaped
		plain := unescape(text)
		if plain == text {
			return false
		}
		if text = strings.ToLower(plain); s.shows(text) {
			return true
		}
	}
	return true // who escapes that deep hides something
}

// shows is Shows for one reading of the text, in lower case.
func (s *Secrets) shows(text string) bool {
	for _, w := range s.words {
		if len(w) >= anywhere && strings.Contains(text, w) || containsWord(text, w) {
			return true
		}
	}
	return s.showsHost(text) || scanAddresses(text, s.isOurs)
}

// isOurs tells whether an address is one of the side's, or one that means something inside a network only.
func (s *Secrets) isOurs(a netip.Addr) bool {
	return internal(a) || slices.Contains(s.addrs, a) || slices.ContainsFunc(s.nets,
		func(p netip.Prefix) bool { return p.Contains(a) })
}

// showsHost looks for names of hosts, of their domains and of hosts within them.
func (s *Secrets) showsHost(text string) bool {
	for _, h := range s.hosts {
		if strings.ContainsAny(h, ".:") && strings.Contains(text, h) || len(h) >= leastWord && containsWord(text, h) {
			return true
		}
	}
	for name := range hostNames(text) {
		for _, h := range s.hosts {
			if within(name, h) || within(h, name) {
				return true
			}
		}
	}
	return false
}

// within tells whether a host is in a domain of two labels or more.
func within(host, domain string) bool {
	return strings.Contains(domain, ".") && strings.HasSuffix(host, "."+domain)
}

// hostNames gives the parts of a text that look like names with a dot.
func hostNames(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for name := range strings.FieldsFuncSeq(text, func(r rune) bool { return !isHostRune(r) }) {
			if name = strings.Trim(name, ".-"); strings.Contains(name, ".") && !yield(name) {
				return
			}
		}
	}
}

func isHostRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_'
}

// containsWord looks for a word with no letter or digit beside it.
func containsWord(text, word string) bool {
	for from := 0; ; {
		at := strings.Index(text[from:], word)
		if at < 0 {
			return false
		}
		at += from
		end := at + len(word)
		if (at == 0 || !isWordByte(text[at-1])) && (end == len(text) || !isWordByte(text[end])) {
			return true
		}
		from = at + 1
	}
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= utf8.RuneSelf
}

// unescape decodes %41; what is no escape stays.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// printable refuses control characters and what is not UTF-8.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 })
}
