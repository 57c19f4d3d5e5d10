package call

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// clickToDial begins a call of our own.
func (w *world) clickToDial(edit func(o *sbc.OriginateOrder)) (sbc.CallInfo, error) {
	o := sbc.OriginateOrder{TrunkID: "trk_a", From: "49111", To: "49222", MaxDurationS: 60, Variables: map[string]string{"x": "y"}}
	if edit != nil {
		edit(&o)
	}
	return w.m.Originate(background(), o)
}

// TestOriginate: RFC 3725: one is called, then the other, and the two hear each other.
func TestOriginate(t *testing.T) {
	run(t, nil, func(w *world) {
		info, err := w.clickToDial(nil)
		if err != nil || info.State != sbc.CallSetup || info.Caller != "49111" || info.Callee != "49222" || info.MaxDurationS != 60 {
			t.Fatalf("%+v, %v", info, err)
		}
		one := w.wire.next(msg.INVITE)
		if one.req.RequestURI.User != "49111" || one.req.From.URI.User != "49222" || !strings.Contains(string(one.req.Body), "m=audio") {
			t.Errorf("INVITE %s", one.req.AppendTo(nil))
		}
		one.reply(180)
		one.reply(200, sdp(calleeIP, 5000))
		if w.wire.ackCount() != 1 || len(w.ledger.answered) != 0 {
			t.Error("no ACK, or answered too early")
		}
		two := w.wire.next(msg.INVITE)
		if two.req.RequestURI.User != "49222" || two.req.From.URI.User != "49111" || !strings.Contains(string(two.req.Body), "5000") {
			t.Errorf("INVITE %s", two.req.AppendTo(nil))
		}
		two.reply(180)
		w.wire.none(msg.NOTIFY)
		two.reply(200, sdp("198.51.100.30", 7000))
		re := w.wire.next(msg.INVITE)
		if re.req.CallID != one.req.CallID || !strings.Contains(string(re.req.Body), "7000") {
			t.Errorf("re-INVITE %s", re.req.AppendTo(nil))
		}
		re.reply(200, sdp(calleeIP, 5000))
		if i := w.m.List(sbc.CallFilter{})[0]; i.State != sbc.CallConfirmed || len(i.Legs) != 2 || i.Legs[0].Side != sbc.SideCaller ||
			i.Legs[0].SIPCallID != one.req.CallID {
			t.Errorf("%+v", i)
		}
		first, second := w.callee(one), w.callee(two)
		info2 := second.send(msg.INFO, "")
		w.wire.next(msg.INFO).reply(200)
		info2.want(200)
		first.send(msg.BYE, "").want(200)
		w.wire.next(msg.BYE).reply(200)
		d := w.cdr()
		if d.EndReason != sbc.EndCallerBye || d.AnsweredAt == nil || len(d.Legs) != 2 || d.Legs[0].SIPCallID != one.req.CallID ||
			d.Legs[1].SIPCallID != two.req.CallID || d.Legs[1].Role != "" || d.CalleeSent != "49222" || d.Variables["x"] != "y" ||
			d.FinalCode != 200 || len(d.Attempts) != 2 {
			t.Errorf("record %+v", d)
		}
	})
}

// TestOriginateAnnounces: RFC 3725: who answers first hears an announcement, over and over, until the other one answers, and
// only that one; however it ends, nothing is played any more.
func TestOriginateAnnounces(t *testing.T) {
	for _, code := range []int{200, 486} {
		run(t, nil, func(w *world) {
			order := func(o *sbc.OriginateOrder) { o.AnnouncementID = "ann_1" }
			if _, err := w.clickToDial(func(o *sbc.OriginateOrder) { o.AnnouncementID = "ann_none" }); sbc.CodeOf(err) != sbc.CodeInvalid {
				t.Errorf("an announcement that is not there: %v", err)
			}
			if _, err := w.clickToDial(order); err != nil {
				t.Fatal(err)
			}
			one := w.wire.next(msg.INVITE)
			one.reply(183, sdp(calleeIP, 5000))
			s := w.engine.last()
			if len(s.played) != 0 {
				t.Error("played before an answer")
			}
			one.reply(200, sdp(calleeIP, 5000))
			two := w.wire.next(msg.INVITE)
			two.reply(180)
			c := w.m.calls.all("")[0]
			if len(s.played) != 1 || s.played[0].to != c.b.party || s.played[0].repeat != 0 ||
				s.played[0].audio == nil {
				t.Fatalf("played %+v", s.played)
			}
			if two.reply(code, sdp("198.51.100.30", 7000)); code != 200 {
				w.wire.next(msg.BYE).reply(200)
				return
			}
			if len(s.played) != 0 {
				t.Errorf("still played: %+v", s.played)
			}
			w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000))
			w.callee(one).send(msg.BYE, "").want(200)
			w.wire.next(msg.BYE).reply(200)
		})
	}
}

