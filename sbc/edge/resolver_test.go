package edge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/sallyport/sallyport/sbc"
)

// zone is a DNS server on loopback that says what it is told to.
type zone struct {
	addr    string
	mu      sync.Mutex
	records []dns.RR
	rcode   atomic.Int64
	queries atomic.Int64
	silent  atomic.Bool
	cut     atomic.Bool // truncate over UDP
}

func newZone(t *testing.T) *zone {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Skip("no port free for both transports: ", err)
	}
	z := &zone{addr: pc.LocalAddr().String()}
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: z}, {Listener: l, Handler: z}} {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go func() { _ = s.ActivateAndServe() }()
		<-up
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return z
}

func (z *zone) add(records ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, r := range records {
		rr, err := dns.NewRR(r)
		if err != nil {
			panic(err)
		}
		z.records = append(z.records, rr)
	}
}

func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.queries.Add(1)
	if z.silent.Load() {
		return
	}
	m := new(dns.Msg)
	m.SetRcode(q, int(z.rcode.Load()))
	_, udp := w.RemoteAddr().(*net.UDPAddr)
	if m.Truncated = udp && z.cut.Load(); !m.Truncated && m.Rcode == dns.RcodeSuccess {
		z.mu.Lock()
		for _, r := range z.records {
			h := r.Header()
			if strings.EqualFold(h.Name, q.Question[0].Name) && (h.Rrtype == q.Question[0].Qtype || h.Rrtype == dns.TypeCNAME) {
				m.Answer = append(m.Answer, r)
			}
		}
		z.mu.Unlock()
	}
	_ = w.WriteMsg(m)
}

