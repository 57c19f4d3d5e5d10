package call

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// TestPhonesRingAtOnce: both phones of bob ring, the second answers, the first is cancelled with a word why; the record tells of both.
func TestPhonesRingAtOnce(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1)}
		a, in := v.call("bob")
		ring := v.invites(2)
		for i, s := range ring {
			if s.req.CallID != ring[0].req.CallID || s.req.From.Tag() != ring[0].req.From.Tag() {
				t.Error("the branches are not of one leg")
			}
			if s.req.RequestURI.User != []string{"secret-reg_1", "secret-reg_2"}[i] || s.req.To.URI.String() != "sip:bob@example.com" ||
				s.req.From.URI.String() != "sip:alice@example.com" || s.req.From.Display != "Alice" {
				t.Errorf("INVITE to a phone:\n%s", s.req.AppendTo(nil))
			}
		}
		ring[0].reply(180)
		in.want(180)
		ring[1].reply(180)
		ring[1].reply(200, sdp(bobIP2, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		if !ring[0].isCancelled() || len(ring[0].cancel) != 1 || !strings.Contains(ring[0].cancel[0].Value, "200") {
			t.Errorf("the other phone: cancelled %v with %v", ring[0].cancelled, ring[0].cancel)
		}
		if ring[1].isCancelled() {
			t.Error("the phone that answered was cancelled")
		}
		ring[0].reply(487)
		bye := a.send(msg.BYE, "")
		out := v.wire.next(msg.BYE)
		if out.target.Host != bobIP2 || out.req.To.Tag() != ring[1].tag {
			t.Errorf("BYE to %s", out.target.Host)
		}
		out.reply(200)
		bye.want(200)
		d := v.cdr()
		if d.CallerSubscriberID != "sub_alice" || d.CalleeSubscriberID != "sub_bob" || d.EgressTrunkID != "dom_1" || len(d.Attempts) != 2 {
			t.Fatalf("record %+v", d)
		}
		one, two := d.Attempts[0], d.Attempts[1]
		if one.RegistrationID != "reg_1" || one.Reason != "answered elsewhere" || two.RegistrationID != "reg_2" || two.Code != 200 ||
			two.SubscriberID != "sub_bob" || one.ProgressAt == nil || one.EndedAt == nil {
			t.Errorf("attempts %+v", d.Attempts)
		}
	})
}

// TestBothAnswer: the 200 of the phone that was late is acknowledged and its dialog released (RFC 3261 13.2.2.4).
func TestBothAnswer(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1)}
		a, in := v.call("bob")
		ring := v.invites(2)
		ring[0].reply(200, sdp(bobIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		ring[1].reply(200, sdp(bobIP2, 5000))
		bye := v.wire.next(msg.BYE)
		if bye.target.Host != bobIP2 || v.wire.ackCount() != 2 {
			t.Errorf("BYE to %s, %d ACKs", bye.target.Host, v.wire.ackCount())
		}
		bye.reply(200)
		ring[1].reply(200, sdp(bobIP2, 5000)) // again: acknowledged again, but no second BYE
		v.wire.none(msg.BYE)
		v.end(a)
	})
}

// TestForkFails sees what the caller is told when all phones fail: the best answer by RFC 3261 16.7 step 6.
func TestForkFails(t *testing.T) {
	for _, tt := range []struct {
		name     string
		one, two func(*sent)
		want     int
		end      sbc.EndReason
	}{
		{"busy and not there", answers(486), breaks(msg.ErrNoResponse), 486, sbc.EndBusy},
		{"not there and busy", breaks(msg.ErrTransport), answers(486), 486, sbc.EndBusy},
		{"500 and busy", answers(500), answers(486), 486, sbc.EndBusy},
		{"both unreachable", breaks(msg.ErrTransport), breaks(msg.ErrTransport), 480, sbc.EndNoAnswer},
		{"the same phone twice", answers(486), answers(482), 486, sbc.EndBusy},
		{"no credentials travel", answers(407), answers(401), 403, sbc.EndRejected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runVillage(t, nil, func(v *village) {
				v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1)}
				_, in := v.call("bob")
				ring := v.invites(2)
				tt.one(ring[0])
				in.want(100)
				tt.two(ring[1])
				in.want(tt.want)
				if d := v.cdr(); d.EndReason != tt.end || d.FinalCode != tt.want {
					t.Errorf("end %s with %d", d.EndReason, d.FinalCode)
				}
			})
		})
	}
}

