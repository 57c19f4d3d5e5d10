package integration

import (
	"net/netip"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// stageWith is newStage for a test whose trunks name a profile that must be there first.
func stageWith(t *testing.T, path string, profile rest.Object, use func(id string) wish) *stage {
	t.Helper()
	s := &stage{t: t, b: startBorder(t, app.Options{})}
	s.w = s.b.connect(newSides(t), use(s.b.create(path, with(rest.Object{"name": "profile"}, profile))))
	s.west, s.east = s.w.peers(t, false)
	return s
}

// TestIntruders: a BYE, re-INVITE, REFER or anything else with all the right tags, numbers and Call-ID, sent from where the leg's
// policy does not believe it, changes nothing, is told nothing of the other leg, and raises one counted event each.
func TestIntruders(t *testing.T) {
	for _, policy := range []sbc.SourcePolicy{sbc.SourceLenient, sbc.SourceSameIP, sbc.SourceStrict} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			s := stageWith(t, "/signalling-profiles", rest.Object{"in_dialog_source": string(policy)}, func(id string) wish {
				return wish{eastTrunk: rest.Object{"signalling_profile_id": id}}
			})
			call, rings, number := s.talk()
			elsewhere := s.w.eastPeer.As4()
			elsewhere[3] = 77
			stranger := newPeer(t, "east", netip.AddrPortFrom(netip.AddrFrom4(elsewhere), 5060), s.east.border, false)
			s.intrude(t, "a stranger", stranger, rings)
			s.intrude(t, "the other side of the call", s.west, rings)
			if policy == sbc.SourceStrict {
				s.intrude(t, "another port of the peer's host", newPeer(t, "east", netip.AddrPortFrom(s.w.eastPeer, 5099), s.east.border, false), rings)
			}
			var told rest.Page[sbc.Event]
			if err := s.b.Get(t.Context(), "/v1/events?type=security.dialog", &told); err != nil {
				t.Fatal(err)
			}
			if e := told.Items; len(e) < 18 || e[0].Data["reason"] != "source" || e[0].Data["method"] != "BYE" || e[0].CallID == "" ||
				e[0].Data["source"] != stranger.addr.String() {
				t.Errorf("the API shows %d events: %+v", len(e), e)
			}
			rings.answer(rings.request("OPTIONS", ""), 200) // the peer itself is believed as ever
			wantEnd(t, s.over(call, rings, number), sbc.EndCallerBye, sbc.SideCaller, 200)
			s.b.quiet()
		})
	}
}

// intrude sends every method in the name of a line.
func (s *stage) intrude(t *testing.T, name string, p *peer, victim *line) {
	t.Helper()
	methods := []msg.Method{msg.BYE, msg.INVITE, msg.UPDATE, msg.REFER, msg.INFO, msg.MESSAGE, msg.NOTIFY, msg.PRACK, msg.ACK}
	counted := func() [2]float64 {
		return [2]float64{s.b.metric("sbc_dialog_intrusions_total", `"source"`), s.b.metric("sbc_events_total", "security.dialog")}
	}
	before := counted()
	s.settle()
	for i, method := range methods {
		stolen := *victim
		stolen.p = p
		hs := append(stolen.head(string(method), victim.seq+50+i, p.branch()), "Contact: "+p.contact(), "Refer-To: <sip:666@"+p.addr.String()+">")
		p.send(text(string(method)+" "+victim.target+" SIP/2.0", hs, p.sdp()), p.border)
	}
	s.settle()
	want := before
	for i := range want {
		want[i] += float64(len(methods))
	}
	if got := counted(); got != want {
		t.Errorf("%s: counted and told %v, want %v", name, got, want)
	}
	for _, other := range []*peer{s.west, s.east} {
		other.nothing("a request because of "+name, func(m *msg.Message) bool { return m.IsRequest() })
	}
	p.nothing("an answer that tells something", func(m *msg.Message) bool {
		return m.CallID == victim.callID && !m.IsRequest() && m.CSeq.Seq >= uint32(victim.seq+50) && (m.Status != 481 && m.Status != 403 ||
			len(m.Body) > 0 || m.Get("Contact") != "")
	})
}
