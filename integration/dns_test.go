package integration

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// zoneServer runs dnsmasq with records that are good for a second, and gives its address and what kills it.
func zoneServer(t *testing.T, records ...string) (server string, kill func()) {
	t.Helper()
	needs(t, "dnsmasq")
	at := newSides(t).west
	server = netip.AddrPortFrom(at, 5353).String()
	args := []string{"--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=", "--user=root", "--bind-interfaces",
		"--listen-address=" + at.String(), "--port=5353", "--local-ttl=1", "--neg-ttl=1", "--local=/example/"}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "dnsmasq", append(args, records...)...)
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	gone := false
	kill = func() {
		if cancel(); !gone {
			gone = true
			_ = cmd.Wait() // it was killed
		}
	}
	t.Cleanup(kill)
	asks := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
	waitFor(t, func() bool {
		_, err := asks.LookupHost(ctx, "one.example.")
		return err == nil
	}, "dnsmasq")
	return server, kill
}

// TestCarrierByName: a carrier is a name with NAPTR and SRV records, of which the first target is dead. The first call is answered by the
// second target within the set time, the next ones at once; the API shows why. Then DNS is killed, every answer runs out, and calls
// go on as before.
func TestCarrierByName(t *testing.T) {
	t.Parallel()
	dead, sides := newSides(t).eastPeer, newSides(t)
	alive := sides.eastPeer
	east := newPeer(t, "east", netip.AddrPortFrom(alive, 5060), netip.AddrPortFrom(sides.east, 5060), false)
	server, kill := zoneServer(t,
		"--naptr-record=carrier.example,10,10,s,SIP+D2U,,_sip._udp.carrier.example",
		"--srv-host=_sip._udp.carrier.example,dead.example,5060,1,1", "--srv-host=_sip._udp.carrier.example,one.example,5060,2,1",
		"--host-record=dead.example,"+dead.String(), "--host-record=one.example,"+alive.String())
	b := startBorder(t, app.Options{DNSServers: []string{server}})
	w := b.connect(sides, wish{noEndpoint: true, eastTrunk: rest.Object{"no_response_timeout_ms": 400}})
	endpoint := b.create("/trunks/"+w.eastTrunk+"/endpoints", rest.Object{"name": "carrier", "address": "carrier.example", "transport": "auto"})
	west := newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5060), netip.AddrPortFrom(w.west, 5060), false)
	call := func(number string, most time.Duration) {
		t.Helper()
		began := time.Now()
		l := west.dial(number, west.sdp())
		callee := east.ring()
		if took := time.Since(began); took > most {
			t.Errorf("%s: the carrier was reached after %s", number, took)
		}
		callee.say(callee.invite, 200, "", east.sdp())
		l.final(200)
		callee.hear(msg.ACK)
		l.hangup(callee)
	}
	call("49301", 900*time.Millisecond)
	call("49302", 300*time.Millisecond)
	var seen sbc.DNSLookup
	if err := b.Get(t.Context(), "/v1/dns/carrier.example", &seen); err != nil {
		t.Fatal(err)
	}
	if c := seen.Candidates; len(c) != 2 || c[0].Address != alive.String() || c[0].Silent || c[1].Address != dead.String() || !c[1].Silent || c[0].Transport != "udp" {
		t.Errorf("candidates %+v", c)
	}
	if q := seen.Questions; len(q) < 4 || q[0].Type != "NAPTR" || q[1].Type != "SRV" || len(q[1].Records) != 2 {
		t.Errorf("questions %+v", q)
	}
	kill()
	killed := time.Now()
	waitFor(t, func() bool { return time.Since(killed) > 1200*time.Millisecond }, "the answers run out")
	for i := range 3 {
		call(fmt.Sprintf("4930%d", 3+i), 900*time.Millisecond)
	}
	if err := b.Get(t.Context(), "/v1/dns/carrier.example", &seen); err != nil {
		t.Fatal(err)
	}
	if len(seen.Candidates) != 2 || seen.Questions[0].State != sbc.DNSStale {
		t.Errorf("without DNS: %+v", seen)
	}
	for i, r := range b.cdrs(5) {
		if len(r.Attempts) != 1 || r.Attempts[0].EndpointID != endpoint || r.FinalCode != 200 {
			t.Errorf("call %d: %+v", i, r.Attempts)
		}
	}
}

// TestFailoverWithinAName: which answers lead to the next address of a name is what the trunk says: 486 here, and 503 not.
func TestFailoverWithinAName(t *testing.T) {
	t.Parallel()
	sides := newSides(t)
	border := netip.AddrPortFrom(sides.east, 5060)
	one := newPeer(t, "east", netip.AddrPortFrom(sides.eastPeer, 5060), border, false)
	other := newPeer(t, "east", netip.AddrPortFrom(newSides(t).eastPeer, 5060), border, false)
	server, _ := zoneServer(t, "--srv-host=_sip._udp.carrier.example,zero.example,5060,1,1", "--srv-host=_sip._udp.carrier.example,one.example,5060,2,1",
		"--host-record=zero.example,"+sides.eastPeer.String(), "--host-record=one.example,"+other.addr.Addr().String())
	b := startBorder(t, app.Options{DNSServers: []string{server}})
	w := b.connect(sides, wish{noEndpoint: true, eastTrunk: rest.Object{"failover_codes": []string{"486"}}})
	b.create("/trunks/"+w.eastTrunk+"/endpoints", rest.Object{"name": "carrier", "address": "carrier.example"})
	west := newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5060), netip.AddrPortFrom(w.west, 5060), false)
	for code, next := range map[int]bool{486: true, 503: false} {
		l := west.dial("4930", west.sdp())
		first := one.ring()
		first.say(first.invite, code, "", "")
		first.hear(msg.ACK)
		if !next {
			l.refusedWith(1, code)
			continue
		}
		second := other.ring()
		second.say(second.invite, 200, "", other.sdp())
		l.final(200)
		second.hear(msg.ACK)
		l.hangup(second)
	}
	b.quiet()
}

// TestOutboundProxy: what goes to a trunk with an outbound proxy, calls and probes, is sent to the proxy and says the endpoint.
func TestOutboundProxy(t *testing.T) {
	t.Parallel()
	sides := newSides(t)
	proxy := newPeer(t, "east", netip.AddrPortFrom(sides.eastPeer, 5060), netip.AddrPortFrom(sides.east, 5060), false)
	b := startBorder(t, app.Options{})
	w := b.connect(sides, wish{noEndpoint: true, eastTrunk: rest.Object{
		"outbound_proxy": sides.eastPeer.String() + ":5060", "probe": rest.Object{"enabled": true, "interval_s": 60},
	}})
	b.create("/trunks/"+w.eastTrunk+"/endpoints", rest.Object{"name": "far", "address": "198.51.100.7", "port": 5070})
	west := newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5060), netip.AddrPortFrom(w.west, 5060), false)
	probe := proxy.take("a probe", func(m *msg.Message) bool { return m.IsRequest() && m.Method == msg.OPTIONS })
	if probe.RequestURI.Host != "198.51.100.7" || probe.RequestURI.Port != 5070 {
		t.Errorf("asked %s", probe.RequestURI)
	}
	l := west.dial("4930", west.sdp())
	callee := proxy.ring()
	if u := callee.invite.RequestURI; u.Host != "198.51.100.7" || u.Port != 5070 {
		t.Errorf("called %s", u)
	}
	callee.say(callee.invite, 200, "", proxy.sdp())
	l.final(200)
	callee.hear(msg.ACK)
	l.hangup(callee)
	b.quiet()
}
