package call

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestHunting sees which outcome of the first attempt leads to the second, and what the caller is told when both fail.
func TestHunting(t *testing.T) {
	code := func(n int) func(*sent) { return func(s *sent) { s.reply(n) } }
	fail := func(err error) func(*sent) { return func(s *sent) { s.failed(err) } }
	for _, tt := range []struct {
		name          string
		first, second func(*sent) // second nil: there must be none
		want          int
		end           sbc.EndReason
	}{
		{"503 then 503", code(503), code(503), 503, sbc.EndRejected},
		{"500 then 486", code(500), code(486), 486, sbc.EndBusy},
		{"408 then 404", code(408), code(404), 404, sbc.EndRejected},
		{"silence then 503", fail(msg.ErrNoResponse), code(503), 408, sbc.EndNoAnswer},
		{"both silent", fail(msg.ErrNoResponse), fail(msg.ErrNoResponse), 408, sbc.EndNoAnswer},
		{"both unreachable", fail(msg.ErrTransport), fail(msg.ErrTransport), 503, sbc.EndNoRoute},
		{"486 stops", code(486), nil, 486, sbc.EndBusy},
		{"404 stops", code(404), nil, 404, sbc.EndRejected},
		{"603 stops", code(603), nil, 603, sbc.EndRejected},
		{"600 stops", code(600), nil, 600, sbc.EndBusy},
		{"a challenge never passes", code(407), nil, 403, sbc.EndRejected},
		{"401 neither", code(401), nil, 403, sbc.EndRejected},
		{"a redirection is a failure", code(302), nil, 480, sbc.EndRejected},
		{"480 stops", code(480), nil, 480, sbc.EndNoAnswer},
		{"loops are one leg's matter", code(482), nil, 500, sbc.EndRejected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, nil, func(w *world) {
				in := w.caller().invite(sdp(callerIP, 4000))
				one := w.wire.next(msg.INVITE)
				tt.first(one)
				if tt.second == nil {
					w.wire.none(msg.INVITE)
				} else {
					two := w.wire.next(msg.INVITE)
					if two.target.Host != "198.51.100.11" || two.req.CallID == one.req.CallID || two.req.From.Tag() == one.req.From.Tag() {
						t.Errorf("the second attempt resembles the first: %s", two.target.Host)
					}
					tt.second(two)
				}
				in.want(tt.want)
				d := w.cdr()
				if d.EndReason != tt.end || d.FinalCode != tt.want {
					t.Errorf("end %s with %d, want %s with %d", d.EndReason, d.FinalCode, tt.end, tt.want)
				}
				for _, a := range d.Attempts {
					if a.EndedAt == nil || a.Code == 0 && a.Reason == "" {
						t.Errorf("attempt with holes: %+v", a)
					}
				}
				if got, n := w.engine.last().dropped, len(d.Attempts); got != n {
					t.Errorf("%d parties dropped of %d", got, n)
				}
			})
		})
	}
}

// TestSecondAttemptAnswers: a dead endpoint, then a live one.
func TestSecondAttemptAnswers(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		one := w.wire.next(msg.INVITE)
		if got := one.o.Timers.NoResponse; got != 4*time.Second {
			t.Errorf("no-response timer %v", got)
		}
		one.failed(msg.ErrNoResponse)
		two := w.wire.next(msg.INVITE)
		two.reply(200, sdp("198.51.100.11", 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		one.reply(180) // it wakes up after all
		if !one.isCancelled() {
			t.Error("the late provisional was not cancelled")
		}
		one.reply(200, sdp(calleeIP, 5000))
		late := w.wire.next(msg.BYE)
		if late.target.Host != calleeIP {
			t.Errorf("BYE to %s", late.target.Host)
		}
		late.reply(200)
		w.end(a)
		d := w.cdr()
		if len(d.Attempts) != 2 || d.Attempts[0].Reason != "timeout" || d.Attempts[1].Code != 200 ||
			d.Disposition != sbc.DispositionAnswered {
			t.Errorf("attempts %+v", d.Attempts)
		}
	})
}

// TestRungOutAdvances: with 408 among the failover codes a 100 without ringing leads on, after the CANCEL was answered.
func TestRungOutAdvances(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		one := w.wire.next(msg.INVITE)
		one.reply(100)
		time.Sleep(121 * time.Second)
		if !one.isCancelled() {
			t.Fatal("not cancelled")
		}
		w.wire.none(msg.INVITE)
		one.reply(487)
		two := w.wire.next(msg.INVITE)
		two.reply(486)
		in.want(486)
		_ = a
	})
}

// TestUnusableAnswer: a 200 whose SDP is of no use is acknowledged and released; the caller gets 488.
func TestUnusableAnswer(t *testing.T) {
	for name, body := range map[string]string{"none": "", "broken": "v=1"} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(w *world) {
				in := w.caller().invite(sdp(callerIP, 4000))
				out := w.wire.next(msg.INVITE)
				if body == "" {
					out.reply(200)
				} else {
					out.reply(200, "v=0broken", "Content-Type: application/unknown")
				}
				if w.wire.ackCount() != 1 {
					t.Error("no ACK")
				}
				w.wire.next(msg.BYE).reply(200)
				in.want(488)
			})
		})
	}
}

// TestEarlyAnswerCounts: a 200 without SDP after a 183 with it, as some devices do.
func TestEarlyAnswerCounts(t *testing.T) {
	run(t, nil, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(183, sdp(calleeIP, 5000))
		early := in.want(183)
		out.reply(200)
		ok := in.want(200)
		if string(ok.Body) != string(early.Body) || len(ok.Body) == 0 {
			t.Errorf("200 with %q after 183 with %q", ok.Body, early.Body)
		}
		a.learn(ok)
		a.ack(a.lastInviteNumber, "")
		w.end(a)
	})
}

