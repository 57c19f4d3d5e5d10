package integration

import (
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// texting is a household with a subscriber whose number a carrier in the east reaches by text, and by subscription; the phone is registered.
func texting(t *testing.T) *household {
	h := newHousehold(t, "udp", rest.Object{"keep_alive": rest.Object{"mode": "off"}})
	texts := h.passing()
	h.patch("/domains/"+h.domain, texts)
	h.patch("/trunks/"+h.w.eastTrunk, texts)
	id := h.subscriber("alice", "secret", nil)
	h.create("/aliases", rest.Object{"subscriber_id": id, "domain_id": h.domain, "name": "4930555"})
	h.create("/routing-plans/"+h.w.westPlan+"/rules", rest.Object{"name": "ours", "prefix": "4930", "action": "subscriber", "domain_id": h.domain})
	h.want(h.register("alice", "secret", "Contact: "+h.phone.contact()), 200)
	return h
}

// TestSIPpTextsPhone: a carrier's text to a number of ours comes to the registered phone of the subscriber who has it.
func TestSIPpTextsPhone(t *testing.T) {
	needs(t, "sipp")
	h := texting(t)
	h.want(h.register("alice", "secret", "Contact: <sip:alice@"+h.phone.addr.String()+">"), 200)
	h.phone.close()
	h.east.close()
	ctx := patience(t, 20*time.Second)
	phone := sippListening(ctx, t, "taker_message.xml", h.w.phoneAddr(), "-m", "1")
	err := sipp(ctx, t, "sender_message.xml", "-i", h.w.eastPeer.String(), "-p", "5060", "-s", "4930555", "-m", "1", "-recv_timeout", "8000",
		h.w.east.String()+":5060")
	if err != nil {
		t.Fatal(err)
	}
	if err := phone.Wait(); err != nil {
		t.Error(err)
	}
	var e sbc.Explanation
	h.do(http.MethodPost, "/routing/explain", rest.Object{"source_address": h.w.eastPeer.String(), "sip_interface_id": h.w.eastInterface,
		"callee": "4930555", "method": "MESSAGE"}, &e)
	if len(e.Attempts) == 0 || e.Attempts[0].RegistrationID == "" || e.Message != "" {
		t.Errorf("explained as %+v", e)
	}
	e = sbc.Explanation{}
	h.do(http.MethodPost, "/routing/explain", rest.Object{"source_address": h.w.eastPeer.String(), "sip_interface_id": h.w.eastInterface,
		"callee": "4930555", "method": "PUBLISH"}, &e)
	if e.Outcome != sbc.OutcomeReject {
		t.Errorf("a PUBLISH leads to a phone: %+v", e)
	}
}

// TestTextsLeakNothing: nothing of a carrier reaches a phone by a text or a subscription, nor the other way.
func TestTextsLeakNothing(t *testing.T) {
	h := texting(t)
	watched := &watch{west: h.phone, east: h.east, addresses: map[string][]string{
		"west": {h.phone.addr.Addr().String()}, "east": {h.east.addr.Addr().String()},
	}}
	for _, status := range []int{200, 486} {
		l := h.east.ask(msg.MESSAGE, "4930555", "hello", append(hostileHeaders(h.east), "Content-Type: text/plain")...)
		got := h.phone.asked(msg.MESSAGE)
		got.say(got.invite, status, "leak-west", "", hostileHeaders(h.phone)...)
		l.answer(1, status)
	}
	l := h.east.ask(msg.SUBSCRIBE, "4930555", "", append(hostileHeaders(h.east), "Event: presence", "Expires: 60")...)
	got := h.phone.asked(msg.SUBSCRIBE)
	got.say(got.invite, 200, "", "", append(hostileHeaders(h.phone), "Expires: 60", "Contact: "+h.phone.contact())...)
	if res := l.answer(1, 200); res.Get("Contact") == "" {
		t.Errorf("%s", res.AppendTo(nil))
	}
	tells(got, l, "presence", "terminated", "", hostileHeaders(h.phone)...)
	watched.check(t)
}

// TestSIPpTextsGateways: a text goes to the second gateway after the first answers 503, or says nothing; the number is translated on the way;
// a trunk that drains gets none.
func TestSIPpTextsGateways(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{})
	ctx := patience(t, 40*time.Second)
	texts := b.passing()
	out := b.create("/dialplans", rest.Object{"name": "out", "rules": []rest.Object{
		{"name": "national", "field": "callee", "match": "prefix", "pattern": "+49", "set_callee": "0$1"}}})
	plan := b.create("/number-plans", rest.Object{"name": "Germany", "country_code": "49", "area_code": "30"})
	w := b.connect(newSides(t), wish{noEndpoint: true, westTrunk: with(rest.Object{"number_plan_id": plan}, texts),
		eastTrunk: with(rest.Object{"egress_dialplan_id": out, "no_response_timeout_ms": 300}, texts)})
	for i, a := range []netip.Addr{w.at(6), w.eastPeer} {
		b.create("/trunks/"+w.eastTrunk+"/endpoints", rest.Object{"name": a.String(), "address": a.String(), "port": 5060, "priority": i + 1})
	}
	text := func(scenario string) {
		t.Helper()
		if err := sipp(ctx, t, scenario, "-i", w.westPeer.String(), "-p", "5060", "-s", "123456", "-m", "1", "-recv_timeout", "8000",
			w.west.String()+":5060"); err != nil {
			t.Fatal(err)
		}
	}
	taker := sippListening(ctx, t, "taker_message.xml", w.eastPeer, "-m", "2")
	busy := sippListening(ctx, t, "taker_message_503.xml", w.at(6), "-m", "1")
	text("sender_message.xml")
	if err := busy.Wait(); err != nil {
		t.Errorf("the first gateway: %v", err)
	}
	silent, err := net.ListenPacket("udp", netip.AddrPortFrom(w.at(6), 5060).String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	text("sender_message.xml")
	if err := taker.Wait(); err != nil {
		t.Errorf("the second gateway: %v", err)
	}
	b.patch("/trunks/"+w.eastTrunk, rest.Object{"draining": true})
	text("sender_message_503.xml")
	var e sbc.Explanation
	b.do(http.MethodPost, "/routing/explain", rest.Object{"source_address": w.westPeer.String(), "sip_interface_id": w.westInterface,
		"callee": "123456", "method": "MESSAGE"}, &e)
	if e.RejectCode != 503 {
		t.Errorf("explained as %+v", e)
	}
}
