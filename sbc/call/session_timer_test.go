package call

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// signalling gives both trunks a profile without OPTIONS that edit changes.
func signalling(edit func(p *sbc.SignallingProfile)) func(string, sbc.Resource) {
	return func(_ string, r sbc.Resource) {
		if t, ok := r.(*sbc.Trunk); ok {
			t.SignallingProfileID = "sgp_1"
		}
		if p, ok := r.(*sbc.SignallingProfile); ok {
			p.PingIntervalS = 0
			edit(p)
		}
	}
}

const (
	supported = "Supported: 100rel, timer"
	allows    = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE"
)

// timed brings a call up whose caller and callee say these things.
func (w *world) timed(caller, callee []string) (a, b *peer, ok *msg.Message, out *sent) {
	w.t.Helper()
	a = w.caller()
	in := a.invite(sdp(callerIP, 4000), caller...)
	out = w.wire.next(msg.INVITE)
	out.reply(200, append(callee, sdp(calleeIP, 5000))...)
	ok = in.want(200)
	a.learn(ok)
	a.ack(a.lastInviteNumber, "")
	return a, w.callee(out), ok, out
}

// wantHeader sees a header's value.
func wantHeader(t *testing.T, m *msg.Message, name, want string) {
	t.Helper()
	if got := strings.Join(m.GetAll(name), "|"); got != want {
		t.Errorf("%s: %q, want %q in\n%s", name, got, want, m.AppendTo(nil))
	}
}

// TestTimerRefreshedByUs: SE 90 is refreshed at 45 s, by UPDATE where the peer allows it, else by a re-INVITE that says the
// same again. Nothing of it is told to the other side.
func TestTimerRefreshedByUs(t *testing.T) {
	for _, method := range []msg.Method{msg.UPDATE, msg.INVITE} {
		t.Run(string(method), func(t *testing.T) {
			run(t, nil, func(w *world) {
				say := []string{supported, "Session-Expires: 90"}
				if method == msg.UPDATE {
					say = append(say, allows)
				}
				a, _, ok, out := w.timed(say, nil)
				wantHeader(t, ok, "Session-Expires", "90;refresher=uas")
				wantHeader(t, ok, "Require", "timer")
				wantHeader(t, out.req, "Session-Expires", "")
				wantHeader(t, out.req, "Supported", "timer, 100rel")
				for range 3 {
					time.Sleep(45*time.Second - time.Millisecond)
					w.wire.none(method)
					time.Sleep(time.Millisecond)
					re := w.wire.next(method)
					wantHeader(t, re.req, "Session-Expires", "90;refresher=uac")
					if re.target.Host != callerIP || (len(re.req.Body) > 0) != (method == msg.INVITE) {
						t.Fatalf("to %s: %s", re.target.Host, re.req.AppendTo(nil))
					}
					body := ""
					if method == msg.INVITE {
						if string(re.req.Body) != string(ok.Body) {
							t.Errorf("the refresh offers %q after %q", re.req.Body, ok.Body)
						}
						body = sdp(callerIP, 4000)
					}
					re.reply(200, "Session-Expires: 90;refresher=uac", "Require: timer", body)
				}
				w.wire.none(msg.INVITE)
				w.wire.none(msg.UPDATE)
				w.end(a)
			})
		})
	}
}

// TestTimerPeerDead: nobody answers the refresh: BYE on both sides before the interval is over (RFC 4028 10).
func TestTimerPeerDead(t *testing.T) {
	run(t, nil, func(w *world) {
		w.timed([]string{supported, allows, "Session-Expires: 90"}, nil)
		time.Sleep(45 * time.Second)
		w.wire.next(msg.UPDATE)
		time.Sleep(15*time.Second - time.Millisecond)
		w.wire.none(msg.BYE)
		time.Sleep(time.Millisecond)
		w.wire.next(msg.BYE).failed(msg.ErrTimeout)
		w.wire.next(msg.BYE).reply(200)
		d := w.cdr()
		if d.EndReason != sbc.EndSessionTimer || d.ReleasedBy != sbc.SideSBC || d.DurationMS != 60_000 || d.BillableMS != 0 {
			t.Errorf("%+v", d)
		}
		e := w.events.of(sbc.EventCallDead)
		if len(e) != 1 || e[0].Data["detector"] != "session_timer" || e[0].Data["side"] != "caller" {
			t.Errorf("events %+v", e)
		}
	})
}

