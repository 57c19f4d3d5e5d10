package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The formats that pass, each written anew.
const (
	kindSummary    = "application/simple-message-summary" // RFC 3842
	kindDialog     = "application/dialog-info+xml"        // RFC 4235
	kindPresence   = "application/pidf+xml"               // RFC 3863
	kindConference = "application/conference-info+xml"    // RFC 4575
	kindFragment   = "message/sipfrag"                    // RFC 3420, of refer (RFC 3515)

	Kinds = kindSummary + ", " + kindDialog + ", " + kindPresence + ", " + kindConference + ", " + kindFragment
)

// MaxBody bounds what is read, in octets.
const MaxBody = 64 << 10

// Cleaner judges what may show of one side on the other.
type Cleaner struct {
	// In is the message that the body came in.
	In *msg.Message
	// Clean tells whether a text may show, as header.Table's Judge says for In and its way.
	Clean func(text string) bool
	// Secret makes names of ours out of theirs.
	Secret string
}

// text gives a text that may show, "" for one that may not: nothing in it may name a host.
func (c *Cleaner) text(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 256 || strings.ContainsAny(s, "@:/\\<>") || !c.Clean(s) {
		return ""
	}
	for word := range strings.FieldsSeq(s) {
		if i := strings.IndexByte(word, '.'); i >= 0 && i < len(word)-1 { // "Dr." is a title, "pbx.example" a host
			return ""
		}
	}
	return s
}

// device writes the URI of a device anew: of whom it is (as uri has written it), because its own name tells which device it is,
// unless that is a telephone number.
func (c *Cleaner) device(s, whose string) string {
	if u, err := msg.ParseURI(strings.TrimSpace(s)); whose != "" && (err != nil || !header.IsNumber(u.Number())) {
		return whose
	}
	return c.uri(s)
}

var user = regexp.MustCompile(`^[A-Za-z0-9+*#._-]{1,64}$`)

// uri writes a URI anew: the number or name, and our host in place of theirs.
func (c *Cleaner) uri(s string) string {
	name := "anonymous"
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, "pres:"); ok { // RFC 3859
		s = "sip:" + rest
	}
	u, err := msg.ParseURI(s)
	if err == nil {
		if n := u.Number(); user.MatchString(n) && !isAddress(n) && c.text(n) != "" {
			name = n
		}
	}
	return "sip:" + name + "@" + header.HostToken
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return err == nil
}

// name gives a name of ours that stands for one of theirs: the same one each time, and telling nothing.
func (c *Cleaner) name(s string) string {
	sum := sha256.Sum256([]byte(c.Secret + "\x00" + s))
	return "s" + hex.EncodeToString(sum[:8])
}

// KindOf reads the type of a body; "" if it cannot be read or is encoded.
func KindOf(m *msg.Message) string {
	kind, _, err := mime.ParseMediaType(m.Get("Content-Type"))
	if e := m.Get("Content-Encoding"); err != nil || e != "" && !strings.EqualFold(e, "identity") {
		return ""
	}
	return kind
}

// Rewrite writes the body of the message anew, with header.HostToken where our host belongs; ok is false where its format is not
// known or not kept.
func (c *Cleaner) Rewrite() (kind string, body []byte, ok bool) {
	m := c.In
	if len(m.Body) > MaxBody {
		return "", nil, false
	}
	switch kind = KindOf(m); kind {
	case kindSummary:
		body = c.summary(string(m.Body))
	case kindDialog:
		body = c.dialogInfo(m.Body)
	case kindPresence:
		body = c.presence(m.Body)
	case kindConference:
		body = c.conference(m.Body)
	case kindFragment:
		body = fragment(string(m.Body))
		kind += ";version=2.0"
	}
	return kind, body, body != nil
}

// Accepts tells the other side which of the formats that we know the subscriber takes.
func Accepts(out, in *msg.Message) {
	var keep []string
	for _, v := range in.Values("Accept") {
		kind, _, _ := strings.Cut(v, ";")
		if kind = strings.ToLower(strings.TrimSpace(kind)); slices.Contains(strings.Split(Kinds, ", "), kind) &&
			!slices.Contains(keep, kind) {
			keep = append(keep, kind)
		}
	}
	if len(keep) > 0 {
		out.Append("Accept", strings.Join(keep, ", "))
	}
}

var summaryValue = regexp.MustCompile(`^[0-9]{1,9}/[0-9]{1,9}( *\([0-9]{1,9}/[0-9]{1,9}\))?$`)

// summary keeps the counts of RFC 3842 5.2; the headers of single messages are left out.
func (c *Cleaner) summary(in string) []byte {
	var b strings.Builder
	seen := map[string]bool{}
	for line := range strings.Lines(in) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		value = strings.TrimSpace(value)
		name = strings.ToLower(strings.TrimSpace(name))
		if seen[name] {
			continue
		}
		seen[name] = true
		switch name {
		case "messages-waiting":
			if v := strings.ToLower(value); v == "yes" || v == "no" {
				b.WriteString("Messages-Waiting: " + v + "\r\n")
			}
		case "message-account":
			b.WriteString("Message-Account: " + c.uri(value) + "\r\n")
		case "voice-message", "fax-message", "pager-message", "multimedia-message", "text-message":
			if summaryValue.MatchString(value) {
				b.WriteString(strings.ToUpper(name[:1]) + strings.Replace(name[1:], "-m", "-M", 1) + ": " + value + "\r\n")
			}
		}
		if name == "" {
			break // what follows are single messages
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return []byte(b.String())
}

var statusLine = regexp.MustCompile(`^SIP/2\.0 ([1-6][0-9][0-9])( |$)`)

// fragment keeps the status of RFC 3515 2.4.5.
func fragment(in string) []byte {
	first, _, _ := strings.Cut(in, "\n")
	found := statusLine.FindStringSubmatch(strings.TrimRight(first, "\r"))
	if found == nil {
		return nil
	}
	code, _ := strconv.Atoi(found[1])
	return []byte("SIP/2.0 " + found[1] + " " + msg.StatusText(code) + "\r\n")
}
