package register

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// wire is an edge that writes down what it is asked.
type wire struct {
	mu     sync.Mutex
	sent   []msg.Outbound
	pings  []msg.Hop
	times  []time.Time // of pings and OPTIONS
	closed map[uint64]bool
	held   map[uint64]time.Duration
	// answer is after how long each OPTIONS is answered; 0 is never.
	answer time.Duration
	// upstream hears REGISTERs; nil hears none.
	upstream func(o msg.Outbound)
}

func (w *wire) Send(o msg.Outbound) msg.ClientTx {
	w.mu.Lock()
	w.sent, w.times = append(w.sent, o), append(w.times, time.Now())
	after := w.answer
	w.mu.Unlock()
	if o.Request.Method == msg.REGISTER {
		w.upstream(o)
		return nil
	}
	if after == 0 || after > o.Timers.B {
		time.AfterFunc(o.Timers.B, func() { o.Owner.Failed(nil, msg.ErrNoResponse) })
	} else {
		time.AfterFunc(after, func() { o.Owner.Response(nil, msg.NewResponse(o.Request, 404, "")) })
	}
	return nil
}

func (w *wire) KeepAlive(h msg.Hop) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pings, w.times = append(w.pings, h), append(w.times, time.Now())
	if w.closed[h.Conn] {
		return msg.ErrClosed
	}
	return nil
}

func (w *wire) Connected(h msg.Hop) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.closed[h.Conn]
}

func (w *wire) Hold(h msg.Hop, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held[h.Conn] = d
}

// answers sets after how long OPTIONS are answered from now on.
func (w *wire) answers(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = d
}

// count tells how often something was sent.
func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.times)
}

// memory is a journal in memory.
type memory struct {
	mu      sync.Mutex
	records map[string][]byte
	fail    error
	hang    chan struct{} // while it is open, nothing is written
}

func (j *memory) Write(list []sbc.LiveChange) error {
	j.mu.Lock()
	hang := j.hang
	j.mu.Unlock()
	if hang != nil {
		<-hang
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		return j.fail
	}
	for _, c := range list {
		if delete(j.records, c.ID); c.Record != nil {
			j.records[c.ID] = c.Record
		}
	}
	return nil
}

func (j *memory) Sync() error { return nil }

func (j *memory) all() (list []sbc.LiveChange) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for id, b := range j.records {
		list = append(list, sbc.LiveChange{ID: id, Record: b})
	}
	return list
}

// tx keeps the answer.
type tx struct {
	req *msg.Message
	res *msg.Message
}

var _ msg.ServerTx = (*tx)(nil)

func (t *tx) Request() *msg.Message              { return t.req }
func (t *tx) Respond(res *msg.Message) error     { t.res = res; return nil }
func (*tx) Acked()                               {}
func (*tx) Local() msg.Local                     { return msg.Local{} }
func (*tx) OnCancel(func(*msg.Message))          {}
func (*tx) OnFailed(func(error))                 {}
func (*tx) OnSent(func(raw []byte, hop msg.Hop)) {}
func (*tx) SetTag(string)                        {}
func (t *tx) contacts() []string                 { return t.res.GetAll("Contact") }

// source is where a phone sends from, by UDP.
func source(addr string) msg.Hop {
	return msg.Hop{Interface: "sif_a", Transport: sbc.TransportUDP, Remote: netip.MustParseAddrPort(addr)}
}

// stream is the same by a connection.
func stream(addr string, conn uint64) msg.Hop {
	h := source(addr)
	h.Transport, h.Conn = sbc.TransportTCP, conn
	return h
}

// world is a registrar of one domain, example.com.
type world struct {
	t *testing.T
	*Registrar
	domain  *sbc.Domain
	wire    *wire
	journal *memory
	rows    []sbc.Resource
	snap    atomic.Pointer[config.Snapshot]
	// revision counts what keepAlive did.
	revision int64
	mu       sync.Mutex
	events   []sbc.Event
	cseq     int
	via      string // in place of the source's address
	stop     func()
}

const (
	phoneAt = "203.0.113.7:5062"
	phone   = "Contact: <sip:alice@203.0.113.7:5062>"
)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, wire: &wire{closed: map[uint64]bool{}, held: map[uint64]time.Duration{}},
		journal: &memory{records: map[string][]byte{}}}
	w.domain = sbc.New(sbc.KindDomain).(*sbc.Domain)
	w.domain.ID, w.domain.TenantID, w.domain.Name = "dom_1", sbc.DefaultTenantID, "example.com"
	w.domain.Registration.JitterPercent = 0
	w.domain.RealmID, w.domain.Revision = "rlm_a", 1
	w.rows = append(rows(), w.domain)
	w.revision = 1
	w.configure(1)
	w.start()
	return w
}

