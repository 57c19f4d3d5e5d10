package call

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// reinvited carries a change from one side to the other, and sees which lines the two are shown.
func (w *world) reinvited(from *peer, offer, answer, offered, answered string) {
	w.t.Helper()
	re := from.send(msg.INVITE, offer)
	far := w.wire.next(msg.INVITE)
	if !bytes.Contains(far.req.Body, []byte(offered)) {
		w.t.Errorf("the offer lacks %q:\n%s", offered, far.req.Body)
	}
	far.reply(200, answer)
	if m := re.want(200); !bytes.Contains(m.Body, []byte(answered)) {
		w.t.Errorf("the answer lacks %q:\n%s", answered, m.Body)
	}
	from.ack(from.cseq, "")
}

// holds lets Bob put Alice on hold (RFC 3264 8.4), and takes it back.
func (w *world) holds(b *peer, held bool) {
	w.t.Helper()
	if held {
		w.reinvited(b, sdp(calleeIP, 5000)+"a=sendonly\r\n", sdp(callerIP, 4000)+"a=recvonly\r\n", "a=sendonly", "a=recvonly")
	} else {
		w.reinvited(b, sdp(calleeIP, 5000)+"a=sendrecv\r\n", sdp(callerIP, 4000)+"a=sendrecv\r\n", "a=sendrecv", "a=sendrecv")
	}
	if i, _ := w.m.Get(w.m.List(sbc.CallFilter{})[0].ID); held != (len(i.Held) == 1) {
		w.t.Errorf("held are %v", i.Held)
	}
}

// calls begins a call of a party of the callee's side.
func (w *world) calls() *peer {
	w.t.Helper()
	p := w.caller()
	p.ip, p.iface, p.local, p.uri = calleeIP, "sif_b", "<sip:4977@198.51.100.10>;tag=of"+p.callID, "sip:4930123@"+borderB
	return p
}

// joins answers a call at the next place where it rings.
func (w *world) joins(a *peer, in *server, port int) *peer {
	w.t.Helper()
	out := w.wire.next(msg.INVITE)
	out.reply(200, sdp(out.target.Host, port))
	a.learn(in.want(200))
	a.ack(a.lastInviteNumber, "")
	return w.callee(out)
}

// replaces lets a third party of the callee's side take the place of one there.
func (w *world) replaces(old *peer, port int) *peer {
	w.t.Helper()
	n := w.calls()
	in := n.invite(sdp(n.ip, port), "Replaces: "+old.named())
	w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
	n.learn(in.want(200))
	n.ack(n.lastInviteNumber, "")
	bye := w.wire.next(msg.BYE)
	if bye.req.CallID != old.callID {
		w.t.Errorf("BYE %s", bye.req.AppendTo(nil))
	}
	bye.reply(200)
	return n
}

