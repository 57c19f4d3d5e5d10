package call

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// boxes are mailboxes in memory; the test opens them.
type boxes struct {
	mu     sync.Mutex
	opens  []func(sbc.Mailbox, error)
	kept   []sbc.VoicemailMessage
	octets []int
	begun  []sbc.VoicemailMessage
	// discarded are the ids of those begun that were forgotten.
	discarded []string
	list      []sbc.VoicemailMessage
	heard     []string
	erased    []string
	blocked   bool
	open      int
}

func (b *boxes) Open(id string, then func(sbc.Mailbox, error)) {
	b.mu.Lock()
	b.opens = append(b.opens, then)
	b.mu.Unlock()
	if !b.blocked {
		then(b.box(id), nil)
	}
}

// box is one that takes messages; open counts those that were not closed.
func (b *boxes) box(id string) sbc.Mailbox {
	b.open++
	return sbc.Mailbox{
		TenantID: "ten", DomainID: "trk_b", SubscriberID: id, GreetingID: "ann_1", Longest: time.Minute, Close: func() { b.open-- },
	}
}

func (b *boxes) Begin(m sbc.VoicemailMessage, _ func() []byte) string {
	b.begun = append(b.begun, m)
	return fmt.Sprint("msg_", len(b.begun))
}
func (b *boxes) Discard(id string) { b.discarded = append(b.discarded, id) }
func (b *boxes) Deliver(m sbc.VoicemailMessage, pcm []byte) {
	b.kept, b.octets = append(b.kept, m), append(b.octets, m.DurationMS*16)
}
func (b *boxes) Messages(_ string, then func([]sbc.VoicemailMessage, error)) { then(b.list, nil) }
func (b *boxes) Sound(_, _ string, then func([]byte, error))                 { then(make([]byte, 3200), nil) }
func (b *boxes) Heard(_, id string)                                          { b.heard = append(b.heard, id) }
func (b *boxes) Erase(_, id string)                                          { b.erased = append(b.erased, id) }

// serveCall makes a call whose first callee is busy and whose next attempt is an agent of ours; body "" is an INVITE without an
// offer.
func (w *world) serveCall(b *boxes, who route.Agent, body string, extra ...string) (*peer, *server) {
	w.t.Helper()
	w.m.o.Mailboxes = b
	a := w.caller()
	in := a.invite(body, extra...)
	out := w.wire.next(msg.INVITE)
	c := w.m.calls.all("")[0]
	c.look(func() {
		c.hunt.plan = append(c.hunt.plan[:1:1], route.Voicemail("trk_b", "sub_1", "4930123"))
		c.hunt.plan[1].Agent = who
	})
	out.reply(503)
	return a, in
}

// hears plays what is being said to the caller to its end.
func (w *world) hears() {
	w.t.Helper()
	var said []playedTo
	w.within(func(s *session) { said, s.played = s.played, nil })
	if len(said) == 0 {
		w.t.Fatal("nothing is said")
	}
	said[len(said)-1].done()
	synctest.Wait()
}

// within looks at the media of the newest call as its queue does.
func (w *world) within(look func(*session)) {
	w.t.Helper()
	calls := w.m.calls.all("")
	if len(calls) == 0 {
		w.t.Fatal("no call is there")
	}
	calls[len(calls)-1].look(func() { look(w.engine.last()) })
}

// answeredBy lets the caller of a served call confirm the 200.
func (p *peer) answeredBy(in *server) {
	p.w.t.Helper()
	p.learn(in.want(200))
	p.ack(p.lastInviteNumber, "")
}

// recording brings a caller to the tone, after which it speaks for a while.
func (w *world) recording(spoken time.Duration) {
	w.t.Helper()
	w.hears() // the greeting
	w.hears() // the tone
	recorded := false
	w.within(func(s *session) {
		if recorded = s.recorded != nil; recorded {
			s.recorded.spoken = spoken
		}
	})
	if !recorded {
		w.t.Fatal("nothing is recorded")
	}
}

