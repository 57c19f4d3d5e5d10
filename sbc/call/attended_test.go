package call

import (
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// named spells the dialog of a peer as its partner would name it to a third: from the peer's side, for Replaces.
func (p *peer) named() string {
	from, _ := msg.ParseNameAddr(p.local)
	to, _ := msg.ParseNameAddr(p.remote)
	return p.callID + ";to-tag=" + to.Tag() + ";from-tag=" + from.Tag()
}

// consult brings up two calls of one transferor: with the callee b of the first, and the callee d of the second.
func (w *world) consult() (a, b, c, d *peer) {
	w.t.Helper()
	a, b, _, _ = w.talk()
	c, d, _, _ = w.talk()
	return a, b, c, d
}

// TestAttendedTransfer: RFC 5359 2.5, RFC 5589 7.3. Alice has two calls, one with each; the REFER in one names the other. Its two other
// parties talk, both of Alice's legs are let go, there are two records with links, and late messages find their call.
func TestAttendedTransfer(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, c, d := w.consult()
		calls := w.m.List(sbc.CallFilter{})
		a.send(msg.REFER, "", "Refer-To: <sip:4930123@"+borderA+"?Replaces="+url.QueryEscape(c.named())+">").want(202)
		w.notified("100", "active")
		w.wire.none(msg.INFO)
		re := w.wire.next(msg.INVITE)
		if re.req.CallID != b.callID || re.req.To.Tag() == "" {
			t.Errorf("re-INVITE %s", re.req.AppendTo(nil))
		}
		old := w.wire.next(msg.BYE) // of the other call
		if old.req.CallID != c.callID {
			t.Errorf("BYE %s", old.req.AppendTo(nil))
		}
		old.reply(200)
		w.notified("200", "terminated")
		bye := w.wire.next(msg.BYE)
		if bye.req.CallID != a.callID {
			t.Errorf("BYE %s", bye.req.AppendTo(nil))
		}
		bye.reply(200)
		re.reply(200, sdp(calleeIP, 6100))
		re = w.wire.next(msg.INVITE)
		if re.req.CallID != d.callID {
			t.Errorf("the adopted party is not told: %s", re.req.AppendTo(nil))
		}
		re.reply(200, sdp(calleeIP, 6200))
		if live := w.m.List(sbc.CallFilter{}); len(live) != 1 || live[0].ID != calls[0].ID || len(live[0].LinkedCallIDs) != 1 ||
			live[0].LinkedCallIDs[0] != calls[1].ID || live[0].State != sbc.CallConfirmed {
			t.Fatalf("calls %+v", live)
		}
		for _, x := range [][2]*peer{{b, d}, {d, b}} { // the two are one call
			info := x[0].send(msg.INFO, "")
			far := w.wire.next(msg.INFO)
			if far.req.CallID != x[1].callID {
				t.Errorf("INFO went to %s", far.req.CallID)
			}
			far.reply(200)
			info.want(200)
		}
		d.send(msg.BYE, "").want(200)
		w.wire.next(msg.BYE).reply(200)
		w.ledger.mu.Lock()
		ends := append([]*sbc.CDR(nil), w.ledger.ends...)
		w.ledger.mu.Unlock()
		if len(ends) != 2 {
			t.Fatalf("%d records", len(ends))
		}
		first, second := ends[0], ends[1]
		if first.EndReason != sbc.EndTransferred || first.LinkedCallIDs[0] != second.CallID || len(first.Legs) != 2 ||
			first.Legs[0].Role != "transferor" || first.Legs[1].LeftAt == nil || len(first.Media) != 2 {
			t.Errorf("record of the call that ended by it: %+v", first)
		}
		if second.LinkedCallIDs[0] != first.CallID || len(second.Legs) != 3 || second.Legs[0].Role != "transferor" ||
			second.Legs[2].Role != "transfer_target" || second.Legs[2].SIPCallID != d.callID || second.EndReason != sbc.EndCallerBye {
			t.Errorf("record of the call that went on: %+v", second)
		}
	})
}

