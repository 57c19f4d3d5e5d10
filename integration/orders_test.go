package integration

import (
	"net/http"
	"testing"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// order begins an operation on the one call in progress; its error comes when it is carried out.
func (s *stage) order(t *testing.T, method, path string, body any) chan error {
	t.Helper()
	done, id := make(chan error, 1), s.running().ID
	go func() { done <- s.b.Do(t.Context(), method, "/v1/calls/"+id+path, body, nil) }()
	return done
}

// TestHoldByAPI: each side is put on hold and taken back by orders of the API, with devices that answer as they should; nothing
// is told to the other side, and both are heard of as events.
func TestHoldByAPI(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	call, rings, number := s.talk()
	for side, l := range map[sbc.Side]*line{sbc.SideCaller: call, sbc.SideCallee: rings} {
		for _, step := range []struct{ path, direction string }{{"/hold", "inactive"}, {"/resume", "sendrecv"}} {
			done := s.order(t, http.MethodPost, step.path, rest.Object{"side": side})
			re := l.hear(msg.INVITE)
			if d := readSDP(t, re.Body); len(d.media) != 1 || d.media[0].direction != step.direction {
				t.Errorf("%s of the %s offers %+v", step.path, side, d.media)
			}
			l.say(re, 200, "", l.p.sdp("a="+step.direction+"\r\n"))
			l.hear(msg.ACK)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if held := s.running().Held; (len(held) == 1 && held[0] == side) != (step.path == "/hold") {
				t.Errorf("after %s of the %s: %v", step.path, side, held)
			}
		}
	}
	s.settle()
	call.p.nothing("a re-INVITE", call.ofCall(msg.INVITE))
	rings.p.nothing("a re-INVITE", rings.ofCall(msg.INVITE))
	change := rest.Object{"max_duration_s": 77, "variables": rest.Object{"customer": "17"}}
	if err := <-s.order(t, http.MethodPatch, "", change); err != nil {
		t.Fatal(err)
	}
	if i := s.running(); i.MaxDurationS != 77 || i.EndsAt == nil || i.Variables["customer"] != "17" {
		t.Errorf("%+v", i)
	}
	var events rest.Page[sbc.Event]
	if err := s.b.Get(t.Context(), "/v1/events?type=call.hold", &events); err != nil || len(events.Items) != 4 {
		t.Errorf("%d events, %v", len(events.Items), err)
	}
	r := s.over(call, rings, number)
	wantEnd(t, r, sbc.EndCallerBye, sbc.SideCaller, 200)
	if r.Variables["customer"] != "17" {
		t.Errorf("the record has %v", r.Variables)
	}
	s.b.quiet()
}
