package integration

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// allowed are the answers with which RFC 4475 and 5118 are content, where they want one of a server that knows neither registrations
// nor foreign methods. Messages that are not listed may be answered in any way, or not at all.
// On a stream dblreq is two requests: the REGISTER is refused with 405, the INVITE, which has no Contact, with 400.
var allowed = map[string][]int{
	"badvers": {505}, "unkscm": {416}, "novelsc": {416}, "bext01": {420}, "zeromf": {200, 483}, "insuf": {400}, "ncl": {400}, "scalar02": {400},
	"mcl01": {400}, "mismatch01": {400}, "mismatch02": {400, 501, 405}, "badinv01": {400}, "lwsruri": {400}, "ltgtruri": {400}, "lwsstart": {400},
	"escruri": {400, 486}, "baddn": {200, 400}, "quotbal": {400}, "multi01": {400}, "regbadct": {400, 405}, "regaut01": {405}, "dblreq": {405, 400},
	"semiuri": {200, 405}, "sdp01": {406, 415, 488, 486}, "invut": {415}, "unksm2": {405, 416}, "transports": {200}, "ipv6-bad": {400},
	"cparam01": {405}, "cparam02": {405}, "regescrt": {405}, "esc02": {405}, "clerr": {400}, "intmeth": {405}, "ipv6-good": {405},
	"ipv6-bug-abnf-3-colons": {200, 400, 405}, "wsinv": {481}, "esc01": {486}, "lwsdisp": {200}, "longreq": {486}, "mpart01": {405},
}

// unanswered are responses, and requests for which no answer can be built.
var unanswered = []string{"unreason", "noreason", "scalarlg", "bigcode", "bcast"}

