package call

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// transferring begins a transfer by the callee to 49222, and gives the INVITE to the target.
func (w *world) transferring() (a, b *peer, target *sent) {
	w.t.Helper()
	a, b, _, _ = w.talk()
	b.send(msg.REFER, "", "Refer-To: <sip:49222@x.example>").want(202)
	w.notified("100", "active")
	return a, b, w.wire.next(msg.INVITE)
}

// TestTargetRedirectFollowed: the contacts are numbers that the transferor calls, by its plan, in the order of q; what is left of
// the plan comes after them, and their trunk is told of the detour.
func TestTargetRedirectFollowed(t *testing.T) {
	follow := edits(bothCall, profiled(func(p *sbc.SignallingProfile) {
		p.Redirects, p.Retargeting = sbc.RedirectFollow, sbc.RetargetDiversion
	}))
	run(t, follow, func(w *world) {
		a, _, target := w.transferring()
		if target.req.Has("Diversion") {
			t.Errorf("a detour before there was one: %s", target.req.Get("Diversion"))
		}
		target.reply(302, "Contact: <sip:49400@9.9.9.9>;q=0.3, <sip:49300@9.9.9.9:99>, <sip:49222@9.9.9.9>, <sip:4900@9.9.9.9>, <http://x/>")
		for i, want := range []string{"49300", "49300", "49400", "49400"} {
			out := w.wire.next(msg.INVITE)
			if out.req.RequestURI.User != want || out.target.Host == "9.9.9.9" || !strings.Contains(out.req.Get("Diversion"), "49222") {
				t.Errorf("attempt %d: %s", i, out.req.AppendTo(nil))
			}
			out.reply(503)
		}
		out := w.wire.next(msg.INVITE)
		if out.req.RequestURI.User != "49222" || out.target.Host == target.target.Host || out.req.Has("Diversion") {
			t.Errorf("what was left of the plan: %s", out.req.AppendTo(nil))
		}
		out.reply(200, sdp("198.51.100.30", 7000))
		w.notified("200", "terminated")
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
		w.end(a)
		if d := w.cdr(); len(d.Attempts) != 7 || d.Attempts[1].Code != 302 || d.Attempts[2].Callee != "49300" || d.Attempts[6].Code != 200 {
			t.Errorf("attempts %+v", d.Attempts)
		}
	})
}

// TestTargetRedirectLoops: numbers tried are not tried again, redirections and attempts are counted, and what leads nowhere is a failure.
func TestTargetRedirectLoops(t *testing.T) {
	follow := edits(bothCall, profiled(func(p *sbc.SignallingProfile) { p.Redirects, p.MaxRedirects = sbc.RedirectFollow, 3 }))
	for name, tt := range map[string]struct {
		contacts func(i int) string
		attempts int
	}{
		"two that name each other": {func(i int) string { return "<sip:" + []string{"49300", "49222"}[i%2] + "@x>" }, 2},
		"always another":           {func(i int) string { return fmt.Sprintf("<sip:4930%d@x>", i) }, 4},
		"nowhere":                  {func(int) string { return "<sip:33@x>" }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, follow, func(w *world) {
				a, b, target := w.transferring()
				for i := range tt.attempts {
					target.reply(302, "Contact: "+tt.contacts(i))
					if i < tt.attempts-1 {
						target = w.wire.next(msg.INVITE)
					}
				}
				w.wire.none(msg.INVITE)
				w.notified("480", "terminated")
				info := b.send(msg.INFO, "")
				w.wire.next(msg.INFO).reply(200)
				info.want(200)
				w.end(a)
			})
		})
	}
	run(t, follow, func(w *world) { // the transferred side hangs up meanwhile
		a, _, target := w.transferring()
		a.send(msg.BYE, "").want(200)
		w.notified("487", "terminated")
		w.wire.next(msg.BYE).reply(200)
		target.reply(302, "Contact: <sip:49300@x>")
		w.wire.none(msg.INVITE)
	})
}

