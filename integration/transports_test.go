package integration

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/media/secure"
	"github.com/sallyport/sallyport/sbc"
)

// everyTransport are all that SIP travels by here.
var everyTransport = []sbc.Transport{sbc.TransportUDP, sbc.TransportTCP, sbc.TransportTLS, sbc.TransportWS, sbc.TransportWSS}

// freePort gives a port of an address that nobody has, neither for TCP nor for UDP.
func freePort(t testing.TB, a netip.Addr) int {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", netip.AddrPortFrom(a, 0).String())
		if err != nil {
			t.Fatal(err)
		}
		at := l.Addr().(*net.TCPAddr)
		u, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port})
		_ = l.Close() // the border takes it
		if err == nil {
			_ = u.Close() // the same
			return at.Port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// crossing is a border with a trunk in the west and phones in the east, each side reachable by every transport.
type crossing struct {
	*border
	ca         *pki
	westPhones netip.Addr
	eastPhones netip.Addr
	west, east map[sbc.Transport]netip.AddrPort
	eastRealm  string
	trunk      string
	plan       string
	domain     string
	domains    map[keying]string // by how media of their phones must be keyed
}

const crossingDomain = "phones.east.example"

// keying is how the media of a phone are keyed.
type keying string

// The ways: in the clear, with keys in SDP, with keys of a handshake.
const (
	inClear keying = "rtp"
	bySDES  keying = "sdes"
	byDTLS  keying = "dtls"
)

// suiteOfSDES is one that DTLS does not know, so that records tell which it was.
const suiteOfSDES = secure.CM256HM80

var everyKeying = []keying{inClear, bySDES, byDTLS}

// domain is that of the phones whose media are keyed so.
func (k keying) domain() string {
	if k == inClear || k == "" {
		return crossingDomain
	}
	return string(k) + "." + crossingDomain
}

// options has a phone key its media so.
func (k keying) options(o phone.Options) phone.Options {
	if o.DTLS = k == byDTLS; k == bySDES {
		o.SRTP = suiteOfSDES
	}
	return o
}

// keyings makes a domain for every way; the west may do as it likes.
func (x *crossing) keyings() {
	any := x.create("/media-profiles", rest.Object{
		"name": "any", "srtp": "optional", "srtp_keying": []string{"sdes", "dtls"}, "srtp_keys_in_clear": true,
	})
	x.do("PATCH", "/trunks/"+x.trunk, rest.Object{"media_profile_id": any}, nil)
	for i, k := range everyKeying[1:] {
		profile := x.create("/media-profiles", rest.Object{
			"name": string(k), "srtp": "required", "srtp_keying": []keying{k}, "srtp_keys_in_clear": true, "rtcp_mux": k == byDTLS,
		})
		id := x.create("/domains", rest.Object{"name": k.domain(), "realm_id": x.eastRealm, "media_profile_id": profile})
		x.domains[k] = id
		x.create("/routing-plans/"+x.plan+"/rules", rest.Object{
			"name": string(k), "prefix": strconv.Itoa(5 + i), "action": "subscriber", "domain_id": id,
		})
	}
}

// newCrossing makes one of a family.
func newCrossing(t *testing.T, six bool) *crossing {
	t.Helper()
	s := newSides(t)
	if six {
		one := netip.IPv6Loopback()
		s = sides{west: one, westPeer: one, east: one, eastPeer: one}
	}
	x := &crossing{border: startBorder(t, app.Options{}), ca: newPKI(t), westPhones: s.westPeer, eastPhones: s.eastPeer}
	profile := x.ca.profile(x.border, "border", []string{s.west.String(), s.east.String()}, nil)
	side := func(name, trust string, at netip.Addr, ports int) (realm string, all map[sbc.Transport]netip.AddrPort) {
		realm = x.create("/realms", rest.Object{"name": name, "trust": trust})
		x.create("/media-pools", rest.Object{
			"name": name, "realm_id": realm, "address": at.String(), "port_min": ports, "port_max": ports + 399,
		})
		all = map[sbc.Transport]netip.AddrPort{}
		for _, tr := range everyTransport {
			all[tr] = netip.AddrPortFrom(at, uint16(freePort(t, at)))
			o := rest.Object{
				"name": name + " " + string(tr), "realm_id": realm, "transport": string(tr), "bind_address": at.String(), "port": all[tr].Port(),
			}
			if tr.Encrypted() {
				o["tls_profile_id"] = profile
			}
			if tr.WebSocket() {
				o["origins"] = []string{"https://" + name + ".example"}
			}
			x.create("/sip-interfaces", o)
		}
		return realm, all
	}
	var west, east string
	west, x.west = side("west", "peer", s.west, 21000)
	east, x.east = side("east", "access", s.east, 21400)
	plan := x.create("/routing-plans", rest.Object{"name": "from west"})
	x.trunk = x.create("/trunks", rest.Object{"name": "west", "realm_id": west, "routing_plan_id": plan})
	x.create("/trunks/"+x.trunk+"/identities", rest.Object{"name": "west", "cidr": netip.PrefixFrom(s.westPeer, s.westPeer.BitLen()).String()})
	x.eastRealm, x.plan = east, plan
	x.domain = x.create("/domains", rest.Object{"name": crossingDomain, "realm_id": east})
	x.domains = map[keying]string{inClear: x.domain}
	x.create("/routing-plans/"+plan+"/rules", rest.Object{"name": "phones", "prefix": "", "action": "subscriber", "domain_id": x.domain})
	return x
}

// called is a phone in the east that is registered, with a number.
type called struct {
	*phone.Phone
	number string
	name   string
	keyed  keying
	calls  chan *phone.Call
}

// register opens and registers a phone in the east.
func (x *crossing) register(t *testing.T, tr sbc.Transport, number string) *called {
	t.Helper()
	return x.registerKeyed(t, tr, inClear, number)
}

// registerKeyed is register for a phone whose media are keyed.
func (x *crossing) registerKeyed(t *testing.T, tr sbc.Transport, k keying, number string) *called {
	t.Helper()
	c := &called{number: number, keyed: k, name: "east" + string(tr) + string(k), calls: make(chan *phone.Call, 64)}
	id := x.create("/subscribers", rest.Object{"domain_id": x.domains[k], "username": c.name, "password": password})
	x.create("/aliases", rest.Object{"name": number, "domain_id": x.domains[k], "subscriber_id": id})
	var err error
	c.Phone, err = phone.New(k.options(phone.Options{
		Address: x.eastPhones, Name: c.name, UserAgent: c.name, Tone: 1000, Transport: tr, TLS: x.ca.config(),
		Origins: []string{"https://east.example"},
		Incoming: func(call *phone.Call) {
			call.Ring()
			if err := call.Answer(); err != nil {
				t.Error(err)
			}
			c.calls <- call
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	x.registers(t, c, tr)
	return c
}

func (x *crossing) registers(t *testing.T, c *called, tr sbc.Transport) {
	t.Helper()
	who := phone.Account{Domain: c.keyed.domain(), User: c.name, Password: password}
	res, err := c.Register(patience(t, 10*time.Second), x.east[tr], who)
	if err != nil || res.Status != 200 {
		t.Fatalf("%s registers: %v %v", c.name, res, err)
	}
}

// caller opens a phone in the west.
func (x *crossing) caller(t *testing.T, tr sbc.Transport) *phone.Phone {
	t.Helper()
	return x.callerKeyed(t, tr, inClear)
}

// callerKeyed is caller for a phone whose media are keyed.
func (x *crossing) callerKeyed(t *testing.T, tr sbc.Transport, k keying) *phone.Phone {
	t.Helper()
	p, err := phone.New(k.options(phone.Options{
		Address: x.westPhones, Name: "west" + string(tr) + string(k), UserAgent: "w", Tone: 400, Transport: tr, TLS: x.ca.config(),
		Origins: []string{"https://west.example"},
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// call makes one call with audio both ways, ended by one side.
func (x *crossing) call(t *testing.T, what string, from *phone.Phone, at netip.AddrPort, to *called, calleeEnds bool) {
	ctx := patience(t, 15*time.Second)
	c, err := from.Dial(to.number, at)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if code, err := c.Final(ctx); err != nil || code != 200 {
		t.Errorf("%s: %d %v", what, code, err)
		return
	}
	var other *phone.Call
	select {
	case other = <-to.calls:
	case <-ctx.Done():
		t.Errorf("%s: nobody was called", what)
		return
	}
	if !soon(func() bool {
		mine, theirs := c.Heard(), other.Heard()
		return mine.Packets > 3 && mine.Now == 1000 && theirs.Packets > 3 && theirs.Now == 400
	}) {
		t.Errorf("%s: %+v and %+v were heard", what, c.Heard(), other.Heard())
	}
	ends, hears := c, other
	if calleeEnds {
		ends, hears = other, c
	}
	if err := ends.Hangup(ctx); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	select {
	case <-hears.Ended():
	case <-ctx.Done():
		t.Errorf("%s: the BYE did not arrive", what)
	}
}

// way is how a phone speaks and how its media are keyed.
type way struct {
	sbc.Transport
	keying
}

func (w way) String() string { return string(w.Transport) + "/" + string(w.keying) }

// everyWay are all there are.
func everyWay() (all []way) {
	for _, tr := range everyTransport {
		for _, k := range everyKeying {
			all = append(all, way{tr, k})
		}
	}
	return all
}

// TestAllTransports: calls from everything to everything (every transport with every way to key media, to every one of them), over IPv4
// and IPv6, ended by either side. What the sides say of themselves, .invalid and keys included, stays with them.
func TestAllTransports(t *testing.T) {
	t.Parallel()
	for _, family := range []string{"IPv4", "IPv6"} {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			x := newCrossing(t, family == "IPv6")
			x.keyings()
			ways := everyWay()
			phones, callers := make([]*called, len(ways)), make([]*phone.Phone, len(ways))
			for i, w := range ways {
				prefix := map[keying]string{inClear: "49", bySDES: "59", byDTLS: "69"}[w.keying]
				phones[i], callers[i] = x.registerKeyed(t, w.Transport, w.keying, prefix+strconv.Itoa(i)), x.callerKeyed(t, w.Transport, w.keying)
			}
			var all sync.WaitGroup
			// In each round every caller calls another phone, so that a call knows its callee's.
			for round := range ways {
				for i, from := range ways {
					j := (i + round) % len(ways)
					all.Go(func() {
						x.call(t, from.String()+" to "+ways[j].String(), callers[i], x.west[from.Transport], phones[j], (i+j)%2 == 0)
					})
				}
				all.Wait()
			}
			x.recorded(t, ways)
			x.nothingTold(t, ways, callers, phones)
			x.quiet()
		})
	}
}

// recorded looks whether every way met every way, as the records say.
func (x *crossing) recorded(t *testing.T, ways []way) {
	t.Helper()
	type meeting struct{ caller, callee way }
	pairs := map[meeting]int{}
	for _, r := range x.cdrs(len(ways) * len(ways)) {
		m := meeting{way{r.Legs[0].Transport, inClear}, way{r.Legs[len(r.Legs)-1].Transport, inClear}}
		for _, s := range r.Media {
			k := byDTLS
			switch {
			case s.SRTP == "":
				continue
			case s.SRTP == sbc.SRTPSuite(suiteOfSDES):
				k = bySDES
			}
			if s.Side == sbc.SideCaller {
				m.caller.keying = k
			} else {
				m.callee.keying = k
			}
		}
		pairs[m]++
	}
	if len(pairs) != len(ways)*len(ways) {
		t.Errorf("the records say %d meetings: %v", len(pairs), pairs)
	}
}

// nothingTold looks whether one side was told of the other.
func (x *crossing) nothingTold(t *testing.T, ways []way, callers []*phone.Phone, phones []*called) {
	t.Helper()
	values := func(heard []byte, attribute string) (all []string) {
		for line := range strings.Lines(string(heard)) {
			if strings.HasPrefix(line, "a="+attribute+":") {
				_, value, _ := strings.Cut(strings.TrimSpace(line), " ")
				all = append(all, value)
			}
		}
		return all
	}
	prints := map[string]bool{} // the border's is all that anybody is told
	var east strings.Builder
	for _, p := range phones {
		east.Write(p.Received())
	}
	for i, w := range ways {
		for _, secret := range []string{".invalid", "\r\nUser-Agent: w\r\n", "west.example"} {
			if strings.Contains(strings.ReplaceAll(string(phones[i].Received()), phones[i].name+".invalid", ""), secret) {
				t.Errorf("the phone on %s was told %q", w, secret)
			}
		}
		got := strings.ReplaceAll(string(callers[i].Received()), "west"+string(w.Transport)+string(w.keying)+".invalid", "")
		if strings.Contains(got, ".invalid") || strings.Contains(got, crossingDomain) {
			t.Errorf("the caller on %s was told of the other side", w)
		}
		keys := values(callers[i].Received(), "crypto")
		if (len(keys) > 0) != (w.keying == bySDES) {
			t.Errorf("the caller on %s was told %d keys", w, len(keys))
		}
		for _, key := range keys {
			if strings.Contains(east.String(), key) {
				t.Errorf("a key that the caller on %s was told stands in the east", w)
			}
		}
		for _, print := range append(values(callers[i].Received(), "fingerprint"), values(phones[i].Received(), "fingerprint")...) {
			prints[print] = true
		}
	}
	if len(prints) != 1 {
		t.Errorf("fingerprints of %d certificates were told", len(prints))
	}
}

// TestPhonesComeBack: a phone whose connection is gone cannot be called, and can be again when it has registered by a new one.
func TestPhonesComeBack(t *testing.T) {
	t.Parallel()
	x := newCrossing(t, false)
	caller := x.caller(t, sbc.TransportUDP)
	for i, tr := range []sbc.Transport{sbc.TransportWS, sbc.TransportWSS, sbc.TransportTLS} {
		p := x.register(t, tr, "49"+strconv.Itoa(i))
		x.call(t, string(tr), caller, x.west[sbc.TransportUDP], p, false)
		if err := p.Drop(); err != nil {
			t.Fatal(err)
		}
		x.until(t, "the connection is gone", func() bool { return !x.registrations(1, "aor="+p.name+"@"+crossingDomain)[0].Connected })
		c, err := caller.Dial(p.number, x.west[sbc.TransportUDP])
		if err != nil {
			t.Fatal(err)
		}
		if code, err := c.Final(patience(t, 10*time.Second)); err != nil || code < 400 {
			t.Errorf("%s: a phone that is gone answered %d, %v", tr, code, err)
		}
		x.registers(t, p, tr)
		if r := x.registrations(1, "aor="+p.name+"@"+crossingDomain); !r[0].Connected {
			t.Errorf("%s: %+v", tr, r)
		}
		x.call(t, string(tr)+" again", caller, x.west[sbc.TransportUDP], p, true)
	}
	x.quiet()
}

// until waits for a condition.
func (x *crossing) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !soon(ok) {
		t.Fatalf("%s: did not happen", what)
	}
}

// TestSipsStaysSecure: a call to a sips URI goes by TLS on both sides or not at all.
func TestSipsStaysSecure(t *testing.T) {
	t.Parallel()
	x := newCrossing(t, false)
	clear, secure := x.register(t, sbc.TransportTCP, "490"), x.register(t, sbc.TransportWSS, "491")
	caller := x.caller(t, sbc.TransportTLS)
	for _, tt := range []struct {
		to     *called
		via    sbc.Transport
		secure bool
	}{{clear, sbc.TransportTLS, false}, {secure, sbc.TransportTLS, true}} {
		c, err := caller.DialURI("sips:"+tt.to.number+"@"+x.west[tt.via].String(), x.west[tt.via])
		if err != nil {
			t.Fatal(err)
		}
		code, err := c.Final(patience(t, 10*time.Second))
		if err != nil || (code == 200) != tt.secure {
			t.Errorf("sips to %s: %d %v", tt.to.name, code, err)
		}
		if code == 200 {
			if err := c.Hangup(patience(t, 10*time.Second)); err != nil {
				t.Error(err)
			}
		}
	}
	if strings.Contains(string(clear.Received()), "INVITE") {
		t.Error("the call went on in the clear")
	}
	c, err := x.caller(t, sbc.TransportTCP).DialURI("sips:491@"+x.west[sbc.TransportTCP].String(), x.west[sbc.TransportTCP])
	if err != nil {
		t.Fatal(err)
	}
	if code, err := c.Final(patience(t, 10*time.Second)); err != nil || code != 480 {
		t.Errorf("sips in the clear: %d %v", code, err)
	}
}

// TestWebPhoneCallsSIPp: a client on a WebSocket, and one on a secure one, call SIPp over UDP, which echoes their audio.
func TestWebPhoneCallsSIPp(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	x := newCrossing(t, false)
	sippServer(t, "callee.xml", x.eastPhones, "-mp", "7000", "-rtp_echo")
	trunk := x.create("/trunks", rest.Object{"name": "sipp", "realm_id": x.eastRealm})
	x.create("/trunks/"+trunk+"/endpoints", rest.Object{"name": "sipp", "address": x.eastPhones.String(), "port": 5060})
	list := x.create("/route-lists", rest.Object{"name": "sipp"})
	x.create("/route-lists/"+list+"/targets", rest.Object{"name": "sipp", "trunk_id": trunk})
	x.create("/routing-plans/"+x.plan+"/rules", rest.Object{"name": "sipp", "prefix": "7", "action": "route", "route_list_id": list})
	for _, tr := range []sbc.Transport{sbc.TransportWS, sbc.TransportWSS} {
		ctx := patience(t, 10*time.Second)
		c, err := x.caller(t, tr).Dial("7000", x.west[tr])
		if err != nil {
			t.Fatal(err)
		}
		if code, err := c.Final(ctx); err != nil || code != 200 {
			t.Fatalf("%s: SIPp answered %d, %v", tr, code, err)
		}
		if !soon(func() bool { return c.Heard().Packets > 3 }) {
			t.Errorf("%s: %+v came back", tr, c.Heard())
		}
		if err := c.Hangup(ctx); err != nil {
			t.Errorf("%s: %v", tr, err)
		}
	}
	for _, r := range x.cdrs(2) {
		if len(r.Legs) != 2 || !r.Legs[0].Transport.WebSocket() || r.Legs[1].Transport != sbc.TransportUDP {
			t.Errorf("%+v", r.Legs)
		}
	}
	x.quiet()
}