// TestTimerLongRefreshFails: of a long interval the refresh itself tells that the peer is gone.
func TestTimerLongRefreshFails(t *testing.T) {
	for name, answer := range map[string]func(*sent){
		"481": func(s *sent) { s.reply(481) }, "silence": func(s *sent) { s.failed(msg.ErrTimeout) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(w *world) {
				w.timed([]string{supported, allows, "Session-Expires: 1800"}, nil)
				time.Sleep(15 * time.Minute)
				answer(w.wire.next(msg.UPDATE))
				w.wire.next(msg.BYE).reply(481)
				w.wire.next(msg.BYE).reply(200)
				if d := w.cdr(); d.EndReason != sbc.EndSessionTimer || d.DurationMS != 900_000 {
					t.Errorf("%s after %d", d.EndReason, d.DurationMS)
				}
			})
		})
	}
}

// TestTimerRefreshRefused: a refusal is no reason to end the call; it is tried again until the time is up.
func TestTimerRefreshRefused(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.timed([]string{supported, allows, "Session-Expires: 1200"}, nil)
		time.Sleep(600 * time.Second)
		w.wire.next(msg.UPDATE).reply(503)
		time.Sleep(100 * time.Second)
		w.wire.next(msg.UPDATE).reply(405) // a liar
		re := w.wire.next(msg.INVITE)
		re.reply(200, "Session-Expires: 1200;refresher=uac", sdp(callerIP, 4000))
		time.Sleep(600 * time.Second)
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000)) // and without Session-Expires: no timer any more
		time.Sleep(time.Hour)
		w.end(a)
	})
}

// TestTimerRefreshedByPeer: the peer refreshes, by re-INVITE, by UPDATE with and without a body; when it stops, the call ends
// 30 s ahead of the time.
func TestTimerRefreshedByPeer(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, ok, _ := w.timed([]string{supported, allows, "Session-Expires: 90;refresher=uac"}, nil)
		wantHeader(t, ok, "Session-Expires", "90;refresher=uac")
		se := []string{supported, "Session-Expires: 90;refresher=uac"}
		time.Sleep(50 * time.Second)
		re := a.send(msg.INVITE, sdp(callerIP, 4000), se...)
		far := w.wire.next(msg.INVITE)
		wantHeader(t, far.req, "Session-Expires", "")
		far.reply(200, sdp(calleeIP, 5000))
		wantHeader(t, re.want(200), "Session-Expires", "90;refresher=uac")
		a.ack(a.cseq, "")
		time.Sleep(50 * time.Second)
		up := a.send(msg.UPDATE, sdp(callerIP, 4000), se...)
		w.wire.next(msg.UPDATE).reply(200, sdp(calleeIP, 5000))
		wantHeader(t, up.want(200), "Session-Expires", "90;refresher=uac")
		time.Sleep(50 * time.Second)
		up = a.send(msg.UPDATE, "", se...)
		wantHeader(t, up.want(200), "Session-Expires", "90;refresher=uac")
		w.wire.none(msg.UPDATE) // it concerns that leg only
		time.Sleep(60*time.Second - time.Millisecond)
		w.wire.none(msg.BYE)
		time.Sleep(time.Millisecond)
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.BYE).reply(200)
		if d := w.cdr(); d.EndReason != sbc.EndSessionTimer {
			t.Error(d.EndReason)
		}
	})
}

// TestTimerTooSmall: 422 for what is below our Min-SE, in the INVITE and in the dialog; a proxy's small interval on behalf of a
// caller without timers is taken (RFC 4028 9).
func TestTimerTooSmall(t *testing.T) {
	edit := signalling(func(p *sbc.SignallingProfile) { p.MinSES = 120 })
	run(t, edit, func(w *world) {
		in := w.caller().invite(sdp(callerIP, 4000), supported, "x: 119")
		wantHeader(t, in.want(422), "Min-SE", "120")
		w.cdr()
	})
	run(t, edit, func(w *world) {
		a, _, ok, _ := w.timed([]string{"Session-Expires: 100"}, nil)
		wantHeader(t, ok, "Session-Expires", "100;refresher=uas")
		wantHeader(t, ok, "Require", "")
		for _, m := range []msg.Method{msg.INVITE, msg.UPDATE} {
			wantHeader(t, a.send(m, sdp(callerIP, 4000), supported, "Session-Expires: 30").want(422), "Min-SE", "120")
		}
		w.end(a)
	})
}

