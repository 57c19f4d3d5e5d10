package sdp

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the steps gave into testdata")

// minGolden is how many cases testdata must hold, so that a lost file is noticed.
const minGolden = 150

// A golden file holds cases: "=== name", words about it, then steps. A step is "--- verb words", its body follows.
//
//	offer, answer [lf|cr|bare|nul]   the body is parsed, with the line ends named (CRLF otherwise; bare: none at the last)
//	facts                            the body is what the last parsed description says
//	text                             the body is the last parsed description, written again
//	to B, to A VIEW                  Rewrite of the offer, Answer from the checked answer; the body is what is sent
//	notes                            the body lists what Check repaired or refused
//	maps                             the body lists the payload maps of each m= line
//
// VIEW is words: an address, then port[/rtcp][+mux][@address] for each m= line; "hide=name", "unknown", "former".
type golden struct {
	name  string
	about []string
	steps []step
}

type step struct {
	verb string
	args []string
	body []string
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, file := range files {
		cases := readGolden(t, file)
		total += len(cases)
		for i := range cases {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+cases[i].name, func(t *testing.T) {
				newRun().all(t, &cases[i])
			})
		}
		if *update {
			writeGolden(t, file, cases)
		}
	}
	if total < minGolden {
		t.Errorf("%d golden cases, want at least %d", total, minGolden)
	}
}

func readGolden(t *testing.T, file string) []golden {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	for n, line := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n") {
		if name, ok := strings.CutPrefix(line, "=== "); ok {
			cases = append(cases, golden{name: name})
			continue
		}
		if len(cases) == 0 {
			t.Fatalf("%s:%d: text before the first case", file, n+1)
		}
		c := &cases[len(cases)-1]
		if words, ok := strings.CutPrefix(line, "--- "); ok {
			f := strings.Fields(words)
			c.steps = append(c.steps, step{verb: f[0], args: f[1:]})
			continue
		}
		if len(c.steps) == 0 {
			c.about = append(c.about, line)
			continue
		}
		s := &c.steps[len(c.steps)-1]
		s.body = append(s.body, line)
	}
	return cases
}

