package integration

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc/msg"
)

// peer is a raw device of one side. Whatever it writes that the other side must not learn holds the word "leak" and the side's name,
// in host names, tags, branches, Call-IDs, products, contacts and descriptions.
type peer struct {
	*wire
	side    string
	border  netip.AddrPort
	lines   map[string]bool // Call-IDs known
	compact bool
	noRport bool
	// named is its Contact where that is not its address.
	named string
}

// newPeer opens a device of a side that speaks to an address of the border.
func newPeer(t testing.TB, side string, addr netip.AddrPort, border netip.AddrPort, tcp bool) *peer {
	t.Helper()
	return &peer{wire: newWire(t, addr.Addr(), int(addr.Port()), tcp, nil), side: side, border: border, lines: map[string]bool{}}
}

// peers opens both devices of a wiring.
func (w wiring) peers(t testing.TB, tcp bool) (west, east *peer) {
	t.Helper()
	at := func(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, 5060) }
	return newPeer(t, "west", at(w.westPeer), at(w.west), tcp), newPeer(t, "east", at(w.eastPeer), at(w.east), tcp)
}

func (p *peer) transport() string {
	if p.tcp {
		return "TCP"
	}
	return "UDP"
}

// host is a name of this side that nobody else may see.
func (p *peer) host(kind string) string { return kind + ".leak-" + p.side + ".example" }

func (p *peer) contact() string {
	if p.named != "" {
		return "<" + p.named + ">"
	}
	return "<sip:leak" + p.side + "contact@" + p.addr.String() + ";x=leak-" + p.side + ">"
}

// via is a Via value with a new branch.
func (p *peer) via(branch string) string {
	v := "SIP/2.0/" + p.transport() + " " + p.host("via") + ":" + strconv.Itoa(int(p.addr.Port())) + ";branch=" + branch
	if !p.noRport {
		v += ";rport"
	}
	return v
}

func (p *peer) branch() string { return "z9hG4bKleak" + p.side + msg.NewTag() }

// sdp describes one G.711 stream; more lines are put behind.
func (p *peer) sdp(more ...string) string {
	family := "IP4"
	if p.addr.Addr().Is6() {
		family = "IP6"
	}
	where := family + " " + p.addr.Addr().String()
	// A session id that no other number of the messages looks like.
	id := fmt.Sprintf("88%013d", rand.Int64N(1e13))
	return "v=0\r\no=leak" + p.side + " " + id + " 1 IN " + where + "\r\ns=leak-" + p.side + "\r\nc=IN " + where +
		"\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n" +
		strings.Join(more, "")
}

// line is one dialog of a peer.
type line struct {
	p                     *peer
	callID, local, remote string // From and To as this side writes them in its requests
	target                string
	seq                   int
	invite                *msg.Message // the other's INVITE
	branch                string       // of our INVITE
	inviteSeq             int
	inviteBytes           []byte
}

// text writes a message; headers are whole lines without their ends.
func text(start string, headers []string, body string) []byte {
	var b bytes.Buffer
	b.WriteString(start + "\r\n")
	kind := ""
	for _, h := range headers {
		b.WriteString(h + "\r\n")
		if strings.HasPrefix(h, "Content-Type:") || strings.HasPrefix(h, "c:") {
			kind = h
		}
	}
	if body != "" && kind == "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.Bytes()
}

// dial calls a number. The headers are put behind those every INVITE has.
func (p *peer) dial(number, body string, headers ...string) *line {
	p.t.Helper()
	l := &line{
		p: p, callID: "leak" + p.side + msg.NewTag() + "@" + p.host("callid"), seq: 1,
		local:  "\"Ada\" <sip:+4930111@" + p.host("from") + ">;tag=leak" + p.side + msg.NewTag(),
		remote: "<sip:" + number + "@" + p.host("to") + ">", target: "sip:" + number + "@" + p.host("ruri"),
	}
	return l.start(body, headers...)
}

// start sends the INVITE of a line.
func (l *line) start(body string, headers ...string) *line {
	l.p.lines[l.callID] = true
	l.branch, l.inviteSeq = l.p.branch(), l.seq
	hs := append(l.head("INVITE", l.seq, l.branch), "Contact: "+l.p.contact(), "User-Agent: Leak"+l.p.side+"Phone/9.1")
	l.inviteBytes = text("INVITE "+l.target+" SIP/2.0", append(hs, headers...), body)
	l.p.send(l.inviteBytes, l.p.border)
	return l
}

// head writes the headers every request of a dialog has.
func (l *line) head(method string, seq int, branch string) []string {
	return []string{
		"Via: " + l.p.via(branch), "Max-Forwards: 70", "From: " + l.local, "To: " + l.remote, "Call-ID: " + l.callID,
		fmt.Sprintf("CSeq: %d %s", seq, method),
	}
}

// request sends a request within the dialog and gives its sequence number.
func (l *line) request(method, body string, headers ...string) int {
	l.seq++
	branch := l.p.branch()
	hs := append(l.head(method, l.seq, branch), "User-Agent: Leak"+l.p.side+"Phone/9.1")
	if method == "INVITE" || method == "UPDATE" {
		hs = append(hs, "Contact: "+l.p.contact())
	}
	if method == "INVITE" {
		l.branch, l.inviteSeq = branch, l.seq
	}
	l.p.send(text(method+" "+l.target+" SIP/2.0", append(hs, headers...), body), l.p.border)
	return l.seq
}

