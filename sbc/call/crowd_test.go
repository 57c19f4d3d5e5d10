package call

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// crowd is both networks at once: callees that answer by themselves as the number dialled says, callers that play along. It keeps
// nothing of a call that is over.
type crowd struct {
	t     testing.TB
	m     *Manager
	tally *admit.Tally
	mu    sync.Mutex
	ended map[string]chan *sbc.CDR // by the caller's Call-ID
	// transfers are those under way, by the Call-ID of the transferor.
	transfers map[string]chan struct{}
	seq       atomic.Int64
	pings     atomic.Int64 // in-dialog OPTIONS and refreshes that were answered
}

func newCrowd(t testing.TB, edit func(string, sbc.Resource)) *crowd {
	snap, err := config.Compile(crowdRows(edit), 1)
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{t: t, tally: admit.New(admit.Options{}), ended: map[string]chan *sbc.CDR{}, transfers: map[string]chan struct{}{}}
	c.m = New(Options{
		Snapshot: func() *config.Snapshot { return snap }, Wire: c, Engine: c, Ledger: c, Tally: c.tally,
		Log: slog.New(slog.DiscardHandler), TraceBytes: 1 << 20, Events: func(sbc.Event) {}, Mailboxes: crowdBoxes{}, Blob: greeting,
	})
	b := crowdBook()
	c.m.o.Directory, c.m.o.Location = b, b
	return c
}

// kinds are the last digits of the numbers that are dialled, and how such a call goes.
const (
	kindPlain      = '0' // rings, is answered, the caller hangs up
	kindBusy       = '1'
	kindCancelled  = '2' // the caller gives up while it rings
	kindCalleeEnds = '3'
	kindElsewhere  = '4' // the first endpoint has no room, the second answers
	kindEarly      = '5' // early media
	kindSilent     = '6' // nobody answers at all
	kindChanged    = '7' // re-INVITE, then as plain
	kindAdmin      = '8' // hung up through the API
	kindBroken     = '9' // a fault of ours strikes at the INVITE
)

// Open makes an engine for each session, so that nobody keeps it.
func (*crowd) Open(o media.SessionOptions) Session { return new(engine).Open(o) }

func (*crowd) Answered(*sbc.CDR) error { return nil }

func (c *crowd) End(d *sbc.CDR) error {
	c.mu.Lock()
	ch := c.ended[d.Legs[0].SIPCallID]
	delete(c.ended, d.Legs[0].SIPCallID)
	c.mu.Unlock()
	ch <- d
	return nil
}

func (*crowd) SendACK(ack *msg.Message, _ msg.Target, prepare func(*msg.Message, msg.Local), tell func([]byte, msg.Hop)) {
	prepare(ack, localFor(nil))
	tell(ack.AppendTo(nil), leanHop("sif_b", calleeIP))
}

// crowdTx is a request of ours that a callee may be asked to forget.
type crowdTx struct {
	leanTx
	cancel func()
}

func (tx crowdTx) Cancel(...msg.Header) { tx.cancel() }

func (c *crowd) Send(o msg.Outbound) msg.ClientTx {
	l := localFor(o.Target.Interfaces)
	o.Owner.Prepare(o.Request, l)
	o.Request.PrependVia(msg.Via{Transport: "UDP", Host: l.Host, Port: 5060, Params: msg.SetParam(nil, "branch", msg.NewBranch())})
	h := hopTo(o.Target, l)
	o.Owner.Sent(o.Request.AppendTo(nil), h)
	number := o.Request.RequestURI.User
	if o.Request.Method == msg.INVITE && o.Request.To.Tag() == "" && kindOf(number) == kindBroken {
		panic("a fault that the test injects")
	}
	tx := crowdTx{leanTx: leanTx{hop: h}}
	tx.cancel = func() { go c.reply(o, tx, h, 487, "") }
	go c.answer(o, tx, h, kindOf(number))
	return tx
}

