package integration

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc/msg"
)

// told answers the next NOTIFY of a line and sees its stage.
func (l *line) told(code string) {
	l.p.t.Helper()
	m := l.hear(msg.NOTIFY)
	if !strings.Contains(string(m.Body), "SIP/2.0 "+code) {
		l.p.t.Errorf("NOTIFY says %q, not %s", m.Body, code)
	}
	l.say(m, 200, "", "", hostileHeaders(l.p)...)
}

// named spells the dialog of a line for Replaces, as its own side names it.
func (l *line) named() string {
	from, _ := msg.ParseNameAddr(l.local)
	to, _ := msg.ParseNameAddr(l.remote)
	return url.QueryEscape(l.callID + ";to-tag=" + to.Tag() + ";from-tag=" + from.Tag())
}

// refer asks for a transfer, in the most talkative way.
func (l *line) refer(number, more string) int {
	return l.request("REFER", "", append(hostileHeaders(l.p), "Refer-To: <sip:"+number+"@"+l.p.host("referto")+more+">",
		"Target-Dialog: "+l.callID+";local-tag=leak;remote-tag=leak", "Contact: "+l.p.contact())...)
}

// transferScenes are those of RFC 5359 2.4, 2.5 and 2.15.
func transferScenes() []scene {
	return []scene{
		{"blind transfer by the callee", func(a, b *peer) {
			call, rings := connected(a, b)
			a.sync(a.border) // the border has the ACK
			rings.answer(rings.refer("4930777", ""), 202)
			rings.told("100")
			third := a.ring()
			third.say(third.invite, 180, "", "", hostileHeaders(a)...)
			rings.told("180")
			third.say(third.invite, 200, "", a.sdp(), hostileHeaders(a)...)
			third.hear(msg.ACK)
			re := call.hear(msg.INVITE)
			call.say(re, 200, "", a.sdp(), hostileHeaders(a)...)
			call.hear(msg.ACK)
			rings.told("200")
			rings.say(rings.hear(msg.BYE), 200, "", "")
			call.hangup(third)
		}},
		{"blind transfer refused", func(a, b *peer) {
			call, rings := connected(a, b)
			a.sync(a.border) // the border has the ACK
			rings.answer(rings.refer("4930777", ""), 202)
			rings.told("100")
			third := a.ring()
			third.say(third.invite, 486, "Busy in "+a.host("phrase"), "", hostileHeaders(a)...)
			rings.told("486")
			third.hear(msg.ACK)
			call.hangup(rings)
		}},
		{"attended transfer by the caller", func(a, b *peer) {
			first, one := connected(a, b)
			second, two := connected(a, b)
			a.sync(a.border)
			first.answer(first.refer("4930777", "?Replaces="+second.named()), 202)
			first.told("100")
			second.say(second.hear(msg.BYE), 200, "", "")
			one.say(one.hear(msg.INVITE), 200, "", b.sdp(), hostileHeaders(b)...)
			one.hear(msg.ACK)
			two.say(two.hear(msg.INVITE), 200, "", b.sdp(), hostileHeaders(b)...)
			two.hear(msg.ACK)
			first.told("200")
			first.say(first.hear(msg.BYE), 200, "", "")
			one.hangup(two)
		}},
		{"an INVITE with Replaces", func(a, b *peer) {
			call, rings := connected(a, b)
			a.sync(a.border)
			dialog, _ := url.QueryUnescape(rings.named()) // it was escaped a moment ago
			taker := b.dial("4930123456", hostileDescription(b), append(hostileHeaders(b), "Replaces: "+dialog)...)
			call.say(call.hear(msg.INVITE), 200, "", hostileDescription(a), hostileHeaders(a)...)
			call.hear(msg.ACK)
			taker.final(200)
			rings.say(rings.hear(msg.BYE), 200, "", "", hostileHeaders(b)...)
			taker.hangup(call, hostileHeaders(b)...)
			other, far := connected(a, b)
			a.sync(a.border)
			stranger := a.dial("4930123456", a.sdp(), "Replaces: "+far.callID+";to-tag=leak;from-tag=leak") // it guesses
			stranger.final(481)
			other.hangup(far)
		}},
		{"attended transfer to one who rings yet", func(a, b *peer) {
			first, one, second, two := halfConsulted(a, b)
			two.say(two.invite, 200, "", b.sdp(), hostileHeaders(b)...)
			second.final(200)
			two.hear(msg.ACK)
			second.say(second.hear(msg.BYE), 200, "", "")
			one.say(one.hear(msg.INVITE), 200, "", b.sdp(), hostileHeaders(b)...)
			one.hear(msg.ACK)
			two.say(two.hear(msg.INVITE), 200, "", b.sdp(), hostileHeaders(b)...)
			two.hear(msg.ACK)
			first.told("200")
			first.say(first.hear(msg.BYE), 200, "", "")
			one.hangup(two)
		}},
		{"attended transfer to one who rings yet, given up", func(a, b *peer) {
			first, one, second, two := halfConsulted(a, b)
			second.cancel(hostileHeaders(a)...)
			second.final(487)
			two.say(two.hear(msg.CANCEL), 200, "", "")
			two.say(two.invite, 487, "Cancelled by "+b.host("phrase"), "", hostileHeaders(b)...)
			two = b.ring()
			two.say(two.invite, 200, "", b.sdp(), hostileHeaders(b)...)
			two.hear(msg.ACK)
			one.say(one.hear(msg.INVITE), 200, "", b.sdp(), hostileHeaders(b)...)
			one.hear(msg.ACK)
			first.told("200")
			first.say(first.hear(msg.BYE), 200, "", "")
			one.hangup(two)
		}},
	}
}

