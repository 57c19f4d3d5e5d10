package call

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// ruledBy gives trunks header profiles, by the trunk's id.
func ruledBy(w *world, edit func(string, sbc.Resource), rules map[string][]sbc.HeaderRule) {
	w.t.Helper()
	var more []sbc.Resource
	for trunk, list := range rules {
		p := &sbc.HeaderProfile{Meta: meta("hdp_" + trunk), Rules: list}
		more = append(more, p)
		edit = edits(edit, ofTrunk(trunk, func(t *sbc.Trunk) { t.HeaderProfileID = p.ID }))
	}
	snap, err := config.Compile(append(resources(edit), more...), 7)
	if err != nil {
		w.t.Fatal(err)
	}
	w.snap = snap
	w.m.o.Snapshot = func() *config.Snapshot { return snap }
}

// line makes a rule that writes a line.
func line(stage sbc.HeaderStage, action sbc.HeaderAction, header, value string, methods ...string) sbc.HeaderRule {
	return sbc.HeaderRule{Stage: stage, Methods: methods, Messages: "both", Action: action, Header: header, Value: value}
}

// passing lets both trunks pass headers.
func passing(names ...string) func(string, sbc.Resource) {
	return func(_ string, r sbc.Resource) {
		if t, ok := r.(*sbc.Trunk); ok {
			t.PassHeaders = names
		}
	}
}

// TestHeaderRulesOfACall: rules of both trunks, on every message of a call in both directions.
func TestHeaderRulesOfACall(t *testing.T) {
	run(t, nil, func(w *world) {
		ruledBy(w, passing("X-In"), map[string][]sbc.HeaderRule{
			"trk_a": {
				line(sbc.HeaderIn, sbc.HeaderAdd, "X-In", "{caller} to {callee}", "INVITE"),
				{Stage: sbc.HeaderIn, Messages: "requests", Action: sbc.HeaderRemove, Header: "Require"},
				line(sbc.HeaderOut, sbc.HeaderAdd, "X-To-A", "{status} {our.host} {trunk.id}"),
			},
			"trk_b": {
				line(sbc.HeaderOut, sbc.HeaderAdd, "X-To-B", "{method} {from.user} {our.host} {trunk.name}"),
				line(sbc.HeaderOut, sbc.HeaderSet, "Allow", "INVITE, ACK, BYE", "INVITE"),
				line(sbc.HeaderIn, sbc.HeaderSet, "X-In", "from b", "INVITE"),
			},
		})
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000), "Require: foo")
		out := w.wire.next(msg.INVITE)
		for name, want := range map[string]string{"X-In": "+441234 to 4930123", "X-To-B": "INVITE +441234 " + borderB + " trk_b",
			"Allow": "INVITE, ACK, BYE", "X-To-A": ""} {
			if got := out.req.Get(name); got != want || len(out.req.GetAll(name)) > 1 {
				t.Errorf("INVITE has %s: %q, want %q", name, out.req.GetAll(name), want)
			}
		}
		out.reply(200, sdp(calleeIP, 5000))
		ok := in.want(200)
		if ok.Get("X-In") != "from b" || ok.Get("X-To-A") != "200 "+borderA+" trk_a" || ok.Has("X-To-B") {
			t.Errorf("200 has\n%s", ok.AppendTo(nil))
		}
		a.learn(ok)
		a.ack(a.lastInviteNumber, "")
		w.wire.ackCount()
		if got := w.wire.acks[0].Get("X-To-B"); got != "ACK +441234 "+borderB+" trk_b" {
			t.Errorf("ACK has %q", got)
		}
		b := w.callee(out)
		bye := b.send(msg.BYE, "").want(200)
		if bye.Get("X-To-B") == "" || bye.Has("X-To-A") {
			t.Errorf("200 to the callee's BYE:\n%s", bye.AppendTo(nil))
		}
		far := w.wire.next(msg.BYE)
		if got := far.req.GetAll("X-To-A"); len(got) != 1 || got[0] != borderA+" trk_a" {
			t.Errorf("BYE to the caller has %q", got)
		}
		far.reply(200)
	})
}

// TestHeaderRulesOfCancel: rules are for CANCEL, too.
func TestHeaderRulesOfCancel(t *testing.T) {
	run(t, nil, func(w *world) {
		ruledBy(w, nil, map[string][]sbc.HeaderRule{"trk_b": {
			line(sbc.HeaderOut, sbc.HeaderAdd, "X-Why", "gone from {our.host}", "CANCEL"),
			{Stage: sbc.HeaderOut, Messages: "requests", Action: sbc.HeaderRemove, Header: "Reason"}}})
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		in.onCancel(in.req)
		in.want(487)
		if !out.isCancelled() || len(out.cancel) != 1 || out.cancel[0].Value != "gone from "+borderB {
			t.Errorf("CANCEL has %q", out.cancel)
		}
		out.reply(487)
	})
}

