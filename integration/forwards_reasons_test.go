package integration

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// forwardFlow is how a call to bob comes to be forwarded for one reason.
type forwardFlow struct {
	// setting is the field of bob's forwarding; does is what bob's phone does with the call, nil where it does not hear of it.
	setting, reason string
	does            func(bob *peer)
	// word and cause are what Diversion and History-Info say of it.
	word, cause string
}

// forwardFlows are those of every reason.
func forwardFlows() []forwardFlow {
	return []forwardFlow{
		{"unconditional", "unconditional", nil, "unconditional", "cause=302"},
		{"busy", "busy", func(bob *peer) {
			ring := bob.ring()
			ring.say(ring.invite, 486, "", "")
			ring.hear(msg.ACK)
		}, "user-busy", "cause=486"},
		{"no_answer", "no_answer", func(bob *peer) {
			ring := bob.ring()
			ring.say(ring.invite, 180, "", "")
			ring.say(ring.hear(msg.CANCEL), 200, "", "")
			ring.say(ring.invite, 487, "", "")
			ring.hear(msg.ACK)
		}, "no-answer", "cause=408"},
		{"unreachable", "unreachable", func(bob *peer) {
			ring := bob.ring()
			ring.say(ring.invite, 503, "", "")
			ring.hear(msg.ACK)
		}, "unavailable", "cause=503"},
		{"not_registered", "not_registered", nil, "unavailable", "cause=503"},
	}
}

// forwards are what bob's settings say of one reason alone; all other reasons lead nowhere.
func forwards(setting, target string) rest.Object {
	all := rest.Object{"no_answer_after_s": 1}
	for _, f := range forwardFlows() {
		all[f.setting] = rest.Object{"target": nil, "voicemail": false}
	}
	all[setting] = rest.Object{"target": target, "voicemail": false}
	return rest.Object{"forwarding": all}
}

// TestForwardFlows forwards a call for every reason, to another subscriber and to a number of a trunk. Who takes it is told by
// Diversion or by History-Info, as the profile on its side says, and the record has each leg with who sent the call on, and why.
func TestForwardFlows(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	inside := o.create("/signalling-profiles", rest.Object{"name": "in"})
	outside := o.create("/signalling-profiles", rest.Object{"name": "out"})
	o.do("PATCH", "/domains/"+o.domain, rest.Object{"signalling_profile_id": inside}, nil)
	o.do("PATCH", "/trunks/"+o.w.eastTrunk, rest.Object{"signalling_profile_id": outside}, nil)
	alice, bob, carol := o.phone("west", 5), o.phone("east", 6), o.phone("carol", 7)
	o.person("alice", nil)
	bobID := o.person("bob", nil)
	carolID := o.person("carol", nil)
	o.register(bob, "bob", "")
	o.register(carol, "carol", "")
	n := 0
	for _, f := range forwardFlows() {
		if f.setting == "not_registered" {
			o.unregister(bob, "bob")
		}
		for _, to := range []struct {
			target, reached string
			taker           *peer
		}{{"carol", carolID, carol}, {"4930555", "", o.trunk}} {
			said := []string{"diversion", "history_info"}[n%2]
			n++
			for _, p := range []string{inside, outside} {
				o.do("PATCH", "/signalling-profiles/"+p, rest.Object{"retargeting": said}, nil)
			}
			o.do("PATCH", "/subscribers/"+bobID, forwards(f.setting, to.target), nil)
			caller := o.dial(alice, "alice", "bob")
			if f.does != nil {
				f.does(bob)
			}
			callee := to.taker.ring()
			name := f.setting + " to " + to.target + " with " + said
			diversion, history := callee.invite.Get("Diversion"), strings.Join(callee.invite.GetAll("History-Info"), ", ")
			switch {
			case said == "diversion" && (!strings.Contains(diversion, "reason="+f.word) || history != ""),
				said == "history_info" && (diversion != "" || !strings.Contains(history, f.cause)):
				t.Errorf("%s: Diversion %q, History-Info %q", name, diversion, history)
			}
			talk(caller, callee, nil)
			r := o.cdrs(n)[n-1]
			a := r.Attempts[len(r.Attempts)-1]
			if a.ForwardedBy != bobID || a.ForwardReason != f.reason || a.SubscriberID != to.reached || r.CalleeSubscriberID != to.reached {
				t.Errorf("%s: record %+v", name, r)
			}
			if rang := f.does != nil; rang != (len(r.Attempts) == 2) || rang && r.Attempts[0].SubscriberID != bobID {
				t.Errorf("%s: attempts %+v", name, r.Attempts)
			}
		}
	}
	o.quiet()
}

// TestForwardsEnd: forwards that come back end with 482, those that go too far with 480; a mailbox elsewhere gets the call with what
// happened, as the trunk's profile says.
func TestForwardsEnd(t *testing.T) {
	t.Parallel()
	o := newOffice(t, rest.Object{"max_forwards": 2, "voicemail": rest.Object{"target": "4930999"}})
	profile := o.create("/signalling-profiles", rest.Object{"name": "out", "retargeting": "diversion"})
	o.do("PATCH", "/trunks/"+o.w.eastTrunk, rest.Object{"signalling_profile_id": profile}, nil)
	alice := o.phone("west", 5)
	o.person("alice", nil)
	always := func(target string) rest.Object {
		return rest.Object{"forwarding": rest.Object{"unconditional": rest.Object{"target": target}}}
	}
	o.person("ping", always("pong"))
	o.person("pong", always("ping"))
	o.person("one", always("two"))
	o.person("two", always("three"))
	o.person("three", always("4930555"))
	mailed := o.person("mailed", rest.Object{
		"voicemail_enabled": true, "forwarding": rest.Object{"not_registered": rest.Object{"voicemail": true}},
	})
	o.dial(alice, "alice", "ping").final(482)
	o.dial(alice, "alice", "one").final(480)
	caller := o.dial(alice, "alice", "mailed")
	callee := o.trunk.ring()
	if d := callee.invite.Get("Diversion"); callee.invite.RequestURI.User != "4930999" || !strings.Contains(d, "reason=unavailable") {
		t.Errorf("%s with Diversion %q", callee.invite.StartLine(), d)
	}
	talk(caller, callee, nil)
	records := o.cdrs(3)
	if a := records[2].Attempts; len(a) != 1 || a[0].ForwardedBy != mailed || a[0].Callee != "4930999" ||
		a[0].ForwardReason != "not_registered" {
		t.Errorf("attempts %+v", a)
	}
	for i, code := range []int{482, 480} {
		if r := records[i]; r.FinalCode != code || len(r.Attempts) != 0 || r.Disposition == sbc.DispositionAnswered {
			t.Errorf("record %+v", r)
		}
	}
	o.quiet()
}
