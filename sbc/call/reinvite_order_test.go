package call

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestReinviteByAPI: each side is offered again what it was told last, the callee after the caller; one that refuses is told of.
func TestReinviteByAPI(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		id := w.call().id
		order := func(o sbc.ReinviteOrder) chan error {
			done := make(chan error, 1)
			go func() { done <- w.m.Reinvite(background(), id, o) }()
			synctest.Wait()
			return done
		}
		done := order(sbc.ReinviteOrder{})
		re := w.wire.next(msg.INVITE)
		if re.target.Host != callerIP || len(re.req.Body) == 0 || bytes.Contains(re.req.Body, []byte("inactive")) {
			t.Fatalf("to %s: %s", re.target.Host, re.req.AppendTo(nil))
		}
		w.wire.none(msg.INVITE)
		re.reply(200, sdp(callerIP, 4010))
		re = w.wire.next(msg.INVITE)
		if re.target.Host != calleeIP {
			t.Fatalf("to %s", re.target.Host)
		}
		re.reply(200, sdp(calleeIP, 5000))
		if err := <-done; err != nil {
			t.Error(err)
		}
		done = order(sbc.ReinviteOrder{Sides: []sbc.Side{sbc.SideCallee}, NewPort: true})
		if re = w.wire.next(msg.INVITE); !bytes.Contains(re.req.Body, []byte("a=moved")) {
			t.Errorf("not moved: %s", re.req.Body)
		}
		re.reply(200, sdp(calleeIP, 5000))
		if err := <-done; err != nil {
			t.Error(err)
		}
		done = order(sbc.ReinviteOrder{Sides: []sbc.Side{sbc.SideCallee}})
		w.wire.next(msg.INVITE).reply(488)
		if err := <-done; sbc.CodeOf(err) != sbc.CodeConflict {
			t.Errorf("refused: %v", err)
		}
		if err := <-order(sbc.ReinviteOrder{Sides: []sbc.Side{sbc.SideSBC}}); sbc.CodeOf(err) != sbc.CodeInvalid {
			t.Errorf("ourselves: %v", err)
		}
		done = order(sbc.ReinviteOrder{Sides: []sbc.Side{sbc.SideCallee}})
		w.wire.next(msg.INVITE)
		w.end(a)
		if err := <-done; sbc.CodeOf(err) != sbc.CodeConflict {
			t.Errorf("the call ended: %v", err)
		}
		if err := <-order(sbc.ReinviteOrder{}); err == nil {
			t.Error("a call that is over took an order")
		}
	})
}

// TestInfoByAPI: a side gets INFO in its dialog, and its answer comes back whatever it is; the other side hears nothing.
func TestInfoByAPI(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		id := w.call().id
		order := func(ctx context.Context) chan infoEnd {
			done := make(chan infoEnd, 1)
			go func() {
				answer, err := w.m.SendInfo(ctx, id, sbc.InfoOrder{Side: sbc.SideCallee, ContentType: "text/plain", Body: "credit 120"})
				done <- infoEnd{answer, err}
			}()
			synctest.Wait()
			return done
		}
		for _, code := range []int{200, 415} {
			done := order(background())
			info := w.wire.next(msg.INFO)
			if info.target.Host != calleeIP || info.req.Get("Content-Type") != "text/plain" || string(info.req.Body) != "credit 120" {
				t.Fatalf("to %s: %s", info.target.Host, info.req.AppendTo(nil))
			}
			info.reply(code)
			if e := <-done; e.err != nil || e.answer.Status != code {
				t.Errorf("%+v", e)
			}
		}
		done := order(background())
		w.wire.next(msg.INFO).failed(msg.ErrNoResponse)
		if e := <-done; sbc.CodeOf(e.err) != sbc.CodeConflict {
			t.Errorf("no answer: %+v", e)
		}
		ctx, cancel := context.WithCancel(background())
		var waiting []chan infoEnd
		for range maxUntaken {
			waiting = append(waiting, order(ctx))
			w.wire.next(msg.INFO)
		}
		if e := <-order(ctx); sbc.CodeOf(e.err) != sbc.CodeConflict {
			t.Errorf("one more than may wait: %+v", e)
		}
		cancel()
		for _, one := range waiting {
			if e := <-one; e.err == nil {
				t.Errorf("%+v", e)
			}
		}
		w.end(a)
		if e := <-order(background()); e.err == nil {
			t.Errorf("a call that is over: %+v", e)
		}
	})
}