func TestMessageUntilTheCallerHangsUp(t *testing.T) {
	run(t, nil, func(w *world) {
		b := &boxes{}
		a, in := w.serveCall(b, route.AgentVoicemail, sdp(callerIP, 4000))
		a.answeredBy(in)
		w.recording(time.Hour)
		time.Sleep(5 * time.Second)
		a.send(msg.BYE, "").want(200)
		w.wire.none(msg.BYE)
		d := w.cdr()
		if len(b.kept) != 1 || b.octets[0] != 80_000 || b.kept[0].DurationMS != 5000 {
			t.Fatalf("kept %+v of %d octets", b.kept, b.octets)
		}
		if m := b.kept[0]; m.Caller != "+441234" || m.CallerName != "Alice" || m.SubscriberID != "sub_1" || b.open != 0 {
			t.Errorf("kept %+v, %d boxes are open", m, b.open)
		}
		if d.EgressTrunkID != "trk_b" || len(d.Attempts) != 2 || d.Attempts[1].Code != 200 || d.EndReason != sbc.EndCallerBye ||
			len(d.Legs) != 1 || d.BillableMS == 0 {
			t.Errorf("record %+v", d)
		}
	})
}

func TestMessageEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		spoken, after time.Duration
		key           byte
		octets        int
	}{
		"by the key":                {spoken: time.Hour, after: 3 * time.Second, key: '#', octets: 48_000},
		"by silence":                {spoken: 4 * time.Second, after: 14*time.Second + time.Millisecond, octets: 80_000},
		"at the longest":            {spoken: time.Hour, after: time.Minute + time.Millisecond, octets: 960_000},
		"without a word":            {after: 10*time.Second + time.Millisecond},
		"before there is a message": {spoken: time.Hour, after: 900 * time.Millisecond, key: '#'},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(w *world) {
				b := &boxes{}
				a, in := w.serveCall(b, route.AgentVoicemail, sdp(callerIP, 4000))
				a.answeredBy(in)
				w.recording(tt.spoken)
				time.Sleep(tt.after)
				synctest.Wait()
				if tt.key != 0 {
					a.send(msg.INFO, "Signal="+string(tt.key)+"\r\nDuration=100\r\n", "Content-Type: application/dtmf-relay").want(200)
				}
				w.hears() // the confirmation
				bye := w.wire.next(msg.BYE)
				bye.reply(200)
				if d := w.cdr(); d.EndReason != sbc.EndCalleeBye || d.ReleasedBy != sbc.SideCallee {
					t.Errorf("record %+v", d)
				}
				switch {
				case tt.octets == 0 && (len(b.kept) != 0 || len(b.begun) != len(b.discarded)):
					t.Errorf("kept %+v, began %d and forgot %d", b.kept, len(b.begun), len(b.discarded))
				case tt.octets != 0 && (len(b.kept) != 1 || b.octets[0]/1000 != tt.octets/1000):
					t.Errorf("kept %+v of %d octets, want %d", b.kept, b.octets, tt.octets)
				}
			})
		})
	}
}

// A digit in packets passes the greeting over.
func TestMessageDigitInPackets(t *testing.T) {
	run(t, nil, func(w *world) {
		b := &boxes{}
		a, in := w.serveCall(b, route.AgentVoicemail, sdp(callerIP, 4000))
		a.answeredBy(in)
		s := w.engine.last()
		s.listener(w.m.calls.all("")[0].a.party, '#', 100*time.Millisecond)
		synctest.Wait()
		w.hears()
		if s.recorded == nil {
			t.Error("the greeting was not passed over")
		}
		a.send(msg.BYE, "").want(200)
	})
}

func TestMessageOfACallerWithoutAnOffer(t *testing.T) {
	run(t, nil, func(w *world) {
		b := &boxes{}
		a, in := w.serveCall(b, route.AgentVoicemail, "")
		a.learn(in.want(200))
		if len(in.last().Body) == 0 {
			t.Fatal("no offer in the 200")
		}
		if len(w.engine.last().played) != 0 {
			t.Error("something is said before the answer")
		}
		a.ack(a.lastInviteNumber, sdp(callerIP, 4000))
		w.recording(time.Hour)
		time.Sleep(2 * time.Second)
		a.send(msg.BYE, "").want(200)
		if len(b.kept) != 1 {
			t.Errorf("kept %+v", b.kept)
		}
	})
}