// TestTargetRedirectPassed: who sent the REFER is told the numbers, at our own host, and no word of the target's; a later failure
// takes them back. For a transfer by the API it is a failure.
func TestTargetRedirectPassed(t *testing.T) {
	pass := edits(bothCall, profiled(func(p *sbc.SignallingProfile) { p.Redirects = sbc.RedirectPass }))
	contact := "Contact: \"Bob\" <sip:49300@pbx.b.example:5070;x=y>;q=0.5, <sip:49222@pbx.b.example>, <sip:10.0.0.1@pbx.b.example>"
	run(t, pass, func(w *world) {
		a, _, target := w.transferring()
		target.reply(302, contact)
		n := w.notified("302", "terminated")
		if got, want := string(n.req.Body), "SIP/2.0 302 Moved Temporarily\r\nContact: <sip:49300@"+borderB+":5060>;q=0.5\r\n"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		w.end(a)
	})
	run(t, edits(pass, ofTrunk("trk_b", func(t *sbc.Trunk) { t.FailoverCodes = []string{"3xx"} })), func(w *world) {
		a, _, target := w.transferring()
		target.reply(302, contact)
		w.wire.next(msg.INVITE).reply(486)
		if n := w.notified("486", "terminated"); strings.Contains(string(n.req.Body), "Contact") {
			t.Errorf("told %q", n.req.Body)
		}
		w.end(a)
	})
	run(t, pass, func(w *world) {
		a, _, _, _ := w.talk()
		o := sbc.TransferOrder{Keep: sbc.SideCaller, Target: "49222"}
		if err := w.m.Transfer(background(), w.m.List(sbc.CallFilter{})[0].ID, o); err != nil {
			t.Fatal(err)
		}
		w.wire.next(msg.INVITE).reply(302, contact)
		w.wire.none(msg.NOTIFY)
		if codes := w.transferCodes(); !slices.Equal(codes, []string{"", "480"}) {
			t.Errorf("events tell %q", codes)
		}
		w.end(a)
	})
}

// transferCodes are those of the events of transfers.
func (w *world) transferCodes() (codes []string) {
	for _, e := range w.events.of(sbc.EventCallTransfer) {
		codes = append(codes, e.Data["code"])
	}
	return codes
}

// TestTargetResponseMap: the trunk's profile turns failures of a target into others before anything else reads them.
func TestTargetResponseMap(t *testing.T) {
	mapped := edits(bothCall, profiled(func(p *sbc.SignallingProfile) {
		p.ResponseMap = []sbc.ResponseMapping{{From: "486", To: 503}, {From: "302", To: 404}}
	}))
	run(t, mapped, func(w *world) {
		a, _, target := w.transferring()
		target.reply(486) // as 503 it lets the next one be tried
		w.wire.next(msg.INVITE).reply(302, "Contact: <sip:49300@x>")
		w.notified("404", "terminated")
		w.end(a)
		if d := w.cdr(); d.Attempts[1].Code != 486 || d.Attempts[2].Code != 302 {
			t.Errorf("attempts %+v", d.Attempts)
		}
	})
}

// TestTargetMeetsLimits: a limit of a called number counts the target as that number, not as who was called first.
func TestTargetMeetsLimits(t *testing.T) {
	limit := limited("trk_b", func(p *sbc.LimitProfile) { p.Key, p.MaxCalls, p.RejectCode = sbc.LimitCallee, 1, 480 })
	run(t, edits(bothCall, limit), func(w *world) {
		a, b, _, _ := w.talk()
		other := w.caller()
		other.uri = "sip:49333@" + borderA
		in := other.invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000))
		other.learn(in.want(200))
		other.ack(other.lastInviteNumber, "")
		a.send(msg.REFER, "", "Refer-To: <sip:49333@x.example>").want(202)
		w.notified("100", "active")
		w.notified("480", "terminated") // it has its one call
		w.end(other)
		a.send(msg.REFER, "", "Refer-To: <sip:49222@x.example>", "Refer-Sub: false").want(202)
		w.wire.next(msg.INVITE).reply(200, sdp("198.51.100.30", 7000))
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000))
		w.end(b)
	})
}
