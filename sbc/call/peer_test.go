package call

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// server is a transaction whose client is a peer.
type server struct {
	t        testing.TB
	req      *msg.Message
	mu       sync.Mutex
	res      []*msg.Message
	acked    bool
	at       time.Time // of the newest response
	tag      string
	onCancel func(*msg.Message)
	onFailed func(error)
	onSent   func([]byte, msg.Hop)
	bomb     *bomb
}

func (s *server) Request() *msg.Message { return s.req }

func (s *server) Respond(res *msg.Message) error {
	s.bomb.tick()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, old := range s.res {
		if old.Status >= 200 {
			s.t.Errorf("a second final answer: %d after %d to %s", res.Status, old.Status, s.req.Method)
		}
	}
	raw := res.AppendTo(nil)
	m, err := msg.Parse(bytes.Clone(raw))
	if err != nil {
		s.t.Errorf("we answered what cannot be parsed: %v\n%s", err, raw)
		return nil
	}
	s.res, s.at = append(s.res, m), time.Now()
	if s.onSent != nil {
		s.onSent(raw, s.req.Hop)
	}
	return nil
}

func (s *server) Acked() {
	s.mu.Lock()
	s.acked = true
	s.mu.Unlock()
}

func (s *server) Local() msg.Local {
	return localFor([]string{s.req.Hop.Interface})
}
func (s *server) OnCancel(f func(*msg.Message))  { s.onCancel = f }
func (s *server) OnFailed(f func(error))         { s.onFailed = f }
func (s *server) OnSent(f func([]byte, msg.Hop)) { s.onSent = f }
func (s *server) SetTag(tag string)              { s.tag = tag }

// last is the newest response, nil before the first.
func (s *server) last() *msg.Message {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.res) == 0 {
		return nil
	}
	return s.res[len(s.res)-1]
}

// want sees that the newest response has a code.
func (s *server) want(code int) *msg.Message {
	s.t.Helper()
	m := s.last()
	if m == nil || m.Status != code {
		got := 0
		if m != nil {
			got = m.Status
		}
		s.t.Fatalf("%s was answered with %d, want %d", s.req.Method, got, code)
	}
	return m
}

// peer is a user agent on one side.
type peer struct {
	w                *world
	ip, iface        string
	callID           string
	local, remote    string // From and To of its requests
	cseq             int
	uri              string
	inviteBranch     string
	lastInviteNumber int
	// port and transport are whence the peer sends; 0 and "" are 5060 and UDP.
	port      uint16
	transport sbc.Transport
	// from is the subscriber that the peer is, nil for a trunk's.
	from *Origin
}

// caller is a new caller.
func (w *world) caller() *peer {
	w.seq++
	return &peer{
		w: w, ip: callerIP, iface: "sif_a", callID: fmt.Sprintf("a-call-%d@%s", w.seq, callerIP), cseq: 100,
		uri:   "sip:4930123@" + borderA,
		local: fmt.Sprintf(`"Alice" <sip:+441234@%s>;tag=atag%d`, callerIP, w.seq), remote: "<sip:4930123@" + borderA + ">",
	}
}

// callee is the user agent that answered a request of ours.
func (w *world) callee(s *sent) *peer {
	r := s.req
	tag := r.To
	if tag.Tag() == "" {
		tag = tag.WithTag(s.tag)
	}
	return &peer{
		w: w, ip: r.Hop.Remote.Addr().String(), iface: r.Hop.Interface, callID: r.CallID, cseq: 7000, local: tag.String(),
		remote: r.From.String(),
		uri:    "sip:whatever@wrong.example",
	}
}

// send makes a request, gives it to Admit and Handle as edge does, and returns its transaction; nil if it was not served.
func (p *peer) send(method msg.Method, body string, extra ...string) *server {
	p.w.t.Helper()
	s, d := p.try(method, body, extra...)
	if d.Action != msg.Serve {
		p.w.t.Fatalf("%s was not served: %+v", method, d)
	}
	return s
}

func (p *peer) try(method msg.Method, body string, extra ...string) (*server, msg.Decision) {
	p.w.t.Helper()
	if method != msg.ACK {
		p.cseq++
	}
	req := p.build(method, p.cseq, body, extra...)
	d := p.w.m.Admit(req)
	if d.Action != msg.Serve {
		return nil, d
	}
	s := &server{t: p.w.t, req: req, bomb: &p.w.bomb}
	p.w.m.HandleFrom(s, req, p.from)
	synctest.Wait()
	return s, d
}

func (p *peer) build(method msg.Method, cseq int, body string, extra ...string) *msg.Message {
	p.w.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:5060;branch=%s\r\n", method, p.uri, p.ip, msg.NewBranch())
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n", p.local, p.remote, p.callID, cseq, method)
	has := strings.Join(extra, "\n")
	if !strings.Contains(has, "Contact: ") {
		fmt.Fprintf(&b, "Contact: <sip:ua@%s:5060>\r\n", p.ip)
	}
	if !strings.Contains(has, "Max-Forwards: ") {
		b.WriteString("Max-Forwards: 70\r\n")
	}
	b.WriteString("User-Agent: SecretPBX/1.2\r\n")
	for _, e := range extra {
		if e != "" {
			b.WriteString(e + "\r\n")
		}
	}
	if body != "" && !strings.Contains(has, "Content-Type: ") {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	m, err := msg.Parse([]byte(b.String()))
	if err != nil {
		p.w.t.Fatalf("the test's own message: %v\n%s", err, b.String())
	}
	m.Hop = msg.Hop{
		Interface: p.iface, Transport: cmp.Or(p.transport, sbc.TransportUDP),
		Local:  netip.AddrPortFrom(netip.MustParseAddr(borderA), 5060),
		Remote: netip.AddrPortFrom(netip.MustParseAddr(p.ip), cmp.Or(p.port, 5060)), At: time.Now(),
	}
	return m
}

// invite begins a call.
func (p *peer) invite(body string, extra ...string) *server {
	p.w.t.Helper()
	s := p.send(msg.INVITE, body, extra...)
	p.lastInviteNumber = p.cseq
	return s
}

// learn takes over our tag from a response.
func (p *peer) learn(res *msg.Message) {
	p.remote = res.To.String()
	if cs, err := res.Contacts(); err == nil && len(cs) == 1 {
		p.uri = cs[0].URI.String()
	}
}

// ack acknowledges the INVITE with number n.
func (p *peer) ack(n int, body string) {
	p.w.t.Helper()
	p.w.m.Ack(p.build(msg.ACK, n, body))
	synctest.Wait()
}
