package call

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// believing makes both trunks believe requests within a dialog as a policy says; the callee's has a second address.
func believing(policy sbc.SourcePolicy) func(string, sbc.Resource) {
	return func(_ string, r sbc.Resource) {
		switch r := r.(type) {
		case *sbc.SignallingProfile:
			r.InDialogSource = policy
		case *sbc.Trunk:
			r.SignallingProfileID = "sgp_1"
		case *sbc.Identity:
			if r.ID == "idn_b" {
				r.CIDR = "198.51.100.0/28"
			}
		}
	}
}

// TestSourcePolicy: whence requests within a dialog are believed. Who has both tags and comes from elsewhere changes nothing and
// learns nothing, and is counted and told.
func TestSourcePolicy(t *testing.T) {
	type from struct {
		ip        string
		port      uint16
		transport sbc.Transport
	}
	own, port, tcp, sibling, stranger := from{calleeIP, 5060, sbc.TransportUDP}, from{calleeIP, 5099, sbc.TransportUDP},
		from{calleeIP, 5060, sbc.TransportTCP}, from{"198.51.100.11", 5060, sbc.TransportUDP}, from{"203.0.113.9", 5060, sbc.TransportUDP}
	other := from{callerIP, 5060, sbc.TransportUDP} // the other side of the call
	for _, tt := range []struct {
		policy sbc.SourcePolicy
		good   []from
		bad    []from
	}{
		{sbc.SourceStrict, []from{own}, []from{port, tcp, sibling, other, stranger}},
		{sbc.SourceSameIP, []from{own, port, tcp}, []from{sibling, other, stranger}},
		{sbc.SourceLenient, []from{own, port, tcp, sibling}, []from{other, stranger}},
	} {
		t.Run(string(tt.policy), func(t *testing.T) {
			run(t, believing(tt.policy), func(w *world) {
				a, b, _, _ := w.talk()
				told := 0
				for _, f := range tt.bad {
					thief := *b
					thief.ip, thief.port, thief.transport = f.ip, f.port, f.transport
					for _, method := range []msg.Method{msg.BYE, msg.INVITE, msg.UPDATE, msg.INFO, msg.REFER, msg.PRACK, msg.NOTIFY} {
						s, d := thief.try(method, sdp("203.0.113.9", 6666), "Refer-To: <sip:666@203.0.113.9>")
						if s != nil || d.Action == msg.Refuse && d.Status != 481 && d.Status != 403 {
							t.Errorf("%s from %v: %+v", method, f, d)
						}
						told++
					}
					w.m.Ack(thief.build(msg.ACK, 1, ""))
					told++
				}
				got := w.events.of(sbc.EventSecurityDialog)
				if len(got) != told {
					t.Fatalf("%d events for %d requests", len(got), told)
				}
				d := got[0].Data
				if id := w.m.List(sbc.CallFilter{})[0].ID; d["method"] != "BYE" || d["reason"] != "source" || got[0].CallID != id ||
					got[0].TrunkID != "trk_b" || got[0].TenantID != sbc.DefaultTenantID || !strings.HasPrefix(d["source"], tt.bad[0].ip) {
					t.Errorf("%+v", got[0])
				}
				w.wire.none(msg.INVITE) // nothing was carried on
				w.wire.none(msg.UPDATE)
				for _, f := range tt.good {
					b.ip, b.port, b.transport = f.ip, f.port, f.transport
					b.send(msg.OPTIONS, "").want(200)
				}
				b.ip, b.port, b.transport = calleeIP, 5060, sbc.TransportUDP
				if tt.policy == sbc.SourceLenient {
					b.send(msg.OPTIONS, "").want(200) // back again
				}
				w.end(a)
			})
		})
	}
}

// TestOrderAndTags: from the right address, with wrong tags or a number that was there before, nothing happens either.
func TestOrderAndTags(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, _, _ := w.talk()
		for _, tt := range []struct {
			reason string
			want   int
			spoil  func(p *peer)
		}{
			{"sequence", 500, func(p *peer) { p.cseq = 10 }}, // RFC 3261 12.2.2
			{"tags", 481, func(p *peer) { p.local = "<sip:4930123@x>;tag=guessed" }},
		} {
			for _, method := range []msg.Method{msg.BYE, msg.INVITE, msg.REFER, msg.UPDATE} {
				for _, side := range []*peer{a, b} {
					before := len(w.events.of(sbc.EventSecurityDialog))
					p := *side
					if tt.spoil(&p); tt.reason == "sequence" {
						side.send(msg.OPTIONS, "").want(200) // a number above it was seen
					}
					res := p.send(method, sdp(callerIP, 6666), "Refer-To: <sip:666@203.0.113.9>").want(tt.want)
					if len(res.Body) > 0 {
						t.Errorf("%s: the answer tells %s", method, res.Body)
					}
					got := w.events.of(sbc.EventSecurityDialog)
					if len(got) != before+1 || got[before].Data["reason"] != tt.reason || got[before].Data["method"] != string(method) {
						t.Errorf("%s %s: %+v", tt.reason, method, got[before:])
					}
				}
			}
		}
		if len(w.m.List(sbc.CallFilter{State: sbc.CallConfirmed})) != 1 {
			t.Error("the call suffered")
		}
		w.end(a)
	})
}

// TestGuesserIsNotHeard: a request with wrong tags does not move whence the peer is believed.
func TestGuesserIsNotHeard(t *testing.T) {
	run(t, believing(sbc.SourceLenient), func(w *world) {
		a, b, _, out := w.talk()
		guess := *b
		guess.ip, guess.local = "198.51.100.12", "<sip:4930123@x>;tag=guessed"
		guess.send(msg.INFO, "").want(481)
		if got := w.m.calls.tag(out.req.From.Tag()).peer.Load(); got.addr.Addr().String() != calleeIP {
			t.Errorf("the peer is believed to be at %v", got)
		}
		w.end(a)
	})
}
