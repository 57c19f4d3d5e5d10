package integration

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// do sends a request that must succeed.
func (b *border) do(method, path string, body, out any) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.Do(ctx, method, "/v1"+path, body, out); err != nil {
		b.t.Fatal(err)
	}
}

// wavFile is a WAV file of 16-bit samples, 8 kHz, one channel, that holds a square wave of 400 Hz.
func wavFile(d time.Duration) []byte {
	n := int(d.Milliseconds()) * 8
	var b bytes.Buffer
	b.WriteString("RIFF")
	write := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&b, binary.LittleEndian, v) // to a buffer: never fails
		}
	}
	write(uint32(36+2*n), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(8000), uint32(16000), uint16(2), uint16(16))
	write([]byte("data"), uint32(2*n))
	for i := range n {
		write(int16(8000 * (i/10%2*2 - 1)))
	}
	return b.Bytes()
}

// announcement makes an announcement and uploads its audio.
func (b *border) announcement(name string, d time.Duration) string {
	b.t.Helper()
	id := b.create("/announcements", rest.Object{"name": name})
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPut, b.URL+"/v1/announcements/"+id+"/audio", bytes.NewReader(wavFile(d)))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.Key)
	req.Header.Set("Content-Type", "audio/wav")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	var got sbc.Announcement
	if err != nil || res.StatusCode != 200 || json.Unmarshal(answer, &got) != nil || got.DurationMS != int(d.Milliseconds()) {
		b.t.Fatalf("upload: %d %s %v", res.StatusCode, answer, err)
	}
	return id
}

// running is the one call in progress.
func (s *stage) running() (call sbc.CallInfo) {
	s.t.Helper()
	var page rest.Page[sbc.CallInfo]
	s.b.do("GET", "/calls", nil, &page)
	if len(page.Items) != 1 {
		s.west.t.Fatalf("%d calls", len(page.Items))
	}
	return page.Items[0]
}

// TestCallsAreControlledByTheAPI: what may be done with a running call, through a border with profiles of every kind.
func TestCallsAreControlledByTheAPI(t *testing.T) {
	s := newStage(t, wish{})
	closed := s.b.announcement("closed", 300*time.Millisecond)
	s.b.do("PATCH", "/trunks/"+s.w.eastTrunk, rest.Object{
		"media_profile_id": s.b.create("/media-profiles", rest.Object{"name": "digits by INFO", "dtmf": "info"}),
	}, nil)
	limit := s.b.create("/limit-profiles", rest.Object{"name": "two lines", "max_calls_in": 2})
	s.b.do("PATCH", "/trunks/"+s.w.westTrunk, rest.Object{
		"limit_profile_ids":     []string{limit},
		"signalling_profile_id": s.b.create("/signalling-profiles", rest.Object{"name": "plain", "ping_interval_s": 0}),
		"media_profile_id":      s.b.create("/media-profiles", rest.Object{"name": "digits", "dtmf_events": "masked"}),
	}, nil)

	s.run(t, "what a limit counts is shown", func(t *testing.T) {
		caller, callee, number := s.talk()
		var usage rest.Page[sbc.LimitUsage]
		s.b.do("GET", "/limit-profiles/"+limit+"/usage", nil, &usage)
		if len(usage.Items) != 1 || usage.Items[0].Key != s.w.westTrunk || usage.Items[0].CallsIn != 1 {
			t.Errorf("%+v", usage.Items)
		}
		s.over(caller, callee, number)
	})

	s.run(t, "duration and variables of a running call", func(t *testing.T) {
		caller, callee, number := s.talk()
		var now sbc.CallInfo
		s.b.do("PATCH", "/calls/"+s.running().ID, rest.Object{"max_duration_s": 600, "variables": rest.Object{"account": "4711"}}, &now)
		if now.MaxDurationS != 600 || now.Variables["account"] != "4711" || now.EndsAt.Sub(*now.AnsweredAt) != 600*time.Second {
			t.Errorf("%+v", now)
		}
		if r := s.over(caller, callee, number); r.Variables["account"] != "4711" {
			t.Errorf("the record has the variables %v", r.Variables)
		}
	})

	s.run(t, "hold and resume", func(t *testing.T) { s.holds(t) })

	s.run(t, "an announcement is played and stopped", func(t *testing.T) {
		caller, callee, number := s.talk()
		id := s.running().ID
		s.b.do("POST", "/calls/"+id+"/play", rest.Object{"sides": []string{"callee"}, "announcement_id": closed, "repeat": 0}, nil)
		if got := s.running().Playing; !slices.Equal(got, []sbc.Side{sbc.SideCallee}) {
			t.Errorf("it is played to %v", got)
		}
		s.b.do("DELETE", "/calls/"+id+"/play?side=callee", nil, nil)
		if got := s.running().Playing; len(got) != 0 {
			t.Errorf("it is still played to %v", got)
		}
		s.over(caller, callee, number)
	})

	s.run(t, "digits are sent as the profile of the side says", func(t *testing.T) {
		caller, callee, number := s.talk()
		s.b.do("POST", "/calls/"+s.running().ID+"/dtmf", rest.Object{"side": "callee", "digits": "7#", "duration_ms": 40, "gap_ms": 30}, nil)
		for _, digit := range []string{"7", "#"} {
			info := callee.hear(msg.INFO)
			if !strings.Contains(string(info.Body), "Signal="+digit) {
				t.Errorf("%q is not the digit %s", info.Body, digit)
			}
			callee.say(info, 200, "", "")
		}
		s.over(caller, callee, number)
	})

	s.run(t, "a side is connected with somebody else", func(t *testing.T) { s.transfers(t) })

	s.run(t, "one number is called, then another", func(t *testing.T) { s.originates(t) })

	s.run(t, "hung up by filter", func(t *testing.T) {
		caller, callee, number := s.talk()
		var hung struct {
			IDs []string `json:"call_ids"`
		}
		id := s.running().ID
		s.b.do("POST", "/calls/hang-up", rest.Object{"callee": "nobody"}, &hung)
		if len(hung.IDs) != 0 {
			t.Fatalf("%v", hung.IDs)
		}
		s.b.do("POST", "/calls/hang-up", rest.Object{"callee": number, "ingress_trunk_id": s.w.westTrunk, "reason": "test"}, &hung)
		if !slices.Equal(hung.IDs, []string{id}) {
			t.Errorf("%v, the call is %s", hung.IDs, id)
		}
		caller.say(caller.hear(msg.BYE), 200, "", "")
		callee.say(callee.hear(msg.BYE), 200, "", "")
		wantEnd(t, s.record(number), sbc.EndAdmin, sbc.SideSBC, 200)
	})
}

