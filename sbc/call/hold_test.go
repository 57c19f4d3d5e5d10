package call

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// holding gives the events of hold so far, as "caller true".
func (w *world) holding() string {
	w.t.Helper()
	var out []string
	for _, e := range w.events.of(sbc.EventCallHold) {
		out = append(out, e.Data["side"]+" "+e.Data["held"])
	}
	return strings.Join(out, ", ")
}

// hold gives an order by the API; its error comes in the channel.
func (w *world) hold(side sbc.Side, held bool) chan error {
	w.t.Helper()
	id, done := w.call().id, make(chan error, 1)
	go func() { done <- w.m.Hold(background(), id, sbc.HoldOrder{Side: side, Held: held}) }()
	synctest.Wait()
	return done
}

// TestHoldByAPI: a side is told by a re-INVITE that says inactive, the other one nothing; a change of the other side does not
// take it back.
func TestHoldByAPI(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, _, _ := w.talk()
		done := w.hold(sbc.SideCallee, true)
		re := w.wire.next(msg.INVITE)
		if re.target.Host != calleeIP || !bytes.Contains(re.req.Body, []byte("a=inactive")) {
			t.Fatalf("to %s: %s", re.target.Host, re.req.AppendTo(nil))
		}
		re.reply(200, sdp(calleeIP, 5000)+"a=inactive\r\n")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		w.wire.none(msg.INVITE)
		if i, _ := w.m.Get(w.call().id); len(i.Held) != 1 || i.Held[0] != sbc.SideCallee {
			t.Errorf("held %v", i.Held)
		}
		if err := <-w.hold(sbc.SideCallee, true); err != nil { // once more
			t.Error(err)
		}
		change := a.send(msg.INVITE, sdp(callerIP, 4002))
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000))
		change.want(200)
		a.ack(a.cseq, "")
		re = w.wire.next(msg.INVITE)
		if !bytes.Contains(re.req.Body, []byte("a=inactive")) || !bytes.Contains(re.req.Body, []byte("4002")) {
			t.Fatalf("it is held no more: %s", re.req.Body)
		}
		re.reply(200, sdp(calleeIP, 5000)+"a=inactive\r\n")
		done = w.hold(sbc.SideCallee, false)
		re = w.wire.next(msg.INVITE)
		if !bytes.Contains(re.req.Body, []byte("a=sendrecv")) {
			t.Errorf("resumed with %s", re.req.Body)
		}
		re.reply(200, sdp(calleeIP, 5000))
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := w.holding(); got != "callee true, callee false, callee true, callee false" {
			t.Errorf("events %s", got)
		}
		_ = b
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4002)) // the fake media call a direction said a change
		w.end(a)
	})
}

// TestHoldByPeer: what the peers do is told and shown; the API cannot take back what the other side holds.
func TestHoldByPeer(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		for _, held := range []bool{true, false} {
			line := "a=sendonly\r\n"
			if !held {
				line = ""
			}
			re := a.send(msg.INVITE, sdp(callerIP, 4000)+line)
			w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000))
			re.want(200)
			a.ack(a.cseq, "")
			if i, _ := w.m.Get(w.call().id); (len(i.Held) == 1) != held {
				t.Errorf("held %v", i.Held)
			}
			if held {
				if err := <-w.hold(sbc.SideCallee, false); sbc.CodeOf(err) != sbc.CodeConflict {
					t.Errorf("taken back: %v", err)
				}
			}
		}
		if got := w.holding(); got != "callee true, callee false" {
			t.Errorf("events %s", got)
		}
		w.end(a)
	})
}

// TestHoldFails: the orders that cannot be carried out, and the side that refuses.
func TestHoldFails(t *testing.T) {
	run(t, nil, func(w *world) {
		order := func(id string, side sbc.Side) sbc.Code {
			return sbc.CodeOf(w.m.Hold(background(), id, sbc.HoldOrder{Side: side, Held: true}))
		}
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		id := w.call().id
		if got := order("call_0", sbc.SideCaller); got != sbc.CodeNotFound {
			t.Error(got)
		}
		if got := order(id, sbc.SideSBC); got != sbc.CodeInvalid {
			t.Error(got)
		}
		if got := order(id, sbc.SideCaller); got != sbc.CodeConflict {
			t.Error(got)
		}
		out := w.wire.next(msg.INVITE)
		out.reply(200, sdp(calleeIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		done := w.hold(sbc.SideCaller, true)
		w.wire.next(msg.INVITE).reply(488)
		if err := <-done; sbc.CodeOf(err) != sbc.CodeConflict || !strings.Contains(err.Error(), "488") {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(background(), time.Second)
		defer cancel()
		if err := w.m.Hold(ctx, id, sbc.HoldOrder{Side: sbc.SideCaller, Held: true}); err != context.DeadlineExceeded {
			t.Error(err)
		}
		w.end(a)
		w.wire.next(msg.INVITE)
	})
}

// TestHoldGlare: the side's own re-INVITE comes at the same time; both pass in the end.
func TestHoldGlare(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, _, _ := w.talk()
		done := w.hold(sbc.SideCallee, true)
		re := w.wire.next(msg.INVITE)
		b.send(msg.INVITE, sdp(calleeIP, 5002)).want(491)
		re.reply(491)
		time.Sleep(4 * time.Second)
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000)+"a=inactive\r\n")
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.end(a)
	})
}