func TestMailboxThatTakesNone(t *testing.T) {
	run(t, nil, func(w *world) {
		b := &boxes{blocked: true}
		_, in := w.serveCall(b, route.AgentVoicemail, sdp(callerIP, 4000))
		b.opens[0](sbc.Mailbox{}, sbc.Errorf(sbc.CodeConflict, "full"))
		in.want(480)
		if d := w.cdr(); d.FinalCode != 480 || d.Attempts[1].Reason != "unavailable" {
			t.Errorf("record %+v", d)
		}
	})
}

func TestMailboxOfACallerWeDoNotUnderstand(t *testing.T) {
	run(t, nil, func(w *world) {
		b := &boxes{blocked: true}
		_, in := w.serveCall(b, route.AgentVoicemail, sdp(callerIP, 4000))
		w.engine.last().mute = true
		b.opens[0](b.box("sub_1"), nil)
		in.want(488)
		if b.open != 0 {
			t.Error("the mailbox is open still")
		}
		w.cdr()
	})
}

// The caller gives up while the mailbox is looked for, or the call is stopped: nothing is answered any more.
func TestCancelledBeforeTheMailboxIsOpen(t *testing.T) {
	run(t, nil, func(w *world) {
		b := &boxes{blocked: true}
		a, in := w.serveCall(b, route.AgentVoicemail, sdp(callerIP, 4000))
		in.onCancel(a.build(msg.CANCEL, a.cseq, ""))
		in.want(487)
		b.opens[0](b.box("sub_1"), nil)
		if d := w.cdr(); d.EndReason != sbc.EndCallerCancel || b.open != 0 {
			t.Errorf("record %+v", d)
		}
	})
}

// A served caller may change its session; nobody may be put in the place of a machine.
func TestServedCallerChangesItsSession(t *testing.T) {
	run(t, nil, func(w *world) {
		a, in := w.serveCall(&boxes{}, route.AgentVoicemail, sdp(callerIP, 4000))
		a.answeredBy(in)
		re := a.send(msg.INVITE, sdp(callerIP, 4002))
		if len(re.want(200).Body) == 0 {
			t.Error("no answer")
		}
		a.send(msg.INVITE, sdp(callerIP, 4004)).want(500) // the other one has no ACK yet
		a.ack(int(re.req.CSeq.Seq), "")
		if !re.acked {
			t.Error("the ACK was not taken")
		}
		re = a.send(msg.INVITE, "")
		if len(re.want(200).Body) == 0 {
			t.Error("no offer")
		}
		a.ack(int(re.req.CSeq.Seq), sdp(callerIP, 4006))
		a.send(msg.UPDATE, "").want(200)
		a.send(msg.UPDATE, sdp(callerIP, 4008)).want(200)
		a.send(msg.REFER, "", "Refer-To: <sip:4930999@"+borderA+">").want(603)
		a.send(msg.MESSAGE, "hello", "Content-Type: text/plain").want(405)
		a.send(msg.OPTIONS, "").want(200)
		id := w.m.calls.all("")[0].id
		for what, err := range map[string]error{
			"play":     w.m.Play(background(), id, sbc.PlayOrder{AnnouncementID: "ann_1", Sides: []sbc.Side{sbc.SideCaller}, Repeat: 1}),
			"hold":     w.m.Hold(background(), id, sbc.HoldOrder{Side: sbc.SideCallee, Held: true}),
			"transfer": w.m.Transfer(background(), id, sbc.TransferOrder{Keep: sbc.SideCaller, Target: "4930999"}),
		} {
			if sbc.CodeOf(err) != sbc.CodeConflict {
				t.Errorf("%s: %v", what, err)
			}
		}
		a.send(msg.BYE, "").want(200)
		w.cdr()
	})
}

