package call

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/msg"
)

// subscribers is a domain on the caller's side, local the group of those who may not call abroad; nobody is in it.
func subscribers() *sbc.Domain {
	d := &sbc.Domain{Meta: meta("dom_1")}
	d.Defaults()
	d.Name, d.RealmID, d.RoutingPlanID = "phones.example", "rlm_a", "rpl_1"
	return d
}

func local() *sbc.Group {
	g := &sbc.Group{Meta: meta("grp_1")}
	g.Defaults()
	return g
}

// origin is alice as she passed the door.
func (w *world) origin(edit func(o *Origin)) *Origin {
	s := &sbc.Subscriber{Meta: meta("sub_1"), DomainID: "dom_1", Username: "alice"}
	s.HA1 = "0123456789abcdef0123456789abcdef"
	o := &Origin{
		Domain: w.snap.Domain("dom_1"), Entry: &sbc.Entry{Subscriber: s}, How: "digest", Inside: "alice", Outside: "+4940555",
		Display: "Alice A.",
	}
	if edit != nil {
		edit(o)
	}
	return o
}

// invites has a phone of the domain call; its address is no trunk's.
func (w *world) invites(o *Origin, extra ...string) (*peer, *server) {
	w.seq++
	p := &peer{
		w: w, ip: "192.0.2.99", iface: "sif_a", callID: "phone-call@192.0.2.99", cseq: 100, uri: "sip:4930123@phones.example",
		local: `"Al" <sip:alice@phones.example>;tag=ptag`, remote: "<sip:4930123@phones.example>",
	}
	p.cseq++
	req := p.build(msg.INVITE, p.cseq, sdp("192.0.2.99", 4000), extra...)
	s := &server{t: w.t, req: req, bomb: &w.bomb}
	p.lastInviteNumber = p.cseq
	w.m.HandleFrom(s, req, o)
	synctest.Wait()
	return p, s
}

// TestCallOfASubscriber: its domain's plan routes it, it is shown as who it is, and nothing of its credentials or its phone is
// at the other side; the record and the API name it.
func TestCallOfASubscriber(t *testing.T) {
	run(t, trusted, func(w *world) {
		secrets := []string{
			`Proxy-Authorization: Digest username="alice", realm="phones.example", nonce="0a4f113b", uri="sip:x", response="c0ffee00", cnonce="dead"`,
			`Authorization: Digest username="alice", realm="other.example", nonce="77", uri="sip:x", response="beef0000"`,
			"P-Asserted-Identity: <sip:boss@phones.example>", "P-Preferred-Identity: <sip:alice@phones.example>",
		}
		a, in := w.invites(w.origin(func(o *Origin) { o.MaxDurationS, o.Variables = 60, map[string]string{"account": "7"} }),
			secrets...)
		out := w.wire.next(msg.INVITE)
		raw := string(out.req.AppendTo(nil))
		if got, want := out.req.From.WithTag("").String(), `"Alice A." <sip:+4940555@`+borderB+`>`; got != want {
			t.Errorf("From %s, want %s", got, want)
		}
		if got := out.req.Get("P-Asserted-Identity"); !strings.Contains(got, "+4940555@"+borderB) {
			t.Errorf("P-Asserted-Identity %s in\n%s", got, raw)
		}
		for _, secret := range []string{"uthorization", "Digest", "c0ffee00", "beef0000", "0a4f113b", "dead", "phones.example",
			"other.example", "boss",
			"ptag", "SecretPBX", "alice@", "Al\""} {
			if strings.Contains(raw, secret) {
				t.Errorf("%q went to the other side:\n%s", secret, raw)
			}
		}
		out.reply(200, sdp(calleeIP, 5000))
		ok := in.want(200)
		if ok.From.String() != a.local {
			t.Errorf("the 200 has From %s, the INVITE %s", ok.From.String(), a.local)
		}
		a.learn(ok)
		a.ack(a.lastInviteNumber, "")
		list := w.m.List(sbc.CallFilter{})
		if len(list) != 1 || list[0].CallerSubscriberID != "sub_1" || list[0].IngressTrunkID != "dom_1" || list[0].MaxDurationS != 60 {
			t.Errorf("%+v", list)
		}
		time.Sleep(61 * time.Second) // what was permitted is over
		synctest.Wait()
		one, other := w.wire.next(msg.BYE), w.wire.next(msg.BYE)
		if one.req.To.String() != a.local && other.req.To.String() != a.local {
			t.Errorf("BYE to %s and to %s, want one to %s", one.req.To, other.req.To, a.local)
		}
		one.reply(200)
		other.reply(200)
		d := w.cdr()
		if d.CallerSubscriberID != "sub_1" || d.Caller != "+4940555" || d.EndReason != sbc.EndMaxDuration ||
			d.IngressTrunkID != "dom_1" ||
			d.Variables["account"] != "7" || d.TenantID != sbc.DefaultTenantID || !strings.Contains(d.FromURI, "alice@phones.example") {
			t.Errorf("%+v", d)
		}
	})
}

