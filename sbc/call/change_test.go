package call

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

func pointer[T any](v T) *T { return &v }

// TestChangeDuration: a longer and a shorter duration in a running call, one that is over already, and one said before the
// answer.
func TestChangeDuration(t *testing.T) {
	run(t, nil, func(w *world) {
		w.talk()
		id := w.call().id
		i, err := w.m.Change(background(), id, sbc.CallChange{MaxDurationS: pointer(20_000)})
		if err != nil || i.MaxDurationS != 20_000 || i.EndsAt == nil || i.EndsAt.Sub(*i.AnsweredAt) != 20_000*time.Second {
			t.Fatalf("%+v, %v", i, err)
		}
		time.Sleep(15_000 * time.Second)
		w.wire.none(msg.BYE)
		if _, err := w.m.Change(background(), id, sbc.CallChange{MaxDurationS: pointer(60)}); err != nil {
			t.Fatal(err)
		}
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.BYE).reply(200)
		if d := w.cdr(); d.EndReason != sbc.EndMaxDuration || d.DurationMS != 15_000_000 {
			t.Errorf("%s after %d", d.EndReason, d.DurationMS)
		}
		if _, err := w.m.Change(background(), id, sbc.CallChange{}); sbc.CodeOf(err) != sbc.CodeNotFound {
			t.Error(err)
		}
	})
	run(t, signalling(func(*sbc.SignallingProfile) {}), func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		if _, err := w.m.Change(background(), w.call().id, sbc.CallChange{MaxDurationS: pointer(7)}); err != nil {
			t.Fatal(err)
		}
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		time.Sleep(7 * time.Second)
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.BYE).reply(200)
		if d := w.cdr(); d.DurationMS != 7000 {
			t.Errorf("%d ms", d.DurationMS)
		}
	})
}

// TestVariables: set, changed and taken away, shown and recorded; bounds.
func TestVariables(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		id := w.call().id
		set := func(vars map[string]*string) (sbc.CallInfo, error) {
			return w.m.Change(background(), id, sbc.CallChange{Variables: vars})
		}
		if _, err := set(map[string]*string{"customer": pointer("17"), "gone": pointer("x")}); err != nil {
			t.Fatal(err)
		}
		i, err := set(map[string]*string{"gone": nil, "campaign.2": pointer("")})
		if err != nil || fmt.Sprint(i.Variables) != "map[campaign.2: customer:17]" {
			t.Errorf("%v, %v", i.Variables, err)
		}
		for name, bad := range map[string]map[string]*string{
			"no name": {"": pointer("x")}, "long name": {strings.Repeat("n", 65): pointer("x")},
			"long value": {"n": pointer(strings.Repeat("v", 257))}, "CRLF": {"n": pointer("a\r\nb")}, "broken": {"n\xff": nil},
		} {
			if _, err := set(bad); sbc.CodeOf(err) != sbc.CodeInvalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		many := map[string]*string{}
		for n := range sbc.MaxVariables {
			many[fmt.Sprint(n)] = pointer("x")
		}
		if _, err := set(many); sbc.CodeOf(err) != sbc.CodeConflict {
			t.Error(err)
		}
		w.end(a)
		if d := w.cdr(); fmt.Sprint(d.Variables) != "map[campaign.2: customer:17]" {
			t.Errorf("recorded %v", d.Variables)
		}
	})
}

// TestDurationOfNewcomer: whoever comes later may stay as long as its trunk allows, and no longer; how long the call was up before is
// nothing to it, and the call is not taken for a stale one.
func TestDurationOfNewcomer(t *testing.T) {
	run(t, bothCall, func(w *world) {
		w.snap.Trunk("trk_a").MaxCallDurationS, w.snap.Trunk("trk_b").MaxCallDurationS = 0, 0
		_, b, _, _ := w.talk()
		time.Sleep(2 * time.Hour)
		w.snap.Trunk("trk_b").MaxCallDurationS = 600
		b.send(msg.REFER, "", "Refer-To: <sip:49222@x.example>", "Refer-Sub: false").want(202)
		w.wire.next(msg.INVITE).reply(200, sdp("198.51.100.30", 7000))
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
		w.m.checkOnce()
		w.m.checkOnce()
		time.Sleep(599 * time.Second)
		w.wire.none(msg.BYE)
		time.Sleep(2 * time.Second)
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.BYE).reply(200)
		if d := w.cdr(); d.EndReason != sbc.EndMaxDuration || d.DurationMS != 7_800_000 {
			t.Errorf("%s after %d", d.EndReason, d.DurationMS)
		}
	})
}
