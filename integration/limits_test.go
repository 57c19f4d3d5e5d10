package integration

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// lot answers calls by itself and counts how many are up at once.
type lot struct {
	*wire
	mu       sync.Mutex
	up, most int
	lines    map[string]bool
}

// newLot answers every INVITE with 200 and every BYE too.
func newLot(t *testing.T, s *stage) *lot {
	t.Helper()
	c := &lot{lines: map[string]bool{}}
	ready := make(chan struct{})
	defer close(ready)
	sdp := s.east.sdp()
	contact := s.east.contact()
	s.east.close() // its place is ours
	c.wire = newWire(t, s.w.eastPeer, 5060, false, func(m *msg.Message) {
		if <-ready; !m.IsRequest() || m.Method == msg.ACK {
			return
		}
		res := msg.NewResponse(m, 200, "")
		c.mu.Lock()
		switch {
		case m.Method == msg.INVITE:
			res.SetToTag("crowd" + m.CallID)
			res.Append("Contact", contact)
			res.SetBody("application/sdp", []byte(sdp))
			if !c.lines[m.CallID] {
				c.lines[m.CallID] = true
				c.up++
				c.most = max(c.most, c.up)
			}
		case m.Method == msg.BYE && c.lines[m.CallID]:
			c.lines[m.CallID] = false
			c.up--
		}
		c.mu.Unlock()
		c.answerTo(m, res.AppendTo(nil))
	})
	return c
}

// peak is how many calls were up at once at most.
func (c *lot) peak() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most
}

// TestMaxCalls: of 100 calls at once on trunks with room for 10, 10 are put through, on whichever side the room is short; those that are
// refused have taken no port, and every place comes back.
func TestMaxCalls(t *testing.T) {
	for _, short := range []string{"caller's trunk", "callee's trunk"} {
		t.Run(short, func(t *testing.T) {
			t.Parallel()
			o := wish{westTrunk: rest.Object{"max_calls": 10}}
			if short == "callee's trunk" {
				o = wish{eastTrunk: rest.Object{"max_calls": 10}}
			}
			s := newStage(t, o)
			c := newLot(t, s)
			for round := range 2 { // the second proves that every place came back
				var lines []*line
				for range 100 {
					lines = append(lines, s.west.dial(s.number(), s.west.sdp()))
				}
				var up []*line
				for _, l := range lines {
					m := l.answer(1, 0)
					l.ack(m)
					switch m.Status {
					case 200:
						up = append(up, l)
					case 503:
					default:
						t.Errorf("answered with %s", m.StartLine())
					}
				}
				if most := c.peak(); len(up) != 10 || most != 10 {
					t.Errorf("%d calls were put through; the other side saw %d at once", len(up), most)
				}
				if used := s.portsInUse(); used != 10+10 { // a pair for each side of each call
					t.Errorf("%d pairs of ports are in use for 10 calls", used)
				}
				for _, l := range up {
					l.answer(l.request("BYE", ""), 200)
				}
				s.b.quiet()
				limited := 0
				for _, r := range s.b.cdrs(100 * (round + 1)) {
					if r.EndReason != sbc.EndLimit {
						continue
					}
					limited++
					if r.FinalCode != 503 || r.ReleasedBy != sbc.SideSBC || r.Disposition != sbc.DispositionFailed || r.AnsweredAt != nil || len(r.Media) != 0 {
						t.Errorf("record %+v", r)
					}
					if tries := len(r.Attempts); short == "callee's trunk" && (tries != 1 || r.Attempts[0].Reason != "limit") || short != "callee's trunk" && tries != 0 {
						t.Errorf("attempts %+v", r.Attempts)
					}
				}
				if limited != 90*(round+1) {
					t.Errorf("%d records of refused calls", limited)
				}
			}
		})
	}
}