// TestAnonymousSubscriber: the trusted side learns who it is and that it must not tell; others learn nothing.
func TestAnonymousSubscriber(t *testing.T) {
	for _, edit := range []func(string, sbc.Resource){trusted, strange} {
		run(t, edit, func(w *world) {
			_, in := w.invites(w.origin(func(o *Origin) { o.Anonymous, o.Display = true, "" }))
			out := w.wire.next(msg.INVITE)
			raw := string(out.req.AppendTo(nil))
			trust := w.snap.Realm("rlm_b").Trust != sbc.TrustAccess
			if out.req.From.URI.User != "anonymous" {
				t.Errorf("From %s", out.req.From)
			}
			if told := strings.Contains(raw, "+4940555"); told != trust || trust && out.req.Get("Privacy") != "id" {
				t.Errorf("trusted: %v:\n%s", trust, raw)
			}
			out.reply(486)
			in.want(486)
		})
	}
}

// TestSubscriberRefused: who may not call hears so, with a record.
func TestSubscriberRefused(t *testing.T) {
	abroad := func(id string, r sbc.Resource) {
		if d, ok := r.(*sbc.Domain); ok {
			d.DefaultGroupIDs = []string{"grp_1"}
			d.NumberClasses = []sbc.ClassPrefix{{Prefix: "49", Class: sbc.ClassInternational}}
		}
	}
	for _, tt := range []struct {
		name string
		edit func(string, sbc.Resource)
		o    func(*Origin)
		want int
		end  sbc.EndReason
	}{
		{"not authorised", nil, func(o *Origin) { o.Code, o.Reason = 402, "No Credit" }, 402, sbc.EndRejected},
		{"not permitted", abroad, nil, 403, sbc.EndRejected},
		{"no plan", func(_ string, r sbc.Resource) {
			if d, ok := r.(*sbc.Domain); ok {
				d.RoutingPlanID = ""
			}
		}, nil, 403, sbc.EndRejected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, tt.edit, func(w *world) {
				_, in := w.invites(w.origin(tt.o))
				if res := in.want(tt.want); tt.want == 402 && res.Reason != "No Credit" {
					t.Errorf("reason %q", res.Reason)
				}
				if d := w.cdr(); d.EndReason != tt.end || d.CallerSubscriberID != "sub_1" || d.FinalCode != tt.want {
					t.Errorf("%+v", d)
				}
			})
		})
	}
	permitted := func(o *Origin) { o.Entry.Subscriber.GroupIDs = []string{"grp_1"} }
	run(t, func(id string, r sbc.Resource) {
		if g, ok := r.(*sbc.Group); ok {
			g.Allow = []string{"4930"}
		}
		abroad(id, r)
	}, func(w *world) {
		_, in := w.invites(w.origin(permitted))
		w.wire.next(msg.INVITE).reply(486)
		in.want(486)
	})
}