// answer is what a peer does with a request of ours.
func (c *crowd) answer(o msg.Outbound, tx msg.ClientTx, h msg.Hop, kind byte) {
	body := sdp(calleeIP, 5000)
	if o.Request.Method != msg.INVITE || o.Request.To.Tag() != "" {
		c.pings.Add(1)
		if len(o.Request.Body) == 0 && o.Request.Method != msg.INVITE {
			body = ""
		}
		c.reply(o, tx, h, 200, body)
		c.notified(o.Request)
		return
	}
	switch {
	case c.answerMore(o, tx, h, kind, body):
	case kind == kindBusy:
		c.reply(o, tx, h, 486, "")
	case kind == kindSilent:
		o.Owner.Failed(tx, msg.ErrNoResponse)
	case kind == kindElsewhere && o.Target.Host == calleeIP:
		c.reply(o, tx, h, 503, "")
	case kind == kindCancelled:
		c.reply(o, tx, h, 180, "")
	case kind == kindEarly:
		c.reply(o, tx, h, 183, body)
		c.reply(o, tx, h, 200, body)
	default:
		c.takes(o, tx, h, body)
	}
}

// reply answers from text.
func (c *crowd) reply(o msg.Outbound, tx msg.ClientTx, h msg.Hop, code int, body string) {
	res := msg.NewResponse(o.Request, code, "")
	if res.To.Tag() == "" {
		res.SetToTag("far" + o.Request.CallID)
	}
	if code == 302 {
		res.Append("Contact", "<sip:49300@elsewhere.example>")
	} else {
		res.Append("Contact", "<sip:peer@"+h.Remote.String()+">")
	}
	for _, s := range []string{"Session-Expires"} { // whoever asks for a session timer gets one, and refreshes it
		if v := o.Request.Get(s); v != "" {
			res.Append(s, v)
			res.Append("Require", "timer")
		}
	}
	if body != "" {
		res.SetBody("application/sdp", []byte(body))
	}
	m, err := msg.Parse(res.AppendTo(nil))
	if err != nil {
		c.t.Error(err)
		return
	}
	m.Hop = h
	o.Owner.Response(tx, m)
}

// crowdServer is a transaction of a peer.
type crowdServer struct {
	leanServer
	rings    chan struct{}
	onCancel func(*msg.Message)
}

func (s *crowdServer) OnCancel(f func(*msg.Message)) { s.onCancel = f }

func (s *crowdServer) Respond(res *msg.Message) error {
	if res.Status == 180 {
		s.rings <- struct{}{}
	}
	return s.leanServer.Respond(res)
}

// ask brings a request of a peer and gives its transaction.
func (c *crowd) ask(p *peer, method msg.Method, body string, extra ...string) *crowdServer {
	p.cseq++
	s := &crowdServer{rings: make(chan struct{}, 8)}
	s.leanServer = leanServer{req: p.build(method, p.cseq, body, extra...), final: make(chan *msg.Message, 4)}
	if d := c.m.Admit(s.req); d.Action != msg.Serve {
		c.t.Errorf("%s: %+v", method, d)
		s.final <- msg.NewResponse(s.req, 481, "")
		return s
	}
	c.m.Handle(s, s.req)
	return s
}

// begin dials a number; the channel gives the record.
func (c *crowd) begin(kind byte) (p *peer, in *crowdServer, ended chan *sbc.CDR) {
	n := c.seq.Add(1)
	p = &peer{
		w: &world{t: c.t, m: c.m}, ip: callerIP, iface: "sif_a", callID: fmt.Sprintf("call-%d", n), cseq: 100,
		uri:    "sip:" + numberOf(kind) + "@" + borderA,
		local:  fmt.Sprintf("<sip:+44%d@%s>;tag=atag%d", n%1000, callerIP, n),
		remote: "<sip:" + numberOf(kind) + "@" + borderA + ">",
	}
	ended = make(chan *sbc.CDR, 1)
	c.mu.Lock()
	c.ended[p.callID] = ended
	c.mu.Unlock()
	return p, c.ask(p, msg.INVITE, sdp(callerIP, 4000)), ended
}

// call plays one call to its end, and looks at its record.
func (c *crowd) call(kind byte) *sbc.CDR {
	d := c.play(kind)
	c.shaped(kind, d)
	return d
}