// TestTimerAsked: we ask the callee. It may refresh itself, leave it to us, know nothing of timers, or want a longer interval.
func TestTimerAsked(t *testing.T) {
	edit := signalling(func(p *sbc.SignallingProfile) { p.SessionTimer, p.SessionExpiresS = sbc.SessionTimerRequest, 600 })
	for name, c := range map[string]struct {
		say    []string
		method msg.Method // with which we refresh the callee at 300 s
	}{
		"it": {say: []string{"Require: timer", "Session-Expires: 600;refresher=uas"}},
		"we": {say: []string{"Require: timer", allows, "Session-Expires: 600;refresher=uac"}, method: msg.UPDATE},
		"no": {say: nil, method: msg.INVITE},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, edit, func(w *world) {
				a, b, ok, out := w.timed([]string{supported, allows}, c.say)
				wantHeader(t, out.req, "Session-Expires", "600")
				wantHeader(t, ok, "Session-Expires", "600;refresher=uas")
				time.Sleep(300 * time.Second)
				w.wire.next(msg.UPDATE).reply(200, "Session-Expires: 600;refresher=uac") // the caller's leg
				switch c.method {
				case msg.UPDATE:
					up := w.wire.next(msg.UPDATE)
					if up.target.Host != calleeIP {
						t.Errorf("to %s", up.target.Host)
					}
					up.reply(200, "Session-Expires: 600;refresher=uac")
				case msg.INVITE:
					re := w.wire.next(msg.INVITE)
					wantHeader(t, re.req, "Session-Expires", "600;refresher=uac")
					re.reply(200, sdp(calleeIP, 5000))
					time.Sleep(300 * time.Second)
					w.wire.next(msg.UPDATE).reply(200, "Session-Expires: 600;refresher=uac")
					w.wire.next(msg.INVITE).failed(msg.ErrTimeout) // once more, and now it is gone
					w.wire.next(msg.BYE).reply(200)
					w.wire.next(msg.BYE).reply(200)
					return
				case "":
					b.send(msg.UPDATE, "", supported, "Session-Expires: 600;refresher=uac").want(200)
				}
				w.wire.none(msg.INVITE)
				w.wire.none(msg.UPDATE)
				w.end(a)
			})
		})
	}
}

// TestTimer422 is the callee's 422: the INVITE goes out again with the longer interval, in the same attempt. Later ones too.
func TestTimer422(t *testing.T) {
	edit := signalling(func(p *sbc.SignallingProfile) { p.SessionTimer, p.SessionExpiresS = sbc.SessionTimerRequest, 600 })
	named := func(id string, r sbc.Resource) {
		if e, ok := r.(*sbc.Endpoint); ok && id == "end_1" {
			e.Address, e.Port = "carrier.example", 0
		}
	}
	run(t, edits(edit, named), func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		first := w.wire.next(msg.INVITE)
		first.reply(422, "Min-SE: 900")
		out := w.wire.next(msg.INVITE)
		wantHeader(t, out.req, "Session-Expires", "900")
		wantHeader(t, out.req, "Min-SE", "900")
		wantHeader(t, out.req, "Supported", "timer, 100rel")
		if out.req.CallID != first.req.CallID || out.req.From.Tag() != first.req.From.Tag() ||
			out.req.CSeq.Seq != first.req.CSeq.Seq+1 || len(out.req.GetAll("Via")) != 1 ||
			len(out.req.Body) == 0 || out.req.From.URI.Host != first.req.From.URI.Host {
			t.Fatalf("%s", out.req.AppendTo(nil))
		}
		if at := first.req.Hop.Remote; out.target.Host != at.Addr().String() || out.target.Port != int(at.Port()) {
			t.Errorf("asked again at %+v, not at %v, which one of several servers said 422", out.target, at)
		}
		out.reply(180)
		out.reply(200, "Session-Expires: 900;refresher=uac", allows, sdp(calleeIP, 5000))
		a.learn(in.want(200))
		if ack := w.wire.acks[w.wire.ackCount()-1]; ack.CSeq.Seq != out.req.CSeq.Seq {
			t.Errorf("ACK of %d", ack.CSeq.Seq)
		}
		a.ack(a.lastInviteNumber, "")
		re := a.send(msg.INVITE, sdp(callerIP, 4002)) // what is carried on has the leg's own timer
		far := w.wire.next(msg.INVITE)
		wantHeader(t, far.req, "Session-Expires", "900;refresher=uac")
		far.reply(422, "Min-SE: 1000")
		far = w.wire.next(msg.INVITE)
		wantHeader(t, far.req, "Session-Expires", "1000;refresher=uac")
		far.reply(200, "Session-Expires: 1000;refresher=uac", sdp(calleeIP, 5002))
		wantHeader(t, re.want(200), "Session-Expires", "600;refresher=uas")
		a.ack(a.cseq, "")
		time.Sleep(300 * time.Second)
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4002))
		time.Sleep(200 * time.Second)
		w.wire.next(msg.UPDATE).reply(422, "Min-SE: 1200") // of a refresh of ours
		up := w.wire.next(msg.UPDATE)
		wantHeader(t, up.req, "Session-Expires", "1200;refresher=uac")
		up.reply(200, "Session-Expires: 1200;refresher=uac")
		w.end(a)
		if d := w.cdr(); len(d.Attempts) != 1 || d.Attempts[0].Code != 200 {
			t.Errorf("%+v", d.Attempts)
		}
	})
	run(t, edit, func(w *world) { // a callee that is never content
		in := w.caller().invite(sdp(callerIP, 4000))
		for i := range maxRetries + 1 {
			w.wire.next(msg.INVITE).reply(422, "Min-SE: "+[]string{"700", "800", "900"}[i])
		}
		in.want(500)
	})
}