// Without the ACK of a re-INVITE the dialog is terminated (RFC 3261 14.2).
func TestServedCallerWithoutAck(t *testing.T) {
	run(t, nil, func(w *world) {
		a, in := w.serveCall(&boxes{}, route.AgentVoicemail, sdp(callerIP, 4000))
		a.answeredBy(in)
		re := a.send(msg.INVITE, sdp(callerIP, 4002))
		re.onFailed(msg.ErrTimeout)
		w.wire.next(msg.BYE).reply(200)
		if d := w.cdr(); d.EndReason != sbc.EndNoAck {
			t.Errorf("record %+v", d)
		}
	})
}

func TestMessagesAreRead(t *testing.T) {
	run(t, nil, func(w *world) {
		b := &boxes{list: []sbc.VoicemailMessage{{ID: "m1"}, {ID: "m2"}, {ID: "m3"}}}
		a, in := w.serveCall(b, route.AgentMessages, sdp(callerIP, 4000))
		a.answeredBy(in)
		press := func(digit string) {
			a.send(msg.INFO, digit, "Content-Type: application/dtmf").want(200)
		}
		w.hears()  // the tone before the first
		w.hears()  // the first, to its end
		press("1") // once more
		w.hears()
		press("7") // in the middle of it
		w.hears()
		press("#") // the second is passed over
		w.hears()
		w.hears()
		time.Sleep(betweenMessages + time.Millisecond)
		w.hears() // the confirmation
		w.wire.next(msg.BYE).reply(200)
		if d := w.cdr(); d.BillableMS != 0 || d.DurationMS == 0 || d.Disposition != sbc.DispositionAnswered {
			t.Errorf("record %+v", d)
		}
		if len(b.erased) != 1 || b.erased[0] != "m1" || len(b.heard) != 3 {
			t.Errorf("erased %v, heard %v", b.erased, b.heard)
		}
	})
}

func TestTones(t *testing.T) {
	for _, who := range []route.Agent{route.AgentConfirm, route.AgentDecline} {
		run(t, nil, func(w *world) {
			a, in := w.serveCall(&boxes{}, who, sdp(callerIP, 4000))
			a.answeredBy(in)
			time.Sleep(time.Second)
			w.hears()
			w.wire.next(msg.BYE).reply(200)
			if d := w.cdr(); d.BillableMS != 0 || d.FinalCode != 200 {
				t.Errorf("record %+v", d)
			}
		})
	}
}

// The machine sees a callee that answers in the moment it is called, and is gone in the moment it gets a BYE.
func TestMachineWithAnAgent(t *testing.T) {
	for name, tt := range map[string]struct {
		events []event
		want   []action
	}{
		"the caller hangs up": {
			[]event{{kind: evStart, next: true}, {kind: evAnswer}, {kind: evAck}, {kind: evCallerBye}, {kind: evCalleeGone}},
			[]action{doTry, doAck, doAnswer, doOKCaller, doByeCallee, doEnd}},
		"the agent hangs up before the ACK": {
			[]event{{kind: evStart, next: true}, {kind: evAnswer}, {kind: evCalleeBye}, {kind: evAck}, {kind: evCallerGone}},
			[]action{doTry, doAck, doAnswer, doOKCallee, doByeCaller, doEnd}},
		"cancelled while it is looked for": {
			[]event{{kind: evStart, next: true}, {kind: evCancel}, {kind: evFailed}},
			[]action{doTry, doRefuse, doEnd}},
		"a PRACK is owed": {
			[]event{{kind: evStart, next: true}, {kind: evAnswerHeld}, {kind: evUnpracked}, {kind: evCalleeGone}},
			[]action{doTry, doAck, doRefuse, doByeCallee, doEnd}},
	} {
		var s state
		var got []action
		for _, e := range tt.events {
			s, got = step(s, e, got)
		}
		if len(got) != len(tt.want) || !s.ended {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s: got %v, want %v", name, got, tt.want)
				break
			}
		}
	}
}
