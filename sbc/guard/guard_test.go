package guard

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

func profile(change func(*sbc.FloodProfile)) *sbc.FloodProfile {
	p := &sbc.FloodProfile{}
	p.Defaults()
	if change != nil {
		change(p)
	}
	return p
}

func guardOf(t testing.TB, o Options, p *sbc.FloodProfile) *Guard {
	t.Helper()
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	g.Configure([]Realm{{ID: "rlm_a", Interfaces: []string{"udp", "tcp"}, Profile: p}, {ID: "rlm_b", Interfaces: []string{"peer"}}})
	return g
}

// hop is where a message came from: by a connection where the interface is tcp.
func hop(iface, addr string) msg.Hop {
	h := msg.Hop{Interface: iface, Transport: sbc.TransportUDP, Remote: netip.AddrPortFrom(netip.MustParseAddr(addr), 5060)}
	if iface == "tcp" {
		h.Transport, h.Conn = sbc.TransportTCP, 1
	}
	return h
}

func request(method, agent string) string {
	return method + " sip:100@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n" +
		"From: <sip:100@192.0.2.9>;tag=1\r\n" +
		"To: <sip:100@192.0.2.9>\r\nCall-ID: a\r\nCSeq: 1 " + method + "\r\nUser-Agent: " + agent + "\r\nContent-Length: 0\r\n\r\n"
}

// send gives how many of n requests passed.
func send(g *Guard, h msg.Hop, raw string, n int) (passed int) {
	for range n {
		if g.Packet(h, []byte(raw)) == msg.Serve {
			passed++
		}
	}
	return passed
}

func TestKinds(t *testing.T) {
	for raw, want := range map[string]kind{
		request("REGISTER", "x"):                          kindRegister,
		request("INVITE", "x"):                            kindInvite,
		request("OPTIONS", "x"):                           kindOptions,
		request("MESSAGE", "x"):                           kindOther,
		request("X-Own.Method", "x"):                      kindOther,
		"\r\n\r\n" + request("INVITE", "x"):               kindInvite,
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\n\r\n":    kindResponse,
		"INVITE sip:a@b SIP/3.0\r\nVia: x\r\n\r\n":        kindMalformed,
		"INVITE\tsip:a@b\tSIP/2.0\r\nVia: x\r\n\r\n":      kindMalformed,
		"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n":     kindMalformed,
		"no line ends here, however long it may be . . .": kindMalformed,
		"\r\n": kindMalformed, "": kindMalformed,
		"{\"jsonrpc\":\"2.0\",\"id\":1} SIP/2.0\r\n":   kindMalformed,
		"\x00\x01\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa": kindSTUN,
	} {
		if got := classify([]byte(raw)); got != want {
			t.Errorf("%.40q is counted as %v, not %v", raw, got, want)
		}
	}
}

func FuzzClassify(f *testing.F) {
	f.Add([]byte(request("INVITE", "x")))
	f.Add([]byte("User-Agent:\nf :\r\n\r\n\r"))
	patterns := [][]byte{[]byte("friendly-scanner")}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if k := classify(raw); k >= kinds {
			t.Errorf("kind %d", k)
		}
		scanner(raw, patterns)
	})
}

func TestEachKindHasItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guardOf(t, Options{}, profile(nil))
		h := hop("udp", "192.0.2.1")
		for method, want := range map[string]int{"REGISTER": 10, "INVITE": 30, "OPTIONS": 30, "MESSAGE": 30} {
			if n := send(g, h, request(method, "phone"), 100); n != want {
				t.Errorf("%d of 100 %s passed, %d were expected", n, method, want)
			}
		}
		if n := send(g, hop("udp", "192.0.2.2"), request("INVITE", "phone"), 5); n != 5 {
			t.Errorf("another source suffers: %d of 5 passed", n)
		}
		if n := send(g, hop("peer", "192.0.2.1"), request("INVITE", "phone"), 100); n != 100 {
			t.Errorf("a realm without profile is counted: %d of 100 passed", n)
		}
		time.Sleep(2 * time.Second) // virtual
		if n := send(g, h, request("INVITE", "phone"), 5); n != 5 {
			t.Errorf("after the window %d of 5 passed", n)
		}
	})
}

