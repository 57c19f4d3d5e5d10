package edge

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

var (
	edgeAddr = netip.MustParseAddrPort("192.0.2.1:5060")
	peerAddr = netip.MustParseAddrPort("192.0.2.99:5060")
	peerTwo  = netip.MustParseAddrPort("192.0.2.98:5060")
)

// pass lets virtual time go by, and waits until everybody has reacted.
func pass(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
	synctest.Wait()
}

// owner is the TU: it keeps what it hears.
type owner struct {
	mu       sync.Mutex
	handled  []*msg.Message
	txs      []msg.ServerTx
	acks     []*msg.Message
	events   []string
	finals   []*msg.Message
	sent     []string
	failures []error
	times    []time.Duration
	start    time.Time
	decide   func(*msg.Message) msg.Decision
	onHandle func(msg.ServerTx, *msg.Message)
}

func (o *owner) options() Options {
	o.start = time.Now()
	return Options{
		Admit: func(m *msg.Message) msg.Decision {
			if o.decide != nil {
				return o.decide(m)
			}
			return msg.Decision{Action: msg.Serve}
		},
		Handle: func(tx msg.ServerTx, m *msg.Message) {
			o.mu.Lock()
			o.handled, o.txs = append(o.handled, m), append(o.txs, tx)
			f := o.onHandle
			o.mu.Unlock()
			if f != nil {
				f(tx, m)
			}
		},
		Ack: func(m *msg.Message) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.acks = append(o.acks, m)
		},
		Resolver: literals{},
	}
}

func (o *owner) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.handled)
}

// funcs are the functions of a request that owner.outbound made.
func funcs(o msg.Outbound) *msg.OwnerFuncs {
	f, _ := o.Owner.(*msg.OwnerFuncs)
	return f
}

// outbound makes a request whose fate the owner writes down.
func (o *owner) outbound(method msg.Method, to netip.AddrPort) msg.Outbound {
	return msg.Outbound{
		Request: newRequest(method, to),
		Target:  msg.Target{Host: to.Addr().String(), Port: int(to.Port()), Interfaces: []string{"a", "tcp"}},
		Owner: &msg.OwnerFuncs{
			OnPrepare: func(m *msg.Message, l msg.Local) { m.Set("Contact", l.Contact("x")) },
			OnResponse: func(_ msg.ClientTx, m *msg.Message) {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.events = append(o.events, fmt.Sprint(m.Status))
				o.times = append(o.times, time.Since(o.start))
				if m.Status >= 200 {
					o.finals = append(o.finals, m)
				}
			},
			OnFailed: func(_ msg.ClientTx, err error) {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.events = append(o.events, "failed")
				o.failures = append(o.failures, err)
				o.times = append(o.times, time.Since(o.start))
			},
			OnSent: func(raw []byte, hop msg.Hop) {
				o.mu.Lock()
				defer o.mu.Unlock()
				line, _, _ := bytes.Cut(raw, []byte(" "))
				o.sent = append(o.sent, string(line)+">"+hop.Remote.String())
			},
		},
	}
}

func (o *owner) heard() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.events, " ")
}

func newRequest(method msg.Method, to netip.AddrPort) *msg.Message {
	uri, err := msg.ParseURI("sip:bob@" + to.String())
	if err != nil {
		panic(err)
	}
	m := msg.NewRequest(method, uri)
	m.SetMaxForwards(70)
	m.Append("From", "<sip:alice@192.0.2.1>;tag="+msg.NewTag())
	m.Append("To", "<sip:bob@"+to.String()+">")
	m.SetCallID(msg.NewCallID())
	m.SetCSeq(1, method)
	return m
}

// world is an edge in a network in memory with a peer on UDP.
type world struct {
	t    *testing.T
	net  *memNet
	edge *Edge
	*owner
	peer *phone
}

// virtual runs f in virtual time, over an edge with one UDP interface "a"; everything must have ended when f returns.
func virtual(t *testing.T, f func(w *world), with ...func(*Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: newMemNet(), owner: &owner{}}
		o := w.options()
		for _, g := range with {
			g(&o)
		}
		w.edge = newEdge(o, w.net)
		w.listen(Listener{ID: "a", Transport: sbc.TransportUDP, Bind: edgeAddr})
		w.peer = w.phone(peerAddr)
		defer func() { // also after a Fatal
			if err := w.edge.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			pass(time.Second)
			if n := w.edge.Transactions(); n != 0 {
				t.Errorf("%d transactions left after Close", n)
			}
			if n := w.edge.txs.waiting.Load(); n != 0 {
				t.Errorf("%d timers left after Close", n)
			}
		}()
		f(w)
	})
}

