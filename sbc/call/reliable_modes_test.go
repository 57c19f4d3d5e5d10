package call

import (
	"fmt"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestReliableModes: what our INVITE says and what the caller gets, by the modes of both legs.
func TestReliableModes(t *testing.T) {
	const (
		off, pass, require, terminate = sbc.ReliableOff, sbc.ReliablePass, sbc.ReliableRequire, sbc.ReliableTerminate
		must, may, no                 = "Require: 100rel", "Supported: 100rel", ""
	)
	for _, tt := range []struct {
		caller, callee sbc.Reliable
		says           string // the caller
		code           int    // with which it is refused
		demand, offer  bool   // what our INVITE says
		plain, sure    bool   // whether the caller gets plain and reliable responses reliably
	}{
		{caller: off, callee: terminate, says: must, code: 420},
		{caller: off, callee: terminate, says: may, offer: true},
		{caller: require, callee: terminate, says: no, code: 421},
		{caller: require, callee: terminate, says: may, offer: true, plain: true, sure: true},
		{caller: terminate, callee: off, says: may, plain: true, sure: true},
		{caller: terminate, callee: require, says: no, demand: true, offer: true},
		{caller: terminate, callee: require, says: may, demand: true, offer: true, plain: true, sure: true},
		{caller: pass, callee: pass, says: no},
		{caller: pass, callee: pass, says: may, offer: true, sure: true},
		{caller: pass, callee: pass, says: must, demand: true, offer: true, plain: true, sure: true},
		{caller: pass, callee: terminate, says: may, offer: true, sure: true},
		{caller: terminate, callee: pass, says: no},
	} {
		t.Run(fmt.Sprintf("%s-%s %s", tt.caller, tt.callee, tt.says), func(t *testing.T) {
			run(t, modes(tt.caller, tt.callee), func(w *world) {
				a := w.caller()
				in := a.invite(sdp(callerIP, 4000), tt.says)
				if tt.code != 0 {
					m := in.want(tt.code)
					if tt.code == 421 && m.Get("Require") != "100rel" || tt.code == 420 && m.Get("Unsupported") != "100rel" {
						t.Errorf("%s", m.AppendTo(nil))
					}
					return
				}
				out := w.wire.next(msg.INVITE)
				if got := asks(out.req, "Require", "100rel"); got != tt.demand {
					t.Errorf("demanded: %v", got)
				}
				if got := asks(out.req, "Supported", "100rel"); got != tt.offer {
					t.Errorf("offered: %v", got)
				}
				out.reply(180)
				if m := in.want(180); m.Has("RSeq") != tt.plain {
					t.Errorf("plain: %s", m.AppendTo(nil))
				} else if tt.plain {
					a.prack(m, "").want(200)
				}
				if tt.callee != off {
					out.reliably(5, 183)
					m := in.want(183)
					if m.Has("RSeq") != tt.sure {
						t.Errorf("reliable: %s", m.AppendTo(nil))
					}
					if through := tt.sure && (tt.caller == pass || tt.callee == pass); through {
						w.wire.none(msg.PRACK) // it waits for the caller's
						p := a.prack(m, "")
						far := w.wire.next(msg.PRACK)
						if far.req.Get("RAck") != "5 1 INVITE" || p.last() != nil {
							t.Errorf("%s", far.req.AppendTo(nil))
						}
						far.reply(200)
						p.want(200)
					} else {
						w.wire.next(msg.PRACK).reply(200)
						if tt.sure {
							a.prack(m, "").want(200)
						}
					}
				}
				out.reply(486)
				in.want(486)
			})
		})
	}
}
