package call

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The two networks of the tests: the caller's and the callee's.
const (
	callerIP, borderA = "192.0.2.10", "192.0.2.1"
	calleeIP, borderB = "198.51.100.10", "198.51.100.1"
)

func sdp(host string, port int) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n", host, host, port)
}

// meta makes the common fields.
func meta(id string) sbc.Meta {
	return sbc.Meta{ID: id, TenantID: sbc.DefaultTenantID, Name: id, Enabled: true, Revision: 1}
}

// resources are the provisioning of the tests; edit may change it.
func resources(edit func(id string, r sbc.Resource)) []sbc.Resource {
	tenant := &sbc.Tenant{Meta: sbc.Meta{ID: sbc.DefaultTenantID, Name: "default", Enabled: true}}
	realm := func(id string, u sbc.UnknownSource) *sbc.Realm {
		r := &sbc.Realm{Meta: meta(id)}
		r.Defaults()
		r.UnknownSource = u
		return r
	}
	iface := func(id, realm, ip string) *sbc.SIPInterface {
		i := &sbc.SIPInterface{Meta: meta(id)}
		i.Defaults()
		i.RealmID, i.BindAddress = realm, ip
		return i
	}
	pool := func(id, realm, ip string) *sbc.MediaPool {
		p := &sbc.MediaPool{Meta: meta(id)}
		p.Defaults()
		p.RealmID, p.Address = realm, ip
		return p
	}
	trunk := func(id, realm, plan string) *sbc.Trunk {
		t := &sbc.Trunk{Meta: meta(id)}
		t.Defaults()
		t.RealmID, t.RoutingPlanID = realm, plan
		return t
	}
	identity := func(id, trunk, cidr string) *sbc.Identity {
		i := &sbc.Identity{Meta: meta(id), TrunkID: trunk, CIDR: cidr}
		return i
	}
	endpoint := func(id string, n int) *sbc.Endpoint {
		e := &sbc.Endpoint{Meta: meta(id)}
		e.Defaults()
		e.TrunkID, e.Address, e.Port, e.Priority = "trk_b", fmt.Sprintf("198.51.100.%d", 9+n), 5060, n
		return e
	}
	rule := &sbc.Rule{Meta: meta("rul_1")}
	rule.Defaults()
	rule.RoutingPlanID, rule.Prefix, rule.RouteListID = "rpl_1", "49", "rls_1"
	no := &sbc.Rule{Meta: meta("rul_2")}
	no.Defaults()
	no.RoutingPlanID, no.Prefix, no.Action, no.RejectCode, no.RejectReason = "rpl_1", "4900", sbc.ActionReject, 603, "Not that one"
	target := &sbc.Target{Meta: meta("tgt_1")}
	target.Defaults()
	target.RouteListID, target.TrunkID = "rls_1", "trk_b"
	signalling := &sbc.SignallingProfile{Meta: meta("sgp_1")} // named by nobody
	signalling.Defaults()
	signallingB := &sbc.SignallingProfile{Meta: meta("sgp_2")} // neither
	signallingB.Defaults()
	limits := &sbc.LimitProfile{Meta: meta("lmp_1")} // named by nobody
	limits.Defaults()
	profile := &sbc.MediaProfile{Meta: meta("mdp_1")} // named by nobody
	profile.Defaults()
	announcement := &sbc.Announcement{Meta: meta("ann_1"), AudioSHA256: "00ff", AudioBytes: 320, DurationMS: 20} // neither
	rs := []sbc.Resource{
		tenant, realm("rlm_a", sbc.UnknownDrop), realm("rlm_b", sbc.UnknownReject),
		iface("sif_a", "rlm_a", borderA), iface("sif_b", "rlm_b", borderB),
		pool("mpl_a", "rlm_a", borderA), pool("mpl_b", "rlm_b", borderB),
		&sbc.RoutingPlan{Meta: meta("rpl_1")}, &sbc.RouteList{Meta: meta("rls_1")},
		trunk("trk_a", "rlm_a", "rpl_1"), trunk("trk_b", "rlm_b", ""),
		endpoint("end_1", 1), endpoint("end_2", 2),
		identity("idn_a", "trk_a", callerIP), identity("idn_b", "trk_b", calleeIP),
		rule, no, target, limits, subscribers(), local(), signalling, signallingB, profile, announcement,
	}
	if edit != nil {
		for _, r := range rs {
			edit(r.Base().ID, r)
		}
	}
	return rs
}

// world is a border between two fake networks.
type world struct {
	t      testing.TB
	m      *Manager
	wire   *wire
	engine *engine
	ledger *ledger
	tally  *admit.Tally
	snap   *config.Snapshot
	seq    int
	errors atomic.Bool // logged errors are expected
	events events
	bomb   bomb
	blank  bool // there are no copies of blobs
}

// run makes a world in a bubble of virtual time, lets play happen and sees that nothing is left.
func run(t *testing.T, edit func(id string, r sbc.Resource), play func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, edit)
		play(w)
		synctest.Wait()
		w.clean()
	})
}