func writeGolden(t *testing.T, file string, cases []golden) {
	t.Helper()
	var b strings.Builder
	for _, c := range cases {
		fmt.Fprintf(&b, "=== %s\n", c.name)
		for _, l := range c.about {
			fmt.Fprintln(&b, l)
		}
		for _, s := range c.steps {
			fmt.Fprintln(&b, strings.Join(append([]string{"---", s.verb}, s.args...), " "))
			for _, l := range s.body {
				fmt.Fprintln(&b, l)
			}
		}
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run is one case under way: what stands between the two sides of a call.
type run struct {
	last, offer, sent, answer, agreed *Description
	notes                             []string
	err                               error
	authors                           map[string]*Author
}

func newRun() *run {
	return &run{authors: map[string]*Author{"A": NewAuthor(1000), "B": NewAuthor(2000)}}
}

func (r *run) all(t *testing.T, c *golden) {
	t.Helper()
	for i := range c.steps {
		s := &c.steps[i]
		got, ok := r.one(t, s)
		if !ok {
			continue
		}
		want := trimBlank(s.body)
		if *update {
			s.body = strings.Split(got, "\n")
			if i == len(c.steps)-1 {
				s.body = append(s.body, "")
			}
			continue
		}
		if got != strings.Join(want, "\n") {
			t.Errorf("%s %s\n--- got\n%s\n--- want\n%s", s.verb, strings.Join(s.args, " "), got, strings.Join(want, "\n"))
		}
	}
}

func trimBlank(body []string) []string {
	for len(body) > 0 && body[len(body)-1] == "" {
		body = body[:len(body)-1]
	}
	return body
}

// one carries out a step; ok is false if it has no output to compare.
func (r *run) one(t *testing.T, s *step) (got string, ok bool) {
	t.Helper()
	switch s.verb {
	case "offer", "answer":
		r.parse(t, s)
		return "", false
	case "facts":
		return r.orError(func() string { return facts(r.last) }), true
	case "text":
		return r.orError(func() string { return lines(r.last.AppendTo(nil)) }), true
	case "notes":
		return r.orError(func() string { return strings.Join(r.notes, "\n") }), true
	case "maps":
		return r.orError(r.maps), true
	case "to":
		return r.to(t, s), true
	}
	t.Fatalf("step %q is not known", s.verb)
	return "", false
}

func (r *run) orError(f func() string) string {
	if r.err != nil {
		return "error: " + r.err.Error()
	}
	return f()
}

func (r *run) parse(t *testing.T, s *step) {
	t.Helper()
	body, end := trimBlank(s.body), "\r\n"
	if len(s.args) > 0 {
		end = map[string]string{"lf": "\n", "cr": "\r", "bare": "\r\n", "nul": "\r\n"}[s.args[0]]
	}
	text := strings.Join(body, end) + end
	if len(s.args) > 0 && s.args[0] == "bare" {
		text = strings.TrimSuffix(text, end)
	}
	if len(s.args) > 0 && s.args[0] == "nul" {
		text += "\x00"
	}
	r.last, r.err = Parse([]byte(text))
	if r.err == nil {
		stable(t, r.last)
	}
	if s.verb == "offer" {
		r.offer, r.sent, r.answer, r.agreed, r.notes = r.last, nil, nil, nil, nil
		return
	}
	r.answer = r.last
	if r.err == nil {
		r.agreed, r.notes, r.err = Check(r.sent, r.answer)
	}
}

// to makes what goes to one side and checks what must hold of every description we send.
func (r *run) to(t *testing.T, s *step) string {
	t.Helper()
	if r.err != nil {
		return "error: " + r.err.Error()
	}
	author := r.authors[s.args[0]]
	v := view(t, s.args[1:], author)
	from := r.offer
	var out *Description
	if r.agreed == nil {
		out, r.err = Rewrite(r.offer, v)
		r.sent = out
	} else {
		from = r.answer
		out, r.err = Answer(r.offer, r.agreed, v)
	}
	if r.err != nil {
		return "error: " + r.err.Error()
	}
	body := author.Say(out)
	if again := author.Say(out); string(again) != string(body) {
		t.Errorf("the same description was said differently")
	}
	mustHold(t, r, from, out, body, v)
	return lines(body)
}

// mustHold are the promises for every output: it reads back as the facts we kept, has the right m= lines and hides.
func mustHold(t *testing.T, r *run, from, out *Description, body []byte, v View) {
	t.Helper()
	back, err := Parse(body)
	if err != nil {
		t.Fatalf("our own description cannot be read: %v", err)
	}
	if !Equal(back, out) {
		t.Errorf("our own description reads back differently")
	}
	if a, b := facts(back), facts(out); a != b {
		t.Errorf("facts of our own description\n--- kept\n%s\n--- read back\n%s", b, a)
	}
	if len(out.Media) < len(r.offer.Media) {
		t.Errorf("%d m= lines of %d", len(out.Media), len(r.offer.Media))
	}
	if Leaks(body, addresses(from, v)) {
		t.Errorf("an address of the other side leaks")
	}
	for _, m := range append(from.Media, Media{Connection: Connection{Host: from.Origin.Host, Addr: from.Origin.Addr}}) {
		if c := m.Connection; c.Host != "" && c.Host != "-" && !c.Addr.IsValid() && strings.Contains(string(body), c.Host) {
			t.Errorf("host name %s leaks", c.Host)
		}
	}
	order := "vosctrzam"
	for i, last := 0, 0; i < len(out.Lines); i++ {
		at := strings.IndexByte(order, out.Lines[i].Type)
		if out.Lines[i].Type == 'b' {
			at = strings.IndexByte(order, 'c')
		}
		if at >= 0 && at < last {
			t.Errorf("line %c= out of order", out.Lines[i].Type)
		}
		last = max(at, last)
	}
}

// addresses finds every literal address in a description that is not ours.
func addresses(d *Description, v View) []netip.Addr {
	var found []netip.Addr
	ours := map[netip.Addr]bool{plain(v.Address): true}
	for _, s := range v.Streams {
		ours[plain(s.Address)] = true
	}
	for _, word := range strings.FieldsFunc(string(d.AppendTo(nil)), func(r rune) bool { return !addressByte(byte(r)) || r > 127 }) {
		if a, err := netip.ParseAddr(word); err == nil && !ours[plain(a)] {
			found = append(found, a)
		}
	}
	return found
}

func view(t *testing.T, words []string, author *Author) View {
	t.Helper()
	var v View
	for i, w := range words {
		switch {
		case i == 0:
			v.Address, _ = netip.ParseAddr(w)
		case w == "unknown":
			v.KeepUnknownLines = true
		case w == "former":
			v.Former = author.Said()
		case strings.HasPrefix(w, "hide="):
			v.Hide = append(v.Hide, strings.TrimPrefix(w, "hide="))
		default:
			v.Streams = append(v.Streams, stream(t, w))
		}
	}
	return v
}

func stream(t *testing.T, w string) Stream {
	t.Helper()
	var s Stream
	var addr, rtcp string
	var err error
	if w, addr, _ = strings.Cut(w, "@"); addr != "" {
		s.Address = netip.MustParseAddr(addr)
	}
	w, s.Mux = strings.CutSuffix(w, "+mux")
	w, rtcp, _ = strings.Cut(w, "/")
	if s.Port, err = strconv.Atoi(w); err != nil {
		t.Fatalf("stream %q: %v", w, err)
	}
	if rtcp != "" {
		if s.RTCPPort, err = strconv.Atoi(rtcp); err != nil {
			t.Fatalf("stream %q: %v", w, err)
		}
	}
	return s
}

func lines(body []byte) string {
	return strings.TrimSuffix(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n")
}

// facts writes down what a description says, one m= line a line.
func facts(d *Description) string {
	var b strings.Builder
	for i := range d.Media {
		m := &d.Media[i]
		fmt.Fprintf(&b, "%s %s/%d", m.Kind, [...]string{"other", "rtp", "srtp", "dtls", "udptl", "udp", "tcp"}[m.Transport], m.Port)
		if m.Rejected() {
			fmt.Fprintln(&b, " rejected")
			continue
		}
		fmt.Fprintf(&b, " %v rtcp %v %v", m.Connection.Addr, m.RTCP, m.Direction)
		for _, flag := range [...]struct {
			on   bool
			word string
		}{
			{m.Held(), "held"}, {m.Mux, "mux"}, {m.MuxOnly, "mux-only"}, {m.ICE, "ice"}, {m.Encrypted, "keys"},
			{m.Relayable(), "relayable"},
		} {
			if flag.on {
				b.WriteString(" " + flag.word)
			}
		}
		if m.Ptime+m.MaxPtime > 0 {
			fmt.Fprintf(&b, " ptime %d/%d", m.Ptime, m.MaxPtime)
		}
		for _, c := range m.Codecs() {
			fmt.Fprintf(&b, " [%d %s/%d/%d %s]", c.PT, c.Name, c.Clock, c.Channels, c.Fmtp)
		}
		b.WriteByte('\n')
	}
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), " ]", "]")
}

func (r *run) maps() string {
	var b strings.Builder
	for i := range r.offer.Media {
		p := Pair(&r.sent.Media[i], &r.agreed.Media[i])
		fmt.Fprintf(&b, "%d: to answerer%s, to offerer%s\n", i+1, changes(p.ToAnswerer), changes(p.ToOfferer))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func changes(m *PayloadMap) string {
	if m == nil {
		return " same"
	}
	var b strings.Builder
	for from, to := range m {
		if int(to) != from {
			fmt.Fprintf(&b, " %d>%d", from, to)
		}
	}
	if b.Len() == 0 {
		return " same"
	}
	return b.String()
}

// stable checks that a description written and read again stays what it is.
func stable(t *testing.T, d *Description) {
	t.Helper()
	once := d.AppendTo(nil)
	again, err := Parse(once)
	if err != nil {
		t.Fatalf("written description cannot be read: %v\n%q", err, once)
	}
	if twice := again.AppendTo(nil); string(twice) != string(once) {
		t.Fatalf("not stable:\n%q\n%q", once, twice)
	}
	if !Equal(d, again) || facts(d) != facts(again) {
		t.Fatalf("facts changed by writing:\n%s\n%s", facts(d), facts(again))
	}
}
