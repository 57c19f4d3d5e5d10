package integration

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// stage is a border with a raw device on each side, for plays one after the other.
type stage struct {
	t          testing.TB
	b          *border
	w          wiring
	west, east *peer
	calls      int
}

// newStage opens a stage that the test has for itself.
func newStage(t *testing.T, o wish) *stage {
	t.Helper()
	s := &stage{t: t, b: startBorder(t, app.Options{})}
	s.w = s.b.connect(newSides(t), o)
	s.west, s.east = s.w.peers(t, o.transport == "tcp")
	return s
}

// run plays one named test on the stage.
func (s *stage) run(t *testing.T, name string, play func(t *testing.T)) {
	t.Helper()
	ok := t.Run(name, func(t *testing.T) {
		s.west.t, s.east.t, s.b.t = t, t, t
		defer func() {
			if t.Failed() {
				var calls any
				err := s.b.Get(context.Background(), "/v1/calls", &calls)
				t.Logf("west:\n%s\neast:\n%s\ncalls: %v %v", s.west.summary(), s.east.summary(), calls, err)
			}
		}()
		play(t)
	})
	s.west.t, s.east.t, s.b.t = t, t, t
	if !ok {
		t.FailNow() // what it left behind would confuse the next ones
	}
}

// number is one that nobody called before.
func (s *stage) number() string {
	s.calls++
	return fmt.Sprintf("4930%05d", s.calls)
}

// talk sets a call up from the west and gives its number.
func (s *stage) talk(headers ...string) (caller, callee *line, number string) {
	s.t.Helper()
	number = s.number()
	caller, callee = setUp(s.west, s.east, number, headers...)
	return caller, callee, number
}

// setUp sets a call up with nothing unusual, both ways acknowledged.
func setUp(from, to *peer, number string, headers ...string) (caller, callee *line) {
	from.t.Helper()
	caller = from.dial(number, from.sdp(), headers...)
	callee = to.ring()
	callee.say(callee.invite, 180, "", "")
	caller.answer(1, 180)
	callee.say(callee.invite, 200, "", to.sdp())
	caller.final(200)
	callee.hear(msg.ACK)
	from.sync(from.border) // the border has the ACK
	return caller, callee
}

// over ends a call from this side and gives its record.
func (s *stage) over(l, other *line, number string) sbc.CDR {
	l.p.t.Helper()
	l.hangup(other)
	return s.record(number)
}

// record waits for the one record of a number.
func (s *stage) record(number string) sbc.CDR {
	s.west.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	page, err := rest.Until(ctx, s.b.Client, "/v1/cdrs?callee="+url.QueryEscape(number), func(p rest.Page[sbc.CDR]) bool { return len(p.Items) > 0 })
	if err != nil {
		s.west.t.Fatal(err)
	}
	if len(page.Items) != 1 {
		s.west.t.Fatalf("%d records of one call", len(page.Items))
	}
	return page.Items[0]
}

// wantEnd compares what most plays ask of a record.
func wantEnd(t testing.TB, r sbc.CDR, end sbc.EndReason, by sbc.Side, code int) {
	t.Helper()
	if r.EndReason != end || r.ReleasedBy != by || r.FinalCode != code {
		t.Errorf("the record says %s by %s, code %d; expected %s by %s, code %d", r.EndReason, r.ReleasedBy, r.FinalCode, end, by, code)
	}
}

// nothing tells that no such message has come. Both sides were asked something first, so that what was under way has come.
func (p *peer) nothing(what string, match func(m *msg.Message) bool) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.inbox {
		if match(m) {
			p.t.Errorf("%s got %s: %s", p.side, what, m.StartLine())
		}
	}
}

// settle lets what is under way arrive at both sides: the border has handled all that they sent, and they all that it sent.
func (s *stage) settle() {
	s.west.sync(s.west.border)
	s.east.sync(s.east.border)
	s.west.sync(s.west.border)
}

// ofCall selects the requests of a dialog.
func (l *line) ofCall(method msg.Method) func(*msg.Message) bool {
	return func(m *msg.Message) bool { return m.IsRequest() && m.Method == method && m.CallID == l.callID }
}

// raw writes a request within the dialog without sending it, so that a test can spoil or repeat it.
func (l *line) raw(method string, seq int, body string, headers ...string) []byte {
	hs := append(l.head(method, seq, l.p.branch()), "Contact: "+l.p.contact())
	return text(method+" "+l.target+" SIP/2.0", append(hs, headers...), body)
}

// sendRaw sends such a request.
func (l *line) sendRaw(raw []byte) { l.p.send(raw, l.p.border) }

// refusedWith waits for the final answer to a request and acknowledges it where it was an INVITE.
func (l *line) refusedWith(seq, status int) *msg.Message {
	l.p.t.Helper()
	m := l.answer(seq, 0)
	if m.Status != status {
		l.p.t.Errorf("request %d was answered with %s; %d was expected", seq, m.StartLine(), status)
	}
	if m.CSeq.Method == msg.INVITE {
		l.ack(m)
	}
	return m
}

