package integration

import (
	"net/netip"
	"testing"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestIntrudersAmongSubscribers is TestIntruders where the legs are subscribers': nobody else may speak for them, whether it is
// a stranger, another phone of the domain that has registered, a PBX of the domain that is known by its address, or a trunk. The
// phone itself is believed unasked: requests within dialogs are not challenged.
func TestIntrudersAmongSubscribers(t *testing.T) {
	for _, policy := range []sbc.SourcePolicy{sbc.SourceLenient, sbc.SourceStrict} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, nil)
			profile := o.create("/signalling-profiles", rest.Object{"name": "of phones", "in_dialog_source": policy})
			o.do("PATCH", "/domains/"+o.domain, rest.Object{"signalling_profile_id": profile}, nil)
			alice, bob, carol := o.phone("alice", 5), o.phone("bob", 6), o.phone("carol", 7)
			pbx, stranger := o.phone("pbx", 8), o.phone("x", 9)
			for _, name := range []string{"alice", "bob", "carol"} {
				o.person(name, nil)
			}
			o.create("/access-rules", rest.Object{
				"name": "pbx", "domain_id": o.domain, "subscriber_id": o.person("pbx", nil), "cidr": pbx.addr.Addr().String() + "/32",
			})
			o.register(bob, "bob", "")
			o.register(carol, "carol", "")
			caller := o.dial(alice, "alice", "bob")
			callee := bob.ring()
			callee.say(callee.invite, 200, "", bob.sdp())
			caller.final(200)
			callee.hear(msg.ACK)
			s := &stage{t: t, b: o.border, w: o.w, west: alice, east: bob}
			for _, victim := range []*line{caller, callee} {
				s.intrude(t, "a stranger", stranger, victim)
				s.intrude(t, "another subscriber", carol, victim)
				s.intrude(t, "a PBX of the domain", pbx, victim)
				s.intrude(t, "a trunk", o.trunk, victim)
			}
			s.intrude(t, "the caller in the callee's name", alice, callee)
			if policy == sbc.SourceStrict {
				other := newPeer(t, "west", netip.AddrPortFrom(alice.addr.Addr(), 5099), alice.border, false)
				s.intrude(t, "another port of the phone", other, caller)
			}
			for _, p := range []*peer{stranger, carol, pbx, o.trunk} {
				p.nothing("a request", func(m *msg.Message) bool { return m.IsRequest() })
			}
			seq := caller.request("INVITE", alice.sdp())
			callee.say(callee.hear(msg.INVITE), 200, "", bob.sdp())
			caller.ack(caller.answer(seq, 200))
			callee.hear(msg.ACK)
			caller.hangup(callee)
			wantEnd(t, o.cdrs(1)[0], sbc.EndCallerBye, sbc.SideCaller, 200)
			o.quiet()
		})
	}
}
