package subscription

import (
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The formats that pass, each written anew.
const (
	kindSummary  = "application/simple-message-summary" // RFC 3842
	kindDialog   = "application/dialog-info+xml"        // RFC 4235
	kindPresence = "application/pidf+xml"               // RFC 3863
	kindFragment = "message/sipfrag"                    // RFC 3420, of refer (RFC 3515)

	knownKinds = kindSummary + ", " + kindDialog + ", " + kindPresence + ", " + kindFragment
)

// maxBody bounds what is read, in octets.
const maxBody = 64 << 10

// cleaner judges what may show of one side on the other.
type cleaner struct {
	clean func(text string) bool
	// secret makes names of ours out of theirs.
	secret string
}

// text gives a text that may show, "" for one that may not: nothing in it may name a host.
func (c *cleaner) text(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 256 || strings.ContainsAny(s, "@:/\\<>") || !c.clean(s) {
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
func (c *cleaner) device(s, whose string) string {
	if u, err := msg.ParseURI(strings.TrimSpace(s)); whose != "" && (err != nil || !header.IsNumber(u.Number())) {
		return whose
	}
	return c.uri(s)
}

var user = regexp.MustCompile(`^[A-Za-z0-9+*#._-]{1,64}$`)

// uri writes a URI anew: the number or name, and our host in place of theirs.
func (c *cleaner) uri(s string) string {
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

// name gives a name of ours that stands for one of theirs: the same one each time, and telling nothing.
func (c *cleaner) name(s string) string {
	sum := sha256.Sum256([]byte(c.secret + "\x00" + s))
	return "s" + hex.EncodeToString(sum[:8])
}

// kindOf reads the type of a body; "" if it cannot be read or is encoded.
func kindOf(m *msg.Message) string {
	kind, _, err := mime.ParseMediaType(m.Get("Content-Type"))
	if e := m.Get("Content-Encoding"); err != nil || e != "" && !strings.EqualFold(e, "identity") {
		return ""
	}
	return kind
}

// rewrite writes a body anew, with header.HostToken where our host belongs; ok is false where its format is not known or not
// kept.
func rewrite(m *msg.Message, c *cleaner) (kind string, body []byte, ok bool) {
	if len(m.Body) > maxBody {
		return "", nil, false
	}
	switch kind = kindOf(m); kind {
	case kindSummary:
		body = c.summary(string(m.Body))
	case kindDialog:
		body = c.dialogInfo(m.Body)
	case kindPresence:
		body = c.presence(m.Body)
	case kindFragment:
		body = fragment(string(m.Body))
		kind += ";version=2.0"
	}
	return kind, body, body != nil
}

// accepts tells the other side which of the formats that we know the subscriber takes.
func accepts(out, in *msg.Message) {
	var keep []string
	for _, v := range in.Values("Accept") {
		kind, _, _ := strings.Cut(v, ";")
		if kind = strings.ToLower(strings.TrimSpace(kind)); slices.Contains(strings.Split(knownKinds, ", "), kind) &&
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
func (c *cleaner) summary(in string) []byte {
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

// bodyFits checks the body of a request outside a dialog; the code is that of a refusal, 0 for none.
func (e *errand) bodyFits() (code int, headers []msg.Header) {
	if len(e.in.Body) == 0 {
		return 0, nil
	}
	var known []string
	switch e.in.Method {
	case msg.MESSAGE:
		known = header.Bodies()
	case msg.PUBLISH:
		known = strings.Split(knownKinds, ", ")
	}
	if !slices.Contains(known, kindOf(e.in)) || len(e.in.Body) > maxBody {
		return 415, []msg.Header{{Name: "Accept", Value: strings.Join(known, ", ")}}
	}
	return 0, nil
}

// body gives the request its body; false if that does not keep its format.
func (e *errand) body(out *outbound, f header.Flow) bool {
	switch {
	case len(e.in.Body) == 0:
	case e.in.Method == msg.MESSAGE:
		out.req.SetBody(header.BodyType(e.in.Get("Content-Type")), e.in.Body)
		out.pass(e.snap.Header.Content(e.in, f))
	default:
		c := &cleaner{clean: e.snap.Header.Judge(e.in, f), secret: e.m.secret}
		kind, body, ok := rewrite(e.in, c)
		if !ok {
			return false
		}
		out.carries(kind, body)
	}
	return true
}