func (z *zone) resolver(t *testing.T) *DNS {
	t.Helper()
	d, err := NewResolver(ResolverOptions{
		Servers: []string{z.addr}, ResolvConf: "-", Hosts: "-", Budget: 2 * time.Second, Rand: func(int) int { return 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func show(a []Address) string {
	var b []string
	for _, x := range a {
		b = append(b, fmt.Sprintf("%s/%s", x.Addr, x.Transport))
	}
	return strings.Join(b, " ")
}

func TestLookup(t *testing.T) {
	z := newZone(t)
	z.add(
		"naptr.test. 60 IN NAPTR 20 10 \"s\" \"SIP+D2U\" \"\" _sip._udp.naptr.test.",
		"naptr.test. 60 IN NAPTR 10 10 \"s\" \"SIP+D2T\" \"\" _sip._tcp.naptr.test.",
		"naptr.test. 60 IN NAPTR 5 10 \"s\" \"SIPS+D2T\" \"\" _sips._tcp.naptr.test.",
		"_sip._tcp.naptr.test. 60 IN SRV 1 1 5070 a.test.",
		"_sip._udp.naptr.test. 60 IN SRV 1 1 5080 b.test.",
		"a.test. 60 IN A 192.0.2.10", "b.test. 60 IN A 192.0.2.20", "b.test. 60 IN AAAA 2001:db8::20",
		"srv.test. 60 IN A 192.0.2.99",
		"_sip._udp.srv.test. 60 IN SRV 20 1 5060 b.test.",
		"_sip._udp.srv.test. 60 IN SRV 10 1 5062 a.test.",
		"_sip._tcp.srv.test. 60 IN SRV 1 1 5064 a.test.",
		"alias.test. 60 IN CNAME other.test.", "other.test. 60 IN CNAME a.test.",
		"loop.test. 60 IN CNAME loop2.test.", "loop2.test. 60 IN CNAME loop.test.",
		"_sip._udp.none.test. 60 IN SRV 0 0 0 .",
		"_sip._udp.half.test. 60 IN SRV 1 1 5060 missing.test.",
		"_sip._udp.half.test. 60 IN SRV 2 1 5060 a.test.",
	)
	d := z.resolver(t)
	for _, c := range []struct {
		host      string
		port      int
		transport sbc.Transport
		want      string
	}{
		{"192.0.2.1", 0, "", "192.0.2.1:5060/udp"},
		{"[2001:db8::1]", 5070, sbc.TransportTCP, "[2001:db8::1]:5070/tcp"},
		{"::ffff:192.0.2.1", 0, "", "192.0.2.1:5060/udp"},
		{"naptr.test", 0, "", "192.0.2.10:5070/tcp 192.0.2.20:5080/udp [2001:db8::20]:5080/udp"},
		{"srv.test", 0, "", "192.0.2.10:5062/udp 192.0.2.20:5060/udp [2001:db8::20]:5060/udp 192.0.2.10:5064/tcp"},
		{"srv.test", 0, sbc.TransportTCP, "192.0.2.10:5064/tcp"},
		{"SRV.test.", 0, sbc.TransportUDP, "192.0.2.10:5062/udp 192.0.2.20:5060/udp [2001:db8::20]:5060/udp"},
		{"srv.test", 5099, "", "192.0.2.99:5099/udp"}, // a port forbids SRV
		{"a.test", 0, sbc.TransportTCP, "192.0.2.10:5060/tcp"},
		{"alias.test", 0, "", "192.0.2.10:5060/udp"},
		{"half.test", 0, "", "192.0.2.10:5060/udp"},
		{"loop.test", 0, "", ""},
		{"none.test", 0, "", ""},
		{"nowhere.test", 0, "", ""},
		{"", 0, "", ""},
		{strings.Repeat("a", 300), 0, "", ""},
		{"bad..name", 0, "", ""},
	} {
		got, err := d.Lookup(context.Background(), c.host, c.port, c.transport)
		if show(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("Lookup(%q, %d, %q) = %q, %v; want %q", c.host, c.port, c.transport, show(got), err, c.want)
		}
	}
	if _, err := d.Lookup(context.Background(), "nowhere.test", 0, ""); !errors.Is(err, ErrNoAddress) {
		t.Errorf("error %v", err)
	}
}

func TestLookupIsCachedAndServedStale(t *testing.T) {
	z := newZone(t)
	z.add("a.test. 1 IN A 192.0.2.10")
	d := z.resolver(t)
	ask := func() string {
		t.Helper()
		got, err := d.Lookup(context.Background(), "a.test", 5060, "")
		if err != nil {
			t.Fatal(err)
		}
		return show(got)
	}
	first := ask()
	before := z.queries.Load()
	if ask() != first || z.queries.Load() != before {
		t.Error("asked again within the time to live")
	}
	d.cache.expire()
	z.rcode.Store(dns.RcodeServerFailure)
	if ask() != first {
		t.Error("not served stale")
	}
	before = z.queries.Load()
	if ask() != first || z.queries.Load() != before {
		t.Error("the failing server was asked again at once")
	}
	d.cache.expire()
	z.rcode.Store(dns.RcodeSuccess)
	before = z.queries.Load()
	if ask() != first || z.queries.Load() == before {
		t.Error("not refreshed when the server was back")
	}
}

// TestDeadServersAreNotWaitedFor: while no server answers, a name of which everything has run out, also that it has neither NAPTR nor
// SRV records, is found as before, and nobody waits for longer than a moment; when they are back, they are believed.
func TestDeadServersAreNotWaitedFor(t *testing.T) {
	z := newZone(t)
	z.add("plain.test. 1 IN A 192.0.2.10", "_sip._udp.srv.test. 1 IN SRV 1 1 5080 b.test.", "b.test. 1 IN A 192.0.2.20")
	d := z.resolver(t)
	ask := func(name, want string) {
		t.Helper()
		began := time.Now()
		got, err := d.Lookup(context.Background(), name, 0, "")
		if err != nil || show(got) != want {
			t.Errorf("%s: %s %v", name, show(got), err)
		}
		if took := time.Since(began); took > 3*answerWithin {
			t.Errorf("%s took %s", name, took)
		}
	}
	ask("plain.test", "192.0.2.10:5060/udp")
	ask("srv.test", "192.0.2.20:5080/udp")
	z.silent.Store(true)
	d.cache.expire()
	ask("plain.test", "192.0.2.10:5060/udp")
	ask("srv.test", "192.0.2.20:5080/udp")
	z.mu.Lock()
	z.records = nil
	z.mu.Unlock()
	z.add("plain.test. 1 IN A 192.0.2.99")
	z.silent.Store(false)
	d.cache.expire()
	ask("plain.test", "192.0.2.99:5060/udp")
}

// expire lets everything run out.
func (c *dnsCache) expire() {
	c.trouble.Store(0)
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.entries {
		e.expires = time.Time{}
		c.entries[k] = e
	}
}

func TestLookupBudget(t *testing.T) {
	z := newZone(t)
	z.silent.Store(true)
	d := z.resolver(t)
	d.budget = 200 * time.Millisecond
	d.cache.budget = d.budget
	start := time.Now()
	if _, err := d.Lookup(context.Background(), "slow.test", 0, ""); err == nil {
		t.Fatal("no error")
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v", took)
	}
}

func TestLookupSecondServerAndTruncation(t *testing.T) {
	bad, good := newZone(t), newZone(t)
	bad.rcode.Store(dns.RcodeRefused)
	good.cut.Store(true)
	good.add("a.test. 60 IN A 192.0.2.10")
	d, err := NewResolver(ResolverOptions{Servers: []string{bad.addr, good.addr}, ResolvConf: "-", Hosts: "-"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := d.Lookup(context.Background(), "a.test", 1, ""); err != nil || show(got) != "192.0.2.10:1/udp" {
		t.Errorf("%q %v", show(got), err)
	}
}

func TestLookupBounds(t *testing.T) {
	z := newZone(t)
	z.cut.Store(true) // such an answer needs TCP
	for i := range 100 {
		z.add(fmt.Sprintf("_sip._udp.many.test. 60 IN SRV %d 1 5060 h%d.test.", i, i),
			fmt.Sprintf("h%d.test. 60 IN A 192.0.2.%d", i, i))
	}
	got, err := z.resolver(t).Lookup(context.Background(), "many.test", 0, sbc.TransportUDP)
	if err != nil || len(got) == 0 || len(got) > maxAddresses {
		t.Errorf("%d addresses, %v", len(got), err)
	}
	c := newDNSCache(10, time.Second, nil)
	for i := range 1000 {
		c.store(question{fmt.Sprint(i), 1}, keep(nil, time.Hour))
	}
	if len(c.entries) > 10 {
		t.Errorf("%d entries kept", len(c.entries))
	}
}

func TestHostsAndResolvConf(t *testing.T) {
	dir := t.TempDir()
	hosts, conf := filepath.Join(dir, "hosts"), filepath.Join(dir, "resolv.conf")
	z := newZone(t)
	host, port, _ := net.SplitHostPort(z.addr)
	z.add("short.dom.test. 60 IN A 192.0.2.44")
	for path, text := range map[string]string{
		hosts: "# comment\n192.0.2.33 gw gw.local # more\n2001:db8::33 gw\nnonsense line\n",
		conf:  "nameserver " + host + "\nsearch dom.test\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := NewResolver(ResolverOptions{ResolvConf: conf, Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	d.cache.ask.servers = []string{net.JoinHostPort(host, port)}
	for name, want := range map[string]string{
		"GW": "192.0.2.33:5060/udp [2001:db8::33]:5060/udp", "gw.local": "192.0.2.33:5060/udp", "short": "192.0.2.44:5060/udp",
	} {
		if got, err := d.Lookup(context.Background(), name, 0, ""); err != nil || show(got) != want {
			t.Errorf("%s: %q %v", name, show(got), err)
		}
	}
	if _, err := NewResolver(ResolverOptions{ResolvConf: filepath.Join(dir, "missing")}); err == nil {
		t.Error("a missing file went unnoticed")
	}
}

// TestWeights draws as RFC 2782 says: three to one.
func TestWeights(t *testing.T) {
	records := []dns.RR{
		&dns.SRV{Target: "small.", Weight: 1, Priority: 1}, &dns.SRV{Target: "big.", Weight: 3, Priority: 1},
		&dns.SRV{Target: "last.", Weight: 100, Priority: 2},
	}
	first := map[string]int{}
	for i := range 5 {
		got := orderSRV(records, func(n int) int { return i % n })
		first[got[0].Target]++
		if len(got) != 3 || got[2].Target != "last." {
			t.Errorf("order %v", got)
		}
	}
	if first["big."] != 3 || first["small."] != 2 { // points 0..4: the smaller stands first and has 0 and 1
		t.Errorf("drawn %v", first)
	}
}

func FuzzHosts(f *testing.F) {
	f.Add("127.0.0.1 localhost\n::1 x y z # c")
	f.Fuzz(func(t *testing.T, s string) {
		for _, a := range parseHosts(strings.NewReader(s)) {
			if len(a) == 0 {
				t.Error("a name without an address")
			}
		}
	})
}