// portsInUse adds up what both media pools say.
func (s *stage) portsInUse() int {
	s.t.Helper()
	var pools rest.Page[struct {
		Status sbc.PoolStatus `json:"status"`
	}]
	if err := s.b.Get(context.Background(), "/v1/media-pools", &pools); err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, p := range pools.Items {
		n += p.Status.InUse
	}
	return n
}

// TestMaxCallsPerSecond: no window of a second holds more calls than allowed, and the answer says when to come back.
func TestMaxCallsPerSecond(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{westTrunk: rest.Object{"max_calls_per_second": 5}})
	newLot(t, s)
	begun := time.Now()
	var taken, refused int
	for range 50 {
		l := s.west.dial(s.number(), s.west.sdp())
		m := l.answer(1, 0)
		l.ack(m)
		if m.Status == 200 {
			taken++
			l.answer(l.request("BYE", ""), 200)
			continue
		}
		refused++
		if m.Status != 503 || m.Get("Retry-After") != "1" {
			t.Errorf("refused with\n%s", m.AppendTo(nil))
		}
	}
	if windows := int(time.Since(begun)/time.Second) + 1; taken < 5 || taken > 5*windows {
		t.Errorf("%d calls were taken in %v", taken, time.Since(begun))
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	s.b.quiet()
}

// TestBadOffers: an offer that cannot be read or relayed is refused before anybody is called, with a record and without ports.
func TestBadOffers(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	for _, c := range []struct {
		name, body, kind string
		want             []int
	}{
		{"no SDP at all", "hello\r\n", "", []int{400, 488}},
		{"a port that is none", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 99999 RTP/AVP 0\r\n", "", []int{400, 488}},
		{"binary", "\x00\xff\xfe\x01\x02\x03", "", []int{400, 488}},
		{"nothing that can be relayed", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 2855 TCP/MSRP *\r\n", "", []int{488}},
		{"1,000 m-lines", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" + strings.Repeat("m=audio 4000 RTP/AVP 0\r\n", 1000), "", []int{400, 488}},
		{"another type", "{}", "application/json", []int{415}},
	} {
		s.run(t, c.name, func(t *testing.T) {
			number := s.number()
			var more []string
			if c.kind != "" {
				more = append(more, "Content-Type: "+c.kind)
			}
			call := s.west.dial(number, c.body, more...)
			m := call.answer(1, 0)
			call.ack(m)
			ok := false
			for _, want := range c.want {
				ok = ok || m.Status == want
			}
			if !ok {
				t.Errorf("answered with %s", m.StartLine())
			}
			r := s.record(number)
			wantEnd(t, r, sbc.EndError, sbc.SideSBC, m.Status)
			s.east.nothing("an INVITE", func(m *msg.Message) bool { return m.Method == msg.INVITE })
		})
	}
	s.run(t, "an answer that cannot be read", func(t *testing.T) {
		number := s.number()
		call := s.west.dial(number, s.west.sdp())
		rings := s.east.ring()
		rings.say(rings.invite, 200, "", "hello\r\n")
		rings.hear(msg.ACK)
		rings.say(rings.hear(msg.BYE), 200, "", "")
		call.final(488)
		wantEnd(t, s.record(number), sbc.EndError, sbc.SideSBC, 488)
	})
	if used := s.portsInUse(); used != 0 {
		t.Errorf("%d pairs of ports are still in use", used)
	}
	s.b.quiet()
}

// ending is one way a call ends, and what its record must say.
type ending struct {
	name        string
	play        func(t *testing.T, s *stage, number string)
	end         sbc.EndReason
	by          sbc.Side
	code        int
	q850        int
	disposition sbc.Disposition
	attempts    []string // code and reason of each
	pdd, ring   bool     // whether these times are more than nothing
}

// TestEndReasons walks through the ends that a call can have, and looks at each field of its record.
func TestEndReasons(t *testing.T) {
	t.Parallel()
	for _, group := range []struct {
		name  string
		trunk rest.Object
		list  []ending
	}{
		{"plain", nil, plainEnds()},
		{"impatient", rest.Object{"ring_timeout_s": 1, "no_response_timeout_ms": 300, "max_call_duration_s": 1}, impatientEnds()},
		{"silent", rest.Object{"media_timeout_s": 1}, []ending{{name: "media timeout", play: func(_ *testing.T, s *stage, number string) {
			call, rings := setUp(s.west, s.east, number)
			call.say(call.hear(msg.BYE), 200, "", "")
			rings.say(rings.hear(msg.BYE), 200, "", "")
		}, end: sbc.EndMediaTimeout, by: sbc.SideSBC, code: 200, q850: 102, disposition: sbc.DispositionAnswered, attempts: []string{"200 "}, pdd: true, ring: true}}},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, wish{eastTrunk: group.trunk})
			for _, e := range group.list {
				s.run(t, e.name, func(t *testing.T) {
					number := s.number()
					begun := time.Now()
					e.play(t, s, number)
					e.check(t, s, s.record(number), time.Since(begun))
				})
			}
			s.b.quiet()
		})
	}
}