// TestHeaderRulesTellNothing: no rule, whatever its operator meant, carries what belongs to the other side, or the number of a
// caller who is withheld.
func TestHeaderRulesTellNothing(t *testing.T) {
	run(t, nil, func(w *world) {
		ruledBy(w, edits(strange, passing("X-1", "X-2")), map[string][]sbc.HeaderRule{
			"trk_a": {line(sbc.HeaderIn, sbc.HeaderAdd, "X-1", "{source.ip}"), line(sbc.HeaderIn, sbc.HeaderAdd, "X-2", "{from.display}")},
			"trk_b": {line(sbc.HeaderOut, sbc.HeaderAdd, "X-3", "from {caller}"), line(sbc.HeaderOut, sbc.HeaderAdd, "X-4", callerIP),
				line(sbc.HeaderOut, sbc.HeaderAdd, "P-Asserted-Identity", "<sip:5@{our.host}>"), line(sbc.HeaderOut, sbc.HeaderAdd, "X-5",
					borderA),
				line(sbc.HeaderOut, sbc.HeaderAdd, "X-6", "plain")},
		})
		in := w.caller().invite(sdp(callerIP, 4000), "Privacy: id")
		out := w.wire.next(msg.INVITE)
		raw := string(out.req.AppendTo(nil))
		for _, secret := range []string{"X-1", "X-2", "X-3", "X-4", "X-5", "P-Asserted", "441234", "Alice", callerIP, borderA} {
			if strings.Contains(raw, secret) {
				t.Errorf("%q shows:\n%s", secret, raw)
			}
		}
		if out.req.Get("X-6") != "plain" {
			t.Error("a harmless line is lost")
		}
		out.reply(486)
		in.want(486)
	})
}

// TestExplainShowsRules: the message that Explain shows is the one that would be sent.
func TestExplainShowsRules(t *testing.T) {
	run(t, nil, func(w *world) {
		edit := ofTrunk("trk_b", func(t *sbc.Trunk) { t.CallerIdentity.FromUser = "acct7" })
		ruledBy(w, edits(edit, passing("X-In")), map[string][]sbc.HeaderRule{
			"trk_a": {line(sbc.HeaderIn, sbc.HeaderAdd, "X-In", "{callee}")},
			"trk_b": {line(sbc.HeaderOut, sbc.HeaderAdd, "X-Out", "{caller} at {our.host}")},
		})
		e, err := w.m.Explain(sbc.ExplainRequest{SourceAddress: callerIP, SIPInterfaceID: "sif_a", Caller: "4712", Callee: "4930123"})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\r\nX-In: 4930123\r\n", "\r\nX-Out: 4712 at " + borderB + "\r\n",
			"\r\nFrom: <sip:acct7@" + borderB + ">",
			"P-Asserted-Identity: <sip:4712@" + borderB + ">"} {
			if !strings.Contains(e.Message, want) {
				t.Errorf("no %q in\n%s", want, e.Message)
			}
		}
	})
}

// TestCorrelation: a core's own gear is told by which id the border knows the call, in a header of its own on every message; the
// other side is told nothing that both sides could compare (pitfalls P1). Variables set by the API are there to be sent, too.
func TestCorrelation(t *testing.T) {
	run(t, nil, func(w *world) {
		ruledBy(w, nil, map[string][]sbc.HeaderRule{"trk_b": {line(sbc.HeaderOut, sbc.HeaderSet, "X-Correlation-ID", "{call.id}"),
			line(sbc.HeaderOut, sbc.HeaderSet, "X-Account", "{var.account}")}})
		a, _, in, out := w.talk()
		id := w.m.calls.all("")[0].id
		account := "4711"
		if _, err := w.m.Change(background(), id, sbc.CallChange{Variables: map[string]*string{"account": &account}}); err != nil {
			t.Fatal(err)
		}
		bye := a.send(msg.BYE, "")
		far := w.wire.next(msg.BYE)
		far.reply(200)
		for _, req := range []*msg.Message{out.req, far.req, w.wire.acks[0]} {
			if req.Get("X-Correlation-ID") != id {
				t.Errorf("%s has %q, want %q", req.Method, req.Get("X-Correlation-ID"), id)
			}
		}
		if out.req.Has("X-Account") || far.req.Get("X-Account") != account {
			t.Errorf("variables in INVITE and BYE: %q, %q", out.req.Get("X-Account"), far.req.Get("X-Account"))
		}
		for _, res := range append(in.res, bye.want(200)) {
			if raw := string(res.AppendTo(nil)); strings.Contains(raw, id) || strings.Contains(raw, out.req.CallID) {
				t.Errorf("the caller is told\n%s", raw)
			}
		}
	})
}

// TestRulesOfAnINVITEThatGoesOutAgain: after a 422 the rules are applied once, to what the INVITE was before them.
func TestRulesOfAnINVITEThatGoesOutAgain(t *testing.T) {
	edit := signalling(func(p *sbc.SignallingProfile) { p.SessionTimer, p.SessionExpiresS = sbc.SessionTimerRequest, 600 })
	run(t, edit, func(w *world) {
		rules := map[string][]sbc.HeaderRule{"trk_b": {
			line(sbc.HeaderOut, sbc.HeaderAdd, "X-Once", "at {our.host}", "INVITE"),
			{Stage: sbc.HeaderOut, Messages: "requests", Action: sbc.HeaderRemove, Header: "Supported"},
		}}
		ruledBy(w, edits(edit, passing()), rules)
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(422, "Min-SE: 900")
		out := w.wire.next(msg.INVITE)
		wantHeader(t, out.req, "Session-Expires", "900")
		if got := out.req.GetAll("X-Once"); len(got) != 1 || got[0] != "at "+borderB || out.req.Has("Supported") {
			t.Errorf("asked again with\n%s", out.req.AppendTo(nil))
		}
		out.reply(486)
		in.want(486)
		a.ack(a.lastInviteNumber, "")
	})
}
