package call

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// muteEngine gives sessions whose parties cannot be spoken to.
type muteEngine struct{ *engine }

func (e muteEngine) Open(o media.SessionOptions) Session {
	s := e.engine.Open(o)
	e.last().mute = true
	return s
}

const relayType = "Content-Type: application/dtmf-relay"

// digitsOf gives the events of digits.
func (w *world) digitsOf() string {
	var b strings.Builder
	for _, e := range w.events.of(sbc.EventCallDTMF) {
		fmt.Fprintf(&b, "%s %s %s, ", e.Data["side"], e.Data["digit"], e.Data["duration_ms"])
	}
	return b.String()
}

// press is a digit that a leg sent as a telephone-event.
func (w *world) press(l *leg, digit byte, d time.Duration) {
	s := w.engine.last()
	if s.packets == nil {
		s.packets = map[*media.Party]bool{}
	}
	s.packets[l.party] = true
	s.listener(l.party, digit, d)
	synctest.Wait()
}

// TestInfoBecomesPackets: the callee's trunk is told digits by RFC 4733, whatever the caller sends; the event says so in
// full.
func TestInfoBecomesPackets(t *testing.T) {
	run(t, mediaProfiled(func(p *sbc.MediaProfile) {
		p.DTMF, p.DTMFEvents = sbc.DTMFRFC4733, sbc.DiscloseFull
	}, "trk_a", "trk_b"), func(w *world) {
		a, _, _, _ := w.talk()
		a.send(msg.INFO, "Signal=5\r\nDuration=160\r\n", relayType).want(200)
		a.send(msg.INFO, "#", "Content-Type: application/dtmf").want(200)
		w.wire.none(msg.INFO)
		if got := w.engine.last().dialled; !equal(got, []string{"5:160", "#:100"}) {
			t.Errorf("sent %v", got)
		}
		if o := w.engine.last().options; o[0].DTMF != media.DTMFEvents {
			t.Errorf("options %+v", o)
		}
		if got := w.digitsOf(); got != "caller 5 160, caller # 100, " {
			t.Errorf("events %q", got)
		}
		// The same digits in packets are the same; from then on the packets count.
		w.press(w.call().a, '#', 100*time.Millisecond)
		a.send(msg.INFO, "Signal=9\r\n", relayType).want(200)
		w.press(w.call().a, '9', 100*time.Millisecond)
		if got := w.engine.last().dialled; len(got) != 2 {
			t.Errorf("sent twice: %v", got)
		}
		if got := w.digitsOf(); got != "caller 5 160, caller # 100, caller 9 100, " {
			t.Errorf("events %q", got)
		}
		w.end(a)
	})
}

// TestPacketsBecomeInfo: the callee's trunk is told digits by INFO, one after the other; its own INFO become packets to a
// caller whose trunk does not take INFO. Its events are masked.
func TestPacketsBecomeInfo(t *testing.T) {
	profile := mediaProfiled(func(p *sbc.MediaProfile) { p.DTMF, p.DTMFEvents = sbc.DTMFInfo, sbc.DiscloseMasked }, "trk_b")
	run(t, func(id string, r sbc.Resource) {
		if profile(id, r); id == "trk_a" {
			r.(*sbc.Trunk).PassMethods = nil
		}
	}, func(w *world) {
		a, b, _, _ := w.talk()
		w.press(w.call().a, '1', 120*time.Millisecond)
		w.press(w.call().a, '2', 20*time.Millisecond)
		first := w.wire.next(msg.INFO)
		if got := string(first.req.Body); got != "Signal=1\r\nDuration=120\r\n" || first.target.Host != calleeIP {
			t.Errorf("to %s: %q", first.target.Host, got)
		}
		w.wire.none(msg.INFO)
		first.reply(200)
		time.Sleep(200 * time.Millisecond)
		second := w.wire.next(msg.INFO)
		if got := string(second.req.Body); got != "Signal=2\r\nDuration=40\r\n" {
			t.Errorf("then %q", got)
		}
		second.reply(200)
		b.send(msg.INFO, "Signal=7\r\nDuration=100\r\n", relayType).want(200)
		if got := w.engine.last().dialled; !equal(got, []string{"7:100"}) {
			t.Errorf("sent %v", got)
		}
		if got := w.digitsOf(); got != "callee * 100, " { // the caller's trunk discloses nothing
			t.Errorf("events %q", got)
		}
		time.Sleep(time.Second)
		w.end(a)
	})
}