func TestActions(t *testing.T) {
	udp, tcp := hop("udp", "192.0.2.1"), hop("tcp", "192.0.2.1")
	type flood = sbc.FloodProfile
	for name, c := range map[string]struct {
		change func(*flood)
		h      msg.Hop
		agent  string
		last   msg.Action
		bans   int
	}{
		"drop":                {nil, udp, "phone", msg.Silence, 0},
		"refuse":              {func(p *flood) { p.Action = sbc.FloodRefuse }, udp, "phone", msg.Refuse, 0},
		"ban by UDP drops":    {func(p *flood) { p.Action = sbc.FloodBan }, udp, "phone", msg.Silence, 0},
		"ban by TCP bans":     {func(p *flood) { p.Action = sbc.FloodBan }, tcp, "phone", msg.Silence, 1},
		"observe":             {func(p *flood) { p.Mode, p.Action = sbc.GuardObserve, sbc.FloodBan }, tcp, "phone", msg.Serve, 1},
		"off":                 {func(p *flood) { p.Mode = sbc.GuardOff }, udp, "phone", msg.Serve, 0},
		"exempt network":      {func(p *flood) { p.Exempt = []string{"192.0.2.0/28"} }, udp, "phone", msg.Serve, 0},
		"scanner":             {nil, udp, "Friendly-Scanner 1.0", msg.Silence, 0},
		"scanner, ban by UDP": {func(p *flood) { p.ScannerAction = sbc.FloodBan }, udp, "sipvicious", msg.Silence, 0},
		"scanner, ban by TCP": {func(p *flood) { p.ScannerAction = sbc.FloodBan }, tcp, "sipvicious", msg.Silence, 1},
		"scanner observed":    {func(p *flood) { p.Mode = sbc.GuardObserve }, udp, "sipvicious", msg.Serve, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var events []sbc.Event
			g := guardOf(t, Options{Events: func(e sbc.Event) { events = append(events, e) }}, profile(c.change))
			raw := []byte(request("OPTIONS", c.agent))
			var last msg.Action
			for range 31 {
				last = g.Packet(c.h, raw)
			}
			bans, _ := g.Bans(sbc.BanQuery{})
			if last != c.last || len(bans) != c.bans {
				t.Errorf("the 31st gets %v and %d bans; %v and %d were expected", last, len(bans), c.last, c.bans)
			}
			if c.bans > 0 && (bans[0].Evidence == "" || bans[0].Observed != (c.last == msg.Serve)) {
				t.Errorf("the ban is %+v", bans[0])
			}
			if quiet := name == "off" || name == "exempt network"; quiet != (len(events) == 0) || len(events) > 2 {
				t.Errorf("events %v", events)
			}
		})
	}
}

// TestTrustedAreExempt: trunks, and sources from which somebody authenticated, but not for ever.
func TestTrustedAreExempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var trusted []msg.Hop
		g := guardOf(t, Options{
			Exempt:  func(h msg.Hop) bool { return h.Remote.Addr() == netip.MustParseAddr("198.51.100.1") },
			Trusted: func(h msg.Hop) { trusted = append(trusted, h) },
		}, profile(nil))
		invite := request("INVITE", "phone")
		if n := send(g, hop("udp", "198.51.100.1"), invite, 1000); n != 1000 {
			t.Errorf("of a trunk's 1000 requests %d passed", n)
		}
		h := hop("tcp", "192.0.2.1")
		send(g, h, invite, 40)
		g.Authenticated(h, "sub_1")
		if n := send(g, h, invite, 1000); n != 1000 {
			t.Errorf("of 1000 requests after authentication %d passed", n)
		}
		if len(trusted) != 1 || trusted[0] != h {
			t.Errorf("the edge heard %v", trusted)
		}
		time.Sleep(time.Hour) // virtual
		if n := send(g, h, invite, 40); n != 30 {
			t.Errorf("an hour later %d of 40 passed", n)
		}
	})
}

func TestAccounts(t *testing.T) {
	g := guardOf(t, Options{}, profile(nil))
	for method, want := range map[msg.Method]int{msg.REGISTER: 10, msg.INVITE: 30, msg.MESSAGE: 100} {
		passed := 0
		for n := range 100 { // from anywhere
			if g.Allowed(hop("udp", fmt.Sprintf("192.0.2.%d", n)), "sub_1", method) {
				passed++
			}
		}
		if passed != want {
			t.Errorf("%d of 100 %s of an account passed, %d were expected", passed, method, want)
		}
	}
	if !g.Allowed(hop("udp", "192.0.2.1"), "sub_2", msg.INVITE) {
		t.Error("another account suffers")
	}
}

// TestBruteForce: with a nonce of ours 20 wrong passwords ban the source, and with others none do.
func TestBruteForce(t *testing.T) {
	g := guardOf(t, Options{}, profile(nil))
	h := hop("udp", "192.0.2.1")
	for n := range 100 {
		g.Failed(h, "dom_1", fmt.Sprint("user", n), false)
	}
	if bans, _ := g.Bans(sbc.BanQuery{}); len(bans) != 0 {
		t.Fatalf("answers to a challenge that was not ours ban: %v", bans)
	}
	for n := 1; n <= 20; n++ {
		if bans, _ := g.Bans(sbc.BanQuery{}); len(bans) != 0 {
			t.Fatalf("banned before wrong password %d", n)
		}
		g.Failed(h, "dom_1", fmt.Sprint("user", n), true)
	}
	bans, _ := g.Bans(sbc.BanQuery{Source: "192.0.2.1"})
	if len(bans) != 1 || bans[0].Reason != sbc.BanAuth || !strings.Contains(bans[0].Evidence, "user20") {
		t.Fatalf("the bans are %+v", bans)
	}
	if n := send(g, h, request("OPTIONS", "x"), 3); n != 0 {
		t.Error("the banned source is heard")
	}
	if b, err := g.Ban(bans[0].ID); err != nil || b.Dropped != 3 {
		t.Errorf("the ban is %+v, %v; it has kept out 3", b, err)
	}
	if ok, _ := g.Accept(hop("tcp", "192.0.2.1")); ok {
		t.Error("its connections are accepted")
	}
}

