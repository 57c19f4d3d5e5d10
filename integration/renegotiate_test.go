package integration

import (
	"net/http"
	"testing"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestInfoByAPI: each side gets INFO in its dialog, and the answer of its device is that of the API; the other side hears nothing.
func TestInfoByAPI(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	call, rings, number := s.talk()
	id := s.running().ID
	for side, l := range map[sbc.Side]*line{sbc.SideCaller: call, sbc.SideCallee: rings} {
		var answer sbc.InfoAnswer
		done := make(chan error, 1)
		go func() {
			done <- s.b.Do(t.Context(), http.MethodPost, "/v1/calls/"+id+"/info",
				rest.Object{"side": side, "content_type": "application/x-credit", "body": "120"}, &answer)
		}()
		info := l.hear(msg.INFO)
		if info.Get("Content-Type") != "application/x-credit" || string(info.Body) != "120" {
			t.Errorf("%s", info.AppendTo(nil))
		}
		l.say(info, 415, "Not that", "", "Accept: text/plain")
		if err := <-done; err != nil || answer.Status != 415 || answer.Reason != "Not that" {
			t.Errorf("%+v %v", answer, err)
		}
	}
	s.settle()
	call.p.nothing("an INFO", call.ofCall(msg.INFO))
	rings.p.nothing("an INFO", rings.ofCall(msg.INFO))
	wantEnd(t, s.over(call, rings, number), sbc.EndCallerBye, sbc.SideCaller, 200)
	s.b.quiet()
}

// TestReinviteByAPI: both sides are offered again what they were told last, and may say that they have moved.
func TestReinviteByAPI(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	call, rings, number := s.talk()
	done := s.order(t, http.MethodPost, "/reinvite", rest.Object{})
	for _, l := range []*line{call, rings} {
		re := l.hear(msg.INVITE)
		if d := readSDP(t, re.Body); len(d.media) != 1 || d.media[0].port == 0 || d.media[0].direction != "sendrecv" {
			t.Errorf("offered %+v", d.media)
		}
		l.say(re, 200, "", l.p.sdp())
		l.hear(msg.ACK)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantEnd(t, s.over(call, rings, number), sbc.EndCallerBye, sbc.SideCaller, 200)
	s.b.quiet()
}
