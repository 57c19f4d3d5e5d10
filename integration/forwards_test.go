package integration

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestForwards: bob's calls go where he wants them, to carol or to the trunk, and the record says by whom and why.
func TestForwards(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	profile := o.create("/signalling-profiles", rest.Object{"name": "tells", "retargeting": "diversion"})
	o.do("PATCH", "/domains/"+o.domain, rest.Object{"signalling_profile_id": profile}, nil)
	alice, bob, carol := o.phone("west", 5), o.phone("east", 6), o.phone("carol", 7)
	o.person("alice", nil)
	bobID := o.person("bob", rest.Object{"forwarding": rest.Object{
		"busy": rest.Object{"target": "carol"}, "no_answer": rest.Object{"target": "carol"}, "no_answer_after_s": 1,
		"not_registered": rest.Object{"target": "carol"},
	}})
	carolID := o.person("carol", nil)
	o.register(bob, "bob", "")
	o.register(carol, "carol", "")

	forwarded := func(n int, reason, word string, callee *line) {
		t.Helper()
		if d := callee.invite.Get("Diversion"); !strings.Contains(d, "sip:bob@") || !strings.Contains(d, "reason="+word) {
			t.Errorf("Diversion %q, want %s", d, word)
		}
		r := o.cdrs(n)[n-1]
		a := r.Attempts[len(r.Attempts)-1]
		if a.ForwardedBy != bobID || a.ForwardReason != reason || a.SubscriberID != carolID || r.CalleeSubscriberID != carolID {
			t.Errorf("record %+v", r)
		}
	}
	caller := o.dial(alice, "alice", "bob")
	ring := bob.ring()
	ring.say(ring.invite, 486, "", "")
	ring.hear(msg.ACK)
	callee := carol.ring()
	talk(caller, callee, nil)
	forwarded(1, "busy", "user-busy", callee)

	caller = o.dial(alice, "alice", "bob")
	ring = bob.ring()
	ring.say(ring.invite, 180, "", "")
	ring.say(ring.hear(msg.CANCEL), 200, "", "")
	ring.say(ring.invite, 487, "", "")
	ring.hear(msg.ACK)
	callee = carol.ring()
	talk(caller, callee, nil)
	forwarded(2, "no_answer", "no-answer", callee)

	o.unregister(bob, "bob")
	caller = o.dial(alice, "alice", "bob")
	callee = carol.ring()
	talk(caller, callee, nil)
	forwarded(3, "not_registered", "unavailable", callee)
	o.quiet()
}

// TestFeatureCodeByPhone: what bob dials is what REST shows, and holds for the next call.
func TestFeatureCodeByPhone(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	alice, bob := o.phone("west", 5), o.phone("east", 6)
	o.person("alice", nil)
	id := o.person("bob", nil)
	o.register(bob, "bob", "")
	dialCode := func(code string) sbc.Subscriber {
		t.Helper()
		l := o.dial(bob, "bob", code)
		l.final(200)
		l.say(l.hear(msg.BYE), 200, "", "")
		var s sbc.Subscriber
		o.do("GET", "/subscribers/"+id, nil, &s)
		return s
	}
	if s := dialCode("*78"); !s.DoNotDisturb {
		t.Error("*78 switched nothing")
	}
	o.dial(alice, "alice", "bob").final(486)
	if s := dialCode("*79"); s.DoNotDisturb {
		t.Error("*79 switched nothing")
	}
	if s := dialCode("*724930"); s.Forwarding.Unconditional.Target != "4930" {
		t.Errorf("forwarding %+v", s.Forwarding)
	}
	if s := dialCode("*72"); s.Forwarding.Unconditional.Target != "4930" { // without a number: the other tone, and nothing changes
		t.Errorf("forwarding %+v", s.Forwarding)
	}
	var log struct{ Items []sbc.AuditEvent }
	o.do("GET", "/audit-events?resource_id="+id, nil, &log)
	n := 0
	for _, e := range log.Items {
		if e.Actor == "subscriber:"+id && e.OperationID == "feature_code" {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d changes in the audit log, want 3", n)
	}
	for _, r := range o.cdrs(5) {
		if r.CallerSubscriberID == id && (r.Disposition != sbc.DispositionAnswered || r.BillableMS != 0) {
			t.Errorf("record %+v", r)
		}
	}
	o.quiet()
}