// tortures are the messages of both RFCs by name.
func tortures(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../sbc/msg/testdata/rfc*/*.dat")
	if err != nil || len(files) < 55 {
		t.Fatalf("torture messages: %d, %v", len(files), err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(f), ".dat")] = raw
	}
	return out
}

// refuser takes calls in the east and refuses them all.
func refuser(t testing.TB, addr netip.Addr, tcp bool) *peer {
	t.Helper()
	p := &peer{side: "east", lines: map[string]bool{}}
	ready := make(chan struct{})
	p.wire = newWire(t, addr, 5060, tcp, func(m *msg.Message) {
		<-ready
		if m.IsRequest() && m.Method != msg.ACK {
			l := &line{p: p, callID: m.CallID, local: m.To.WithTag("refuser").String()}
			status := 486
			if m.Method != msg.INVITE {
				status = 200
			}
			l.say(m, status, "", "")
		}
	})
	close(ready)
	return p
}

// stranger is an address nobody knows.
func (s sides) stranger() netip.Addr {
	a := s.west.As4()
	a[3] = 99
	return netip.AddrFrom4(a)
}

// alive proves that the border still serves, and that nothing panicked.
func (b *border) alive(caller *peer) {
	b.t.Helper()
	call := caller.dial("4930123456", caller.sdp())
	if m := call.answer(1, 0); m.Status != 486 {
		b.t.Errorf("afterwards a call ends with %s: %s", m.StartLine(), b.text("/v1/cdrs?limit=1000")[:20])
		var page rest.Page[sbc.CDR]
		_ = b.Get(b.t.Context(), "/v1/cdrs?limit=1000", &page)
		for _, r := range page.Items {
			b.t.Logf("%s %d %s %+v", r.EndReason, r.FinalCode, r.FinalReason, r.Attempts)
		}
	}
	for _, name := range []string{"sbc_sip_panics_total", "sbc_call_panics_total", "sbc_media_panics_total"} {
		if n := b.metric(name); n != 0 {
			b.t.Errorf("%s is %v", name, n)
		}
	}
}

// metric adds up all series of a metric whose labels hold the given words.
func (b *border) metric(name string, words ...string) float64 {
	b.t.Helper()
	sum := 0.0
	for line := range strings.Lines(b.text("/metrics")) {
		var value float64
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' || slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(rest, w) }) {
			continue
		}
		if _, err := fmt.Sscan(rest[strings.LastIndexByte(strings.TrimSpace(rest), ' ')+1:], &value); err != nil {
			b.t.Fatalf("metric %q: %v", line, err)
		}
		sum += value
	}
	return sum
}

// TestTortureUDP sends the messages of RFC 4475 and 5118 in datagrams, from a known peer and from a stranger.
func TestTortureUDP(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	refuser(t, w.eastPeer, false)
	known := newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5060), netip.AddrPortFrom(w.west, 5060), false)
	stranger := newWire(t, w.stranger(), 5060, false, nil)
	for name, raw := range tortures(t) {
		before := known.count()
		known.send(raw, known.border)
		stranger.send(raw, known.border)
		known.sync(known.border)
		if len(allowed[name]) > 0 && before+1 == known.count() { // the answer comes from a call's own goroutine, or not at all
			known.sync(known.border)
		}
		for _, m := range known.drain() {
			if bytes.Contains(raw, []byte(m.CallID)) { // late answers to others are theirs
				judgeTorture(t, name, m)
			}
		}
	}
	b.alive(known)
	if n := stranger.count(); n != 0 {
		t.Errorf("a stranger got %d answers:\n%s", n, stranger.bytes())
	}
	b.quiet()
}

// drain takes everything from the inbox.
func (w *wire) drain() []*msg.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.inbox
	w.inbox = nil
	return all
}

func judgeTorture(t *testing.T, name string, m *msg.Message) {
	t.Helper()
	if m.IsRequest() || m.Status < 200 || strings.HasPrefix(m.CallID, "sync") {
		return
	}
	if want := allowed[name]; len(want) > 0 && !slices.Contains(want, m.Status) {
		t.Errorf("%s is answered with %s; the RFC wants one of %v", name, m.StartLine(), want)
	}
	if slices.Contains(unanswered, name) {
		t.Errorf("%s is answered with %s", name, m.StartLine())
	}
	if m.Status == 500 {
		t.Errorf("%s is answered with %s", name, m.StartLine())
	}
}

// TestTortureTCP sends the same over connections, each message on one of its own.
func TestTortureTCP(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{transport: "tcp"})
	refuser(t, w.eastPeer, true)
	border := netip.AddrPortFrom(w.west, 5060)
	t.Run("messages", func(t *testing.T) {
		for name, raw := range tortures(t) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, m := range exchange(t, w.westPeer, border, raw, false) {
					judgeTorture(t, name, m)
				}
				for _, m := range exchange(t, w.stranger(), border, raw, true) {
					t.Errorf("a stranger got %s", m.StartLine())
				}
			})
		}
	})
	b.alive(newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5060), border, true))
	b.quiet()
}

// ping is a request whose answer shows that everything before it was read.
func ping(from netip.Addr) []byte {
	return text("OPTIONS sip:border SIP/2.0", []string{"Via: SIP/2.0/TCP " + from.String() + ";branch=z9hG4bK" + msg.NewTag(), "Max-Forwards: 70",
		"From: <sip:ping@sync.invalid>;tag=" + msg.NewTag(), "To: <sip:pong@sync.invalid>", "Call-ID: sync" + msg.NewTag(), "CSeq: 1 OPTIONS"}, "")
}

// exchange sends octets and then a ping on a connection of its own and gives what came until the ping's answer or the end. Silence for
// longer than a half message may last ends it, too. With last, we say that nothing more will come: who is not answered waits for the
// border to close.
func exchange(t *testing.T, from netip.Addr, border netip.AddrPort, raw []byte, last bool) (got []*msg.Message) {
	t.Helper()
	c, err := dialFrom(from, border)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	half := time.Now().Add(5 * time.Second)
	if err := errors.Join(c.SetDeadline(half), write(c, raw, ping(from))); err != nil {
		return nil // it was closed on the first octets
	}
	if tcp, ok := c.(*net.TCPConn); ok && last {
		if err := tcp.CloseWrite(); err != nil {
			return nil // reset already
		}
	}
	framer, r := msg.NewFramer(1<<20), bufio.NewReader(c)
	for {
		raw, _, err := framer.Next(r)
		if err != nil {
			return got
		}
		m, err := msg.Parse(raw)
		if err != nil {
			if len(raw) > 0 && !bytes.HasPrefix(raw, []byte("SIP/2.0 400 ")) {
				t.Errorf("the border sent what is not SIP: %v\n%q", err, raw)
			}
			continue
		}
		if strings.HasPrefix(m.CallID, "sync") {
			return got
		}
		got = append(got, m)
	}
}

func write(c net.Conn, parts ...[]byte) error {
	for _, p := range parts {
		if _, err := c.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// specimens are valid messages to be damaged.
func specimens(p *peer) [][]byte {
	branch := func() string { return "z9hG4bK" + msg.NewTag() }
	head := func(method string) []string {
		return []string{"Via: " + p.via(branch()), "Max-Forwards: 70", "From: \"A, \\\"B\" <sip:+4930111@west.invalid;x=y>;tag=" + msg.NewTag(),
			"To: <sip:4930123456@west.invalid>", "Call-ID: " + msg.NewTag() + "@west.invalid", "CSeq: 1 " + method, "Contact: " + p.contact(),
			"Supported: timer, 100rel", "Content-Type: application/sdp", "P-Asserted-Identity: <tel:+4930>, <sip:+4930@west.invalid>",
			"Reason: Q.850;cause=16;text=\"a;b\"", "Route: <sip:a;lr>,<sip:b;lr>"}
	}
	var out [][]byte
	for _, method := range []string{"INVITE", "INVITE", "OPTIONS", "BYE", "CANCEL", "ACK", "REGISTER", "UPDATE", "MESSAGE"} {
		out = append(out, text(method+" sip:4930123456@west.invalid;user=phone SIP/2.0", head(method), hostileDescription(p)))
	}
	return append(out, text("SIP/2.0 200 OK", head("INVITE"), p.sdp()), text("SIP/2.0 486 Busy Here", head("INVITE"), ""))
}

// mutate damages a message in one of the ways in which networks and attackers do.
func mutate(r *rand.Rand, raw []byte) []byte {
	b := bytes.Clone(raw)
	for range 1 + r.IntN(4) {
		i := r.IntN(len(b))
		j := min(len(b), i+1+r.IntN(40))
		switch r.IntN(8) {
		case 0:
			b[i] ^= byte(1 << r.IntN(8))
		case 1:
			b[i] = byte(r.IntN(256))
		case 2:
			b = slices.Delete(b, i, j)
		case 3:
			b = slices.Insert(b, i, bytes.Clone(b[i:j])...)
		case 4:
			b = slices.Insert(b, i, bytes.Repeat([]byte{"\r\n\x00 ,;<>\"%:@=A9\xff"[r.IntN(16)]}, 1+r.IntN(300))...)
		case 5:
			b = b[:max(1, i)]
		case 6:
			b = bytes.Replace(b, []byte("\r\n"), []byte("\n"), 1+r.IntN(5))
		case 7:
			b = bytes.Replace(b, []byte("Content-Length: "), []byte([]string{"Content-Length: -", "Content-Length: 9", "l: 0\r\nContent-Length: "}[r.IntN(3)]), 1)
		}
		if len(b) == 0 {
			return []byte{'x'}
		}
	}
	return b[:min(len(b), 60000)]
}

// TestMutationsUDP sends 2,000 damaged messages in datagrams, half of them as a stranger; another client is served all the while.
func TestMutationsUDP(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	refuser(t, w.eastPeer, false)
	known := newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5060), netip.AddrPortFrom(w.west, 5060), false)
	mad := newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5070), known.border, false)
	mad.handle = func(*msg.Message) {}
	stranger := newWire(t, w.stranger(), 5060, false, nil)
	r := rand.New(rand.NewPCG(4475, 5118))
	for i := range 2000 {
		list := specimens(mad)
		raw := mutate(r, list[r.IntN(len(list))])
		if i%2 == 0 {
			mad.send(raw, known.border)
		} else {
			stranger.send(raw, known.border)
		}
		if i%50 == 0 {
			known.sync(known.border)
		}
	}
	b.alive(known)
	if n := stranger.count(); n != 0 {
		t.Errorf("a stranger got %d answers:\n%.2000s", n, stranger.bytes())
	}
}

// TestMutationsTCP sends 2,000 messages over connections, damaged or whole, cut into pieces at random octets; some connections end in
// the middle.
func TestMutationsTCP(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{transport: "tcp"})
	refuser(t, w.eastPeer, true)
	known := newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5060), netip.AddrPortFrom(w.west, 5060), true)
	r := rand.New(rand.NewPCG(3261, 1))
	for sent := 0; sent < 2000; {
		c, err := dialFrom([]netip.Addr{w.westPeer, w.stranger()}[r.IntN(2)], known.border)
		if err != nil {
			t.Fatal(err)
		}
		var stream []byte
		for range 10 {
			list := specimens(known)
			raw := list[r.IntN(len(list))]
			if r.IntN(3) == 0 {
				raw = mutate(r, raw)
			}
			stream = append(stream, raw...)
			sent++
		}
		for len(stream) > 0 {
			n := 1 + r.IntN(min(len(stream), 700))
			if err := c.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
				break
			}
			if _, err := c.Write(stream[:n]); err != nil {
				break // closed for what it had sent
			}
			stream = stream[n:]
		}
		c.Close()
		if sent%200 == 0 {
			known.sync(known.border)
		}
	}
	b.alive(known)
}
