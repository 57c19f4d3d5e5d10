package call

import (
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The lean world keeps nothing of a call, so that what is measured is ours: messages are made from text as edge would.

type leanWire struct {
	sent chan msg.Outbound
	acks atomic.Int64
}

type leanTx struct{ hop msg.Hop }

func (leanTx) Cancel(...msg.Header) {}
func (leanTx) Local() msg.Local     { return localFor(nil) }
func (t leanTx) Hop() msg.Hop       { return t.hop }
func (w *leanWire) put(req *msg.Message, prepare func(*msg.Message, msg.Local), tell func([]byte, msg.Hop)) {
	l := localFor(nil)
	prepare(req, l)
	req.PrependVia(msg.Via{Transport: "UDP", Host: l.Host, Port: 5060, Params: msg.SetParam(nil, "branch", msg.NewBranch())})
	tell(req.AppendTo(nil), leanHop("sif_b", calleeIP))
}

func (w *leanWire) Send(o msg.Outbound) msg.ClientTx {
	w.put(o.Request, o.Owner.Prepare, o.Owner.Sent)
	w.sent <- o
	return leanTx{}
}

func (w *leanWire) SendACK(ack *msg.Message, _ msg.Target, prepare func(*msg.Message, msg.Local), tell func([]byte, msg.Hop)) {
	w.put(ack, prepare, tell)
	w.acks.Add(1)
}

func leanHop(iface, ip string) msg.Hop {
	return msg.Hop{
		Interface: iface, Transport: sbc.TransportUDP, Local: netip.AddrPortFrom(netip.MustParseAddr(borderA), 5060),
		Remote: netip.AddrPortFrom(netip.MustParseAddr(ip), 5060), At: time.Now(),
	}
}

type leanServer struct {
	req    *msg.Message
	final  chan *msg.Message
	onSent func([]byte, msg.Hop)
}

func (s *leanServer) Request() *msg.Message { return s.req }
func (s *leanServer) Respond(res *msg.Message) error {
	raw := res.AppendTo(nil)
	if s.onSent != nil {
		s.onSent(raw, s.req.Hop)
	}
	if res.Status >= 200 {
		s.final <- res
	}
	return nil
}
func (s *leanServer) Acked()                         {}
func (s *leanServer) Local() msg.Local               { return localFor([]string{"sif_a"}) }
func (s *leanServer) OnCancel(func(*msg.Message))    {}
func (s *leanServer) OnFailed(func(error))           {}
func (s *leanServer) OnSent(f func([]byte, msg.Hop)) { s.onSent = f }
func (s *leanServer) SetTag(string)                  {}

type leanEngine struct{}
type leanSession struct{ Session } // what a plain call does not use would panic
type leanExchange struct {
	Exchange
	b []byte
}

func (leanEngine) Open(media.SessionOptions) Session        { return leanSession{} }
func (leanSession) Party(media.PartyOptions) *media.Party   { return new(media.Party) }
func (leanSession) Signalling(*media.Party, netip.Addr)     {}
func (leanSession) Drop(*media.Party)                       {}
func (leanSession) Answered()                               {}
func (leanSession) Stats() []media.StreamStats              { return nil }
func (leanSession) LastMedia() time.Time                    { return time.Time{} }
func (leanSession) Close() []media.StreamStats              { return nil }
func (x leanExchange) Offer() []byte                        { return x.b }
func (x leanExchange) Answer(answer []byte) ([]byte, error) { return answer, nil }
func (leanExchange) Reject()                                {}
func (leanSession) Offer(_, _ *media.Party, offer []byte) (Exchange, error) {
	return leanExchange{b: offer}, nil
}

type leanLedger struct{ ends chan struct{} }

func (leanLedger) Answered(*sbc.CDR) error { return nil }
func (l leanLedger) End(*sbc.CDR) error    { l.ends <- struct{}{}; return nil }

type lean struct {
	m    *Manager
	wire *leanWire
	ends chan struct{}
	p    *peer
}

func newLean(b testing.TB) *lean {
	snap, err := config.Compile(resources(nil), 1)
	if err != nil {
		b.Fatal(err)
	}
	l := &lean{wire: &leanWire{sent: make(chan msg.Outbound, 16)}, ends: make(chan struct{}, 16)}
	l.m = New(Options{
		Snapshot: func() *config.Snapshot { return snap }, Wire: l.wire, Engine: leanEngine{}, Ledger: leanLedger{l.ends},
		Tally: admit.New(admit.Options{}), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), TraceBytes: 1 << 20,
	})
	w := &world{t: b, m: l.m}
	l.p = w.caller()
	return l
}