// TestCallsOfASubscriber: it has its own bound of calls in progress, whatever its domain has.
func TestCallsOfASubscriber(t *testing.T) {
	run(t, nil, func(w *world) {
		o := w.origin(func(o *Origin) { o.Entry.Subscriber.MaxCalls = 1 })
		_, first := w.invites(o)
		out := w.wire.next(msg.INVITE)
		_, second := w.invites(o)
		second.want(503)
		other := w.origin(func(o *Origin) { o.Entry.Subscriber.ID = "sub_2" })
		_, third := w.invites(other)
		if n := w.tally.OfTrunk("dom_1"); n != (admit.Usage{In: 2}) {
			t.Errorf("the domain counts %+v", n)
		}
		w.wire.next(msg.INVITE).reply(486)
		third.want(486)
		out.reply(486)
		first.want(486)
		_, again := w.invites(o)
		w.wire.next(msg.INVITE).reply(486)
		again.want(486)
	})
}

// TestKeptOrigin: what survives the process of who calls has no secret in it.
func TestKeptOrigin(t *testing.T) {
	run(t, nil, func(w *world) {
		o := w.origin(func(o *Origin) {
			o.Entry.Subscriber.GroupIDs, o.Entry.Subscriber.Custom = []string{"grp_1"}, map[string]any{"a": "b"}
		})
		kept := o.keep()
		s := kept.Entry.Subscriber
		if s.HA1 != "" || s.Custom != nil || s.GroupIDs[0] != "grp_1" || s.ID != "sub_1" || kept.Domain.ID != "dom_1" ||
			kept.Outside != o.Outside {
			t.Errorf("%+v", kept)
		}
		if o.Entry.Subscriber.HA1 == "" || o.Domain.Name != "phones.example" || (*Origin)(nil).keep() != nil {
			t.Error("what is kept is a copy")
		}
	})
}

// TestRedirectedAbroad: a redirection does not lead a subscriber where its groups do not let it dial, and does lead elsewhere.
func TestRedirectedAbroad(t *testing.T) {
	run(t, func(id string, r sbc.Resource) {
		profiled(follows)(id, r)
		if d, ok := r.(*sbc.Domain); ok {
			d.DefaultGroupIDs = []string{"grp_1"}
			d.NumberClasses = []sbc.ClassPrefix{{Prefix: "49900", Class: sbc.ClassInternational}}
		}
	}, func(w *world) {
		_, in := w.invites(w.origin(nil))
		w.wire.next(msg.INVITE).reply(302, "Contact: <sip:4990012345@x.example>, <sip:49200@x.example>;q=0.1")
		out := w.wire.next(msg.INVITE)
		if got := out.req.RequestURI.User; got != "49200" {
			t.Errorf("called %s", got)
		}
		out.reply(600)
		in.want(600)
	})
}

// TestPermissionSurvives: what a subscriber may dial by its domain's groups holds for a call of an earlier process, too.
func TestPermissionSurvives(t *testing.T) {
	run(t, func(id string, r sbc.Resource) {
		if d, ok := r.(*sbc.Domain); ok {
			d.DefaultGroupIDs = []string{"grp_1"}
			d.NumberClasses = []sbc.ClassPrefix{{Prefix: "49", Class: sbc.ClassInternational}}
		}
	}, func(w *world) {
		o := w.origin(nil).keep()
		d := decision{trunk: w.snap.Trunk("dom_1"), who: o}
		d.caller.TrunkID, d.caller.Number = "dom_1", "4930123"
		if d.route(w.snap, false); d.code != 403 {
			t.Errorf("refused with %d, want 403", d.code)
		}
	})
}

// TestReplacesUnauthorised: who may not call by what the domain was told takes nobody's place either.
func TestReplacesUnauthorised(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a, in := w.invites(w.origin(nil))
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		_, again := w.invites(w.origin(func(o *Origin) { o.Code, o.Reason = 402, "No Credit" }), "Replaces: "+a.named())
		if res := again.want(402); res.Reason != "No Credit" {
			t.Errorf("reason %q", res.Reason)
		}
		w.wire.none(msg.INVITE)
		w.end(a)
	})
}