// answer waits for the answer to a request of this line: the first of that status, or the first final one if status is 0.
func (l *line) answer(seq int, status int) *msg.Message {
	l.p.t.Helper()
	m := l.p.take(fmt.Sprintf("a response %d (0: final) to its request %d", status, seq), func(m *msg.Message) bool {
		return m.CallID == l.callID && !m.IsRequest() && int(m.CSeq.Seq) == seq && m.CSeq.Method != msg.CANCEL &&
			(m.Status == status || status == 0 && m.Status >= 200)
	})
	if m.Status > 100 && m.Status < 300 {
		l.remote = m.To.String()
		if c, err := m.Contacts(); err == nil && len(c) > 0 {
			l.target = c[0].URI.String()
		}
	}
	return m
}

// final waits for the final answer to the newest INVITE of this line and acknowledges it.
func (l *line) final(status int) *msg.Message {
	l.p.t.Helper()
	m := l.answer(l.inviteSeq, 0)
	if m.Status != status {
		l.p.t.Fatalf("%s was answered with %s; %d was expected", l.callID, m.StartLine(), status)
	}
	l.ack(m)
	return m
}

// ack acknowledges a final answer.
func (l *line) ack(m *msg.Message, more ...string) {
	branch, to, target := l.branch, m.To.String(), l.target
	if m.Status < 300 {
		branch = l.p.branch()
	}
	body := ""
	if len(more) > 0 {
		body = more[0]
	}
	l.p.send(text("ACK "+target+" SIP/2.0", append([]string{
		"Via: " + l.p.via(branch), "Max-Forwards: 70", "From: " + l.local, "To: " + to, "Call-ID: " + l.callID,
		fmt.Sprintf("CSeq: %d ACK", m.CSeq.Seq), "User-Agent: Leak" + l.p.side + "Phone/9.1",
	}, more[min(1, len(more)):]...), body), l.p.border)
}

// cancel gives up the INVITE of this line.
func (l *line) cancel(headers ...string) {
	hs := append(l.head("CANCEL", l.inviteSeq, l.branch), headers...)
	l.p.send(text("CANCEL "+l.target+" SIP/2.0", hs, ""), l.p.border)
	l.p.take("200 to CANCEL", func(m *msg.Message) bool {
		return m.CallID == l.callID && m.Status == 200 && m.CSeq.Method == msg.CANCEL
	})
}

// hangup ends the call from this side, the other side seeing it.
func (l *line) hangup(other *line, headers ...string) {
	l.p.t.Helper()
	seq := l.request("BYE", "", headers...)
	other.say(other.hear(msg.BYE), 200, "", "")
	l.answer(seq, 200)
}

// ring waits for a call that comes in.
func (p *peer) ring() *line {
	p.t.Helper()
	m := p.take("an INVITE", func(m *msg.Message) bool { return m.Method == msg.INVITE && m.IsRequest() && !p.lines[m.CallID] })
	p.lines[m.CallID] = true
	l := &line{
		p: p, callID: m.CallID, remote: m.From.String(), invite: m, seq: 100,
		local: m.To.WithTag("leak" + p.side + msg.NewTag()).String(),
	}
	if c, err := m.Contacts(); err == nil && len(c) > 0 {
		l.target = c[0].URI.String()
	}
	return l
}

// hear waits for a request within the dialog. Retransmissions of one heard before are passed over.
func (l *line) hear(method msg.Method) *msg.Message {
	l.p.t.Helper()
	least := uint32(0)
	if l.invite != nil {
		least = l.invite.CSeq.Seq
	}
	m := l.p.take("a "+string(method), func(m *msg.Message) bool {
		return m.Method == method && m.CallID == l.callID && (method == msg.ACK || method == msg.CANCEL || m.CSeq.Seq > least)
	})
	if method == msg.INVITE {
		l.invite = m
	}
	return m
}

// say answers a request of the other side. The status line's phrase is the usual one if it is empty.
func (l *line) say(req *msg.Message, status int, phrase, body string, headers ...string) {
	l.p.answerTo(req, l.response(req, status, phrase, body, headers...))
}

func (l *line) response(req *msg.Message, status int, phrase, body string, headers ...string) []byte {
	if phrase == "" {
		phrase = msg.StatusText(status)
	}
	hs := make([]string, 0, 16)
	for _, v := range req.GetAll("Via") {
		hs = append(hs, "Via: "+v)
	}
	to := l.local
	if req.CSeq.Method == msg.CANCEL {
		to = req.To.String()
	}
	hs = append(hs, "From: "+req.From.String(), "To: "+to, "Call-ID: "+l.callID,
		fmt.Sprintf("CSeq: %d %s", req.CSeq.Seq, req.CSeq.Method), "Server: Leak"+l.p.side+"Gateway/7.7")
	if req.CSeq.Method == msg.INVITE || req.CSeq.Method == msg.UPDATE { // also where it means nothing
		hs = append(hs, "Contact: "+l.p.contact())
	}
	return text(fmt.Sprintf("SIP/2.0 %d %s", status, phrase), append(hs, headers...), body)
}

// fork gives the same incoming call another tag of ours.
func (l *line) fork() *line {
	other := *l
	other.local = l.invite.To.WithTag("leak" + l.p.side + msg.NewTag()).String()
	return &other
}

// connected sets a call up with nothing unusual.
func connected(a, b *peer, headers ...string) (caller, callee *line) {
	a.t.Helper()
	caller = a.dial("4930123456", a.sdp(), headers...)
	callee = b.ring()
	callee.say(callee.invite, 180, "", "")
	caller.answer(1, 180)
	callee.say(callee.invite, 200, "", b.sdp())
	caller.final(200)
	callee.hear(msg.ACK)
	return caller, callee
}
