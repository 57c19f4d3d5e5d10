package call

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// limited makes an edit that names the limit profile of the tests where it belongs.
func limited(at string, edit func(p *sbc.LimitProfile)) func(string, sbc.Resource) {
	return func(id string, r sbc.Resource) {
		switch r := r.(type) {
		case *sbc.LimitProfile:
			edit(r)
		case *sbc.Trunk:
			if id == at {
				r.LimitProfileIDs = []string{"lmp_1"}
			}
		case *sbc.Endpoint:
			if id == at {
				r.LimitProfileIDs = []string{"lmp_1"}
			}
		}
	}
}

// TestLimitProfiles: one call is up; a second one meets the limit, or goes elsewhere, and the count shows what it counts.
func TestLimitProfiles(t *testing.T) {
	for _, tt := range []struct {
		name, at string
		edit     func(p *sbc.LimitProfile)
		want     int // 0: the second attempt is made
		usage    sbc.LimitUsage
	}{
		{"caller's trunk", "trk_a", func(p *sbc.LimitProfile) { p.MaxCalls, p.RejectCode = 1, 486 }, 486,
			sbc.LimitUsage{Key: "trk_a", CallsIn: 1, RateIn: 1}},
		{"calls in", "trk_a", func(p *sbc.LimitProfile) { p.MaxCallsIn = 1 }, 503, sbc.LimitUsage{Key: "trk_a", CallsIn: 1, RateIn: 1}},
		{"calls out of a trunk they come in by", "trk_a", func(p *sbc.LimitProfile) { p.MaxCallsOut = 1 }, 0,
			sbc.LimitUsage{Key: "trk_a", CallsIn: 2, RateIn: 2}},
		{"rate", "trk_a", func(p *sbc.LimitProfile) { p.MaxCallsPerSecondIn = 1 }, 503, sbc.LimitUsage{Key: "trk_a", CallsIn: 1, RateIn: 1}},
		{"caller's number", "trk_a", func(p *sbc.LimitProfile) { p.Key, p.MaxCalls = sbc.LimitCaller, 1 }, 503,
			sbc.LimitUsage{Key: "+441234", CallsIn: 1, RateIn: 1}},
		{"called number", "trk_b", func(p *sbc.LimitProfile) { p.Key, p.MaxCalls = sbc.LimitCallee, 1 }, 503,
			sbc.LimitUsage{Key: "4930123", CallsOut: 1, RateOut: 1}},
		{"callee's trunk", "trk_b", func(p *sbc.LimitProfile) { p.MaxCallsPerSecondOut, p.RejectCode = 1, 480 }, 480,
			sbc.LimitUsage{Key: "trk_b", CallsOut: 1, RateOut: 1}},
		{"endpoint, then the next one", "end_1", func(p *sbc.LimitProfile) { p.MaxCalls = 1 }, 0,
			sbc.LimitUsage{Key: "end_1", CallsOut: 1, RateOut: 1}},
		{"whole tenant, whose call is one and not two", "", func(p *sbc.LimitProfile) { p.WholeTenant, p.MaxCalls = true, 1 }, 503,
			sbc.LimitUsage{Key: sbc.DefaultTenantID, CallsIn: 1, CallsOut: 1, RateIn: 1, RateOut: 1}},
		{"shared", "trk_b", func(p *sbc.LimitProfile) { p.Key, p.MaxCalls = sbc.LimitShared, 1 }, 503,
			sbc.LimitUsage{CallsOut: 1, RateOut: 1}},
		{"disabled", "trk_a", func(p *sbc.LimitProfile) { p.MaxCalls, p.Enabled = 1, false }, 0, sbc.LimitUsage{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, limited(tt.at, tt.edit), func(w *world) {
				first, _, _, _ := w.talk()
				second := w.caller()
				in := second.invite(sdp(callerIP, 4000))
				var want []sbc.LimitUsage
				if tt.usage != (sbc.LimitUsage{}) {
					want = append(want, tt.usage)
				}
				synctest.Wait()
				if got := w.tally.Usage("lmp_1"); !slices.Equal(got, want) {
					t.Errorf("%+v, want %+v", got, want)
				}
				if tt.want == 0 {
					out := w.wire.next(msg.INVITE)
					if elsewhere := out.target.Host == "198.51.100.11"; elsewhere != (tt.at == "end_1") {
						t.Errorf("the attempt went to %s", out.target.Host)
					}
					out.reply(480)
					in.want(480)
				} else {
					in.want(tt.want)
				}
				w.end(first)
				if got := w.tally.Usage("lmp_1"); len(got) > 0 && got[0].CallsIn+got[0].CallsOut > 0 {
					t.Errorf("%+v is left", got)
				}
			})
		})
	}
}

// TestExplainShowsLimitProfiles: what would refuse a call now is named.
func TestExplainShowsLimitProfiles(t *testing.T) {
	run(t, limited("trk_a", func(p *sbc.LimitProfile) { p.MaxCalls, p.RejectCode = 1, 486 }), func(w *world) {
		a, _, _, _ := w.talk()
		e, err := w.m.Explain(sbc.ExplainRequest{SourceAddress: callerIP, SIPInterfaceID: "sif_a", Caller: "4930", Callee: "4940456"})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(e.Steps, func(s sbc.DecisionStep) bool { return s.Subject == "lmp_1" })
		if i < 0 || e.Steps[i].Verdict != "refused" || e.Steps[i].Detail != "call limit reached: now it would get 486, counted for trk_a" {
			t.Errorf("%+v", e.Steps)
		}
		w.end(a)
	})
}

// TestEmergencyCallsPassLimits: while no limit lets another call in or out, an emergency number of the trunk's number plan is reached; it
// is counted all the same, and Explain says so.
func TestEmergencyCallsPassLimits(t *testing.T) {
	translated(t, func(_ string, r sbc.Resource) {
		switch r := r.(type) {
		case *sbc.Trunk:
			r.MaxCalls, r.DialplanID, r.EgressDialplanID = 1, "", ""
		case *sbc.Endpoint:
			r.Strip, r.Prefix = 0, ""
		case *sbc.Rule:
			r.Prefix = map[bool]string{true: "4900"}[r.Action == sbc.ActionReject]
		}
	}, func(w *world) {
		first, _, _, _ := w.talk()
		w.m.o.MaxCalls = 1
		w.caller().invite(sdp(callerIP, 4000)).want(503)
		help := w.caller()
		help.uri = "sip:112@" + borderA
		in := help.invite(sdp(callerIP, 4002))
		in.want(100)
		out := w.wire.next(msg.INVITE)
		out.reply(486)
		in.want(486)
		if u := w.tally.OfTrunk("trk_a"); u.In != 1 {
			t.Errorf("%+v: the place is not given back", u)
		}
		kept := w.ledger.last().Decision
		if kept == nil || !slices.ContainsFunc(kept.Steps, func(s sbc.DecisionStep) bool { return s.Detail == neverRefused }) {
			t.Errorf("%+v", kept)
		}
		e, err := w.m.Explain(sbc.ExplainRequest{SourceAddress: callerIP, SIPInterfaceID: "sif_a", Caller: "4930", Callee: "112"})
		if err != nil || !slices.ContainsFunc(e.Steps, func(s sbc.DecisionStep) bool { return s.Detail == neverRefused }) {
			t.Errorf("%v %+v", err, e.Steps)
		}
		w.end(first)
	})
}