func answers(n int) func(*sent)    { return func(s *sent) { s.reply(n) } }
func breaks(err error) func(*sent) { return func(s *sent) { s.failed(err) } }
func seconds(n int) time.Duration  { return time.Duration(n) * time.Second }

// TestDecline: 603 of one phone speaks for all (RFC 3261 16.7 step 5), also for those of a lower q.
func TestDecline(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1), phone("reg_3", bobIP3, 0.5)}
		_, in := v.call("bob")
		ring := v.invites(2)
		ring[0].reply(180)
		ring[1].reply(180)
		ring[1].reply(603)
		if !ring[0].isCancelled() {
			t.Error("the other phone still rings")
		}
		ring[0].reply(487)
		v.wire.none(msg.INVITE)
		in.want(603)
		if d := v.cdr(); d.Attempts[0].Reason != "cancelled" || d.Attempts[1].Code != 603 {
			t.Errorf("%+v", d.Attempts)
		}
	})
}

// TestNextQ: the phones of the next q ring when those before failed, or rang too long.
func TestNextQ(t *testing.T) {
	runVillage(t, func(d *sbc.Domain) { d.RingTimeoutS = 10 }, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 0.7), phone("reg_3", bobIP3, 0.3)}
		a, in := v.call("bob")
		v.invites(1)[0].reply(486)
		two := v.invites(1)[0]
		two.reply(180)
		time.Sleep(seconds(11))
		if !two.isCancelled() {
			t.Fatal("it rings for ever")
		}
		two.reply(487)
		three := v.invites(1)[0]
		three.reply(200, sdp(bobIP3, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		v.end(a)
		if d := v.cdr(); len(d.Attempts) != 3 || d.Attempts[0].Code != 486 || d.Attempts[1].Reason != "timeout" || d.Attempts[2].Code != 200 {
			t.Errorf("%+v", d.Attempts)
		}
	})
}

// TestSerial: one phone after the other where the domain wants it so.
func TestSerial(t *testing.T) {
	runVillage(t, func(d *sbc.Domain) { d.Registration.Serial = true }, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1)}
		_, in := v.call("bob")
		v.invites(1)[0].reply(486)
		v.invites(1)[0].reply(486)
		in.want(486)
	})
}

// TestCancelFork: the caller gives up, and all phones stop.
func TestCancelFork(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1), phone("reg_3", bobIP3, 1)}
		a, in := v.call("bob")
		ring := v.invites(3)
		ring[0].reply(180)
		in.onCancel(a.build(msg.CANCEL, a.lastInviteNumber, ""))
		in.want(487)
		for i, s := range ring { // the wire waits for a provisional by itself
			if !s.isCancelled() {
				t.Errorf("phone %d rings on", i)
			}
		}
		ring[0].reply(487)
		ring[1].reply(200, sdp(bobIP2, 5000)) // it crossed our CANCEL
		v.wire.next(msg.BYE).reply(200)
		ring[2].failed(msg.ErrNoResponse)
		if d := v.cdr(); d.EndReason != sbc.EndCallerCancel {
			t.Errorf("%+v", d)
		}
	})
}

// TestFlows: the second flow of a phone is tried when the first is broken, and the phone is called once (RFC 5626 5.3).
func TestFlows(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*sent)
	}{{"430", answers(430)}, {"transport", breaks(msg.ErrTransport)}} {
		t.Run(tt.name, func(t *testing.T) {
			runVillage(t, nil, func(v *village) {
				p := phone("reg_1", bobIP, 1)
				p.Others = []route.Phone{phone("reg_2", bobIP2, 1).Phone}
				v.book.phones["sub_bob"] = []Contact{p}
				a, in := v.call("bob")
				tt.do(v.invites(1)[0])
				second := v.invites(1)[0]
				second.reply(180)
				second.reply(200, sdp(bobIP2, 5000))
				a.learn(in.want(200))
				a.ack(a.lastInviteNumber, "")
				v.end(a)
				if d := v.cdr(); len(d.Attempts) != 2 || d.Attempts[0].RegistrationID != "reg_1" || d.Attempts[1].RegistrationID != "reg_2" {
					t.Errorf("%+v", d.Attempts)
				}
			})
		})
	}
}