// TestTimerOff: we never speak of it.
func TestTimerOff(t *testing.T) {
	run(t, signalling(func(p *sbc.SignallingProfile) { p.SessionTimer = sbc.SessionTimerOff }), func(w *world) {
		w.caller().invite(sdp(callerIP, 4000), "Require: timer").want(420)
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000), supported, "Session-Expires: 90")
		out := w.wire.next(msg.INVITE)
		wantHeader(t, out.req, "Supported", "100rel")
		out.reply(200, sdp(calleeIP, 5000), "Session-Expires: 90;refresher=uac")
		ok := in.want(200)
		wantHeader(t, ok, "Session-Expires", "")
		wantHeader(t, ok, "Supported", "")
		a.learn(ok)
		a.ack(a.lastInviteNumber, "")
		time.Sleep(time.Hour)
		w.end(a)
	})
}

// TestUpdateNotTaken: an UPDATE with an offer goes on as a re-INVITE to a peer that takes none, one without is answered by us
// (pitfall, jambonz-feature-server #1122).
func TestUpdateNotTaken(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.timed([]string{allows}, []string{"Allow: INVITE, ACK, BYE"})
		up := a.send(msg.UPDATE, sdp(callerIP, 6000))
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6100))
		if ok := up.want(200); len(ok.Body) == 0 {
			t.Error("no answer")
		}
		a.send(msg.UPDATE, "").want(200)
		w.wire.none(msg.UPDATE)
		w.end(a)
	})
	run(t, nil, func(w *world) { // it did not say so
		a, _, _, _ := w.talk()
		up := a.send(msg.UPDATE, sdp(callerIP, 6000))
		w.wire.next(msg.UPDATE).reply(501)
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 6100))
		up.want(200)
		w.end(a)
	})
}

// TestTimerRefresherByPolicy: the profile says who refreshes where the choice is ours; a caller that knows nothing of timers
// cannot, and its session is kept by us alone.
func TestTimerRefresherByPolicy(t *testing.T) {
	edit := func(r sbc.Refresher) func(string, sbc.Resource) {
		return signalling(func(p *sbc.SignallingProfile) {
			p.SessionTimer, p.SessionExpiresS, p.Refresher = sbc.SessionTimerRequest, 600, r
		})
	}
	for _, c := range []struct {
		policy             sbc.Refresher
		say                []string
		asked, said, taken string
	}{
		{sbc.RefresherAuto, []string{supported}, "600", "600;refresher=uas", "timer"},
		{sbc.RefresherUs, []string{supported}, "600;refresher=uac", "600;refresher=uas", "timer"},
		{sbc.RefresherPeer, []string{supported}, "600;refresher=uas", "600;refresher=uac", "timer"},
		{sbc.RefresherPeer, nil, "600;refresher=uas", "600;refresher=uas", ""},
		{sbc.RefresherPeer, []string{supported, "x: 300 ; Refresher = UAS"}, "600;refresher=uas", "300;refresher=uas", "timer"},
		{sbc.RefresherAuto, []string{supported, "Session-Expires: 7200", "Min-SE: 700"}, "600", "700;refresher=uas", "timer"},
	} {
		run(t, edit(c.policy), func(w *world) {
			a, _, ok, out := w.timed(c.say, nil)
			wantHeader(t, out.req, "Session-Expires", c.asked)
			wantHeader(t, ok, "Session-Expires", c.said)
			wantHeader(t, ok, "Require", c.taken)
			w.end(a)
		})
	}
	run(t, edit(sbc.RefresherPeer), func(w *world) { // the caller knows nothing of timers
		w.timed(nil, []string{"Session-Expires: 86400;refresher=uas"})
		for range 3 {
			time.Sleep(300 * time.Second)
			re := w.wire.next(msg.INVITE)
			if re.target.Host != callerIP {
				t.Fatalf("to %s", re.target.Host)
			}
			re.reply(200, sdp(callerIP, 4000))
		}
		time.Sleep(300 * time.Second)
		w.wire.next(msg.INVITE).failed(msg.ErrTimeout)
		w.wire.next(msg.BYE).failed(msg.ErrTimeout)
		w.wire.next(msg.BYE).reply(200)
		if d := w.cdr(); d.EndReason != sbc.EndSessionTimer || d.DurationMS != 1_200_000 {
			t.Errorf("%s after %d", d.EndReason, d.DurationMS)
		}
	})
}