// A caller that sends each digit in packets and by INFO is heard once by a trunk that is told by INFO.
func TestDigitsAreNotDoubled(t *testing.T) {
	run(t, mediaProfiled(func(p *sbc.MediaProfile) { p.DTMF = sbc.DTMFInfo }, "trk_b"), func(w *world) {
		a, _, _, _ := w.talk()
		a.send(msg.INFO, "Signal=3\r\nDuration=100\r\n", relayType).want(200)
		w.press(w.call().a, '3', 100*time.Millisecond)
		w.wire.next(msg.INFO).reply(200)
		time.Sleep(time.Second)
		w.wire.none(msg.INFO)
		w.press(w.call().a, '4', 100*time.Millisecond)
		a.send(msg.INFO, "Signal=4\r\nDuration=100\r\n", relayType).want(200)
		w.wire.next(msg.INFO).reply(200)
		time.Sleep(time.Second)
		w.wire.none(msg.INFO)
		w.end(a)
	})
}

// As agreed: nothing is listened to, INFO pass as they are.
func TestDigitsPassAsAgreed(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		if w.engine.last().listener != nil {
			t.Error("somebody listens")
		}
		in := a.send(msg.INFO, "Signal=3\r\nDuration=100\r\n", relayType)
		out := w.wire.next(msg.INFO)
		if string(out.req.Body) != "Signal=3\r\nDuration=100\r\n" {
			t.Errorf("carried on %q", out.req.Body)
		}
		out.reply(200)
		in.want(200)
		w.end(a)
	})
}

func TestSendDTMFByAPI(t *testing.T) {
	run(t, mediaProfiled(func(p *sbc.MediaProfile) { p.DTMF = sbc.DTMFInfo }, "trk_b"), func(w *world) {
		a, _, _, _ := w.talk()
		id := w.call().id
		if err := w.m.SendDTMF(background(), id, sbc.DTMFOrder{Side: sbc.SideCaller, Digits: "12"}); err != nil {
			t.Fatal(err)
		}
		if got := w.engine.last().dialled; !equal(got, []string{"12:100"}) {
			t.Errorf("sent %v", got)
		}
		order := sbc.DTMFOrder{Side: sbc.SideCallee, Digits: "A", Duration: 200 * time.Millisecond}
		if err := w.m.SendDTMF(background(), id, order); err != nil {
			t.Fatal(err)
		}
		if out := w.wire.next(msg.INFO); string(out.req.Body) != "Signal=A\r\nDuration=200\r\n" {
			t.Errorf("sent %q", out.req.Body)
		} else {
			out.reply(200)
		}
		for _, o := range []sbc.DTMFOrder{
			{Digits: "1"}, {Side: sbc.SideCaller}, {Side: sbc.SideCaller, Digits: "1e"},
			{Side: sbc.SideCaller, Digits: "1", Duration: time.Millisecond}, {Side: sbc.SideCaller, Digits: "1", Gap: time.Hour},
		} {
			if err := w.m.SendDTMF(background(), id, o); code(err) != sbc.CodeInvalid {
				t.Errorf("%+v: %v", o, err)
			}
		}
		if err := w.m.SendDTMF(background(), "cal_0", order); code(err) != sbc.CodeNotFound {
			t.Errorf("no call: %v", err)
		}
		time.Sleep(time.Second)
		w.end(a)
	})
}

// A device that has lost the dialog answers a digit with 481: the call is over.
func TestDigitToNobody(t *testing.T) {
	run(t, mediaProfiled(func(p *sbc.MediaProfile) { p.DTMF = sbc.DTMFInfo }, "trk_b"), func(w *world) {
		w.talk()
		w.press(w.call().a, '1', 100*time.Millisecond)
		w.wire.next(msg.INFO).reply(481)
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.BYE).reply(481)
	})
}
