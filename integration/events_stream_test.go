package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/api/client"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// follower reads the events of a border as they happen.
type follower struct {
	t      *testing.T
	events chan sbc.Event
}

// follow begins to read, with the client that was generated for programs.
func (b *border) follow(t *testing.T, p *client.FollowEventsParams) *follower {
	t.Helper()
	c, err := client.NewClient(b.URL, client.WithKey(b.Key), client.WithHTTPClient(http.DefaultClient))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	r, err := c.FollowEvents(ctx, p)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", r, err)
	}
	t.Cleanup(func() { r.Body.Close() })
	f := &follower{t: t, events: make(chan sbc.Event, 64)}
	begun := make(chan struct{})
	go func() {
		defer close(f.events)
		for s := bufio.NewScanner(r.Body); s.Scan(); {
			var e sbc.Event
			switch data, is := strings.CutPrefix(s.Text(), "data: "); {
			case s.Text() == "retry: 2000":
				close(begun)
			case is && json.Unmarshal([]byte(data), &e) == nil:
				f.events <- e
			}
		}
	}()
	<-begun
	return f
}

// state waits for the next change of a call.
func (f *follower) state() (state sbc.CallState, e sbc.Event) {
	f.t.Helper()
	select {
	case e = <-f.events:
	case <-time.After(5 * time.Second):
		f.t.Fatal("nothing is told")
	}
	return sbc.CallState(e.Data["state"]), e
}

// TestCallsAreFollowed: a call that pauses at each stage is told of and shown at each (features 1.7, 8.17); a reader that comes back
// misses nothing; the stream does not keep the node from stopping.
func TestCallsAreFollowed(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	kind := client.EventType(sbc.EventCallState)
	f := s.b.follow(t, &client.FollowEventsParams{Type: &kind})
	var told []sbc.Event
	shown := func(want sbc.CallState, number int) {
		t.Helper()
		state, e := f.state()
		if told = append(told, e); state != want || e.Data["opensips_state"] != fmt.Sprint(number) {
			t.Errorf("told of %+v, want %s", e, want)
		}
		if want == sbc.CallEnded {
			return
		}
		var call sbc.CallInfo
		s.b.do("GET", "/calls/"+e.CallID, nil, &call)
		if call.State != want || call.OpenSIPSState != number || call.Caller != e.Data["caller"] || call.Callee != e.Data["callee"] {
			t.Errorf("shown as %+v, told of as %+v", call, e)
		}
	}
	number := s.number()
	call := s.west.dial(number, s.west.sdp())
	rings := s.east.ring()
	shown(sbc.CallSetup, 1)
	rings.say(rings.invite, 180, "", "")
	call.answer(1, 180)
	shown(sbc.CallEarly, 2)
	rings.say(rings.invite, 200, "", s.east.sdp())
	ok := call.answer(1, 200)
	rings.hear(msg.ACK)
	shown(sbc.CallAnswered, 3)
	call.ack(ok)
	shown(sbc.CallConfirmed, 4)
	seq := call.request("BYE", "")
	call.answer(seq, 200)
	bye := rings.hear(msg.BYE)
	shown(sbc.CallTerminating, 5)
	rings.say(bye, 200, "", "")
	shown(sbc.CallEnded, 5)
	if last := told[len(told)-1]; last.Data["end_reason"] != string(sbc.EndCallerBye) || last.Data["final_code"] != "200" ||
		last.Data["egress_trunk_id"] != s.w.eastTrunk || last.TrunkID != s.w.westTrunk {
		t.Errorf("%+v", last)
	}
	wantEnd(t, s.record(number), sbc.EndCallerBye, sbc.SideCaller, 200)

	back := s.b.follow(t, &client.FollowEventsParams{Type: &kind, LastEventID: &told[1].ID})
	for _, want := range told[2:] {
		if _, e := back.state(); e.ID != want.ID {
			t.Errorf("told again of %+v, want %+v", e, want)
		}
	}
	begun := time.Now()
	if err := s.b.app.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the node took %v to stop", took)
	}
	for _, one := range []*follower{f, back} {
		if e, open := <-one.events; open {
			t.Errorf("more: %+v", e)
		}
	}
}
