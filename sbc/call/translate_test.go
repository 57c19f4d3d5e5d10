package call

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// berlin is a number plan, ingress and egress are dialplans.
func berlin() *sbc.NumberPlan {
	p := &sbc.NumberPlan{Meta: meta("npl_1")}
	p.Defaults()
	p.CountryCode, p.AreaCode = "49", "30"
	return p
}

func ingress() *sbc.Dialplan {
	p := &sbc.Dialplan{Meta: meta("dpl_in")}
	p.Defaults()
	p.Rules = []sbc.DialplanRule{
		{Name: "televote", Field: sbc.DialplanCallee, Match: sbc.MatchPrefix, Pattern: "+49137", NumberClass: sbc.ClassPremium, Continue: true},
		{Name: "digits", Field: sbc.DialplanCallee, Match: sbc.MatchPrefix, Pattern: "+49", SetCallee: "49$1", Continue: true,
			Attributes: map[string]string{"reseller": "7"}},
		{Name: "head office", Field: sbc.DialplanCaller, Match: sbc.MatchPrefix, Pattern: "+4930444", SetCaller: "+49304440",
			Attributes: map[string]string{"desk": "head"}},
	}
	return p
}

func egressPlan() *sbc.Dialplan {
	p := &sbc.Dialplan{Meta: meta("dpl_out")}
	p.Defaults()
	p.Rules = []sbc.DialplanRule{{Name: "as the carrier wants it", Field: sbc.DialplanCallee, Match: sbc.MatchRegex, Pattern: "^49([1-9].*)",
		SetCallee: "0049$1", Continue: true, Attributes: map[string]string{"carrier": "b"}},
		{Name: "caller", Field: sbc.DialplanCaller, Match: sbc.MatchPrefix, Pattern: "+49", SetCaller: "0$1"}}
	return p
}

// translated is a world in which trunk a has a number plan and a dialplan, and trunk b, or the domain, what edit says.
func translated(t *testing.T, edit func(id string, r sbc.Resource), play func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rows := append(resources(func(id string, r sbc.Resource) {
			switch r := r.(type) {
			case *sbc.Trunk:
				if id == "trk_a" {
					r.NumberPlanID, r.DialplanID = "npl_1", "dpl_in"
				} else {
					r.EgressDialplanID = "dpl_out"
				}
			case *sbc.Domain:
				r.NumberPlanID, r.DialplanID = "npl_1", "dpl_in"
			case *sbc.Endpoint:
				r.Strip, r.Prefix = 2, "9" // of 0049..., what the egress dialplan made
			}
			if edit != nil {
				edit(id, r)
			}
		}), berlin(), ingress(), egressPlan())
		w := newWorldOf(t, rows)
		play(w)
		synctest.Wait()
		w.clean()
	})
}

// TestNumbersAreTranslated: number plan, dialplan, rule, egress dialplan and endpoint change the numbers of a call in this order, for each
// attempt anew; what they say of the call is in its record, and the caller is shown as it became.
func TestNumbersAreTranslated(t *testing.T) {
	translated(t, nil, func(w *world) {
		a := w.caller()
		a.uri, a.local = "sip:0301234567@"+borderA, `"Desk" <sip:030444123@`+callerIP+`>;tag=abc`
		in := a.invite(sdp(callerIP, 4000), "P-Asserted-Identity: <sip:030444123@"+callerIP+">")
		first := w.wire.next(msg.INVITE)
		if got := first.req.RequestURI.User; got != "949301234567" {
			t.Errorf("the first attempt calls %s", got)
		}
		if got := first.req.From.URI.User; got != "0304440" {
			t.Errorf("the caller is shown as %s", got)
		}
		if raw := string(first.req.AppendTo(nil)); strings.Contains(raw, "444123") {
			t.Errorf("the number before translation is there:\n%s", raw)
		}
		first.reply(503)
		second := w.wire.next(msg.INVITE)
		if got := second.req.RequestURI.User; got != "949301234567" {
			t.Errorf("the second attempt calls %s", got)
		}
		second.reply(486)
		if ok := in.want(486); ok.From.URI.User != "030444123" {
			t.Errorf("the answer has From %s", ok.From.URI.User)
		}
		d := w.cdr()
		if want := map[string]string{"reseller": "7", "desk": "head", "carrier": "b"}; !maps.Equal(d.Variables, want) {
			t.Errorf("variables %v, want %v", d.Variables, want)
		}
		if d.Callee != "0301234567" || d.CalleeNormalised != "49301234567" || d.CalleeSent != "949301234567" || d.Caller != "030444123" {
			t.Errorf("the record has %s, %s, %s and %s", d.Callee, d.CalleeNormalised, d.CalleeSent, d.Caller)
		}
	})
}

