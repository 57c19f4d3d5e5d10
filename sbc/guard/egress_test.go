package guard

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestEgress is features.md 13.6: what callers name may not lead to gateways, to us, or into networks that are not theirs to
// reach.
func TestEgress(t *testing.T) {
	var events []sbc.Event
	g, err := New(Options{Events: func(e sbc.Event) { events = append(events, e) }})
	if err != nil {
		t.Fatal(err)
	}
	one := func(s string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(s)} }
	g.Configure([]Realm{
		{ID: "rlm_a", Interfaces: []string{"access"}, Egress: &Egress{
			Allow: one("10.7.0.0/16"), Ours: one("198.51.100.1/32"), Gateways: one("203.0.113.5/32"),
		}},
		{ID: "rlm_b", Interfaces: []string{"peer"}},
	})
	for to, want := range map[string]bool{
		"192.0.2.7": true, "10.7.1.1": true, "10.8.1.1": false, "198.51.100.1": false, "203.0.113.5": false, "203.0.113.6": true,
		"127.0.0.1": false, "169.254.169.254": false, "192.168.1.1": false, "100.64.0.1": false, "0.0.0.0": false, "224.0.0.1": false,
		"255.255.255.255": false, "::1": false, "fe80::1": false, "fd00::1": false, "2001:db8::1": true, "::ffff:10.8.1.1": false, "::": false,
	} {
		at := netip.AddrPortFrom(netip.MustParseAddr(to), 5060)
		if err := g.Leave("access", at, "evil.example"); (err == nil) != want || err != nil && !errors.Is(err, msg.ErrForbidden) {
			t.Errorf("to %s: %v", to, err)
		}
		if err := g.Leave("peer", at, "evil.example"); err != nil {
			t.Errorf("from a realm of peers to %s: %v", to, err)
		}
	}
	before := len(events)
	for range 100 {
		if g.Leave("access", netip.MustParseAddrPort("127.0.0.1:80"), "evil.example") == nil {
			t.Fatal("it may go")
		}
	}
	if len(events) != before || before == 0 || events[0].Type != sbc.EventSecurityEgress || events[0].Data["target"] != "evil.example" {
		t.Errorf("%d events, then %d; the first is %+v", before, len(events), events[0])
	}
}
