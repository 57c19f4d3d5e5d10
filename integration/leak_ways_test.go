package integration

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestLeaksOfOtherWays: callers who are redirected, or refused with words, learn nothing of where their calls might have gone; calls that go
// by ENUM, and those that come by a registration of ours, tell neither side of the other.
func TestLeaksOfOtherWays(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	server, _ := zoneServer(t, "--naptr-record=6.9.4.e164.example,10,10,u,E2U+sip,!^.*$!sip:496@one.example:5060!", "--host-record=one.example,"+s.eastPeer.String())
	b := startBorder(t, app.Options{DNSServers: []string{server}})
	w := b.connect(s, wish{})
	eyes := w.watched(t, false)
	west, east := eyes.west, eyes.east
	b.registers(w, w.eastPeer.String(), rest.Object{"aor_user": "leakeastaor", "credentials": rest.Object{"password": "leak-east-password"}})
	registered := east.take("a REGISTER", func(m *msg.Message) bool { return m.IsRequest() && m.Method == msg.REGISTER })
	contacts, err := registered.Contacts()
	if err != nil || len(contacts) != 1 {
		t.Fatalf("contacts %v, %v", contacts, err)
	}
	(&line{p: east, callID: registered.CallID, local: registered.To.WithTag("leakeastregistrar").String()}).say(registered, 200, "", "",
		append(hostileHeaders(east), "Contact: "+contacts[0].String()+";expires=600")...)
	rule := func(body rest.Object) {
		b.create("/routing-plans/"+w.plan+"/rules", with(body, rest.Object{"name": body["prefix"]}))
	}
	rule(rest.Object{"prefix": "494", "action": "redirect", "route_list_id": w.list, "strip": 3, "add_prefix": "00"})
	rule(rest.Object{"prefix": "495", "action": "reject", "reject_code": 480, "announcement_id": b.announcement("no", 100*time.Millisecond)})
	rule(rest.Object{"prefix": "496", "action": "enum", "enum_suffix": "e164.example", "route_list_id": w.list})

	west.dial("494123", west.sdp(hostileSDP(west)), hostileHeaders(west)...).final(302)
	eyes.check(t)
	west.dial("495123", west.sdp(hostileSDP(west)), hostileHeaders(west)...).final(480)
	eyes.check(t)

	call := west.dial("496", west.sdp(hostileSDP(west)), hostileHeaders(west)...)
	rings := east.ring()
	rings.say(rings.invite, 200, "", east.sdp(hostileSDP(east)), hostileHeaders(east)...)
	call.final(200)
	rings.hear(msg.ACK)
	call.hangup(rings, hostileHeaders(west)...)
	eyes.check(t)

	back := &line{p: east, callID: "leakeast" + msg.NewTag() + "@" + east.host("callid"), seq: 1, target: contacts[0].URI.String(),
		local: "\"Eve\" <sip:+4930222@" + east.host("from") + ">;tag=leakeast" + msg.NewTag(), remote: "<sip:+4930333@" + east.host("to") + ">"}
	back.start(east.sdp(hostileSDP(east)), hostileHeaders(east)...)
	rings = west.ring()
	rings.say(rings.invite, 200, "", west.sdp(hostileSDP(west)), hostileHeaders(west)...)
	back.final(200)
	rings.hear(msg.ACK)
	back.hangup(rings, hostileHeaders(east)...)
	b.quiet()
	eyes.check(t)
	eyes.finished(t)
}