// TestRefusals are calls that never get to an attempt; all have a record.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name  string
		edit  func(id string, r sbc.Resource)
		uri   string
		body  string
		extra string
		want  int
		end   sbc.EndReason
		says  string
	}{
		{name: "no rule", uri: "sip:33123@x", want: 404, end: sbc.EndNoRoute},
		{name: "a rule rejects", uri: "sip:4900@x", want: 603, end: sbc.EndRejected, says: "Not that one"},
		{name: "no number", uri: "sip:192.0.2.1", want: 484, end: sbc.EndNoRoute},
		{name: "no plan", want: 403, end: sbc.EndRejected, edit: func(_ string, r sbc.Resource) {
			if t, ok := r.(*sbc.Trunk); ok {
				t.RoutingPlanID = ""
			}
		}},
		{name: "no target alive", want: 503, end: sbc.EndNoRoute, edit: func(_ string, r sbc.Resource) {
			if e, ok := r.(*sbc.Endpoint); ok {
				e.Enabled = false
			}
		}},
		{name: "foo demanded", extra: "Require: 100rel, foo", want: 420, end: sbc.EndError},
		{name: "Max-Forwards 0", extra: "Max-Forwards: 0", want: 483, end: sbc.EndError},
		{name: "two Contacts", extra: "Contact: <sip:a@192.0.2.10>, <sip:b@192.0.2.10>", want: 400, end: sbc.EndError},
		{name: "not SDP", extra: "Content-Type: application/isup", body: "x", want: 415, end: sbc.EndError},
		{name: "broken SDP", extra: "Content-Type: application/sdp", body: "rubbish", want: 488, end: sbc.EndError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, tt.edit, func(w *world) {
				a := w.caller()
				if tt.uri != "" {
					a.uri = tt.uri
				}
				body := tt.body
				if body == "" {
					body = sdp(callerIP, 4000)
				}
				res := a.invite(body, tt.extra).want(tt.want)
				if tt.want == 420 && res.Get("Unsupported") != "foo" || tt.want == 415 && res.Get("Accept") == "" {
					t.Errorf("%s", res.AppendTo(nil))
				}
				if tt.says != "" && res.Reason != tt.says {
					t.Errorf("reason %q", res.Reason)
				}
				w.wire.none(msg.INVITE)
				if d := w.cdr(); d.EndReason != tt.end || d.FinalCode != tt.want || d.IngressTrunkID != "trk_a" ||
					d.ReleasedBy != sbc.SideSBC {
					t.Errorf("record %+v", d)
				}
			})
		})
	}
}

// TestLimits: the place is taken in one step with the check, on both trunks, and given back by refused and ended calls alike.
func TestLimits(t *testing.T) {
	limit := func(trunk string, n int) func(string, sbc.Resource) {
		return func(id string, r sbc.Resource) {
			if id == trunk {
				r.(*sbc.Trunk).MaxCalls = n
			}
		}
	}
	for _, trunk := range []string{"trk_a", "trk_b"} {
		t.Run(trunk, func(t *testing.T) {
			run(t, limit(trunk, 1), func(w *world) {
				a, _, _, _ := w.talk()
				second := w.caller().invite(sdp(callerIP, 4000))
				second.want(503)
				if d := w.cdr(); d.EndReason != sbc.EndLimit {
					t.Errorf("end %s", d.EndReason)
				}
				w.end(a)
				third, _, _, _ := w.talk()
				w.end(third)
			})
		})
	}
	t.Run("rate", func(t *testing.T) {
		rate := func(id string, r sbc.Resource) {
			if id == "trk_a" {
				r.(*sbc.Trunk).MaxCallsPerSecond = 1
			}
		}
		run(t, rate, func(w *world) {
			a, _, _, _ := w.talk()
			res := w.caller().invite(sdp(callerIP, 4000)).want(503)
			if res.Get("Retry-After") != "1" {
				t.Errorf("Retry-After %q", res.Get("Retry-After"))
			}
			w.end(a)
		})
	})
}

// TestNoPorts: media has no ports for the callee's side.
func TestNoPorts(t *testing.T) {
	run(t, nil, func(w *world) {
		w.engine.refuse = media.ErrNoPorts
		w.caller().invite(sdp(callerIP, 4000)).want(503)
		w.wire.none(msg.INVITE)
	})
	run(t, nil, func(w *world) {
		w.engine.refuse = errors.New("other")
		w.caller().invite(sdp(callerIP, 4000)).want(500)
	})
}

// TestMultipart: the SDP of a multipart body (RFC 5621) is found.
func TestMultipart(t *testing.T) {
	run(t, nil, func(w *world) {
		body := "--b1\r\nContent-Type: application/isup\r\nContent-Disposition: signal;handling=optional\r\n\r\nxyz\r\n--b1\r\n" +
			"Content-Type: application/sdp\r\n\r\n" + sdp(callerIP, 4000) + "\r\n--b1--\r\n"
		in := w.caller().invite(body, "Content-Type: multipart/mixed;boundary=b1")
		out := w.wire.next(msg.INVITE)
		if ct := out.req.Get("Content-Type"); ct != "application/sdp" || len(out.req.Body) == 0 {
			t.Errorf("%s %q", ct, out.req.Body)
		}
		out.reply(486)
		in.want(486)
	})
}