// TestAttendedTransferRefused: dialogs that are not there, not ours, not the transferor's, or not answered.
func TestAttendedTransferRefused(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, c, _ := w.consult()
		for name, refer := range map[string]struct{ to, code string }{
			"unknown":          {"x@y;to-tag=1;from-tag=2", "481"},
			"malformed":        {"x@y", "481"},
			"itself":           {a.named(), "481"},
			"another Call-ID":  {strings.Replace(c.named(), "a-call", "b-call", 1), "481"},
			"of somebody else": {b.named(), "481"},
		} {
			a.send(msg.REFER, "", "Refer-To: <sip:4930123@x.example?Replaces="+url.QueryEscape(refer.to)+">").want(202)
			w.notified("100", "active")
			n := w.wire.next(msg.NOTIFY)
			if !strings.HasPrefix(string(n.req.Body), "SIP/2.0 "+refer.code) {
				t.Errorf("%s: %s", name, n.req.Body)
			}
			n.reply(200)
		}
		b.send(msg.REFER, "", "Refer-To: <sip:1@x.example?Replaces="+url.QueryEscape(c.named())+">").want(202)
		w.notified("100", "active")
		w.notified("603", "terminated") // another trunk's dialog
		w.wire.none(msg.BYE)
		w.end(a)
		w.end(c)
	})
}

// TestBothCallsEnd while they are being merged: whatever crosses, each call ends once and nothing is left.
func TestAttendedTransferCrossesBye(t *testing.T) {
	for _, who := range []int{0, 1, 2, 3} {
		run(t, nil, func(w *world) {
			a, b, c, d := w.consult()
			refer := a.build(msg.REFER, a.cseq+1, "", "Refer-To: <sip:4930123@x?Replaces="+url.QueryEscape(c.named())+">")
			x := []*peer{a, b, c, d}[who]
			bye := x.build(msg.BYE, x.cseq+10, "")
			w.m.Handle(&server{t: t, req: bye}, bye)
			w.m.Handle(&server{t: t, req: refer}, refer)
			for range 8 {
				time.Sleep(time.Second)
				w.answerAll()
			}
			for _, i := range w.m.List(sbc.CallFilter{}) {
				_ = w.m.HangUp(background(), i.ID, "")
			}
			for range 8 {
				time.Sleep(time.Second)
				w.answerAll()
			}
		})
	}
}

// answerAll answers every request of ours that waits with 200.
func (w *world) answerAll() {
	synctest.Wait()
	w.wire.mu.Lock()
	var open []*sent
	for _, s := range w.wire.sent {
		if !s.taken {
			s.taken = true
			open = append(open, s)
		}
	}
	w.wire.mu.Unlock()
	for _, s := range open {
		if s.req.Method == msg.INVITE {
			s.reply(200, sdp(calleeIP, 6200))
		} else {
			s.reply(200)
		}
	}
}

// TestReplaces: RFC 3891, as in RFC 5359 2.15: an INVITE takes the place of either side.
func TestReplaces(t *testing.T) {
	for _, side := range []string{"caller", "callee"} {
		t.Run(side, func(t *testing.T) {
			run(t, bothCall, func(w *world) {
				a, b, _, _ := w.talk()
				replaced, stays, n := a, b, w.caller()
				if side == "callee" {
					replaced, stays = b, a
					n.ip, n.iface, n.local = calleeIP, "sif_b", "<sip:4977@198.51.100.10>;tag=third"
				}
				in := n.invite(sdp(n.ip, 8000), "Replaces: "+replaced.named(), "Require: replaces")
				in.want(100)
				re := w.wire.next(msg.INVITE)
				if re.target.Host != stays.ip || !strings.Contains(string(re.req.Body), "8000") {
					t.Fatalf("re-INVITE %s", re.req.AppendTo(nil))
				}
				w.wire.none(msg.BYE)
				re.reply(200, sdp(stays.ip, 8100))
				ok := in.want(200)
				if !strings.Contains(string(ok.Body), "8100") {
					t.Errorf("answer %s", ok.Body)
				}
				n.learn(ok)
				bye := w.wire.next(msg.BYE)
				if bye.req.CallID != replaced.callID {
					t.Errorf("BYE %s", bye.req.AppendTo(nil))
				}
				bye.reply(200)
				n.ack(n.lastInviteNumber, "")
				if !in.acked {
					t.Error("the ACK was not seen")
				}
				for _, p := range []*peer{n, stays} {
					info := p.send(msg.INFO, "")
					w.wire.next(msg.INFO).reply(200)
					info.want(200)
				}
				n.send(msg.BYE, "").want(200)
				last := w.wire.next(msg.BYE)
				if last.target.Host != stays.ip {
					t.Errorf("BYE to %s", last.target.Host)
				}
				last.reply(200)
				if d := w.cdr(); len(d.Legs) != 3 || d.Legs[2].Role != "transfer_target" || string(d.Legs[2].Side) != side {
					t.Errorf("record %+v", d)
				}
			})
		})
	}
}