// TestADialplanRejects: a number that no rule fits gets 404, but not a call for help.
func TestADialplanRejects(t *testing.T) {
	for number, want := range map[string]int{"0044123456": 404, "112": 200} {
		translated(t, func(_ string, r sbc.Resource) {
			if rule, ok := r.(*sbc.Rule); ok && rule.ID == "rul_1" {
				rule.Prefix = "112"
			}
			if trunk, ok := r.(*sbc.Trunk); ok {
				trunk.EgressDialplanID = ""
			}
			if e, ok := r.(*sbc.Endpoint); ok {
				e.Strip, e.Prefix = 0, ""
			}
		}, func(w *world) {
			w.snap.Rows.Dialplans[slices.IndexFunc(w.snap.Rows.Dialplans, func(p *sbc.Dialplan) bool { return p.ID == "dpl_in" })].NoMatch =
				sbc.NoMatchReject
			a := w.caller()
			a.uri = "sip:" + number + "@" + borderA
			in := a.invite(sdp(callerIP, 4000))
			if want == 404 {
				in.want(404)
				return
			}
			out := w.wire.next(msg.INVITE)
			if out.req.RequestURI.User != "112" {
				t.Errorf("it calls %s", out.req.RequestURI.User)
			}
			out.reply(486)
			in.want(486)
		})
	}
}

// TestClassesOfTranslatedNumbers: what a subscriber may dial is judged by the class that number plan and dialplan give the number.
func TestClassesOfTranslatedNumbers(t *testing.T) {
	groups := func(_ string, r sbc.Resource) {
		switch r := r.(type) {
		case *sbc.Domain:
			r.DefaultGroupIDs = []string{"grp_1"}
		case *sbc.Group:
			r.Classes = []sbc.NumberClass{sbc.ClassNational}
		}
	}
	translated(t, groups, func(w *world) {
		for number, want := range map[string]int{"0304930123": 0, "0137123456": 403, "00331234567": 403, "0900123456": 403} {
			req := sbc.ExplainRequest{SourceAddress: "192.0.2.99", SourcePort: 5060, SIPInterfaceID: "sif_a", Callee: number}
			snap := w.snap
			src, faults := explainSource(snap, req)
			if faults != nil {
				t.Fatal(faults)
			}
			d := w.m.decideFrom(snap, w.origin(nil), explainInvite(snap, req, src), true)
			if d.code != want {
				t.Errorf("%s: %d, want %d (%+v)", number, d.code, want, d.steps)
			}
			if !slices.ContainsFunc(d.steps, func(s sbc.DecisionStep) bool { return s.Stage == stageNumber && s.Subject == "npl_1" }) {
				t.Errorf("%s: no step tells of the number plan: %+v", number, d.steps)
			}
		}
	})
}

// TestASubscriberIsShownTranslated: the number that a subscriber shows outside is brought to the normal form, too.
func TestASubscriberIsShownTranslated(t *testing.T) {
	translated(t, nil, func(w *world) {
		_, in := w.invites(w.origin(func(o *Origin) { o.Outside = "030444" }))
		out := w.wire.next(msg.INVITE)
		if got := out.req.From.URI.User; got != "0304440" {
			t.Errorf("the caller is shown as %s", got)
		}
		out.reply(486)
		in.want(486)
	})
}