// TestRFC5359 plays the services of RFC 5359 by their sections, with the border where that RFC has its proxies. Alice is the
// caller, Bob the callee. 2.17 (automatic redial) needs a subscription: it is TestRFC5359 in integration. Of conferences (2.10, 2.11)
// the focus is Bob, because the border mixes no media.
func TestRFC5359(t *testing.T) {
	advancing := func(codes ...string) func(string, sbc.Resource) {
		return ofTrunk("trk_b", func(t *sbc.Trunk) { t.FailoverCodes = codes })
	}
	for _, tt := range []struct {
		name string
		edit func(string, sbc.Resource)
		play func(t *testing.T, w *world)
	}{
		{"2.1 call hold", nil, func(_ *testing.T, w *world) {
			a, b, _, _ := w.talk()
			w.holds(b, true)
			w.holds(b, false)
			w.end(a)
		}},
		{"2.2 consultation hold", bothCall, func(t *testing.T, w *world) {
			a, b, _, _ := w.talk()
			w.holds(b, true)
			again := w.calls()
			w.joins(again, again.invite(sdp(calleeIP, 5010)), 7000)
			w.end(again)
			w.holds(b, false)
			w.end(a)
			if n := len(w.ledger.ends); n != 2 {
				t.Errorf("%d records", n)
			}
		}},
		{"2.3 music on hold, from a server that Bob names", nil, func(_ *testing.T, w *world) {
			a, b, _, _ := w.talk()
			w.reinvited(b, sdp("198.51.100.40", 6000)+"a=sendonly\r\n", sdp(callerIP, 4000)+"a=recvonly\r\n", "m=audio 6000", "a=recvonly")
			w.holds(b, false)
			w.end(a)
		}},
		{"2.6 transfer by instant message", nil, func(t *testing.T, w *world) {
			a, b, _, _ := w.talk()
			text := b.send(msg.MESSAGE, "Please call 49222.", "Content-Type: text/plain")
			far := w.wire.next(msg.MESSAGE)
			if string(far.req.Body) != "Please call 49222." {
				t.Errorf("body %q", far.req.Body)
			}
			far.reply(200)
			text.want(200)
			w.end(a)
			a = w.caller()
			a.uri, a.remote = "sip:49222@"+borderA, "<sip:49222@"+borderA+">"
			w.joins(a, a.invite(sdp(callerIP, 4000)), 7000)
			w.end(a)
		}},
		{"2.7 call forwarding unconditional", profiled(follows), func(t *testing.T, w *world) {
			a := w.caller()
			in := a.invite(sdp(callerIP, 4000))
			w.wire.next(msg.INVITE).reply(302, "Contact: <sip:49222@elsewhere.example>")
			out := w.wire.next(msg.INVITE)
			if out.req.RequestURI.User != "49222" {
				t.Errorf("called %s", out.req.RequestURI)
			}
			out.reply(181) // it is forwarded there, too
			in.want(181)
			out.reply(200, sdp(calleeIP, 5000))
			a.learn(in.want(200))
			a.ack(a.lastInviteNumber, "")
			w.end(a)
		}},
		{"2.8 call forwarding on busy", advancing("486"), func(t *testing.T, w *world) {
			a := w.caller()
			in := a.invite(sdp(callerIP, 4000))
			w.wire.next(msg.INVITE).reply(486)
			w.joins(a, in, 5000)
			w.end(a)
			if d := w.cdr(); len(d.Attempts) != 2 || d.Attempts[0].Code != 486 || d.Attempts[1].Code != 200 {
				t.Errorf("attempts %+v", d.Attempts)
			}
		}},
		{"2.9 call forwarding on no answer", advancing("480"), func(t *testing.T, w *world) {
			a := w.caller()
			in := a.invite(sdp(callerIP, 4000))
			out := w.wire.next(msg.INVITE)
			out.reply(180)
			in.want(180)
			time.Sleep(121 * time.Second)
			if !out.isCancelled() {
				t.Fatal("it still rings there")
			}
			out.reply(487)
			w.joins(a, in, 5000)
			w.end(a)
			if d := w.cdr(); len(d.Attempts) != 2 || d.Attempts[0].Reason != "timeout" || d.Attempts[1].Code != 200 {
				t.Errorf("attempts %+v", d.Attempts)
			}
		}},
		{"2.10 conference of three, the third party is added", bothCall, func(t *testing.T, w *world) {
			a, b, _, _ := w.talk()
			w.holds(b, true)
			carol := w.calls() // called by Bob's focus
			w.joins(carol, carol.invite(sdp(calleeIP, 5010), "Contact: <sip:conf=1@"+calleeIP+">;isfocus"), 7000)
			re := b.send(msg.INVITE, sdp(calleeIP, 5010), "Contact: <sip:conf=1@"+calleeIP+">;isfocus")
			far := w.wire.next(msg.INVITE)
			if raw := string(far.req.AppendTo(nil)); strings.Contains(raw, "isfocus") || strings.Contains(raw, "conf=1") {
				t.Errorf("the focus shows:\n%s", raw)
			}
			far.reply(200, sdp(callerIP, 4000))
			re.want(200)
			b.ack(b.cseq, "")
			info := a.send(msg.INFO, "")
			out := w.wire.next(msg.INFO)
			if out.req.RequestURI.User != "conf=1" { // RFC 3261 12.2.2: the target is refreshed
				t.Errorf("sent to %s", out.req.RequestURI)
			}
			out.reply(200)
			info.want(200)
			w.end(carol)
			w.end(a)
		}},
		{"2.11 conference of three, the third party joins", bothCall, func(_ *testing.T, w *world) {
			a, b, _, _ := w.talk()
			carol := w.caller() // on Alice's side; she was told of the call there
			carol.invite(sdp(callerIP, 4010), "Join: "+a.named()).want(488)
			to := w.joins(carol, carol.invite(sdp(callerIP, 4010)), 5010) // so she calls Bob, who mixes
			w.reinvited(b, sdp(calleeIP, 5010), sdp(callerIP, 4000), "m=audio 5010", "m=audio 4000")
			w.reinvited(to, sdp(calleeIP, 5010), sdp(callerIP, 4010), "m=audio 5010", "m=audio 4010")
			w.end(carol)
			w.end(a)
		}},
		{"2.12 find-me", edits(profiled(follows), advancing("480", "486")), findMe},
		{"2.13 incoming call screening, by Bob's proxy", nil, func(t *testing.T, w *world) {
			a := w.caller()
			in := a.invite(sdp(callerIP, 4000))
			w.wire.next(msg.INVITE).reply(403, "Error-Info: <sip:49666@"+calleeIP+">")
			if no := in.want(403); no.Has("Error-Info") { // it names a host of Bob's side
				t.Errorf("refused with\n%s", no.AppendTo(nil))
			}
			a = w.caller()
			a.uri, a.remote = "sip:49666@"+borderA, "<sip:49666@"+borderA+">"
			b := w.joins(a, a.invite(sdp(callerIP, 4000)), 7000) // the announcement, which ends by itself
			bye := b.send(msg.BYE, "")
			w.wire.next(msg.BYE).reply(200)
			bye.want(200)
		}},
		{"2.14 outgoing call screening", nil, func(_ *testing.T, w *world) {
			a := w.caller()
			a.uri, a.remote = "sip:490099@"+borderA, "<sip:490099@"+borderA+">"
			a.invite(sdp(callerIP, 4000)).want(603)
			w.wire.none(msg.INVITE)
		}},
		{"2.15 call park, and retrieved", bothCall, func(t *testing.T, w *world) {
			a, b, _, _ := w.talk()
			park := w.replaces(b, 6000) // Bob's REFER to it passes beside the border
			carol := w.replaces(park, 7000)
			carol.send(msg.BYE, "").want(200)
			bye := w.wire.next(msg.BYE)
			if bye.target.Host != a.ip {
				t.Errorf("BYE to %s", bye.target.Host)
			}
			bye.reply(200)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { run(t, tt.edit, func(w *world) { tt.play(t, w) }) })
	}
	t.Run("2.3 music on hold, from the border", TestMusicOnHold)
	t.Run("2.4 transfer, unattended", TestBlindTransfer)
	t.Run("2.5 transfer, attended", TestAttendedTransfer)
	t.Run("2.16 call pickup", TestPickUp)
	t.Run("2.18 click to dial", TestOriginate)
}

// findMe is RFC 5359 2.12: the first place rings in vain and is cancelled, the second has nobody logged in, the third is busy, at the
// fourth Bob answers, and hangs up. The places are those of a 302, each number at two gateways.
func findMe(t *testing.T, w *world) {
	a := w.caller()
	in := a.invite(sdp(callerIP, 4000))
	w.wire.next(msg.INVITE).reply(302, "Contact: <sip:49201@x.example>;q=0.9, <sip:49202@x.example>;q=0.5, <sip:49203@x.example>;q=0.1")
	place := func(number, host string) *sent {
		out := w.wire.next(msg.INVITE)
		if out.req.RequestURI.User != number || out.target.Host != host {
			t.Errorf("%s at %s is tried, not %s at %s", out.req.RequestURI, out.target.Host, number, host)
		}
		return out
	}
	first := place("49201", calleeIP)
	first.reply(180)
	in.want(180)
	time.Sleep(121 * time.Second)
	if !first.isCancelled() {
		t.Fatal("the first still rings")
	}
	first.reply(487)
	place("49201", "198.51.100.11").reply(480)
	place("49202", calleeIP).reply(486)
	out := place("49202", "198.51.100.11")
	out.reply(180)
	in.want(180) // Alice hears one dialog, which rings
	out.reply(200, sdp(out.target.Host, 5000))
	a.learn(in.want(200))
	a.ack(a.lastInviteNumber, "")
	w.callee(out).send(msg.BYE, "").want(200)
	w.wire.next(msg.BYE).reply(200)
	w.wire.none(msg.INVITE)
	if d := w.cdr(); d.EndReason != sbc.EndCalleeBye || len(d.Attempts) != 5 {
		t.Errorf("%s after %+v", d.EndReason, d.Attempts)
	}
}