// TestReplacesRefused: only an answered dialog of the sender's own trunk can be taken over, and a refusal changes nothing.
func TestReplacesRefused(t *testing.T) {
	run(t, bothCall, func(w *world) {
		a, b, _, _ := w.talk()
		for _, tt := range []struct {
			code  int
			value string
			body  string
		}{
			{400, "x", sdp(callerIP, 1)},
			{481, "x@y;to-tag=1;from-tag=2", sdp(callerIP, 1)},
			{481, strings.Replace(a.named(), "from-tag=", "from-tag=z", 1), sdp(callerIP, 1)},
			{403, b.named(), sdp(callerIP, 1)},
			{486, a.named() + ";early-only", sdp(callerIP, 1)},
		} {
			n := w.caller()
			n.invite(tt.body, "Replaces: "+tt.value).want(tt.code)
		}
		w.wire.none(msg.INVITE)
		n := w.caller()
		in := n.invite(sdp(callerIP, 8000), "Replaces: "+a.named())
		w.wire.next(msg.INVITE).reply(488)
		in.want(488)
		in = n.invite(sdp(callerIP, 8000), "Replaces: "+a.named())
		re := w.wire.next(msg.INVITE)
		in.onCancel(n.build(msg.CANCEL, n.cseq, ""))
		in.want(487)
		re.reply(200, sdp(calleeIP, 5000))
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000)) // as it was
		w.wire.none(msg.BYE)
		w.end(a)
	})
}

// TestReferPassed: the REFER is carried with nothing of its sender's side in it, and what the other side tells comes back; its INVITE
// names the dialog by a token and takes the place of the transferor's other leg.
func TestReferPassed(t *testing.T) {
	run(t, bothCall, func(w *world) {
		w.snap.Signalling(nil).ReferMode = sbc.ReferPass
		a, b, c, d := w.consult()
		in := a.send(msg.REFER, "", "Refer-To: <sip:4930123@secret.example?Replaces="+url.QueryEscape(c.named())+">",
			"Referred-By: <sip:alice@secret.example>", "Target-Dialog: "+a.callID+";local-tag="+tagOf(a.remote)+";remote-tag="+tagOf(a.local))
		far := w.wire.next(msg.REFER)
		raw := string(far.req.AppendTo(nil))
		for _, secret := range []string{"secret", c.callID, tagOf(c.local), a.callID, tagOf(a.local), callerIP} {
			if strings.Contains(raw, secret) {
				t.Errorf("%q leaks:\n%s", secret, raw)
			}
		}
		if td := far.req.Get("Target-Dialog"); !strings.HasPrefix(td, b.callID+";") {
			t.Errorf("Target-Dialog %q", td)
		}
		far.reply(202)
		in.want(202)
		tell := b.send(msg.NOTIFY, "SIP/2.0 100 Trying at pbx.secret-b.example\r\nServer: x\r\n", "Event: refer;id="+seq(far.req.CSeq.Seq),
			"Subscription-State: active;expires=60", "Content-Type: message/sipfrag")
		back := w.wire.next(msg.NOTIFY)
		if e := back.req.Get("Event"); e != "refer;id="+seq(in.req.CSeq.Seq) || string(back.req.Body) != "SIP/2.0 100 Trying\r\n" {
			t.Errorf("NOTIFY %s", back.req.AppendTo(nil))
		}
		back.reply(200)
		tell.want(200)
		b.send(msg.NOTIFY, "", "Event: refer;id=99", "Subscription-State: active").want(481)
		b.send(msg.NOTIFY, "", "Event: presence", "Subscription-State: active").want(489)

		to, err := msg.ParseNameAddr(far.req.Get("Refer-To"))
		if err != nil || to.URI.Host != borderB {
			t.Fatalf("Refer-To %s, %v", far.req.Get("Refer-To"), err)
		}
		escaped, _ := msg.Param(to.URI.Headers, "Replaces")
		plain, _ := url.PathUnescape(escaped)
		n := w.caller()
		n.ip, n.iface, n.local = calleeIP, "sif_b", "<sip:4930123@198.51.100.10>;tag=new"
		invite := n.invite(sdp(calleeIP, 8000), "Replaces: "+plain)
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 8100))
		n.learn(invite.want(200))
		n.ack(n.lastInviteNumber, "")
		bye := w.wire.next(msg.BYE)
		if bye.req.CallID != c.callID {
			t.Errorf("BYE %s", bye.req.AppendTo(nil))
		}
		bye.reply(200)
		w.end(a)
		d.send(msg.BYE, "").want(200)
		w.wire.next(msg.BYE).reply(200)
	})
}

// tagOf is the tag of an address.
func tagOf(a string) string {
	n, _ := msg.ParseNameAddr(a)
	return n.Tag()
}