// TestForgiven: phones that answer in an algorithm for which nothing is kept before they answer in another one neither bar their account nor
// ban their source; others are not forgiven with them.
func TestForgiven(t *testing.T) {
	g := guardOf(t, Options{}, profile(nil))
	h := hop("udp", "192.0.2.1")
	for n := range 100 {
		g.Failed(h, "dom_1", "old", true)
		g.Forgiven(h, "dom_1", "old", 1)
		g.Forgiven(h, "dom_1", fmt.Sprint("nobody", n), 1)
	}
	if bans, _ := g.Bans(sbc.BanQuery{}); len(bans) != 0 || g.Barred(h, "dom_1", "old") {
		t.Fatalf("barred or banned: %v", bans)
	}
	for n := range 19 {
		g.Failed(h, "dom_1", fmt.Sprint("user", n), true)
	}
	g.Failed(h, "dom_1", "old", true)
	if bans, _ := g.Bans(sbc.BanQuery{}); len(bans) != 1 {
		t.Fatalf("the bans are %+v", bans)
	}
}

// TestBruteForceBehindNAT: where a good user is behind the same address, only the account that is guessed at is barred, and only
// there.
func TestBruteForceBehindNAT(t *testing.T) {
	g := guardOf(t, Options{}, profile(nil))
	h := hop("udp", "192.0.2.1")
	g.Authenticated(h, "sub_good")
	for n := 1; n <= 100; n++ {
		if barred := g.Barred(h, "dom_1", "victim"); barred != (n > 10) {
			t.Fatalf("before wrong password %d the account is barred: %v", n, barred)
		}
		g.Failed(h, "dom_1", "victim", true)
	}
	if bans, _ := g.Bans(sbc.BanQuery{}); len(bans) != 0 {
		t.Errorf("the office is banned: %v", bans)
	}
	if g.Barred(h, "dom_1", "good") || g.Barred(hop("udp", "192.0.2.7"), "dom_1", "victim") {
		t.Error("another account, or the account elsewhere, is barred")
	}
	if n := send(g, h, request("INVITE", "x"), 50); n != 50 {
		t.Errorf("%d of 50 requests of the office passed", n)
	}
}

// TestConnections: strangers have a deadline, trunks none.
func TestConnections(t *testing.T) {
	trunk := netip.MustParseAddr("198.51.100.1")
	g := guardOf(t, Options{Exempt: func(h msg.Hop) bool { return h.Remote.Addr() == trunk }}, profile(nil))
	for h, want := range map[msg.Hop]time.Duration{
		hop("tcp", "192.0.2.1"): 10 * time.Second, hop("tcp", "198.51.100.1"): 0, hop("peer", "192.0.2.1"): 0, hop("x", "192.0.2.1"): 0,
	} {
		if ok, d := g.Accept(h); !ok || d != want {
			t.Errorf("%s of %v: %v, %v", h.Interface, h.Remote, ok, d)
		}
	}
}

// TestMalformedLater counts what the parser finds out, and nothing twice.
func TestMalformedLater(t *testing.T) {
	g := guardOf(t, Options{}, profile(nil))
	h, raw := hop("udp", "192.0.2.1"), request("INVITE", "x")
	passed := 0
	for range 30 {
		if g.Packet(h, []byte(raw)) == msg.Serve {
			passed++
			g.Malformed(h, []byte(raw))
		}
	}
	if passed != 10 {
		t.Errorf("%d broken INVITEs were read, 10 were expected", passed)
	}
	h, passed = hop("udp", "192.0.2.2"), 0
	junk := []byte("junk that is long enough to be looked at")
	for range 30 {
		if g.Packet(h, junk) == msg.Serve {
			passed++
			g.Malformed(h, junk)
		}
	}
	if passed != 10 {
		t.Errorf("%d pieces of junk passed, 10 were expected", passed)
	}
}

// TestFloodOfEvents: many sources that flood are counted, not told of one by one.
func TestFloodOfEvents(t *testing.T) {
	told := 0
	g := guardOf(t, Options{Events: func(sbc.Event) { told++ }}, profile(nil))
	for n := range 1000 {
		send(g, hop("udp", fmt.Sprintf("10.0.%d.%d", n/250, n%250)), request("INVITE", "x"), 31)
	}
	if told < 50 || told > 80 {
		t.Errorf("1000 sources that flood are %d events", told)
	}
}
