package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc/msg"
)

// TestTargetRefresh: each leg has its own target and a refresh of one is not seen on the other (pitfalls P3); each leg counts its own
// sequence (P9).
func TestTargetRefresh(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	move := func(p *peer) (*peer, func(l *line) *line) {
		moved := &peer{wire: newWire(t, p.addr.Addr(), 0, false, nil), side: p.side, border: p.border, lines: map[string]bool{}}
		return moved, func(l *line) *line {
			n := *l
			n.p = moved
			return &n
		}
	}
	for _, method := range []msg.Method{msg.INVITE, msg.UPDATE} {
		for _, by := range []string{"caller", "callee"} {
			s.run(t, string(method)+" of the "+by, func(t *testing.T) {
				call, rings, number := s.talk()
				from, to := call, rings
				if by == "callee" {
					from, to = rings, call
				}
				elsewhere, at := move(from.p)
				elsewhere.t = t
				// The request still comes from the old place; its Contact names the new one.
				before := to.p.count()
				from.seq++
				seq := from.seq
				raw := strings.Replace(string(from.raw(string(method), seq, from.p.sdp())), from.p.contact(), elsewhere.contact(), 1)
				if method == msg.INVITE {
					a := strings.Index(raw, "branch=")
					from.branch, _, _ = strings.Cut(raw[a+7:], ";")
					from.inviteSeq = seq
				}
				from.sendRaw([]byte(raw))
				asked := to.hear(method)
				if strings.Contains(string(asked.AppendTo(nil)), fmt.Sprint(elsewhere.addr.Port())) {
					t.Errorf("the new place shows on the other side:\n%s", asked.AppendTo(nil))
				}
				to.say(asked, 200, "", to.p.sdp())
				ok := from.answer(seq, 200)
				if method == msg.INVITE {
					from.ack(ok)
					to.hear(msg.ACK)
					from.p.sync(from.p.border)
				}
				if to.p.count() == before {
					t.Error("nothing arrived")
				}
				// Requests to the side that moved go to its new place and name it; the other side's target is as it was.
				moved := at(from)
				seq = to.request("INFO", "")
				info := moved.hear(msg.INFO)
				if want := strings.Trim(elsewhere.contact(), "<>"); info.RequestURI.String() != want {
					t.Errorf("Request-URI %s, expected %s", info.RequestURI.String(), want)
				}
				moved.say(info, 200, "", "")
				to.answer(seq, 200)
				seq = moved.request("INFO", "")
				back := to.hear(msg.INFO)
				if want := strings.Trim(to.p.contact(), "<>"); back.RequestURI.String() != want {
					t.Errorf("Request-URI %s, expected %s", back.RequestURI.String(), want)
				}
				to.say(back, 200, "", "")
				moved.answer(seq, 200)
				moved.hangup(to)
				s.record(number)
			})
		}
	}
	s.run(t, "a refused change moves nothing", func(t *testing.T) {
		call, rings, number := s.talk()
		elsewhere, _ := move(s.west)
		elsewhere.t = t
		call.seq++
		raw := strings.Replace(string(call.raw("UPDATE", call.seq, s.west.sdp())), s.west.contact(), elsewhere.contact(), 1)
		call.sendRaw([]byte(raw))
		rings.say(rings.hear(msg.UPDATE), 488, "", "")
		call.refusedWith(call.seq, 488)
		rings.hangup(call)
		s.record(number)
	})
	s.run(t, "each leg counts by itself", func(t *testing.T) {
		call, rings, number := s.talk()
		call.seq = 5000 // numbers may jump (RFC 3261 12.2.2)
		var last uint32
		for range 3 {
			seq := call.request("INFO", "")
			got := rings.hear(msg.INFO)
			if got.CSeq.Seq >= 5000 || last != 0 && got.CSeq.Seq != last+1 {
				t.Errorf("CSeq %d after %d", got.CSeq.Seq, last)
			}
			last = got.CSeq.Seq
			rings.say(got, 200, "", "")
			call.answer(seq, 200)
		}
		call.refusedWith(call.request("FROBNICATE", ""), 405) // not carried on, not counted there
		call.request("BYE", "")
		bye := rings.hear(msg.BYE)
		if bye.CSeq.Seq != last+1 {
			t.Errorf("BYE with CSeq %d after %d", bye.CSeq.Seq, last)
		}
		rings.say(bye, 200, "", "")
		s.record(number)
	})
	s.b.quiet()
}