func (w *world) listen(ls ...Listener) {
	w.t.Helper()
	c, err := w.edge.Prepare(ls)
	if err != nil {
		w.t.Fatalf("Prepare: %v", err)
	}
	c.Commit()
}

// phone is a peer on UDP in memory.
type phone struct {
	t    *testing.T
	c    *memPackets
	addr netip.AddrPort
	to   netip.AddrPort
}

func (w *world) phone(at netip.AddrPort) *phone {
	w.t.Helper()
	c, err := w.net.listenPacket(at)
	if err != nil {
		w.t.Fatal(err)
	}
	return &phone{t: w.t, c: c.(*memPackets), addr: at, to: edgeAddr}
}

func (p *phone) send(text string) {
	p.t.Helper()
	if _, err := p.c.WriteToUDPAddrPort([]byte(text), p.to); err != nil {
		p.t.Fatal(err)
	}
	synctest.Wait()
}

// next is the next message that came, nil if there is none.
func (p *phone) next() *msg.Message {
	p.t.Helper()
	synctest.Wait()
	select {
	case m := <-p.c.in:
		parsed, err := msg.Parse(m.b)
		if err != nil {
			p.t.Fatalf("the edge sent what cannot be parsed: %v\n%s", err, m.b)
		}
		return parsed
	default:
		return nil
	}
}

func (p *phone) none() {
	p.t.Helper()
	if m := p.next(); m != nil {
		p.t.Fatalf("got %s, want nothing", m.StartLine())
	}
}

func (p *phone) status(want int) *msg.Message {
	p.t.Helper()
	m := p.next()
	if m == nil {
		p.t.Fatalf("got nothing, want %d", want)
	}
	if m.Status != want {
		p.t.Fatalf("got %s, want %d", m.StartLine(), want)
	}
	return m
}

func (p *phone) method(want msg.Method) *msg.Message {
	p.t.Helper()
	m := p.next()
	if m == nil {
		p.t.Fatalf("got nothing, want %s", want)
	}
	if m.Method != want {
		p.t.Fatalf("got %s, want %s", m.StartLine(), want)
	}
	return m
}

// answer answers a request the edge sent.
func (p *phone) answer(req *msg.Message, status int) {
	p.t.Helper()
	p.answerTag(req, status, "peertag")
}

func (p *phone) answerTag(req *msg.Message, status int, tag string) {
	p.t.Helper()
	res := msg.NewResponse(req, status, "")
	if status > 100 {
		res.SetToTag(tag)
	}
	p.send(string(res.AppendTo(nil)))
}

// call are the words of a request as text.
type call struct {
	method, uri, via, branch, callID, from, to, fromTag string
	cseq                                                int
	headers                                             []string
	body                                                string
}

func request(method string) call {
	return call{
		method: method, uri: "sip:bob@192.0.2.1", via: peerAddr.String(), branch: "z9hG4bKbranch1", callID: "call-1",
		from: "<sip:alice@192.0.2.99>", to: "<sip:bob@192.0.2.1>", fromTag: "fromtag", cseq: 1,
	}
}

func (c call) String() string { return c.text("UDP;rport") }

func (c call) text(transport string) string {
	var b strings.Builder
	transport, flags, _ := strings.Cut(transport, ";")
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=%s", c.method, c.uri, transport, c.via, c.branch)
	if flags != "" {
		b.WriteString(";" + flags)
	}
	fmt.Fprintf(&b, "\r\nMax-Forwards: 70\r\nFrom: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n",
		c.from, c.fromTag, c.to, c.callID, c.cseq, c.method)
	for _, h := range c.headers {
		b.WriteString(h + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(c.body), c.body)
	return b.String()
}

// ackOf is the ACK of a failure: same branch.
func (c call) ackOf(res *msg.Message) string {
	c.method, c.to = "ACK", res.Get("To")
	return c.String()
}

func respond(t testing.TB, tx msg.ServerTx, status int) {
	t.Helper()
	if err := tx.Respond(msg.NewResponse(tx.Request(), status, "")); err != nil {
		t.Fatalf("Respond %d: %v", status, err)
	}
}

// records is a log that is kept.
type records struct {
	mu sync.Mutex
	bytes.Buffer
}

func (r *records) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Buffer.Write(b)
}

func (r *records) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.String()
}

func logTo(r *records) *slog.Logger {
	return slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (g group) Lookup(context.Context, string, int, sbc.Transport) ([]Address, error) { return g, nil }