func (e *ending) check(t *testing.T, s *stage, r sbc.CDR, took time.Duration) {
	t.Helper()
	wantEnd(t, r, e.end, e.by, e.code)
	if r.Q850Cause != e.q850 || r.Disposition != e.disposition {
		t.Errorf("cause %d, %s; expected %d, %s", r.Q850Cause, r.Disposition, e.q850, e.disposition)
	}
	var attempts []string
	for _, a := range r.Attempts {
		attempts = append(attempts, fmt.Sprintf("%d %s", a.Code, a.Reason))
		if a.TrunkID != s.w.eastTrunk || a.EndpointID != s.w.endpoint || a.SIPCallID == "" || a.EndedAt == nil && r.AnsweredAt == nil {
			t.Errorf("attempt %+v", a)
		}
	}
	if fmt.Sprint(attempts) != fmt.Sprint(e.attempts) {
		t.Errorf("attempts %q, expected %q", attempts, e.attempts)
	}
	if r.StartedAt.After(r.EndedAt) || r.PDDMS > took.Milliseconds() || r.RingMS > took.Milliseconds() || e.ring != (r.ProgressAt != nil) {
		t.Errorf("times %+v", r)
	}
	if answered := r.AnsweredAt != nil; answered != (e.code == 200) || !answered && (r.SetupMS != 0 || r.DurationMS != 0) ||
		answered && (r.SetupMS < r.PDDMS || r.SetupMS < r.RingMS || r.EndedAt.Before(*r.AnsweredAt)) {
		t.Errorf("setup %d ms, pdd %d, ring %d, duration %d", r.SetupMS, r.PDDMS, r.RingMS, r.DurationMS)
	}
	legs := 2
	if len(e.attempts) == 0 {
		legs = 1
	}
	if len(r.Legs) != legs || r.Legs[0].Side != sbc.SideCaller || r.Legs[0].RemoteAddress != s.west.addr.String() || r.IngressTrunkID != s.w.westTrunk || r.TenantID == "" {
		t.Errorf("legs %+v", r.Legs)
	}
}

// ringing calls and lets it ring.
func (s *stage) ringing(number string) (call, rings *line) {
	s.west.t.Helper()
	call = s.west.dial(number, s.west.sdp())
	rings = s.east.ring()
	rings.say(rings.invite, 180, "", "")
	call.answer(1, 180)
	return call, rings
}

// refusal is a call that the callee refuses.
func refusal(name string, status int, reason string, end sbc.EndReason, q850 int, disposition sbc.Disposition) ending {
	told := status
	return ending{name: name, end: end, by: sbc.SideCallee, code: told, q850: q850, disposition: disposition,
		attempts: []string{fmt.Sprintf("%d %s", status, msg.StatusText(status))}, ring: true,
		play: func(_ *testing.T, s *stage, number string) {
			call, rings := s.ringing(number)
			var more []string
			if reason != "" {
				more = append(more, "Reason: "+reason)
			}
			rings.say(rings.invite, status, "", "", more...)
			call.final(told)
			rings.hear(msg.ACK)
		}}
}

