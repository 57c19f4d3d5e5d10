package access

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// world is a door with a realm, two interfaces, a trunk and two domains in which there is an alice.
type world struct {
	t    *testing.T
	door *Door
	snap *config.Snapshot
	dir  *directory
	seen guard

	mu     sync.Mutex
	events []sbc.Event
}

func newWorld(t *testing.T, change ...func(*sbc.Domain)) *world {
	t.Helper()
	w := &world{t: t, dir: &directory{byName: map[string]*sbc.Entry{}}}
	w.snap = compile(t, change)
	w.door = New(Options{
		Snapshot: func() *config.Snapshot { return w.snap }, Directory: w.dir, Guard: &w.seen,
		Nonces: digest.NewNonces(digest.NoncesOptions{Secret: []byte("of this installation")}),
		Capabilities: func(*msg.Message) msg.Decision {
			return msg.Decision{Action: msg.Refuse, Status: 200, Headers: []msg.Header{{Name: "Allow", Value: "INVITE"}}}
		},
		Events: func(e sbc.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		},
	})
	w.dir.add(subscriber("dom_a", "sub_a", "alice", "example.com", "secret"), "+49301", "reception")
	w.dir.add(subscriber("dom_b", "sub_b", "alice", "example.org", "other"))
	return w
}

func compile(t *testing.T, change []func(*sbc.Domain)) *config.Snapshot {
	t.Helper()
	made := func(r sbc.Resource, id, name string) {
		r.Defaults()
		b := r.Base()
		b.ID, b.Name, b.TenantID, b.Enabled = id, name, sbc.DefaultTenantID, true
	}
	tenant, realm, plan, trunk, identity := new(sbc.Tenant), new(sbc.Realm), new(sbc.RoutingPlan), new(sbc.Trunk), new(sbc.Identity)
	made(tenant, sbc.DefaultTenantID, "default")
	made(realm, "rlm_1", "access")
	realm.Trust = sbc.TrustAccess
	made(plan, "rpl_1", "plan")
	made(trunk, "trk_1", "carrier")
	trunk.RealmID = "rlm_1"
	made(identity, "idn_1", "carrier")
	identity.TrunkID, identity.CIDR = "trk_1", "198.51.100.0/24"
	rows := []sbc.Resource{tenant, realm, plan, trunk, identity}
	for _, id := range []string{"sif_1", "sif_2"} {
		i := new(sbc.SIPInterface)
		made(i, id, id)
		i.RealmID, i.BindAddress, i.Port = "rlm_1", "203.0.113.1", 5060+len(rows)
		rows = append(rows, i)
	}
	for id, name := range map[string]string{"dom_a": "example.com", "dom_b": "example.org"} {
		d := new(sbc.Domain)
		made(d, id, name)
		d.RealmID, d.RoutingPlanID = "rlm_1", "rpl_1"
		for _, f := range change {
			f(d)
		}
		rows = append(rows, d)
	}
	pbx := new(sbc.AccessRule)
	made(pbx, "acr_1", "pbx")
	pbx.DomainID, pbx.SubscriberID, pbx.CIDR = "dom_a", "sub_a", "192.0.2.77/32"
	snap, err := config.Compile(append(rows, pbx), 1)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func subscriber(domainID, id, username, realm, password string) *sbc.Subscriber {
	s := new(sbc.Subscriber)
	s.Defaults()
	s.ID, s.Name, s.Username, s.DomainID, s.Enabled, s.Password = id, username, username, domainID, true, password
	d := &sbc.Domain{}
	d.Name = realm
	s.Seal(d)
	return s
}

// directory answers at once unless it is held.
type directory struct {
	mu     sync.Mutex
	byName map[string]*sbc.Entry
	asked  []string
	fails  error
	// slow is how long it takes to find that there is nobody, as in a store; who is there is in memory.
	slow time.Duration
}

func (d *directory) add(s *sbc.Subscriber, aliases ...string) {
	e := &sbc.Entry{Subscriber: s}
	for _, a := range aliases {
		e.Aliases = append(e.Aliases, sbc.Alias{Meta: sbc.Meta{Name: a}, DomainID: s.DomainID, SubscriberID: s.ID})
	}
	d.byName[s.DomainID+s.Username] = e
	for i := range e.Aliases {
		d.byName[s.DomainID+e.Aliases[i].Name] = &sbc.Entry{Subscriber: s, Aliases: e.Aliases, Via: &e.Aliases[i]}
	}
}

func (d *directory) Ask(domainID, name string, done func(*sbc.Entry, error)) {
	d.mu.Lock()
	d.asked = append(d.asked, name)
	e, err := d.byName[domainID+name], d.fails
	d.mu.Unlock()
	if err == nil && e == nil {
		err = sbc.Errorf(sbc.CodeNotFound, "no %s", name)
	}
	if e == nil && d.slow > 0 {
		time.AfterFunc(d.slow, func() { done(e, err) })
		return
	}
	done(e, err)
}

func (d *directory) AskID(id string, done func(*sbc.Entry, error)) {
	for _, e := range d.byName {
		if e.Subscriber.ID == id && e.Via == nil {
			done(e, d.fails)
			return
		}
	}
	done(nil, sbc.Errorf(sbc.CodeNotFound, "no %s", id))
}

// guard counts what it is told.
type guard struct {
	mu                    sync.Mutex
	right, wrong, foreign int
	forgiven              int
	barred                string
	exhausted             bool
}

func (g *guard) Authenticated(msg.Hop, string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.right++
}

func (g *guard) Failed(_ msg.Hop, _, _ string, ours bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ours {
		g.wrong++
	} else {
		g.foreign++
	}
}

func (g *guard) Forgiven(_ msg.Hop, _, _ string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forgiven += n
}

func (g *guard) Barred(_ msg.Hop, _, username string) bool { return username == g.barred }

func (g *guard) Allowed(msg.Hop, string, msg.Method) bool { return !g.exhausted }

// request makes a request from a phone's address.
func request(t *testing.T, method msg.Method, uri, from string, headers ...string) *msg.Message {
	t.Helper()
	lines := []string{
		string(method) + " " + uri + " SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK" + msg.NewTag() + ";rport",
		"Max-Forwards: 70", "From: <" + from + ">;tag=" + msg.NewTag(), "To: <" + from + ">", "Call-ID: " + msg.NewTag(),
		"CSeq: 1 " + string(method), "Contact: <sip:alice@192.0.2.9>",
	}
	if method != msg.REGISTER {
		lines[4] = "To: <" + uri + ">"
	}
	m, err := msg.Parse([]byte(strings.Join(append(lines, headers...), "\r\n") + "\r\nContent-Length: 0\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	m.Hop = msg.Hop{
		Interface: "sif_1", Transport: sbc.TransportUDP, Local: netip.MustParseAddrPort("203.0.113.1:5060"),
		Remote: netip.MustParseAddrPort("192.0.2.9:5060"),
	}
	return m
}

// serverTx remembers the answer.
type serverTx struct {
	msg.ServerTx
	answers chan *msg.Message
}

func (s *serverTx) Respond(res *msg.Message) error {
	s.answers <- res
	return nil
}

// outcome is what the door made of a request: an answer, or somebody to go on with.
type outcome struct {
	status  int
	answer  *msg.Message
	headers []msg.Header
	caller  *Caller
}

// ask brings a request to the door and waits for what comes of it.
func (w *world) ask(m *msg.Message) outcome {
	w.t.Helper()
	d, ok := w.door.Admit(m)
	switch {
	case !ok:
		return outcome{caller: &Caller{}}
	case d.Action == msg.Silence:
		return outcome{}
	case d.Action == msg.Refuse:
		return outcome{status: d.Status, headers: d.Headers}
	}
	tx, in := &serverTx{answers: make(chan *msg.Message, 2)}, make(chan Caller, 2)
	w.door.Identify(tx, m, func(c Caller) { in <- c })
	select {
	case c := <-in:
		return outcome{caller: &c}
	case res := <-tx.answers:
		return outcome{status: res.Status, answer: res, headers: res.Headers}
	}
}

// challenges reads those of an outcome.
func (o outcome) challenges(t *testing.T) (all []digest.Challenge) {
	t.Helper()
	for _, h := range o.headers {
		if h.Name == "WWW-Authenticate" || h.Name == "Proxy-Authenticate" {
			c, err := digest.ParseChallenge(h.Value)
			if err != nil {
				t.Fatal(h.Value, err)
			}
			all = append(all, c)
		}
	}
	return all
}

// proof is how somebody answers a challenge.
type proof struct {
	user, password, realm string
	algorithm             digest.Algorithm
	count                 uint32
	qop                   digest.QOP
	body                  []byte
}

// prove adds the answer to a challenge of the outcome in the algorithm.
func (w *world) prove(m *msg.Message, o outcome, p proof) *msg.Message {
	w.t.Helper()
	for _, c := range o.challenges(w.t) {
		if p.algorithm != "" && c.Algorithm != p.algorithm {
			continue
		}
		c.QOP = []digest.QOP{digest.Auth}
		if p.qop != "" {
			c.QOP = []digest.QOP{p.qop}
		}
		if p.qop == "none" {
			c.QOP = nil
		}
		a := c.Answer(digest.Request{
			Username: p.user, HA1: digest.HA1(c.Algorithm, p.user, c.Realm, p.password), Method: string(m.Method),
			URI: m.RequestURI.String(), Body: m.Body, CNonce: "c", Count: max(1, p.count),
		})
		name := "Proxy-Authorization"
		if m.Method == msg.REGISTER {
			name = "Authorization"
		}
		m.Append(name, a.String())
		return m
	}
	w.t.Fatalf("no challenge for %s among %v", p.algorithm, o.headers)
	return nil
}