// play plays one call.
func (c *crowd) play(kind byte) *sbc.CDR {
	p, in, ended := c.begin(kind)
	invite := p.cseq
	if kind == kindCancelled {
		<-in.rings
		in.onCancel(p.build(msg.CANCEL, invite, ""))
	}
	res := <-in.final
	if res.Status != 200 {
		return <-ended
	}
	p.learn(res)
	c.m.Ack(p.build(msg.ACK, invite, ""))
	switch kind {
	case kindChanged:
		c.change(p, sdp(callerIP, 4002))
	case kindHeld:
		c.change(p, sdp(callerIP, 4000)+"a=sendonly\r\n")
		c.change(p, sdp(callerIP, 4000)+"a=sendrecv\r\n")
	case kindTransferred:
		c.transfer(res)
	case kindCalleeEnds:
		<-c.ask(c.calleeOf(res), msg.BYE, "").final
		return <-ended
	case kindAdmin:
		if err := c.m.HangUp(context.Background(), c.idOf(res), ""); err != nil {
			c.t.Error(err)
		}
		return <-ended
	}
	if res := <-c.ask(p, msg.BYE, "").final; res.Status != 200 {
		c.t.Errorf("the BYE was answered with %d", res.Status)
	}
	return <-ended
}

// idOf finds the call of an answer.
func (c *crowd) idOf(res *msg.Message) string {
	if e := c.m.calls.tag(res.To.Tag()); e != nil && !e.gone.Load() {
		return e.call.Load().id
	}
	c.t.Error("an answered call is not known")
	return ""
}

// calleeOf is the callee of an answered call.
func (c *crowd) calleeOf(res *msg.Message) (p *peer) {
	e := c.m.calls.tag(res.To.Tag())
	e.call.Load().look(func() {
		d := e.call.Load().b.d
		p = &peer{
			w: &world{t: c.t, m: c.m}, ip: calleeIP, iface: "sif_b", callID: d.CallID(), cseq: 500, uri: "sip:x@" + borderB,
			local: "<sip:49303@x>;tag=" + d.RemoteTag(), remote: "<sip:x@y>;tag=" + d.LocalTag(),
		}
	})
	return p
}

// idle is what the process holds when nothing is under way, some time after as many calls as it takes to forget the older ones.
func (c *crowd) idle() (heap uint64, goroutines int) {
	for range 8 {
		for i := range 12 * len(mix) {
			c.call(mix[i%len(mix)])
		}
		time.Sleep(2 * linger)
	}
	synctest.Wait()
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc, runtime.NumGoroutine()
}

// envCalls says how many mixed calls are made; tools/test.sh asks for 100,000 where the race detector is off.
const envCalls = "SALLYPORT_MIXED_CALLS"

// TestMixedCallsMemory: after thousands of calls of sixteen kinds, one of which is struck by a fault of ours, memory and
// goroutines are what they were before.
func TestMixedCallsMemory(t *testing.T) {
	calls := 4_000
	if n, err := strconv.Atoi(os.Getenv(envCalls)); err == nil {
		calls = n
	}
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, nil)
		heap, goroutines := c.idle()
		reasons, dispositions, want := map[sbc.EndReason]int64{}, map[sbc.Disposition]int64{}, map[sbc.EndReason]int64{}
		base := c.m.Statistics("")
		for done := 0; done < calls; {
			const batch = 20
			ended := make(chan *sbc.CDR, batch)
			for i := range batch {
				kind := mix[(done+i)%len(mix)]
				if kind == kindBroken && (done+i)%(100*len(mix)) != 9 { // faults are rare, and logging their stacks is slow
					kind = kindPlain
				}
				want[endOfKind(kind)]++
				go func() { ended <- c.call(kind) }()
			}
			for range batch {
				d := <-ended
				reasons[d.EndReason]++
				dispositions[d.Disposition]++
			}
			done += batch
			time.Sleep(20 * time.Millisecond) // 1,000 calls a second
		}
		c.counted(t, base, reasons, dispositions)
		after, left := c.idle()
		t.Logf("%v; %d KB before and %d KB after, %d goroutines before and %d after", reasons, heap>>10, after>>10, goroutines, left)
		if after > heap+2<<20 || left != goroutines {
			t.Errorf("%d KB and %d goroutines before, %d KB and %d after", heap>>10, goroutines, after>>10, left)
		}
		if !maps.Equal(reasons, want) {
			t.Errorf("the calls ended with %v, want %v", reasons, want)
		}
		c.nothingLeft(t)
	})
}