// holds puts the callee on hold and takes it back, and reads of it in the events.
func (s *stage) holds(t *testing.T) {
	caller, callee, number := s.talk()
	id := s.running().ID
	for _, held := range []bool{true, false} {
		path, answer := "/hold", "a=inactive"
		if !held {
			path, answer = "/resume", "a=sendrecv"
		}
		agreed := make(chan error, 1)
		go func() {
			agreed <- s.b.Do(context.Background(), "POST", "/v1/calls/"+id+path, rest.Object{"side": "callee"}, nil)
		}()
		offer := callee.hear(msg.INVITE)
		if got := strings.Contains(string(offer.Body), "a=inactive"); got != held {
			t.Errorf("%s offers\n%s", path, offer.Body)
		}
		callee.say(offer, 200, "", s.east.sdp(answer))
		callee.hear(msg.ACK)
		if err := <-agreed; err != nil {
			t.Fatal(err)
		}
		if now := s.running().Held; slices.Contains(now, sbc.SideCallee) != held {
			t.Errorf("after %s are held: %v", path, now)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	events, err := rest.Until(ctx, s.b.Client, "/v1/events?type=call.hold&call_id="+id, func(p rest.Page[sbc.Event]) bool { return len(p.Items) == 2 })
	if err != nil {
		t.Fatal(err)
	}
	for i, held := range []string{"true", "false"} {
		if e := events.Items[i]; e.Data["side"] != "callee" || e.Data["held"] != held {
			t.Errorf("%+v", e)
		}
	}
	s.over(caller, callee, number)
}

// takes answers a call that comes in at the east.
func (s *stage) takes() *line {
	l := s.east.ring()
	l.say(l.invite, 200, "", s.east.sdp())
	l.hear(msg.ACK)
	return l
}

// renewed answers a re-INVITE of the border.
func (s *stage) renewed(l *line) {
	offer := l.hear(msg.INVITE)
	l.say(offer, 200, "", s.east.sdp())
	l.hear(msg.ACK)
}

// transfers lets the caller go and connects the callee with a number that the caller's plan knows.
func (s *stage) transfers(t *testing.T) {
	caller, callee, number := s.talk()
	id := s.running().ID
	s.b.do("POST", "/calls/"+id+"/transfer", rest.Object{"keep": "callee", "target": s.number()}, nil)
	target := s.takes()
	s.renewed(callee)
	caller.say(caller.hear(msg.BYE), 200, "", "")
	s.over(callee, target, number)
	var events rest.Page[sbc.Event]
	s.b.do("GET", "/events?type=call.transfer&call_id="+id, nil, &events)
	if n := len(events.Items); n == 0 || events.Items[n-1].Data["stage"] != "completed" {
		t.Errorf("%+v", events.Items)
	}
}

// originates connects two numbers of the east in the name of the west's trunk.
func (s *stage) originates(t *testing.T) {
	from, to := s.number(), s.number()
	var made sbc.CallInfo
	s.b.do("POST", "/calls", rest.Object{"trunk_id": s.w.westTrunk, "from": from, "to": to, "variables": rest.Object{"account": "1"}}, &made)
	first := s.takes()
	second := s.takes()
	s.renewed(first)
	s.settle()
	if now := s.running(); now.ID != made.ID || now.State != sbc.CallConfirmed {
		t.Errorf("%+v", now)
	}
	first.hangup(second)
	if r := s.record(to); r.CallID != made.ID || r.Variables["account"] != "1" || r.Disposition != sbc.DispositionAnswered {
		t.Errorf("%+v", r)
	}
}

// TestHeaderExampleOfTheSpecification: the rules of the example do to its message what the example says.
func TestHeaderExampleOfTheSpecification(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(sallyport.Specification()))
	if err != nil {
		t.Fatal(err)
	}
	op := doc.Paths.Value("/v1/header-profiles/test").Post
	want, _ := op.Responses.Value("200").Value.Content["application/json"].Example.(map[string]any)
	got := map[string]any{}
	startBorder(t, app.Options{}).do("POST", "/header-profiles/test", op.RequestBody.Value.Content["application/json"].Example, &got)
	for _, name := range []string{"before", "after"} {
		text, _ := got[name].(string)
		if lf := strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n") + "\n"; lf != want[name] {
			t.Errorf("%s is\n%s\nthe example says\n%s", name, lf, want[name])
		}
	}
}
