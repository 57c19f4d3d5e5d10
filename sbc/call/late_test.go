package call

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestLateInTheQueue: what waits in the queue behind the end of its call is answered as what comes a moment later (pitfall P13),
// and its sender is no intruder.
func TestLateInTheQueue(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		a.send(msg.BYE, "").want(200)
		bye := w.wire.next(msg.BYE)
		gate, c := make(chan struct{}), w.m.calls.all("")[0]
		go c.look(func() { <-gate })
		synctest.Wait()
		bye.reply(200) // the call's end: it waits
		again, info := a.send(msg.BYE, ""), a.send(msg.INFO, "")
		a.ack(a.lastInviteNumber, "")
		close(gate)
		again.want(200)
		info.want(481)
		a.send(msg.BYE, "").want(200)
		if n := len(w.events.of(sbc.EventSecurityDialog)); n != 0 {
			t.Errorf("%d intrusions", n)
		}
	})
}

// TestOrdersBehindTheEnd: an order of the API, and what the call's media tell, that waited behind the end of the call, find no
// call: no fault, no detector that finds it dead, and nothing is sent.
func TestOrdersBehindTheEnd(t *testing.T) {
	for name, order := range map[string]func(w *world, id string) error{
		"hang up": func(w *world, id string) error { return w.m.HangUp(background(), id, "x") },
		"change": func(w *world, id string) error {
			_, err := w.m.Change(background(), id, sbc.CallChange{MaxDurationS: new(int), Variables: map[string]*string{"x": ptr("y")}})
			return err
		},
		"hold": func(w *world, id string) error {
			return w.m.Hold(background(), id, sbc.HoldOrder{Side: sbc.SideCaller, Held: true})
		},
		"reinvite": func(w *world, id string) error { return w.m.Reinvite(background(), id, sbc.ReinviteOrder{}) },
		"play": func(w *world, id string) error {
			return w.m.Play(background(), id, sbc.PlayOrder{Sides: []sbc.Side{sbc.SideCaller}, AnnouncementID: "ann_1"})
		},
		"stop": func(w *world, id string) error { return w.m.StopPlaying(background(), id, []sbc.Side{sbc.SideCaller}) },
		"digits": func(w *world, id string) error {
			return w.m.SendDTMF(background(), id, sbc.DTMFOrder{Side: sbc.SideCaller, Digits: "12"})
		},
		"transfer": func(w *world, id string) error {
			return w.m.Transfer(background(), id, sbc.TransferOrder{Keep: sbc.SideCaller, Target: "49222"})
		},
		"info": func(w *world, id string) error {
			_, err := w.m.SendInfo(background(), id, sbc.InfoOrder{Side: sbc.SideCaller})
			return err
		},
		"silence": func(w *world, _ string) error { w.engine.last().o.OnSilence(nil, time.Time{}); return errLate },
		"media":   func(w *world, id string) error { w.m.Media(id); return errLate },
		"list":    func(w *world, _ string) error { w.m.List(sbc.CallFilter{}); return errLate },
		"attended": func(w *world, id string) error {
			return w.m.Transfer(background(), id, sbc.TransferOrder{Keep: sbc.SideCallee, CallID: id, With: sbc.SideCaller})
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(w *world) {
				a, _, _, _ := w.talk()
				a.send(msg.BYE, "").want(200)
				bye := w.wire.next(msg.BYE)
				gate, c := make(chan struct{}), w.m.calls.all("")[0]
				go c.look(func() { <-gate })
				synctest.Wait()
				bye.reply(200)
				done := make(chan error, 1)
				go func() { done <- order(w, c.id) }()
				synctest.Wait()
				close(gate)
				if err := <-done; err == nil && name != "hang up" && name != "stop" { // which have what they want
					t.Error("it was carried out")
				}
				synctest.Wait()
				if n := len(w.events.of(sbc.EventCallDead)); n != 0 {
					t.Errorf("%d detectors found it dead", n)
				}
				for _, method := range []msg.Method{msg.BYE, msg.INVITE, msg.INFO} {
					w.wire.none(method)
				}
				w.cdr()
			})
		})
	}
}

// errLate stands for what has no answer.
var errLate = errors.New("late")
