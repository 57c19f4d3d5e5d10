package integration

import (
	"bytes"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// scene is one scenario of the leak test: a calls b.
type scene struct {
	name string
	play func(a, b *peer)
}

// connectionLine is where a description says whither media are to go.
var connectionLine = regexp.MustCompile(`\r\nc=IN IP4 [0-9.]+`)

// watch is what has to stay on each of two sides.
type watch struct {
	west, east *peer
	addresses  map[string][]string // by side: those of peers and of the border there
	seen       map[string]int      // by side: octets that came before the scene that plays
	opted      opted               // what may show
	direct     bool                // media go directly: c= may show
}

// watched opens a peer on each side and watches what they learn.
func (w wiring) watched(t *testing.T, tcp bool) *watch {
	t.Helper()
	west, east := w.peers(t, tcp)
	return &watch{west: west, east: east, addresses: map[string][]string{
		"west": {w.west.String() + ":", w.west.String() + "\r", w.westPeer.String()},
		"east": {w.east.String() + ":", w.east.String() + "\r", w.eastPeer.String()},
	}}
}

// check searches what each side received since the last check, so that a leak is reported with its scene.
func (w *watch) check(t *testing.T) {
	t.Helper()
	w.search(t, w.seen)
	w.seen = map[string]int{"west": len(w.west.bytes()), "east": len(w.east.bytes())}
}

// search looks through the octets that one side received, but for the first ones, for what belongs to the other: its marks,
// addresses and every identifier of its dialogs there, plain and percent-decoded.
func (w *watch) search(t *testing.T, but map[string]int) {
	t.Helper()
	for _, side := range []struct{ to, from *peer }{{w.west, w.east}, {w.east, w.west}} {
		got := w.opted.blind(side.to.bytes()[but[side.to.side]:], side.from.side)
		if w.direct {
			got = connectionLine.ReplaceAll(got, []byte("\r\nc="))
		}
		plain := bytes.ToLower(got)
		decoded, err := url.PathUnescape(strings.ReplaceAll(string(plain), "%\r", ""))
		if err != nil {
			decoded = ""
		}
		secrets := append([]string{"leak" + side.from.side, "leak-" + side.from.side}, w.addresses[side.from.side]...)
		for _, s := range append(secrets, identifiers(w.opted.unnamed(side.from.bytes()[but[side.from.side]:]))...) {
			s = strings.ToLower(s)
			i := bytes.Index(plain, []byte(s))
			if i < 0 && !strings.Contains(decoded, s) {
				continue
			}
			t.Errorf("%s learns %q of %s:\n%s", side.to.side, s, side.from.side, around(got, max(i, 0)))
		}
	}
}

// finished checks, when all was played, that no header was sent with the place for the border's own host left open.
func (w *watch) finished(t *testing.T) {
	t.Helper()
	for _, p := range []*peer{w.west, w.east} {
		got := p.bytes()
		if i := bytes.Index(got, []byte(header.HostToken)); i >= 0 {
			t.Errorf("%s got a header without the border's host in it:\n%s", p.side, around(got, i))
		}
	}
	w.search(t, nil)
}

// around shows the message that holds an octet.
func around(all []byte, i int) []byte {
	begin := max(0, bytes.LastIndex(all[:i], []byte("\r\n\r\n")))
	return all[begin:min(len(all), i+1200)]
}

// identifiers collects what names dialogs and sessions in the messages that one side received: the border's own for that side and
// those that it sent back.
func identifiers(received []byte) []string {
	found := map[string]bool{}
	keep := func(s string) {
		if len(s) >= 6 {
			found[s] = true
		}
	}
	for line := range bytes.Lines(received) {
		name, value, ok := strings.Cut(strings.TrimRight(string(line), "\r\n"), ":")
		if _, key, crypto := strings.Cut(value, " inline:"); crypto { // RFC 4568: no key of one side is one of the other
			keep(key)
		}
		if ok {
			identify(strings.TrimSpace(name), strings.TrimSpace(value), keep)
		} else if f := strings.Fields(string(line)); len(f) == 6 && strings.HasPrefix(f[0], "o=") {
			keep(f[0][2:])
			keep(f[1])
		}
	}
	out := make([]string, 0, len(found))
	for s := range found {
		out = append(out, s)
	}
	return out
}

// identify collects the identifiers of one header.
func identify(name, value string, keep func(string)) {
	switch msg.Canonical(name) {
	case "Via":
		if v, err := msg.ParseVia(value); err == nil {
			keep(v.Branch())
			keep(strings.TrimPrefix(v.Branch(), "z9hG4bK"))
		}
	case "From", "To":
		if a, err := msg.ParseNameAddr(value); err == nil {
			keep(a.Tag())
		}
	case "Contact":
		if a, err := msg.ParseNameAddr(value); err == nil {
			keep(a.URI.User)
		}
	case "Call-ID", "Call-Id":
		keep(value)
		local, host, _ := strings.Cut(value, "@")
		keep(local)
		keep(host)
	}
}

// TestLeaks plays every scenario in both directions and searches all octets of both sides.
func TestLeaks(t *testing.T) {
	for _, c := range []struct {
		name string
		tcp  bool
		more rest.Object // of both trunks
		list []scene
	}{
		{"UDP", false, nil, allScenes()},
		{"TCP", true, nil, allScenes()},
		{"pass_headers", false, rest.Object{"pass_headers": passedHeaders()}, append(hostileScenes(), basicScenes()...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			transport := "udp"
			if c.tcp {
				transport = "tcp"
			}
			w := b.connect(newSides(t), wish{transport: transport, westTrunk: c.more, eastTrunk: c.more})
			eyes := w.watched(t, c.tcp)
			playAll(t, eyes, c.list)
			b.quiet()
			eyes.finished(t)
		})
	}
}

// playAll plays scenes in both directions.
func playAll(t *testing.T, eyes *watch, list []scene) {
	t.Helper()
	for _, s := range list {
		for _, ab := range [][2]*peer{{eyes.west, eyes.east}, {eyes.east, eyes.west}} {
			ok := t.Run(s.name+" from "+ab[0].side, func(t *testing.T) {
				ab[0].t, ab[1].t = t, t
				s.play(ab[0], ab[1])
				eyes.check(t)
			})
			ab[0].t, ab[1].t = t, t
			if !ok {
				return // what follows would report the same leak again
			}
		}
	}
}

// TestLeaksIPv6 has IPv4 in the west and IPv6 in the east.
func TestLeaksIPv6(t *testing.T) {
	t.Parallel()
	six := netip.IPv6Loopback()
	west, border := newSides(t), newWire(t, six, 0, false, nil)
	port := border.addr.Port()
	border.close() // the border takes it
	b := startBorder(t, app.Options{})
	realm := func(name string, bind netip.AddrPort, low int) string {
		id := b.create("/realms", rest.Object{"name": name})
		b.create("/sip-interfaces", rest.Object{
			"name": name, "realm_id": id, "transport": "udp", "bind_address": bind.Addr().String(), "port": int(bind.Port())})
		b.create("/media-pools", rest.Object{"name": name, "realm_id": id, "address": bind.Addr().String(), "port_min": low, "port_max": low + 199})
		return id
	}
	at := netip.AddrPortFrom(west.west, 5060)
	w := newPeer(t, "west", netip.AddrPortFrom(west.westPeer, 5060), at, false)
	e := newPeer(t, "east", netip.AddrPortFrom(six, 0), netip.AddrPortFrom(six, port), false)
	westRealm, eastRealm := realm("west", at, 30000), realm("east", e.border, 31600) // below the ports that the system hands out
	side := func(name, realm, cidr string, endpoint netip.AddrPort) (trunk, plan string) {
		plan = b.create("/routing-plans", rest.Object{"name": name})
		trunk = b.create("/trunks", rest.Object{"name": name, "realm_id": realm, "routing_plan_id": plan})
		b.create("/trunks/"+trunk+"/identities", rest.Object{"name": "peer", "cidr": cidr})
		b.create("/trunks/"+trunk+"/endpoints", rest.Object{"name": "peer", "address": endpoint.Addr().String(), "port": int(endpoint.Port())})
		return trunk, plan
	}
	westTrunk, westPlan := side("west", westRealm, west.westPeer.String(), w.addr)
	eastTrunk, eastPlan := side("east", eastRealm, "::1", e.addr)
	for plan, trunk := range map[string]string{westPlan: eastTrunk, eastPlan: westTrunk} {
		list := b.create("/route-lists", rest.Object{"name": "to-" + trunk})
		b.create("/route-lists/"+list+"/targets", rest.Object{"name": "only", "trunk_id": trunk})
		b.create("/routing-plans/"+plan+"/rules", rest.Object{"name": "default", "prefix": "", "action": "route", "route_list_id": list})
	}
	eyes := &watch{west: w, east: e, addresses: map[string][]string{
		"west": {west.west.String(), west.westPeer.String()}, "east": {"[::1]", "IP6 ::1"},
	}}
	playAll(t, eyes, append(basicScenes(), append(sessionScenes(), hostileScenes()...)...))
	b.quiet()
	eyes.finished(t)
}

// TestLeaksFailover has an endpoint that refuses with everything it knows, and another of the same side that answers: neither may
// learn of the caller, nor the caller of either.
func TestLeaksFailover(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{noEndpoint: true})
	west, east := w.peers(t, false)
	second := newPeer(t, "east", netip.AddrPortFrom(w.eastPeer, 5062), east.border, false)
	b.create("/trunks/"+w.eastTrunk+"/endpoints", rest.Object{"name": "one", "address": w.eastPeer.String(), "port": 5060, "priority": 1})
	b.create("/trunks/"+w.eastTrunk+"/endpoints", rest.Object{"name": "two", "address": w.eastPeer.String(), "port": 5062, "priority": 2})
	call := west.dial("4930123456", west.sdp(), hostileHeaders(west)...)
	first := east.ring()
	first.say(first.invite, 183, "", east.sdp(), hostileHeaders(east)...)
	first.say(first.invite, 503, "down at "+east.host("phrase"), "", hostileHeaders(east)...)
	first.hear(msg.ACK)
	other := second.ring()
	other.say(other.invite, 200, "", second.sdp(hostileSDP(second)), hostileHeaders(second)...)
	call.final(200)
	other.hear(msg.ACK)
	call.hangup(other, hostileHeaders(west)...)
	b.quiet()
	for _, e := range []*peer{east, second} {
		(&watch{west: west, east: e, addresses: map[string][]string{
			"west": {w.west.String() + ":", w.westPeer.String()}, "east": {w.east.String() + ":", w.eastPeer.String()},
		}}).check(t)
	}
	if bytes.Contains(second.bytes(), []byte(first.callID)) {
		t.Error("the second endpoint learns the Call-ID of the first attempt")
	}
}
