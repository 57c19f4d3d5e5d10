package call

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// watched lets packages through on both trunks, whose calls may be transferred, too.
func watched(events ...string) func(string, sbc.Resource) {
	return func(id string, r sbc.Resource) {
		bothCall(id, r)
		if p, ok := r.(*sbc.SignallingProfile); ok {
			p.PassEvents = events
		}
		if t, ok := r.(*sbc.Trunk); ok {
			t.SignallingProfileID = map[string]string{"trk_a": "sgp_1", "trk_b": "sgp_2"}[id]
		}
	}
}

const waiting = "Messages-Waiting: yes\r\n"

// TestWatch: a subscription within a call is made, told of, refreshed and ended, in both directions, with ids of each side's own.
func TestWatch(t *testing.T) {
	run(t, watched("message-summary"), func(w *world) {
		a, b, _, _ := w.talk()
		for _, by := range [][2]*peer{{a, b}, {b, a}} {
			from, to := by[0], by[1]
			in := from.send(msg.SUBSCRIBE, "", "Event: message-summary;id=secret", "Expires: 600", "Accept: x/y, application/simple-message-summary")
			out := w.wire.next(msg.SUBSCRIBE)
			id := strings.TrimPrefix(out.req.Get("Event"), "message-summary;id=")
			if id == "secret" || len(id) != 1 || out.req.Get("Expires") != "600" || out.req.Get("Accept") != "application/simple-message-summary" ||
				!out.req.Has("Contact") {
				t.Fatalf("%s", out.req.AppendTo(nil))
			}
			tell := func(state, body string, code int) {
				t.Helper()
				n := to.send(msg.NOTIFY, body, "Event: message-summary;id="+id, "Subscription-State: "+state, "Content-Type: application/simple-message-summary")
				got := w.wire.next(msg.NOTIFY)
				if got.req.Get("Event") != "message-summary;id=secret" || got.req.Get("Subscription-State") != state || string(got.req.Body) != body {
					t.Fatalf("%s", got.req.AppendTo(nil))
				}
				got.reply(200)
				n.want(code)
			}
			tell("pending", "", 200) // before the answer
			out.reply(202, "Expires: 100")
			if res := in.want(202); res.Get("Expires") != "100" || !res.Has("Contact") {
				t.Fatalf("%s", res.AppendTo(nil))
			}
			tell("active;expires=99", waiting, 200)
			in = from.send(msg.SUBSCRIBE, "", "Event: message-summary;id=secret", "Expires: 0")
			w.wire.next(msg.SUBSCRIBE).reply(200, "Expires: 0")
			in.want(200)
			tell("terminated;reason=timeout", "", 200)
			to.send(msg.NOTIFY, "", "Event: message-summary;id="+id, "Subscription-State: active").want(481)
		}
		a.send(msg.SUBSCRIBE, "", "Event: dialog").want(489)
		a.send(msg.PUBLISH, "", "Event: message-summary").want(405) // RFC 3903 4: outside dialogs
		a.send(msg.NOTIFY, "", "Event: message-summary", "Subscription-State: active").want(481)
		a.send(msg.NOTIFY, "", "Event: presence", "Subscription-State: active").want(489)
		w.end(a)
	})
}

// TestWatchForgotten: a subscription whose time is over, that was refused or that one side forgot is none; the call goes on.
func TestWatchForgotten(t *testing.T) {
	run(t, watched("dialog"), func(w *world) {
		a, b, _, _ := w.talk()
		subscribe := func(code int, extra ...string) *server {
			s := a.send(msg.SUBSCRIBE, "", "Event: dialog", "Expires: 60")
			w.wire.next(msg.SUBSCRIBE).reply(code, extra...)
			return s
		}
		told := func() *server { return b.send(msg.NOTIFY, "", "Event: dialog", "Subscription-State: active") }
		if res := subscribe(423, "Min-Expires: 900").want(423); res.Get("Min-Expires") != "900" {
			t.Error("423 without Min-Expires")
		}
		told().want(481)
		subscribe(481).want(500)
		subscribe(200, "Expires: 60").want(200)
		subscribe(481).want(481) // the refresh of what the notifier forgot
		told().want(481)
		subscribe(200, "Expires: 60").want(200)
		n := told()
		w.wire.next(msg.NOTIFY).reply(481)
		n.want(481)
		told().want(481)
		subscribe(200, "Expires: 60").want(200)
		time.Sleep(60*time.Second + watchGrace + time.Second)
		told().want(481)
		for range maxWatches {
			a.send(msg.SUBSCRIBE, "", "Event: dialog;id="+msg.NewTag())
			w.wire.next(msg.SUBSCRIBE).reply(200)
		}
		a.send(msg.SUBSCRIBE, "", "Event: dialog;id=x").want(500)
		b.send(msg.NOTIFY, "{}", "Event: dialog;id=1", "Subscription-State: active", "Content-Type: application/json").want(415)
		w.end(a)
	})
}

// TestWatchTransferred: who watched a side that was replaced is told that this is over.
func TestWatchTransferred(t *testing.T) {
	run(t, watched("dialog"), func(w *world) {
		a, b, _, _ := w.talk()
		a.send(msg.SUBSCRIBE, "", "Event: dialog;id=4", "Expires: 60")
		w.wire.next(msg.SUBSCRIBE).reply(200)
		b.send(msg.REFER, "", "Refer-To: <sip:49222@x.example>", "Refer-Sub: false").want(202)
		target := w.wire.next(msg.INVITE)
		target.reply(200, sdp("198.51.100.30", 7000))
		over := w.wire.next(msg.NOTIFY)
		if over.req.Get("Event") != "dialog;id=4" || over.req.Get("Subscription-State") != "terminated;reason=deactivated" {
			t.Errorf("%s", over.req.AppendTo(nil))
		}
		over.reply(200)
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
		b = w.callee(target)
		b.send(msg.NOTIFY, "", "Event: dialog;id=1", "Subscription-State: active").want(481)
		w.end(a)
	})
}

// TestReferUnsubscribed: who sent a REFER may end its subscription; the transfer goes on.
func TestReferUnsubscribed(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a, b, _, _ := w.talk()
		b.send(msg.REFER, "", "Refer-To: <sip:49222@x.example>").want(202)
		w.notified("100", "active")
		target := w.wire.next(msg.INVITE)
		b.send(msg.SUBSCRIBE, "", "Event: refer;id=99", "Expires: 60").want(405)
		b.send(msg.SUBSCRIBE, "", "Event: refer", "Expires: 60").want(200)
		w.notified("100", "active")
		b.send(msg.SUBSCRIBE, "", "Event: refer", "Expires: 0").want(200)
		w.notified("100", "terminated")
		b.send(msg.SUBSCRIBE, "", "Event: refer", "Expires: 60").want(481)
		target.reply(200, sdp("198.51.100.30", 7000))
		w.wire.none(msg.NOTIFY)
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
		w.end(a)
	})
}