// halfConsulted are two calls of a: first and one talk, two rings at second's wish, and a has asked to connect one and two.
func halfConsulted(a, b *peer) (first, one, second, two *line) {
	a.t.Helper()
	first, one = connected(a, b)
	second = a.dial("4930123456", a.sdp())
	two = b.ring()
	two.say(two.invite, 180, "", "", hostileHeaders(b)...)
	second.answer(1, 180)
	a.sync(a.border)
	first.answer(first.refer("4930777", "?Replaces="+second.named()), 202)
	first.told("100")
	first.told("180")
	return first, one, second, two
}

// redirectScenes are those in which the target of a transfer redirects, and that is told on.
func redirectScenes() []scene {
	return []scene{
		{"blind transfer redirected", func(a, b *peer) {
			call, rings := connected(a, b)
			a.sync(a.border)
			call.answer(call.refer("4930777", ""), 202)
			call.told("100")
			third := b.ring()
			third.say(third.invite, 302, "Try "+b.host("phrase"), "", append(hostileHeaders(b),
				"Contact: \"Bob\" <sip:49308@"+b.host("redirect")+":5070;x=leak-"+b.side+">;q=0.5")...)
			third.hear(msg.ACK)
			told := call.hear(msg.NOTIFY)
			want := "SIP/2.0 302 Moved Temporarily\r\nContact: <sip:49308@" + a.border.String() + ">;q=0.5\r\n"
			if string(told.Body) != want {
				a.t.Errorf("NOTIFY says %q, not %q", told.Body, want)
			}
			call.say(told, 200, "", "", hostileHeaders(a)...)
			call.hangup(rings)
		}},
	}
}

// TestLeaksRedirectedTarget plays that in both directions.
func TestLeaksRedirectedTarget(t *testing.T) {
	b := startBorder(t, app.Options{})
	more := rest.Object{"signalling_profile_id": b.create("/signalling-profiles", rest.Object{"name": "pass", "redirects": "pass"})}
	w := b.connect(newSides(t), wish{westTrunk: more, eastTrunk: more})
	eyes := w.watched(t, false)
	playAll(t, eyes, redirectScenes())
	b.quiet()
	eyes.finished(t)
}

// passScenes are those in which REFER is carried to the other side.
func passScenes() []scene {
	return []scene{
		{"REFER carried, with NOTIFY back", func(a, b *peer) {
			call, rings := connected(a, b)
			a.sync(a.border) // the border has the ACK
			other, far := connected(a, b)
			a.sync(a.border)
			seq := call.refer("4930777", "?Replaces="+other.named())
			refer := rings.hear(msg.REFER)
			rings.say(refer, 202, "", "", append(hostileHeaders(b), "Contact: "+b.contact())...)
			call.answer(seq, 202)
			seq = rings.request("NOTIFY", "SIP/2.0 180 Ringing at "+b.host("sipfrag")+"\r\nContact: <sip:x@"+b.host("frag")+">\r\n",
				append(hostileHeaders(b), "Event: refer", "Subscription-State: active;expires=60;x="+b.host("state"),
					"Contact: "+b.contact(), "Content-Type: message/sipfrag")...)
			notify := call.hear(msg.NOTIFY)
			call.say(notify, 200, "", "", hostileHeaders(a)...)
			rings.answer(seq, 200)
			call.hangup(rings)
			other.hangup(far)
		}},
	}
}

// TestLeaksPassedRefer plays those scenes in both directions.
func TestLeaksPassedRefer(t *testing.T) {
	b := startBorder(t, app.Options{})
	profile := b.create("/signalling-profiles", rest.Object{"name": "pass", "refer_mode": "pass"})
	more := rest.Object{"signalling_profile_id": profile}
	w := b.connect(newSides(t), wish{westTrunk: more, eastTrunk: more})
	eyes := w.watched(t, false)
	playAll(t, eyes, passScenes())
	b.quiet()
	eyes.finished(t)
}
