package call

import (
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// announcing makes callers of trk_a hear ann_1 before the codes.
func announcing(codes ...string) func(string, sbc.Resource) {
	return func(id string, r sbc.Resource) {
		switch r := r.(type) {
		case *sbc.SignallingProfile:
			r.Announcements = []sbc.FailureAnnouncement{{Codes: codes, AnnouncementID: "ann_1"}}
		case *sbc.Trunk:
			if id == "trk_a" {
				r.SignallingProfileID = "sgp_1"
			}
		}
	}
}

// heard plays the announcement to its end.
func (w *world) heard(in *server) {
	w.t.Helper()
	early := in.want(183)
	if len(early.Body) == 0 {
		w.t.Error("a 183 without SDP")
	}
	played := w.engine.last().played
	if len(played) != 1 || played[0].repeat != 1 {
		w.t.Fatalf("played %+v", played)
	}
	played[0].done()
	synctest.Wait()
}

// refusedRecord checks the record of a call that heard an announcement: it costs nothing.
func (w *world) refusedRecord(final int) {
	w.t.Helper()
	if d := w.cdr(); d.FinalCode != final || d.AnsweredAt != nil || d.BillableMS != 0 {
		w.t.Errorf("record %+v", d)
	}
}

func TestAnnouncementBeforeAFailure(t *testing.T) {
	run(t, announcing("486"), func(w *world) {
		in := w.caller().invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(486)
		w.heard(in)
		in.want(486)
		w.refusedRecord(486)
	})
}

// Without a copy of the audio on this node the caller is told the code at once.
func TestAnnouncementThatIsNotHere(t *testing.T) {
	run(t, announcing("486"), func(w *world) {
		w.blank = true
		in := w.caller().invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(486)
		in.want(486)
		w.refusedRecord(486)
	})
}

// The announcement of a number that leads nowhere needs no attempt.
func TestAnnouncementWithoutAnAttempt(t *testing.T) {
	run(t, announcing("6xx"), func(w *world) {
		a := w.caller()
		a.uri = "sip:4900123@" + borderA
		in := a.invite(sdp(callerIP, 4000))
		w.wire.none(msg.INVITE)
		w.heard(in)
		if res := in.want(603); res.Reason != "Not that one" {
			t.Errorf("refused with %q", res.Reason)
		}
		w.refusedRecord(603)
	})
}

// It comes once, after the last attempt, and what the attempts still say changes nothing.
func TestAnnouncementAfterTheLastAttempt(t *testing.T) {
	run(t, announcing("5xx"), func(w *world) {
		in := w.caller().invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(503)
		if len(w.engine.last().played) != 0 {
			t.Error("announced before the second attempt")
		}
		last := w.wire.next(msg.INVITE)
		last.reply(503)
		last.reply(503)
		w.heard(in)
		in.want(503)
		w.refusedRecord(503)
	})
}

// Early media told the caller where to listen: no other answer is given.
func TestAnnouncementAfterEarlyMedia(t *testing.T) {
	run(t, announcing("486"), func(w *world) {
		in := w.caller().invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(183, sdp(calleeIP, 5000))
		before := string(in.want(183).Body)
		out.reply(486)
		if got := string(in.last().Body); in.last().Status != 183 || got != before {
			t.Errorf("told %d\n%s", in.last().Status, got)
		}
		w.heard(in)
		in.want(486)
	})
}

func TestCallerLeavesTheAnnouncement(t *testing.T) {
	for how, leave := range map[string]func(w *world, in *server){
		"CANCEL": func(w *world, in *server) { in.onCancel(w.caller().build(msg.CANCEL, 101, "")) },
		"shutdown": func(w *world, _ *server) {
			w.call().post(job{kind: jobHangUp, stop: stopOrder{reason: sbc.EndShutdown}})
		},
	} {
		run(t, announcing("486"), func(w *world) {
			in := w.caller().invite(sdp(callerIP, 4000))
			w.wire.next(msg.INVITE).reply(486)
			in.want(183)
			done := w.engine.last().played[0].done
			leave(w, in)
			synctest.Wait()
			if s := in.last().Status; s != 487 && s != 503 {
				t.Errorf("%s: told %d", how, s)
			}
			if calls := w.m.List(sbc.CallFilter{}); len(calls) != 0 || len(w.engine.last().played) != 0 {
				t.Errorf("%s: left %+v", how, calls)
			}
			done() // it was under way
		})
	}
}

func TestNoAnnouncement(t *testing.T) {
	for what, prepare := range map[string]func(w *world) string{
		"no G.711": func(w *world) string { w.m.o.Engine = muteEngine{w.engine}; return sdp(callerIP, 4000) },
		"no offer": func(*world) string { return "" },
	} {
		run(t, announcing("486"), func(w *world) {
			in := w.caller().invite(prepare(w))
			w.wire.next(msg.INVITE).reply(486)
			if s := in.last().Status; s != 486 {
				t.Errorf("%s: told %d", what, s)
			}
		})
	}
}