func newWorld(t testing.TB, edit func(id string, r sbc.Resource)) *world {
	return newWorldOf(t, resources(edit))
}

// newWorldOf is newWorld with other resources.
func newWorldOf(t testing.TB, rows []sbc.Resource) *world {
	snap, err := config.Compile(rows, 7)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, snap: snap, wire: &wire{t: t}, engine: &engine{}, ledger: &ledger{}, tally: admit.New(admit.Options{})}
	w.wire.bomb, w.engine.bomb, w.ledger.bomb, w.events.bomb = &w.bomb, &w.bomb, &w.bomb, &w.bomb
	w.m = New(Options{
		Snapshot: func() *config.Snapshot { return snap }, Wire: w.wire, Engine: w.engine, Ledger: w.ledger, Tally: w.tally,
		Node: "node-1", Events: w.events.add,
		Blob: func(sbc.Blob) (io.ReaderAt, bool) { return bytes.NewReader(make([]byte, 320)), !w.blank },
		Log:  slog.New(&complaints{w: w, TextHandler: slog.NewTextHandler(io.Discard, nil)}),
	})
	return w
}

// complaints makes every logged error fail the test, unless it is expected.
type complaints struct {
	*slog.TextHandler
	w *world
}

func (c *complaints) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError && !c.w.errors.Load() {
		c.w.t.Errorf("logged: %s", r.Message)
	}
	return nil
}

// clean checks the baseline: no call, no place, no session, no timer is left, and there is a record for each call.
func (w *world) clean() {
	w.t.Helper()
	for _, c := range w.m.calls.all("") {
		w.t.Errorf("call %s is left: %+v", c.id, c.st)
	}
	for i := range w.m.calls.shard { // what is late knows no call
		for tag, e := range w.m.calls.shard[i].tags {
			if !e.gone.Load() {
				w.t.Errorf("tag %s still leads to call %s", tag, e.owner().id)
			}
		}
	}
	w.tally.Each(func(id string, u admit.Usage) { w.t.Errorf("trunk %s still counts %+v", id, u) })
	if n := w.engine.open(); n != 0 {
		w.t.Errorf("%d media sessions are left", n)
	}
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	seen := map[string]bool{}
	for _, d := range w.ledger.ends {
		if seen[d.ID] {
			w.t.Errorf("two records of %s", d.ID)
		}
		seen[d.ID] = true
		if d.EndReason == "" || d.ReleasedBy == "" || d.Disposition == "" || d.FinalCode == 0 && d.EndReason != sbc.EndShutdown {
			w.t.Errorf("record with holes: %+v", d)
		}
	}
}

// cdr gives the only record.
func (w *world) cdr() *sbc.CDR {
	w.t.Helper()
	synctest.Wait()
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	if len(w.ledger.ends) != 1 {
		w.t.Fatalf("%d records, want 1", len(w.ledger.ends))
	}
	return w.ledger.ends[0]
}

// wire is the callee's network, and the caller's for what we send there.
type wire struct {
	t    testing.TB
	mu   sync.Mutex
	sent []*sent
	acks []*msg.Message
	// fail makes Send fail with this error.
	fail error
	bomb *bomb
}

// sent is a request of ours.
type sent struct {
	w         *wire
	o         msg.Outbound
	req       *msg.Message // as it was on the wire
	target    msg.Target
	cancelled bool
	cancel    []msg.Header
	taken     bool
	heard     bool // something was answered
	tag       string
}

func localFor(ids []string) msg.Local {
	l := msg.Local{Interface: "sif_b", Transport: sbc.TransportUDP, Host: borderB, Port: 5060}
	if len(ids) > 0 && ids[0] == "sif_a" {
		l.Interface, l.Host = "sif_a", borderA
	}
	return l
}

func hopTo(t msg.Target, l msg.Local) msg.Hop {
	port := t.Port
	if port == 0 {
		port = 5060
	}
	a, err := netip.ParseAddr(t.Host)
	if err != nil {
		a = netip.MustParseAddr("203.0.113.1")
	}
	return msg.Hop{
		Interface: l.Interface, Transport: l.Transport, Local: netip.AddrPortFrom(netip.MustParseAddr(l.Host), 5060),
		Remote: netip.AddrPortFrom(a, uint16(port)), At: time.Now(),
	}
}

func (w *wire) put(req *msg.Message, t msg.Target, prepare func(*msg.Message, msg.Local), tell func([]byte,
	msg.Hop)) *msg.Message {
	w.bomb.tick()
	l := localFor(t.Interfaces)
	prepare(req, l)
	req.PrependVia(msg.Via{Transport: "UDP", Host: l.Host, Port: 5060, Params: msg.SetParam(nil, "branch", msg.NewBranch())})
	raw := req.AppendTo(nil)
	tell(raw, hopTo(t, l))
	m, err := msg.Parse(bytes.Clone(raw))
	if err != nil {
		w.t.Errorf("we sent what cannot be parsed: %v\n%s", err, raw)
		return req
	}
	m.Hop = hopTo(t, l)
	return m
}