// rows are an access interface, and a trunk with a gateway.
func rows() []sbc.Resource {
	realm := sbc.New(sbc.KindRealm).(*sbc.Realm)
	iface := sbc.New(sbc.KindSIPInterface).(*sbc.SIPInterface)
	iface.RealmID, iface.BindAddress = "rlm_a", "198.51.100.1"
	trunk := sbc.New(sbc.KindTrunk).(*sbc.Trunk)
	trunk.RealmID = "rlm_a"
	gateway := sbc.New(sbc.KindEndpoint).(*sbc.Endpoint)
	gateway.TrunkID, gateway.Address, gateway.Port = "trk_a", "198.51.100.10", 5060
	known := sbc.New(sbc.KindIdentity).(*sbc.Identity)
	known.TrunkID, known.CIDR = "trk_a", "198.51.100.32/28"
	list := []sbc.Resource{sbc.New(sbc.KindTenant), realm, iface, trunk, gateway, known}
	for i, id := range []string{sbc.DefaultTenantID, "rlm_a", "sif_a", "trk_a", "end_a", "idn_a"} {
		b := list[i].Base()
		b.ID, b.Name, b.Revision = id, id, 1
		if i > 0 {
			b.TenantID = sbc.DefaultTenantID
		}
	}
	return list
}

// configure puts the configuration in service; revision 0 is a store that was away when the node started.
func (w *world) configure(revision int64) {
	w.t.Helper()
	snap := &config.Snapshot{}
	if revision > 0 {
		var err error
		if snap, err = config.Compile(w.rows, revision); err != nil {
			w.t.Fatal(err)
		}
	}
	w.snap.Store(snap)
}

// keepAlive puts another policy in service.
func (w *world) keepAlive(change func(p *sbc.KeepAlivePolicy)) {
	w.t.Helper()
	d := *w.domain
	change(&d.KeepAlive)
	w.domain, w.rows[len(w.rows)-1] = &d, &d
	w.revision++
	w.configure(w.revision)
}

// start makes a registrar of what the journal holds, as a restart does.
func (w *world) start() {
	w.t.Helper()
	w.Registrar = New(Options{
		Snapshot: w.snap.Load,
		Domain: func(id string) *sbc.Domain {
			for _, d := range w.snap.Load().Rows.Domains {
				if d.ID == id {
					return d
				}
			}
			return nil
		},
		Hosts: func(d *sbc.Domain, _, host string) bool { return host == d.Name },
		Wire:  w.wire, Journal: w.journal, Restored: w.journal.all(), Secret: []byte("secret"),
		Events: func(e sbc.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		},
	})
}

// run runs what time brings.
func (w *world) run() {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	w.stop = func() { cancel(); <-done }
}

// virtual runs a test in virtual time.
func virtual(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.run()
		defer func() { w.stop() }()
		f(w)
	})
}

// entry is a subscriber of the domain.
func entry(name string) *sbc.Entry {
	s := sbc.New(sbc.KindSubscriber).(*sbc.Subscriber)
	s.ID, s.TenantID, s.Name, s.Username, s.DomainID = "sub_"+name, sbc.DefaultTenantID, name, name, "dom_1"
	a := sbc.New(sbc.KindAlias).(*sbc.Alias)
	a.Name = "4420" + name
	return &sbc.Entry{Subscriber: s, Aliases: []sbc.Alias{*a}}
}

// register sends a REGISTER of alice's from an address, with these headers, and gives the answer.
func (w *world) register(from string, headers ...string) *tx {
	w.t.Helper()
	return w.by(source(from), "alice", "call-1", headers...)
}

func (w *world) by(h msg.Hop, user, callID string, headers ...string) *tx {
	w.t.Helper()
	w.cseq++
	via := h.Remote.String()
	if w.via != "" {
		via = w.via
	}
	return w.send(h, user, fmt.Sprintf("REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%s@example.com>;tag=f\r\nTo: <sip:%s@example.com>\r\nCall-ID: %s\r\nCSeq: %d REGISTER\r\n%s",
		via, w.cseq, user, user, callID, w.cseq, strings.Join(append(headers, ""), "\r\n")))
}

func (w *world) send(h msg.Hop, user, text string) *tx {
	w.t.Helper()
	m, err := msg.Parse([]byte(text + "Content-Length: 0\r\n\r\n"))
	if err != nil {
		w.t.Fatalf("%v\n%s", err, text)
	}
	m.Hop = h
	t := &tx{req: m}
	who := entry(user)
	if w.domain.Upstream() {
		who = w.domain.Guest(user)
	}
	w.Handle(t, m, w.domain, who)
	synctest.Wait()
	if t.res == nil {
		w.t.Fatal("no answer")
	}
	return t
}

// want checks the status of an answer.
func (t *tx) want(w *world, status int) *tx {
	w.t.Helper()
	if t.res.Status != status {
		w.t.Fatalf("got %s, want %d", t.res.StartLine(), status)
	}
	return t
}

// happened gives the types of events since the last time, with the reasons.
func (w *world) happened() (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		s := string(e.Type)
		if r := e.Data["reason"]; r != "" {
			s += ":" + r
		}
		list = append(list, s)
	}
	w.events = nil
	return list
}