// TestOriginateFails in each of its stages.
func TestOriginateFails(t *testing.T) {
	for name, tt := range map[string]struct {
		play func(w *world)
		end  sbc.EndReason
	}{
		"nobody answers": {func(w *world) {
			w.wire.next(msg.INVITE).reply(503)
			w.wire.next(msg.INVITE).reply(486)
		}, sbc.EndBusy},
		"the second is busy": {func(w *world) {
			w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000))
			w.wire.next(msg.INVITE).reply(486)
			w.wire.next(msg.BYE).reply(200)
		}, sbc.EndBusy},
		"the first hangs up": {func(w *world) {
			one := w.wire.next(msg.INVITE)
			one.reply(200, sdp(calleeIP, 5000))
			two := w.wire.next(msg.INVITE)
			two.reply(180)
			w.callee(one).send(msg.BYE, "").want(200)
			if !two.isCancelled() {
				t.Error("the second was not cancelled")
			}
			two.reply(487)
		}, sbc.EndCallerBye},
		"hung up while the first rings": {func(w *world) {
			one := w.wire.next(msg.INVITE)
			one.reply(180)
			if err := w.m.HangUp(background(), w.m.List(sbc.CallFilter{})[0].ID, "enough"); err != nil {
				t.Error(err)
			}
			one.reply(487)
		}, sbc.EndAdmin},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(w *world) {
				if _, err := w.clickToDial(nil); err != nil {
					t.Fatal(err)
				}
				tt.play(w)
				if d := w.cdr(); d.EndReason != tt.end || d.AnsweredAt != nil || d.FinalCode < 300 {
					t.Errorf("record %+v", d)
				}
			})
		})
	}
}

// TestOriginateRefused: what may not be, is not begun.
func TestOriginateRefused(t *testing.T) {
	run(t, func(id string, r sbc.Resource) {
		if t, ok := r.(*sbc.Trunk); ok && id == "trk_a" {
			t.MaxCalls = 1
		}
	}, func(w *world) {
		for name, tt := range map[string]struct {
			edit func(o *sbc.OriginateOrder)
			code sbc.Code
		}{
			"no trunk":          {func(o *sbc.OriginateOrder) { o.TrunkID = "trk_none" }, sbc.CodeInvalid},
			"of another tenant": {func(o *sbc.OriginateOrder) { o.TenantID = "ten_other" }, sbc.CodeInvalid},
			"no plan":           {func(o *sbc.OriginateOrder) { o.TrunkID = "trk_b" }, sbc.CodeConflict},
			"refused number":    {func(o *sbc.OriginateOrder) { o.To = "490099" }, sbc.CodeConflict},
			"no number":         {func(o *sbc.OriginateOrder) { o.From = "" }, sbc.CodeInvalid},
		} {
			if _, err := w.clickToDial(tt.edit); sbc.CodeOf(err) != tt.code {
				t.Errorf("%s: %v", name, err)
			}
		}
		a, _, _, _ := w.talk()
		if _, err := w.clickToDial(nil); sbc.CodeOf(err) != sbc.CodeConflict {
			t.Errorf("over the limit: %v", err)
		}
		w.end(a)
		w.ledger.ends = nil
	})
}

// TestTransferByAPI: either side is connected with a number, or with a side of another call.
func TestTransferByAPI(t *testing.T) {
	for _, keep := range []sbc.Side{sbc.SideCaller, sbc.SideCallee} {
		run(t, bothCall, func(w *world) {
			a, b, _, _ := w.talk()
			id := w.m.List(sbc.CallFilter{})[0].ID
			o := sbc.TransferOrder{Keep: keep, Target: "49222"}
			if err := w.m.Transfer(background(), id, o); err != nil {
				t.Fatal(err)
			}
			if err := w.m.Transfer(background(), id, o); sbc.CodeOf(err) != sbc.CodeConflict {
				t.Errorf("a second one meanwhile: %v", err)
			}
			stays, goes := a, b
			if keep == sbc.SideCallee {
				stays, goes = b, a
			}
			target := w.wire.next(msg.INVITE)
			target.reply(200, sdp("198.51.100.30", 7000))
			w.wire.none(msg.NOTIFY)
			if bye := w.wire.next(msg.BYE); bye.reply(200) == nil || bye.req.CallID != goes.callID {
				t.Errorf("BYE %s", bye.req.AppendTo(nil))
			}
			re := w.wire.next(msg.INVITE)
			if re.reply(200, sdp(stays.ip, 7100)); re.req.CallID != stays.callID {
				t.Errorf("re-INVITE %s", re.req.AppendTo(nil))
			}
			stays.send(msg.BYE, "").want(200)
			w.wire.next(msg.BYE).reply(200)
		})
	}
	run(t, nil, func(w *world) {
		_, b, _, d := w.consult()
		calls := w.m.List(sbc.CallFilter{})
		for _, o := range []sbc.TransferOrder{
			{Keep: sbc.SideCallee, CallID: "call_none", With: sbc.SideCallee}, {Keep: "x", Target: "1"}, {Keep: sbc.SideCaller},
			{Keep: sbc.SideCallee, CallID: calls[0].ID, With: sbc.SideCallee},
		} {
			if err := w.m.Transfer(background(), calls[0].ID, o); sbc.CodeOf(err) != sbc.CodeInvalid {
				t.Errorf("%+v: %v", o, err)
			}
		}
		if err := w.m.Transfer(background(), "call_none", sbc.TransferOrder{Keep: sbc.SideCaller, Target: "1"}); sbc.CodeOf(err) != sbc.CodeNotFound {
			t.Error(err)
		}
		if err := w.m.Transfer(background(), calls[0].ID, sbc.TransferOrder{Keep: sbc.SideCaller, Target: "77"}); sbc.CodeOf(err) != sbc.CodeConflict {
			t.Errorf("a trunk without a plan: %v", err)
		}
		if err := w.m.Transfer(background(), calls[0].ID, sbc.TransferOrder{Keep: sbc.SideCallee, CallID: calls[1].ID, With: sbc.SideCallee}); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			w.answerAll()
		}
		b.send(msg.INFO, "")
		if far := w.wire.next(msg.INFO); far.req.CallID != d.callID {
			t.Errorf("INFO %s", far.req.AppendTo(nil))
		} else {
			far.reply(200)
		}
		d.send(msg.BYE, "").want(200)
		w.wire.next(msg.BYE).reply(200)
	})
}