// reply answers a request of ours from text.
func (l *lean) reply(b testing.TB, o msg.Outbound, code int, body string) {
	res := msg.NewResponse(o.Request, code, "")
	if res.To.Tag() == "" {
		res.SetToTag("fartag12345678")
	}
	if body != "" {
		res.Append("Contact", "<sip:peer@"+calleeIP+":5060>")
		res.SetBody("application/sdp", []byte(body))
	}
	m, err := msg.Parse(res.AppendTo(nil))
	if err != nil {
		b.Fatal(err)
	}
	m.Hop = leanHop("sif_b", calleeIP)
	o.Owner.Response(leanTx{}, m)
}

// up brings a call up.
func (l *lean) up(b testing.TB) (acks int64) {
	l.p.cseq = 100
	l.p.remote, l.p.uri = "<sip:4930123@"+borderA+">", "sip:4930123@"+borderA
	in := &leanServer{req: l.p.build(msg.INVITE, 101, sdp(callerIP, 4000)), final: make(chan *msg.Message, 1)}
	if d := l.m.Admit(in.req); d.Action != msg.Serve {
		b.Fatal(d)
	}
	acks = l.wire.acks.Load()
	l.m.Handle(in, in.req)
	out := <-l.wire.sent
	l.reply(b, out, 180, "")
	l.reply(b, out, 200, sdp(calleeIP, 5000))
	ok := <-in.final
	l.p.learn(ok)
	l.m.Ack(l.p.build(msg.ACK, 101, ""))
	return acks
}

// down ends the call that up made last.
func (l *lean) down(b testing.TB) {
	bye := &leanServer{req: l.p.build(msg.BYE, 102, ""), final: make(chan *msg.Message, 1)}
	if d := l.m.Admit(bye.req); d.Action != msg.Serve {
		b.Fatal(d)
	}
	l.m.Handle(bye, bye.req)
	<-bye.final
	l.reply(b, <-l.wire.sent, 200, "")
	<-l.ends
}

// BenchmarkCall is a whole call: INVITE, 100, 180, 200, ACK, BYE, 200 on both legs, with parsing and serialising of the
// messages of both peers, which edge and the peers themselves would pay.
func BenchmarkCall(b *testing.B) {
	l := newLean(b)
	b.ReportAllocs()
	for b.Loop() {
		l.up(b)
		l.down(b)
	}
}

// TestHeldCallMemory: a held call costs this package at most 20 KB with the ladder of its messages.
func TestHeldCallMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory")
	}
	const calls = 1000
	l := newLean(t)
	l.up(t) // caches are warm
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := heap()
	for range calls {
		l.up(t)
	}
	if n := len(l.m.List(sbc.CallFilter{Limit: 2 * calls})); n != calls+1 { // it waits for each call's queue
		t.Fatalf("%d calls are up", n)
	}
	each := (heap() - before) / calls
	t.Logf("%d bytes a held call", each)
	if each > 20<<10 {
		t.Errorf("%d bytes a held call, want at most %d", each, 20<<10)
	}
	runtime.KeepAlive(l)
}

// Keep and KeepParty give a media state of the usual size.
func (leanSession) Keep() media.SessionState { return media.SessionState{Silence: time.Minute} }
func (leanSession) KeepParty(*media.Party) *media.PartyState {
	end := &media.EndState{Pool: "mpl_06bq4v70038073bgw5zg697pnt", Port: netip.MustParseAddrPort(borderA + ":30000"), Kind: "audio", Codec: "PCMU", Joined: true}
	return &media.PartyState{
		Own: sdp(callerIP, 4000), Told: sdp(borderA, 30000),
		Signalling: netip.MustParseAddr(callerIP), Ends: []*media.EndState{end}, Settled: true,
	}
}

// BenchmarkKept is what a call costs that lasts longer than a snapshot's interval: its record is spelled once.
func BenchmarkKept(b *testing.B) {
	l := newLean(b)
	l.up(b)
	l.m.List(sbc.CallFilter{}) // waits for the call's queue
	c := l.m.calls.all("")[0]
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		text, _, err := c.keptText()
		if err != nil {
			b.Fatal(err)
		}
		n = len(text)
	}
	b.ReportMetric(float64(n), "bytes")
}