func plainEnds() []ending {
	answered, failed := sbc.DispositionAnswered, sbc.DispositionFailed
	up := []string{"200 "}
	return []ending{
		{name: "caller hangs up with a cause", end: sbc.EndCallerBye, by: sbc.SideCaller, code: 200, q850: 31, disposition: answered, attempts: up, ring: true,
			play: func(t *testing.T, s *stage, number string) {
				call, rings := setUp(s.west, s.east, number)
				seq := call.request("BYE", "", "Reason: SIP;cause=200, Q.850;cause=31;text=\"x\"")
				bye := rings.hear(msg.BYE)
				if !strings.Contains(strings.Join(bye.GetAll("Reason"), ","), "cause=31") {
					t.Errorf("Reason %q", bye.GetAll("Reason"))
				}
				rings.say(bye, 200, "", "")
				call.answer(seq, 200)
			}},
		{name: "callee hangs up", end: sbc.EndCalleeBye, by: sbc.SideCallee, code: 200, q850: 16, disposition: answered, attempts: up, ring: true,
			play: func(_ *testing.T, s *stage, number string) {
				call, rings := setUp(s.west, s.east, number)
				rings.hangup(call)
			}},
		{name: "answered without ringing", end: sbc.EndCallerBye, by: sbc.SideCaller, code: 200, q850: 16, disposition: answered, attempts: up,
			play: func(_ *testing.T, s *stage, number string) {
				call := s.west.dial(number, s.west.sdp())
				rings := s.east.ring()
				rings.say(rings.invite, 200, "", s.east.sdp())
				call.final(200)
				rings.hear(msg.ACK)
				call.hangup(rings)
			}},
		{name: "caller cancels", end: sbc.EndCallerCancel, by: sbc.SideCaller, code: 487, q850: 16, disposition: sbc.DispositionCanceled,
			attempts: []string{"487 " + msg.StatusText(487)}, ring: true,
			play: func(_ *testing.T, s *stage, number string) {
				call, rings := s.ringing(number)
				call.cancel()
				rings.say(rings.hear(msg.CANCEL), 200, "", "")
				rings.say(rings.invite, 487, "", "")
				rings.hear(msg.ACK)
				call.final(487)
			}},
		refusal("busy", 486, "", sbc.EndBusy, 17, sbc.DispositionBusy),
		refusal("busy everywhere with a cause", 600, "Q.850;cause=34", sbc.EndBusy, 34, sbc.DispositionBusy),
		refusal("nobody there", 480, "Q.850;cause=19;text=\"no answer\"", sbc.EndNoAnswer, 19, sbc.DispositionNoAnswer),
		refusal("no such number", 404, "", sbc.EndRejected, 1, failed),
		refusal("declined", 603, "", sbc.EndRejected, 21, failed),
		refusal("out of order", 500, "Q.850;cause=38", sbc.EndRejected, 38, failed),
		{name: "hung up through the API", end: sbc.EndAdmin, by: sbc.SideSBC, code: 200, q850: 16, disposition: answered, attempts: up, ring: true,
			play: func(t *testing.T, s *stage, number string) {
				call, rings := setUp(s.west, s.east, number)
				s.hangUpByAPI(t)
				for _, l := range []*line{call, rings} {
					bye := l.hear(msg.BYE)
					if !strings.Contains(bye.Get("Reason"), "cause=16") {
						t.Errorf("Reason %q", bye.Get("Reason"))
					}
					l.say(bye, 200, "", "")
				}
			}},
		{name: "hung up through the API while it rings", end: sbc.EndAdmin, by: sbc.SideSBC, code: 480, q850: 16, disposition: failed,
			attempts: []string{"487 " + msg.StatusText(487)}, ring: true,
			play: func(t *testing.T, s *stage, number string) {
				call, rings := s.ringing(number)
				s.hangUpByAPI(t)
				rings.say(rings.hear(msg.CANCEL), 200, "", "")
				rings.say(rings.invite, 487, "", "")
				rings.hear(msg.ACK)
				call.final(480)
			}},
		{name: "a rule that rejects", end: sbc.EndRejected, by: sbc.SideSBC, code: 410, q850: 22, disposition: failed,
			play: func(_ *testing.T, s *stage, number string) {
				s.b.create("/routing-plans/"+s.w.plan+"/rules", rest.Object{"name": number, "prefix": number, "action": "reject", "reject_code": 410})
				s.west.dial(number, s.west.sdp()).final(410)
			}},
		{name: "no rule", end: sbc.EndNoRoute, by: sbc.SideSBC, code: 404, q850: 1, disposition: failed,
			play: func(t *testing.T, s *stage, number string) {
				if err := s.b.Do(t.Context(), http.MethodDelete, "/v1/routing-plans/"+s.w.plan+"/rules/"+s.w.eastRule, nil, nil); err != nil {
					t.Fatal(err)
				}
				s.west.dial(number, s.west.sdp()).final(404)
			}},
	}
}