// counted sees that the statistics say what the records since base say.
func (c *crowd) counted(t *testing.T, base sbc.CallStatistics, reasons map[sbc.EndReason]int64, dispositions map[sbc.Disposition]int64) {
	t.Helper()
	synctest.Wait()
	s, all := c.m.Statistics(sbc.DefaultTenantID), int64(0)
	for _, r := range sbc.EndReasons() {
		all += reasons[r]
		if n := s.ByEndReason[r] - base.ByEndReason[r]; n != reasons[r] {
			t.Errorf("%d calls are counted as %s, there are %d records", n, r, reasons[r])
		}
	}
	for _, d := range sbc.Dispositions() {
		if n := s.ByDisposition[d] - base.ByDisposition[d]; n != dispositions[d] {
			t.Errorf("%d calls are counted as %s, there are %d records", n, d, dispositions[d])
		}
	}
	if s.Ended-base.Ended != all || s.Processed != s.Ended || s.Active != 0 {
		t.Errorf("%+v after %+v and %d records", s, base, all)
	}
	if none := c.m.Statistics("ten_other"); none.Processed != 0 {
		t.Errorf("another tenant sees %+v", none)
	}
}

// nothingLeft sees that every table is empty.
func (c *crowd) nothingLeft(t *testing.T) {
	t.Helper()
	if n := c.m.calls.live.Load(); n != 0 || len(c.ended) != 0 {
		t.Errorf("%d calls are left, %d without a record", n, len(c.ended))
	}
	c.tally.Each(func(id string, u admit.Usage) { t.Errorf("trunk %s still counts %+v", id, u) })
	if v := read(t, c.m.metrics.stale); v != 0 {
		t.Errorf("%v were found stale", v)
	}
	for s, g := range c.m.metrics.states {
		if v := read(t, g); v != 0 {
			t.Errorf("%v calls are counted as %s", v, s)
		}
	}
}

// TestDay is 24 hours of a border: a call that lasts as long as it may, a call of any kind each minute, the looks of the
// consistency check, and in-dialog questions all along.
func TestDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, func(_ string, r sbc.Resource) {
			switch r := r.(type) {
			case *sbc.Trunk:
				r.MaxCallDurationS, r.SignallingProfileID = 86_400, "sgp_1"
			case *sbc.SignallingProfile:
				r.SessionTimer, r.PingIntervalS = sbc.SessionTimerRequest, 300
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		checked := make(chan struct{})
		go func() { defer close(checked); c.m.Check(ctx) }()
		p, in, ended := c.begin(kindPlain)
		res := <-in.final
		p.learn(res)
		c.m.Ack(p.build(msg.ACK, p.cseq, ""))
		begun := time.Now()
		for minute := range 24*60 - 1 {
			kind := mix[minute%len(mix)]
			if d := c.call(kind); d.EndReason != endOfKind(kind) {
				t.Errorf("minute %d: %+v", minute, d)
			}
			time.Sleep(time.Until(begun.Add(time.Duration(minute+1) * time.Minute)))
		}
		if n := len(c.m.List(sbc.CallFilter{})); n != 1 {
			t.Fatalf("%d calls are up shortly before the end of the day", n)
		}
		d := <-ended
		if lasted := time.Since(begun); d.EndReason != sbc.EndMaxDuration || lasted < 24*time.Hour-time.Second || lasted > 24*time.Hour+time.Second {
			t.Errorf("the long call ended with %s after %v", d.EndReason, lasted)
		}
		if n := c.pings.Load(); n < 24*12*2 {
			t.Errorf("only %d questions and refreshes in a day", n)
		}
		cancel()
		<-checked
		synctest.Wait() // the record is written before the call is forgotten
		c.nothingLeft(t)
	})
}
