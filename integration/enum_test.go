package integration

import (
	"net/netip"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestENUMOfDNSMasq: a rule looks numbers up in dnsmasq's zone and calls the address found. Numbers without a record go by the next rule.
func TestENUMOfDNSMasq(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	east := newPeer(t, "east", netip.AddrPortFrom(s.eastPeer, 5060), netip.AddrPortFrom(s.east, 5060), false)
	server, _ := zoneServer(t, `--naptr-record=1.0.3.9.4.e164.example,10,10,u,E2U+sip,!^\+49(.*)$!sip:0\1@one.example:5060!`,
		"--host-record=one.example,"+s.eastPeer.String())
	b := startBorder(t, app.Options{DNSServers: []string{server}})
	w := b.connect(s, wish{})
	b.create("/routing-plans/"+w.plan+"/rules", rest.Object{"name": "enum", "prefix": "49", "action": "enum", "enum_suffix": "e164.example",
		"route_list_id": w.list})
	west := newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5060), netip.AddrPortFrom(w.west, 5060), false)
	for number, sent := range map[string]string{"49999": "49999", "+49301": "+49301", "49301": "0301"} { // no rule begins with +: the default
		l := west.dial(number, west.sdp())
		callee := east.ring()
		if u := callee.invite.RequestURI; u.User != sent {
			t.Errorf("%s is sent as %s", number, u.User)
		}
		callee.say(callee.invite, 200, "", east.sdp())
		l.final(200)
		callee.hear(msg.ACK)
		l.hangup(callee)
	}
}
