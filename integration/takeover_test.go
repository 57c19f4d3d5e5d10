package integration

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// takeoverScenes are INVITEs that name another dialog: with Replaces (RFC 3891, RFC 5359 2.16) and with Join (RFC 3911).
func takeoverScenes() []scene {
	return []scene{
		{"a call that rings is picked up", func(a, b *peer) {
			call := a.dial("4930123456", hostileDescription(a), hostileHeaders(a)...)
			rings := b.ring()
			rings.say(rings.invite, 180, "", "", hostileHeaders(b)...)
			call.answer(1, 180)
			taker := b.dial("4930123456", hostileDescription(b), append(hostileHeaders(b), "Replaces: "+rings.plainly())...)
			rings.say(rings.hear(msg.CANCEL), 200, "", "")
			rings.say(rings.invite, 487, "Cancelled by "+b.host("phrase"), "", hostileHeaders(b)...)
			call.final(200)
			call.say(call.hear(msg.INVITE), 200, "", hostileDescription(a), hostileHeaders(a)...)
			call.hear(msg.ACK)
			taker.final(200)
			taker.hangup(call, hostileHeaders(b)...)
		}},
		{"a place is taken without an offer", func(a, b *peer) {
			call, rings := connected(a, b)
			a.sync(a.border)
			taker := b.dial("4930123456", "", append(hostileHeaders(b), "Replaces: "+rings.plainly())...)
			ok := taker.answer(1, 200)
			if len(ok.Body) == 0 {
				a.t.Error("nothing is offered")
			}
			rings.say(rings.hear(msg.BYE), 200, "", "", hostileHeaders(b)...)
			taker.ack(ok, hostileDescription(b))
			call.say(call.hear(msg.INVITE), 200, "", hostileDescription(a), hostileHeaders(a)...)
			call.hear(msg.ACK)
			taker.hangup(call, hostileHeaders(b)...)
		}},
		{"an INVITE with Join", func(a, b *peer) {
			call, rings := connected(a, b)
			a.sync(a.border)
			b.dial("4930123456", hostileDescription(b), append(hostileHeaders(b), "Join: "+rings.plainly())...).final(488)
			b.dial("4930123456", hostileDescription(b), append(hostileHeaders(b), "Join: "+rings.plainly(), "Require: join")...).final(420)
			a.dial("4930123456", hostileDescription(a), "Join: "+call.plainly(), "Replaces: "+call.plainly()).final(400)
			other := a.dial("4930123456", hostileDescription(a), append(hostileHeaders(a), "Join: leak@"+a.host("join")+";to-tag=leak;from-tag=leak")...)
			heard := b.ring()
			if heard.invite.Has("Join") {
				b.t.Error("Join went on")
			}
			heard.say(heard.invite, 486, "", "", hostileHeaders(b)...)
			other.final(486)
			heard.hear(msg.ACK)
			call.hangup(rings)
		}},
	}
}

// wilfulScenes are reliable responses and UPDATEs where the border stands between a peer and nobody: to a re-INVITE, and of a
// target of a transfer that rings.
func wilfulScenes() []scene {
	return []scene{
		{"a re-INVITE answered reliably", func(a, b *peer) {
			call, rings := connected(a, b)
			a.sync(a.border)
			seq := call.request("INVITE", a.sdp(), hostileHeaders(a)...)
			re := rings.hear(msg.INVITE)
			rings.say(re, 183, "Working at "+b.host("phrase"), b.sdp(), append(hostileHeaders(b), "Require: 100rel", "RSeq: 7")...)
			prack := rings.hear(msg.PRACK)
			if want := fmt.Sprintf("7 %d INVITE", re.CSeq.Seq); prack.Get("RAck") != want {
				b.t.Errorf("RAck: %s, want %s", prack.Get("RAck"), want)
			}
			rings.say(prack, 200, "", "")
			rings.say(re, 200, "", "", hostileHeaders(b)...)
			ok := call.answer(seq, 200)
			if len(ok.Body) == 0 {
				a.t.Error("the answer of the 183 is not in the 200")
			}
			call.ack(ok)
			rings.hear(msg.ACK)
			call.hangup(rings)
		}},
		{"UPDATE of a target that rings", func(a, b *peer) {
			call, rings := connected(a, b)
			a.sync(a.border)
			rings.answer(rings.refer("4930777", ""), 202)
			rings.told("100")
			third := a.ring()
			third.say(third.invite, 183, "", a.sdp(), append(hostileHeaders(a), "Require: 100rel", "RSeq: 7")...)
			third.say(third.hear(msg.PRACK), 200, "", "")
			rings.told("183")
			third.answer(third.request("UPDATE", a.sdp(), hostileHeaders(a)...), 200)
			third.say(third.invite, 200, "", "", hostileHeaders(a)...)
			third.hear(msg.ACK)
			call.say(call.hear(msg.INVITE), 200, "", a.sdp(), hostileHeaders(a)...)
			call.hear(msg.ACK)
			third.say(third.hear(msg.INVITE), 200, "", a.sdp(), hostileHeaders(a)...)
			third.hear(msg.ACK)
			rings.told("200")
			rings.say(rings.hear(msg.BYE), 200, "", "")
			call.hangup(third)
		}},
	}
}

// plainly is named as a header has it.
func (l *line) plainly() string {
	dialog, _ := url.QueryUnescape(l.named()) // it was escaped a moment ago
	return dialog
}

// TestPickUpIsHeard: alice calls carol, whose phone rings, and another phone of carol's picks the call up (RFC 5359 2.16): both
// hear each other, and the first phone rings no more.
func TestPickUpIsHeard(t *testing.T) {
	t.Parallel()
	x := newThreePhones(t)
	ctx := patience(t, 20*time.Second)
	desk := x.phoneAt("desk", x.carolHost.peer, 1200)
	alice, err := x.alice.Dial("49771", phoneTarget(x.w.sides))
	if err != nil {
		t.Fatal(err)
	}
	carol := <-x.toCarol
	<-alice.Ringing()
	dialog, err := url.QueryUnescape(strings.TrimPrefix(carol.Replaces(), "?Replaces="))
	if err != nil {
		t.Fatal(err)
	}
	border := netip.AddrPortFrom(x.carolHost.border, 5060)
	picks, err := desk.Dial("49771", border, msg.Header{Name: "Replaces", Value: dialog}, msg.Header{Name: "Require", Value: "replaces"})
	if err != nil {
		t.Fatal(err)
	}
	<-carol.Ended()
	for _, c := range []*phone.Call{alice, picks} {
		if code, err := c.Final(ctx); err != nil || code != 200 {
			t.Fatalf("final answer %d, %v", code, err)
		}
	}
	hearsNow(t, alice, 1200)
	hearsNow(t, picks, 800)
	if err := picks.Hangup(ctx); err != nil {
		t.Error(err)
	}
	<-alice.Ended()
	if r := x.b.cdrs(1)[0]; r.EndReason != sbc.EndCalleeBye || r.Disposition != sbc.DispositionAnswered || len(r.Legs) != 3 ||
		r.Legs[2].SIPCallID != picks.SIPCallID() || r.Attempts[0].Reason != "picked up elsewhere" {
		t.Errorf("record %+v", r)
	}
	x.b.quiet()
}

// phoneAt opens a phone that takes no calls.
func (x *threePhones) phoneAt(name string, at netip.Addr, tone float64) *phone.Phone {
	x.t.Helper()
	p, err := phone.New(phone.Options{Address: at, Name: name, UserAgent: name, Tone: tone})
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(p.Close)
	return p
}
