package subscription

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/call"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

const subscriberIP, notifierIP = "192.0.2.10", "198.51.100.10"

// world is a Manager between two networks that are not there.
type world struct {
	t    *testing.T
	m    *Manager
	sent []msg.Outbound
	blow bool // panic at Send
	rows []sbc.Resource
	seq  int
}

func newWorld(t *testing.T, most int) *world {
	var rows []sbc.Resource
	put := func(id string, r sbc.Resource, set func()) {
		r.Defaults()
		b := r.Base()
		b.ID, b.TenantID, b.Name, b.Enabled, b.Revision = id, sbc.DefaultTenantID, id, true, 1
		if set != nil {
			set()
		}
		rows = append(rows, r)
	}
	tenant := &sbc.Tenant{}
	put(sbc.DefaultTenantID, tenant, func() { tenant.TenantID = "" })
	p := &sbc.SignallingProfile{}
	put("sgp_1", p, func() { p.PassEvents, p.PassMessages = []string{"presence"}, true })
	put("rpl_1", &sbc.RoutingPlan{}, nil)
	put("rls_1", &sbc.RouteList{}, nil)
	for side, ip := range map[string]string{"a": subscriberIP, "b": notifierIP} {
		put("rlm_"+side, &sbc.Realm{}, nil)
		i, tr, id, e := &sbc.SIPInterface{}, &sbc.Trunk{}, &sbc.Identity{}, &sbc.Endpoint{}
		put("sif_"+side, i, func() { i.RealmID, i.BindAddress = "rlm_"+side, strings.TrimSuffix(ip, "0") })
		put("trk_"+side, tr, func() { tr.RealmID, tr.RoutingPlanID, tr.SignallingProfileID = "rlm_"+side, "rpl_1", "sgp_1" })
		put("idn_"+side, id, func() { id.TrunkID, id.CIDR = "trk_"+side, ip })
		put("end_"+side, e, func() { e.TrunkID, e.Address, e.Port = "trk_"+side, ip, 5060 })
	}
	rule, target := &sbc.Rule{}, &sbc.Target{}
	put("rul_1", rule, func() { rule.RoutingPlanID, rule.Prefix, rule.RouteListID = "rpl_1", "", "rls_1" })
	put("tgt_1", target, func() { target.RouteListID, target.TrunkID = "rls_1", "trk_b" })
	snap, err := config.Compile(rows, 1)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, rows: rows}
	w.m = New(Options{Snapshot: func() *config.Snapshot { return snap }, Wire: w, Max: most})
	w.decides(nil, nil)
	return w
}

// decides has the decision of calls find whom requests are for.
func (w *world) decides(d call.Directory, l call.Location) {
	calls := call.New(call.Options{
		Snapshot: w.m.o.Snapshot, Tally: admit.New(admit.Options{}), Directory: d, Location: l, TraceBytes: -1,
	})
	w.m.o.Recognise = calls.Recognise
	w.m.o.Search = func(s *config.Snapshot, req *msg.Message, from *Sender, local msg.Local, post func(func())) Search {
		if from == nil {
			return calls.Search(s, req, nil, local, post)
		}
		return calls.Search(s, req, &call.Origin{Domain: from.Domain, Entry: from.Entry, Inside: from.Inside, Outside: from.Number,
			Anonymous: from.Anonymous}, local, post)
	}
}

// Send keeps the request.
func (w *world) Send(o msg.Outbound) msg.ClientTx {
	if w.blow {
		w.blow = false
		panic("a fault that the test injects")
	}
	o.Owner.Prepare(o.Request, msg.Local{Interface: "sif_b", Transport: sbc.TransportUDP, Host: "198.51.100.1", Port: 5060})
	w.sent = append(w.sent, o)
	return nil
}

// reply answers a request of ours.
func (w *world) reply(o msg.Outbound, code int, headers ...msg.Header) {
	res := msg.NewResponse(o.Request, code, "")
	res.SetToTag("far")
	res.Append("Contact", "<sip:peer@"+notifierIP+">")
	for _, h := range headers {
		res.Append(h.Name, h.Value)
	}
	res.Hop = hop("sif_b", notifierIP)
	o.Owner.Response(nil, res)
}

func hop(iface, ip string) msg.Hop {
	return msg.Hop{Interface: iface, Transport: sbc.TransportUDP, Remote: netip.AddrPortFrom(netip.MustParseAddr(ip), 5060)}
}

// tx is a transaction of a peer.
type tx struct {
	msg.ServerTx
	req *msg.Message
	res []*msg.Message
}

