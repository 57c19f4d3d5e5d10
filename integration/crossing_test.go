package integration

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/media/secure"
	"github.com/sallyport/sallyport/sbc"
)

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