// hangUpByAPI ends the one call that is in progress.
func (s *stage) hangUpByAPI(t *testing.T) {
	t.Helper()
	var calls rest.Page[sbc.CallInfo]
	if err := s.b.Get(t.Context(), "/v1/calls", &calls); err != nil || len(calls.Items) != 1 {
		t.Fatalf("%d calls, %v", len(calls.Items), err)
	}
	if err := s.b.Do(t.Context(), http.MethodDelete, "/v1/calls/"+calls.Items[0].ID, nil, nil); err != nil {
		t.Fatal(err)
	}
}

func impatientEnds() []ending {
	return []ending{
		{name: "rings too long", end: sbc.EndNoAnswer, by: sbc.SideSBC, code: 480, q850: 18, disposition: sbc.DispositionNoAnswer,
			attempts: []string{"0 timeout"}, ring: true,
			play: func(_ *testing.T, s *stage, number string) {
				call, rings := s.ringing(number)
				rings.say(rings.hear(msg.CANCEL), 200, "", "")
				rings.say(rings.invite, 487, "", "")
				rings.hear(msg.ACK)
				call.final(480)
			}},
		{name: "rings too long and answers late", end: sbc.EndNoAnswer, by: sbc.SideSBC, code: 480, q850: 18, disposition: sbc.DispositionNoAnswer,
			attempts: []string{"0 timeout"}, ring: true,
			play: func(_ *testing.T, s *stage, number string) {
				call, rings := s.ringing(number)
				rings.say(rings.hear(msg.CANCEL), 200, "", "")
				rings.say(rings.invite, 200, "", s.east.sdp())
				rings.hear(msg.ACK)
				rings.say(rings.hear(msg.BYE), 200, "", "")
				call.final(480)
			}},
		{name: "never answers at all", end: sbc.EndNoAnswer, by: sbc.SideSBC, code: 408, q850: 102, disposition: sbc.DispositionNoAnswer,
			attempts: []string{"0 timeout"},
			play: func(_ *testing.T, s *stage, number string) {
				call := s.west.dial(number, s.west.sdp())
				rings := s.east.ring()
				call.final(408)
				// What comes after all that is put in order.
				rings.say(rings.invite, 200, "", s.east.sdp())
				rings.hear(msg.ACK)
				rings.say(rings.hear(msg.BYE), 200, "", "")
			}},
		{name: "talks too long", end: sbc.EndMaxDuration, by: sbc.SideSBC, code: 200, q850: 102, disposition: sbc.DispositionAnswered,
			attempts: []string{"200 "}, ring: true,
			play: func(_ *testing.T, s *stage, number string) {
				call, rings := setUp(s.west, s.east, number)
				call.say(call.hear(msg.BYE), 200, "", "")
				rings.say(rings.hear(msg.BYE), 200, "", "")
			}},
	}
}