func (t *tx) Local() msg.Local               { return msg.Local{Interface: "sif_a", Host: "192.0.2.1", Port: 5060} }
func (t *tx) Request() *msg.Message          { return t.req }
func (t *tx) Respond(res *msg.Message) error { t.res = append(t.res, res); return nil }
func (t *tx) want(w *world, code int) *msg.Message {
	w.t.Helper()
	if len(t.res) != 1 || t.res[0].Status != code {
		w.t.Fatalf("%s: %d answers, want one %d: %v", t.req.Method, len(t.res), code, t.res)
	}
	return t.res[0]
}

// ask brings a request of a peer; headers are lines.
func (w *world) ask(method msg.Method, h msg.Hop, to, body string, headers ...string) *tx {
	w.t.Helper()
	w.seq++
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s sip:4930@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK%d\r\nFrom: <sip:4940@x>;tag=near\r\nTo: <sip:4930@y>%s\r\n"+
		"Call-ID: c1\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\nContact: <sip:ua@%s>\r\n", method, w.seq, to, w.seq, method, h.Remote.Addr())
	for _, line := range headers {
		b.WriteString(line + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	m, err := msg.Parse(b.Bytes())
	if err != nil {
		w.t.Fatal(err)
	}
	m.Hop = h
	t := &tx{req: m}
	if d, ok := w.m.Admit(m); !ok || d.Action != msg.Serve {
		w.t.Fatalf("%s: %+v %v", method, d, ok)
	}
	if !w.m.Handle(t, m) {
		w.t.Fatalf("%s was not taken", method)
	}
	return t
}

func (w *world) count() int {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	return len(w.m.tags) + w.m.subs.taken()
}

// TestExpiry: a subscription that nobody refreshes is forgotten, a late refresh or not, and nothing is left of it.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		in := w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), "", "", "Event: presence", "Expires: 600")
		w.reply(w.sent[0], 200, msg.Header{Name: "Expires", Value: "100"})
		ok := in.want(w, 200)
		if ok.Get("Expires") != "100" || w.count() != 3 {
			t.Fatalf("%s, %d known", ok.AppendTo(nil), w.count())
		}
		time.Sleep(120 * time.Second) // late, but within grace
		to := ";tag=" + ok.To.Tag()
		again := w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), to, "", "Event: presence", "Expires: 600")
		w.reply(w.sent[1], 200, msg.Header{Name: "Expires", Value: "50"})
		again.want(w, 200)
		time.Sleep(50*time.Second + grace + time.Second)
		if w.count() != 0 {
			t.Errorf("%d are known after its time", w.count())
		}
	})
}

// TestBounds: no more subscriptions than may be, and a refusal leaves nothing behind.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		for range 2 {
			w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), "", "", "Event: presence", "Expires: 600")
		}
		w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), "", "", "Event: presence").want(w, 503)
		for _, o := range w.sent {
			w.reply(o, 404)
		}
		if w.count() != 0 || w.m.errands.taken() != 0 {
			t.Errorf("%d known, %d under way", w.count(), w.m.errands.taken())
		}
		w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), "", "", "Event: presence")
		w.sent[2].Owner.Failed(nil, msg.ErrNoResponse)
		if w.count() != 0 {
			t.Errorf("%d known after silence", w.count())
		}
	})
}

// TestFault: a fault while one is carried ends that one, with an answer, and no other.
func TestFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		good := w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), "", "", "Event: presence", "Expires: 600")
		w.blow = true
		w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), "", "", "Event: presence").want(w, 500)
		w.blow = true
		w.ask(msg.MESSAGE, hop("sif_a", subscriberIP), "", "hi", "Content-Type: text/plain").want(w, 500)
		w.reply(w.sent[0], 200, msg.Header{Name: "Expires", Value: "10"})
		good.want(w, 200)
		time.Sleep(10*time.Second + grace + time.Second)
		if w.count() != 0 || w.m.errands.taken() != 0 {
			t.Errorf("%d known, %d under way", w.count(), w.m.errands.taken())
		}
	})
}

// TestStatesExpire: a published state is known for its time only, and to the trunk it came from.
func TestStatesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStates(Options{Max: 2, MaxPerTrunk: 2})
		s.put(&state{ours: "one", trunkID: "trk_a", until: time.Now().Add(time.Minute)}, nil)
		s.put(&state{ours: "two", trunkID: "trk_a", until: time.Now().Add(time.Hour)}, nil)
		if s.get("one", "trk_a") == nil || s.get("one", "trk_b") != nil || !s.full("trk_a") {
			t.Error("not kept, or shown to another")
		}
		time.Sleep(time.Minute + time.Second)
		if s.get("one", "trk_a") != nil || s.full("trk_a") || len(s.tags) != 1 {
			t.Errorf("%d are known", len(s.tags))
		}
	})
}