// description reads what a test looks at in SDP.
type description struct {
	lines []string
	media []mediaLine
}

type mediaLine struct {
	kind, proto string
	port        int
	formats     []string
	direction   string
	at          netip.AddrPort
}

// readSDP reads a body; lines it does not know are kept in lines.
func readSDP(t testing.TB, body []byte) description {
	t.Helper()
	d := description{}
	session := netip.Addr{}
	for l := range strings.SplitSeq(string(body), "\r\n") {
		d.lines = append(d.lines, l)
		f := strings.Fields(l)
		last := len(d.media) - 1
		switch {
		case strings.HasPrefix(l, "m=") && len(f) > 3:
			port, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatalf("%q: %v", l, err)
			}
			d.media = append(d.media, mediaLine{kind: f[0][2:], port: port, proto: f[2], formats: f[3:], direction: "sendrecv", at: netip.AddrPortFrom(session, uint16(port))})
		case strings.HasPrefix(l, "c=IN IP") && len(f) > 2:
			a, err := netip.ParseAddr(f[2])
			if err != nil {
				t.Fatalf("%q: %v", l, err)
			}
			if last < 0 {
				session = a
			} else {
				d.media[last].at = netip.AddrPortFrom(a, d.media[last].at.Port())
			}
		case last >= 0 && (l == "a=sendrecv" || l == "a=sendonly" || l == "a=recvonly" || l == "a=inactive"):
			d.media[last].direction = l[2:]
		}
	}
	return d
}

// has tells whether the description has a line.
func (d description) has(line string) bool {
	for _, l := range d.lines {
		if l == line {
			return true
		}
	}
	return false
}

// offers writes SDP of this device with the given m-lines.
func (p *peer) offers(version int, media ...string) string {
	where := "IP4 " + p.addr.Addr().String()
	return fmt.Sprintf("v=0\r\no=leak%s 881%012d %d IN %s\r\ns=-\r\nc=IN %s\r\nt=0 0\r\n%s\r\n", p.side, p.addr.Port(), version, where, where,
		strings.Join(media, "\r\n"))
}

// ear is a place where a device takes media in.
type ear struct {
	t    testing.TB
	conn *net.UDPConn
	addr netip.AddrPort
	pt   byte
	ssrc uint32
	seq  uint16
	last atomic.Pointer[heardPacket]
	done chan struct{}
	// strangers counts what came without a mark of carries.
	strangers atomic.Int32
}

type heardPacket struct {
	pt   byte
	data string
	from netip.AddrPort
}

var lastSSRC atomic.Uint32

// listen opens a place for media on an address; port 0 takes a free one.
func listen(t testing.TB, addr netip.Addr) *ear {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		t.Fatal(err)
	}
	e := &ear{t: t, conn: c, addr: c.LocalAddr().(*net.UDPAddr).AddrPort(), ssrc: 0x5a110000 + lastSSRC.Add(1), done: make(chan struct{})}
	go func() {
		defer close(e.done)
		buf := make([]byte, 2048)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if !bytes.HasPrefix(buf[min(12, n):n], []byte("mark")) {
				e.strangers.Add(1)
			}
			if n > 12 && buf[0]>>6 == 2 {
				e.last.Store(&heardPacket{pt: buf[1] & 0x7f, data: string(buf[12:n]), from: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())})
			} else {
				e.last.Store(&heardPacket{pt: 0xff, data: string(buf[:n]), from: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())})
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-e.done })
	return e
}

// say sends one RTP packet.
func (e *ear) say(to netip.AddrPort, pt byte, data string) {
	e.seq++
	p := []byte{0x80, pt, byte(e.seq >> 8), byte(e.seq), 0, 0, byte(e.seq), 0, byte(e.ssrc >> 24), byte(e.ssrc >> 16), byte(e.ssrc >> 8), byte(e.ssrc)}
	e.put(to, append(p, data...))
}

// put sends octets that are not RTP.
func (e *ear) put(to netip.AddrPort, b []byte) {
	if _, err := e.conn.WriteToUDPAddrPort(b, to); err != nil {
		e.t.Errorf("media: %v", err)
	}
}

// carries sends from one ear through a door of the border until the other hears it; the mark makes sure that it is this very sound.
func carries(t testing.TB, from *ear, door netip.AddrPort, to *ear, pt byte) *heardPacket {
	t.Helper()
	mark := "mark" + msg.NewTag()
	heard := func() bool { p := to.last.Load(); return p != nil && p.data == mark }
	waitFor(t, func() bool {
		if heard() {
			return true
		}
		from.say(door, pt, mark)
		return false
	}, fmt.Sprintf("media from %v through %v to %v", from.addr, door, to.addr))
	p := to.last.Load()
	if p.pt != pt {
		t.Errorf("payload type %d arrived as %d", pt, p.pt)
	}
	return p
}

// again sends octets that were sent before.
func (p *peer) again(raw []byte) { p.send(bytes.Clone(raw), p.border) }