// TestUnreachable: where nothing listens over TCP the attempt fails at once and the record says so.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{transport: "tcp"})
	s.east.close()
	number := s.number()
	s.west.dial(number, s.west.sdp()).final(503)
	r := s.record(number)
	wantEnd(t, r, sbc.EndNoRoute, sbc.SideSBC, 503)
	if len(r.Attempts) != 1 || r.Attempts[0].Code != 0 || r.Attempts[0].Reason != "unreachable" {
		t.Errorf("attempts %+v", r.Attempts)
	}
	s.b.quiet()
}

// TestNoAck: a caller who never acknowledges the 200 is released after 64*T1, and so is the callee (RFC 3261 13.3.1.4).
func TestNoAck(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	number := s.number()
	call := s.west.dial(number, s.west.sdp())
	rings := s.east.ring()
	rings.say(rings.invite, 200, "", s.east.sdp())
	call.answer(1, 200)
	rings.hear(msg.ACK)
	patient := func(l *line) *msg.Message { // longer than a raw peer usually waits
		ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
		defer cancel()
		m, err := l.p.look(ctx, l.ofCall(msg.BYE))
		if err != nil {
			t.Fatalf("no BYE: %v", err)
		}
		return m
	}
	call.say(patient(call), 200, "", "")
	rings.say(patient(rings), 200, "", "")
	r := s.record(number)
	wantEnd(t, r, sbc.EndNoAck, sbc.SideSBC, 200)
	if r.Q850Cause != 102 || r.DurationMS < 31_000 || r.Disposition != sbc.DispositionAnswered {
		t.Errorf("record %+v", r)
	}
	s.b.quiet()
}

// TestStopWithDeafPeers: 50 calls are up and nobody answers a BYE. The border stops in the time it has, without an error, and every
// record says why the call ended.
func TestStopWithDeafPeers(t *testing.T) {
	t.Parallel()
	dir, key := t.TempDir(), token.New()
	options := app.Options{DataDir: dir, APIAddress: "127.0.0.1:0", APIKey: key, Node: "test", ValidateResponses: true, DrainTimeout: 3 * time.Second}
	a, err := app.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	b := &border{t: t, app: a, Client: rest.Client{URL: a.URL(), Key: key}}
	s := &stage{t: t, b: b}
	s.w = b.connect(newSides(t), wish{})
	s.west, s.east = s.w.peers(t, false)
	const calls = 50
	for range calls {
		setUp(s.west, s.east, s.number())
	}
	begun := time.Now()
	if err := a.Stop(context.Background()); err != nil {
		t.Errorf("the border does not stop: %v", err)
	}
	if took := time.Since(begun); took > options.DrainTimeout+time.Second {
		t.Errorf("stopping took %v; it had %v", took, options.DrainTimeout)
	}
	byes := func(p *peer) int {
		p.mu.Lock()
		defer p.mu.Unlock()
		seen := map[string]bool{}
		for _, m := range p.inbox {
			if m.Method == msg.BYE && strings.Contains(m.Get("Reason"), "cause=41") {
				seen[m.CallID] = true
			}
		}
		return len(seen)
	}
	if w, e := byes(s.west), byes(s.east); w != calls || e != calls {
		t.Errorf("BYE for %d and %d of %d calls", w, e, calls)
	}
	options.APIAddress = "127.0.0.1:0"
	again, err := app.Start(t.Context(), options) // what was not delivered any more is delivered now
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := again.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	b.Client = rest.Client{URL: again.URL(), Key: key}
	for _, r := range b.cdrs(calls) {
		wantEnd(t, r, sbc.EndShutdown, sbc.SideSBC, 200)
		if r.Recovered || r.Disposition != sbc.DispositionAnswered || r.Q850Cause != 41 || len(r.Media) != 2 {
			t.Errorf("record %+v", r)
		}
	}
}