func (w *wire) Send(o msg.Outbound) msg.ClientTx {
	s := &sent{w: w, o: o, target: o.Target, tag: "callee" + msg.NewTag()[:4]}
	s.req = w.put(o.Request, o.Target, o.Owner.Prepare, o.Owner.Sent)
	w.mu.Lock()
	w.sent = append(w.sent, s)
	fail := w.fail
	w.mu.Unlock()
	if fail != nil {
		go o.Owner.Failed(s, fail)
	}
	return s
}

func (w *wire) SendACK(ack *msg.Message, t msg.Target, prepare func(*msg.Message, msg.Local), tell func([]byte, msg.Hop)) {
	m := w.put(ack, t, prepare, tell)
	w.mu.Lock()
	w.acks = append(w.acks, m)
	w.mu.Unlock()
}

func (s *sent) Cancel(headers ...msg.Header) {
	s.w.mu.Lock()
	s.cancelled, s.cancel = true, headers
	s.w.mu.Unlock()
}

// isCancelled tells whether we cancelled it.
func (s *sent) isCancelled() bool {
	synctest.Wait()
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.cancelled
}

func (s *sent) Local() msg.Local { return localFor(s.target.Interfaces) }
func (s *sent) Hop() msg.Hop     { return hopTo(s.target, s.Local()) }

// next takes the oldest request of a method that was not taken yet.
func (w *wire) next(method msg.Method) *sent {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if s.req.Method == method && !s.taken {
			s.taken = true
			return s
		}
	}
	w.t.Fatalf("no %s was sent", method)
	return nil
}

// none sees that no request of a method waits.
func (w *wire) none(method msg.Method) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if s.req.Method == method && !s.taken {
			w.t.Errorf("an unexpected %s was sent to %s:\n%s", method, s.target.Host, s.req.AppendTo(nil))
		}
	}
}

// ackCount is how many ACKs we sent.
func (w *wire) ackCount() int {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acks)
}

// reply answers a request of ours. extra are header lines and, after an empty one, SDP.
func (s *sent) reply(code int, extra ...string) *msg.Message {
	s.w.t.Helper()
	return s.replyAs(s.tag, code, extra...)
}

// replyAs answers with a To tag: as another fork, or "" for none.
func (s *sent) replyAs(tag string, code int, extra ...string) *msg.Message {
	s.w.t.Helper()
	res := msg.NewResponse(s.req, code, "")
	if code > 100 && tag != "" && s.req.To.Tag() == "" {
		res.SetToTag(tag)
	}
	host := s.req.Hop.Remote.Addr().String()
	if code < 300 && code > 100 && (s.req.Method == msg.INVITE || s.req.Method == msg.UPDATE) {
		res.Append("Contact", "<sip:peer@"+host+":5060>")
	}
	res.Append("Server", "PeerOS/9.9")
	for _, e := range extra {
		if strings.HasPrefix(e, "v=0") {
			res.SetBody("application/sdp", []byte(e))
			continue
		}
		name, value, _ := strings.Cut(e, ": ")
		res.Set(name, value)
	}
	m, err := msg.Parse(res.AppendTo(nil))
	if err != nil {
		s.w.t.Fatalf("reply: %v", err)
	}
	m.Hop = s.req.Hop
	s.heard = true
	s.o.Owner.Response(s, m)
	synctest.Wait()
	return m
}

func (s *sent) failed(err error) {
	s.o.Owner.Failed(s, err)
	synctest.Wait()
}

// ledger keeps records in memory.
type ledger struct {
	mu       sync.Mutex
	answered []*sbc.CDR
	ends     []*sbc.CDR
	blow     bool // panic at Answered
	err      error
	bomb     *bomb
}

func (l *ledger) Answered(c *sbc.CDR) error {
	l.bomb.tick()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.blow {
		panic("ledger")
	}
	l.answered = append(l.answered, c)
	return l.err
}

func (l *ledger) End(c *sbc.CDR) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, c)
	return l.err
}

// talk brings a call up and gives both its ends.
func (w *world) talk() (a *peer, b *peer, in *server, out *sent) {
	w.t.Helper()
	a = w.caller()
	in = a.invite(sdp(callerIP, 4000))
	in.want(100)
	out = w.wire.next(msg.INVITE)
	out.reply(180)
	in.want(180)
	out.reply(200, sdp(calleeIP, 5000))
	a.learn(in.want(200))
	a.ack(a.lastInviteNumber, "")
	return a, w.callee(out), in, out
}

// end lets the caller hang up.
func (w *world) end(a *peer) {
	w.t.Helper()
	a.send(msg.BYE, "").want(200)
	w.wire.next(msg.BYE).reply(200)
}

func background() context.Context { return context.Background() }

// last is the newest record of a call that ended.
func (l *ledger) last() *sbc.CDR {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends[len(l.ends)-1]
}
