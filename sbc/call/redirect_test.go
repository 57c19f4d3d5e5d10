package call

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// profiled gives the callee's trunk a signalling profile.
func profiled(f func(p *sbc.SignallingProfile)) func(string, sbc.Resource) {
	return func(id string, r sbc.Resource) {
		switch r := r.(type) {
		case *sbc.SignallingProfile:
			f(r)
		case *sbc.Trunk:
			if id == "trk_b" {
				r.SignallingProfileID = "sgp_1"
			}
		}
	}
}

func follows(p *sbc.SignallingProfile) { p.Redirects = sbc.RedirectFollow }

// TestRedirectFollowed: the contacts are called in the order of q, as numbers, wherever they are said to be; what is left of the
// plan comes after them.
func TestRedirectFollowed(t *testing.T) {
	run(t, profiled(follows), func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(302, "Contact: <sip:33999@9.9.9.9>, <sip:49200@9.9.9.9>;q=0.5, <tel:+49-100>;q=0.2, "+
			"<sip:49300@9.9.9.9:99;transport=tcp?Route=x>, <http://x/>, <sip:4930123@9.9.9.9>")
		for _, want := range []struct{ number, host string }{{"49300", calleeIP}, {"49300", "198.51.100.11"}, {"49200", calleeIP},
			{"49200", "198.51.100.11"}} {
			out := w.wire.next(msg.INVITE)
			if out.target.Host != want.host || out.req.RequestURI.User != want.number || out.target.Port != 5060 {
				t.Errorf("called %s at %s, want %v", out.req.RequestURI, out.target.Host, want)
			}
			out.reply(503)
		}
		out := w.wire.next(msg.INVITE) // the second endpoint of the number first dialled: +49 has no rule
		if out.req.RequestURI.User != "4930123" || out.target.Host != "198.51.100.11" {
			t.Errorf("then %s at %s", out.req.RequestURI, out.target.Host)
		}
		out.reply(200, sdp("198.51.100.11", 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		w.end(a)
		if d := w.cdr(); len(d.Attempts) != 6 || d.Attempts[0].Code != 302 || d.Attempts[1].Callee != "49300" ||
			d.Attempts[5].Code != 200 {
			t.Errorf("attempts %+v", d.Attempts)
		}
	})
}

// TestRedirectLoops: numbers tried are not tried again, and redirections are counted.
func TestRedirectLoops(t *testing.T) {
	t.Run("two that name each other", func(t *testing.T) {
		run(t, profiled(follows), func(w *world) {
			in := w.caller().invite(sdp(callerIP, 4000))
			w.wire.next(msg.INVITE).reply(302, "Contact: <sip:49200@x.example>")
			w.wire.next(msg.INVITE).reply(302, "Contact: <sip:4930123@x.example>")
			w.wire.none(msg.INVITE)
			in.want(480)
		})
	})
	t.Run("always another", func(t *testing.T) {
		run(t, profiled(func(p *sbc.SignallingProfile) { p.Redirects, p.MaxRedirects = sbc.RedirectFollow, 3 }), func(w *world) {
			in := w.caller().invite(sdp(callerIP, 4000))
			for i := range 4 {
				w.wire.next(msg.INVITE).reply(301, fmt.Sprintf("Contact: <sip:4920%d@x.example>", i))
			}
			w.wire.none(msg.INVITE)
			in.want(480)
		})
	})
	t.Run("sixteen at once, for ever", func(t *testing.T) {
		run(t, profiled(func(p *sbc.SignallingProfile) { p.Redirects, p.MaxRedirects = sbc.RedirectFollow, 20 }), func(w *world) {
			in := w.caller().invite(sdp(callerIP, 4000))
			made := 0
			for in.last().Status == 100 {
				var contacts []string
				for i := range 20 {
					contacts = append(contacts, fmt.Sprintf("<sip:49%d%03d@x.example>", made, i))
				}
				made++
				w.wire.next(msg.INVITE).reply(302, "Contact: "+strings.Join(contacts, ", "))
			}
			in.want(480)
			if made > maxHunt {
				t.Errorf("%d attempts", made)
			}
		})
	})
	t.Run("nowhere", func(t *testing.T) {
		run(t, profiled(follows), func(w *world) {
			for _, contact := range []string{"", "Contact: *", "Contact: <sip:x.example>", "Contact: <sip:33@x.example>",
				"Contact: <sip:4900@x>"} {
				in := w.caller().invite(sdp(callerIP, 4000))
				w.wire.next(msg.INVITE).reply(302, contact)
				in.want(480)
			}
		})
	})
}

// TestRedirectCancelled: the caller gives up while a redirection is followed.
func TestRedirectCancelled(t *testing.T) {
	run(t, profiled(follows), func(w *world) {
		in := w.caller().invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(302, "Contact: <sip:49200@x.example>, <sip:49201@x.example>;q=0.1")
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		in.onCancel(in.req)
		in.want(487)
		if !out.isCancelled() {
			t.Error("not cancelled")
		}
		out.reply(302, "Contact: <sip:49202@x.example>") // it crosses the CANCEL
		w.wire.none(msg.INVITE)
	})
}

// TestRedirectPassed: the caller has the numbers at our own host, and no word of the callee's.
func TestRedirectPassed(t *testing.T) {
	pass := profiled(func(p *sbc.SignallingProfile) { p.Redirects = sbc.RedirectPass })
	run(t, pass, func(w *world) {
		in := w.caller().invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(302,
			"Contact: \"Bob\" <sip:49200@pbx.b.example:5070;x=y>;q=0.5;expires=9, <sip:+49300@10.0.0.1>,"+
				" <sip:4930123@pbx.b.example>, <sip:10.0.0.1@pbx.b.example>", "Reason: Q.850;cause=23")
		res := in.want(302)
		want := []string{"<sip:+49300@" + borderA + ":5060>", "<sip:49200@" + borderA + ":5060>;q=0.5"}
		if got := res.GetAll("Contact"); !slices.Equal(got, want) {
			t.Errorf("contacts %q, want %q", got, want)
		}
		if res.Get("Reason") != "Q.850;cause=23" {
			t.Errorf("Reason %q", res.Get("Reason"))
		}
		if d := w.cdr(); d.FinalCode != 302 || d.Q850Cause != 23 || d.Attempts[0].Code != 302 {
			t.Errorf("record %+v", d)
		}
	})
	advancing := edits(pass, ofTrunk("trk_b", func(t *sbc.Trunk) { t.FailoverCodes = []string{"3xx"} }))
	run(t, advancing, func(w *world) {
		in := w.caller().invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(302, "Contact: <sip:49200@x.example>")
		w.wire.next(msg.INVITE).reply(603)
		if res := in.want(603); res.Has("Contact") {
			t.Errorf("a refusal with the Contact of a redirection: %q", res.Get("Contact"))
		}
	})
}

// TestResponseMap: a failure counts as another for failover, for the caller and for the record's final code.
func TestResponseMap(t *testing.T) {
	mapped := profiled(func(p *sbc.SignallingProfile) {
		p.ResponseMap = []sbc.ResponseMapping{{From: "486", To: 503}, {From: "404", To: 410, Reason: "Moved on"}, {From: "302",
			To: 404},
			{From: "4xx", To: 480}, {From: "603", To: 603, Reason: "No thanks"}}
	})
	for _, tt := range []struct {
		code, second, want int
		reason             string
	}{
		{486, 487, 480, "Temporarily Unavailable"}, {404, 0, 410, "Moved on"}, {302, 0, 404, "Not Found"}, {480, 0, 480,
			"Temporarily Unavailable"},
		{603, 0, 603, "No thanks"}, {600, 0, 600, "Busy Everywhere"},
	} {
		run(t, mapped, func(w *world) {
			in := w.caller().invite(sdp(callerIP, 4000))
			w.wire.next(msg.INVITE).reply(tt.code, "Reason: Q.850;cause=19")
			if tt.second != 0 {
				w.wire.next(msg.INVITE).reply(tt.second, "Reason: Q.850;cause=19")
			}
			w.wire.none(msg.INVITE)
			res := in.want(tt.want)
			if res.Reason != tt.reason || res.Get("Reason") != "Q.850;cause=19" {
				t.Errorf("%d became %q with %q", tt.code, res.StartLine(), res.Get("Reason"))
			}
			if d := w.cdr(); d.FinalCode != tt.want || d.Attempts[0].Code != tt.code || d.Q850Cause != 19 {
				t.Errorf("%d: record %d, attempt %d, cause %d", tt.code, d.FinalCode, d.Attempts[0].Code, d.Q850Cause)
			}
		})
	}
}

// TestDetoursAreTold: what redirections did is told to the next trunk as it wants it, after what the caller told.
func TestDetoursAreTold(t *testing.T) {
	const came = "Diversion: \"Ann\" <sip:+4940111@pbx.a.example>;reason=no-answer;counter=2;privacy=off;screen=no"
	at := func(user string) string { return "<sip:" + user + "@" + borderB + ">" }
	for _, tt := range []struct {
		mode         sbc.Retargeting
		name         string
		first, again []string
	}{
		{sbc.RetargetDrop, "Diversion", nil, nil},
		{sbc.RetargetPass, "Diversion",
			[]string{`"Ann" ` + at("+4940111") + ";reason=no-answer;counter=2;privacy=off"},
			[]string{at("4930123") + ";reason=user-busy;counter=1;privacy=off",
				`"Ann" ` + at("+4940111") + ";reason=no-answer;counter=2;privacy=off"}},
		{sbc.RetargetHistory, "History-Info",
			[]string{`"Ann" ` + at("+4940111") + ";index=1", "<sip:4930123@" + borderB + ";cause=408>;index=1.1;mp=1"},
			[]string{`"Ann" ` + at("+4940111") + ";index=1", "<sip:4930123@" + borderB + ";cause=408>;index=1.1;mp=1",
				"<sip:49200@" + borderB + ";cause=486>;index=1.1.1;mp=1.1"}},
	} {
		t.Run(string(tt.mode), func(t *testing.T) {
			mode := profiled(func(p *sbc.SignallingProfile) { p.Redirects, p.Retargeting = sbc.RedirectFollow, tt.mode })
			run(t, edits(trusted, mode), func(w *world) {
				in := w.caller().invite(sdp(callerIP, 4000), came)
				out := w.wire.next(msg.INVITE)
				if got := out.req.GetAll(tt.name); !slices.Equal(got, tt.first) {
					t.Errorf("first\n got %q\nwant %q", got, tt.first)
				}
				out.reply(302, "Contact: <sip:49200@x.example>", "Diversion: <sip:4930123@x.example>;reason=user-busy")
				out = w.wire.next(msg.INVITE)
				if got := out.req.GetAll(tt.name); !slices.Equal(got, tt.again) {
					t.Errorf("then\n got %q\nwant %q", got, tt.again)
				}
				out.reply(486)
				in.want(486)
			})
		})
	}
}

// TestRedirectMeetsLimits: a redirection is no way around the limit of a called number.
func TestRedirectMeetsLimits(t *testing.T) {
	limit := limited("trk_b", func(p *sbc.LimitProfile) { p.Key, p.MaxCalls, p.RejectCode = sbc.LimitCallee, 1, 480 })
	run(t, edits(profiled(follows), limit), func(w *world) {
		first := w.caller()
		first.uri = "sip:49200@" + borderA
		in := first.invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000))
		first.learn(in.want(200))
		first.ack(first.lastInviteNumber, "")
		in = w.caller().invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(302, "Contact: <sip:49200@x.example>, <sip:49201@x.example>;q=0.5")
		out := w.wire.next(msg.INVITE)
		if out.req.RequestURI.User != "49201" {
			t.Errorf("called %s beyond its limit", out.req.RequestURI)
		}
		out.reply(486)
		in.want(486)
		w.end(first)
	})
}
