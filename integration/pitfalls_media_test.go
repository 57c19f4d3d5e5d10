package integration

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestEarlyMediaThenAnother: pitfall 3.23: the first endpoint is heard and then fails; with the second there is audio both ways.
func TestEarlyMediaThenAnother(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{noEndpoint: true})
	second := newPeer(t, "east", netip.AddrPortFrom(s.w.eastPeer, 5062), s.east.border, false)
	for i, p := range []*peer{s.east, second} {
		s.b.create("/trunks/"+s.w.eastTrunk+"/endpoints", rest.Object{
			"name": p.addr.String(), "address": p.addr.Addr().String(), "port": int(p.addr.Port()), "priority": i + 1})
	}
	number := s.number()
	a := &party{ear: listen(t, s.w.westPeer), line: &line{p: s.west}}
	b, c := &party{ear: listen(t, s.w.eastPeer)}, &party{ear: listen(t, s.w.eastPeer)}
	a.line = s.west.dial(number, a.describe(pcmu))
	b.line = s.east.ring()
	b.sees(t, b.invite.Body)
	b.line.say(b.invite, 183, "", b.describe(pcmu))
	a.sees(t, a.answer(1, 183).Body)
	carries(t, b.ear, b.door, a.ear, 0)
	b.line.say(b.invite, 503, "", "")
	b.hear(msg.ACK)
	c.line = second.ring()
	c.sees(t, c.invite.Body)
	c.line.say(c.invite, 200, "", c.describe(pcmu))
	a.sees(t, a.final(200).Body)
	c.hear(msg.ACK)
	both(t, a, c, 0)
	r := s.over(a.line, c.line, number)
	if wantEnd(t, r, sbc.EndCallerBye, sbc.SideCaller, 200); len(r.Attempts) != 2 {
		t.Errorf("attempts %+v", r.Attempts)
	}
	s.b.quiet()
}

// TestFromOfTheCarrier: pitfall 1.9: a carrier wants its account and its domain in From, and user=phone where a number stands.
func TestFromOfTheCarrier(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{eastTrunk: rest.Object{"caller_identity": rest.Object{
		"from_user": "acct7", "from_host": "carrier.example", "user_phone": true, "number_format": "digits", "send": []string{"pai"},
	}}})
	call, rings, number := s.talk()
	if from := rings.invite.From.URI; from.User != "acct7" || from.Host != "carrier.example" {
		t.Errorf("From %s", rings.invite.From)
	}
	if uri := rings.invite.RequestURI.String(); !strings.HasSuffix(uri, ";user=phone") {
		t.Errorf("called %s", rings.invite.RequestURI)
	}
	want := "<sip:4930111@" + s.w.east.String() + ";user=phone>"
	if pai := rings.invite.Get("P-Asserted-Identity"); pai != "\"Ada\" "+want && pai != want {
		t.Errorf("P-Asserted-Identity %q, want %s", pai, want)
	}
	s.over(call, rings, number)
	s.b.quiet()
}
