package integration

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
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
