package integration

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

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
	ring        bool     // whether it rang
	times       func(r sbc.CDR) bool
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
		}, end: sbc.EndMediaTimeout, by: sbc.SideSBC, code: 200, q850: 102, disposition: sbc.DispositionAnswered, attempts: []string{"200 "}, ring: true,
			times: func(r sbc.CDR) bool { return r.DurationMS >= 900 && r.BillableMS == 0 && r.LastMediaAt == nil }}}},
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
	if e.times != nil && !e.times(r) {
		t.Errorf("setup %d ms, pdd %d, ring %d, duration %d, billable %d, last media %v", r.SetupMS, r.PDDMS, r.RingMS, r.DurationMS, r.BillableMS, r.LastMediaAt)
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
	rang := func(r sbc.CDR) bool { return r.RingMS >= 900 && r.PDDMS < r.RingMS }
	return []ending{
		{name: "rings too long", times: rang, end: sbc.EndNoAnswer, by: sbc.SideSBC, code: 480, q850: 18, disposition: sbc.DispositionNoAnswer,
			attempts: []string{"0 timeout"}, ring: true,
			play: func(_ *testing.T, s *stage, number string) {
				call, rings := s.ringing(number)
				rings.say(rings.hear(msg.CANCEL), 200, "", "")
				rings.say(rings.invite, 487, "", "")
				rings.hear(msg.ACK)
				call.final(480)
			}},
		{name: "rings too long and answers late", times: rang, end: sbc.EndNoAnswer, by: sbc.SideSBC, code: 480, q850: 18, disposition: sbc.DispositionNoAnswer,
			attempts: []string{"0 timeout"}, ring: true,
			play: func(_ *testing.T, s *stage, number string) {
				call, rings := s.ringing(number)
				rings.say(rings.hear(msg.CANCEL), 200, "", "")
				rings.say(rings.invite, 200, "", s.east.sdp())
				rings.hear(msg.ACK)
				rings.say(rings.hear(msg.BYE), 200, "", "")
				call.final(480)
			}},
		{name: "never answers at all", times: func(r sbc.CDR) bool { return r.PDDMS >= 250 && r.RingMS == 0 }, end: sbc.EndNoAnswer, by: sbc.SideSBC, code: 408, q850: 102, disposition: sbc.DispositionNoAnswer,
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
		{name: "talks too long", times: func(r sbc.CDR) bool { return r.DurationMS >= 950 && r.BillableMS == r.DurationMS }, end: sbc.EndMaxDuration, by: sbc.SideSBC, code: 200, q850: 102, disposition: sbc.DispositionAnswered,
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
	call.say(call.patientBye(), 200, "", "")
	rings.say(rings.patientBye(), 200, "", "")
	r := s.record(number)
	wantEnd(t, r, sbc.EndNoAck, sbc.SideSBC, 200)
	if r.Q850Cause != 102 || r.DurationMS < 31_000 || r.Disposition != sbc.DispositionAnswered {
		t.Errorf("record %+v", r)
	}
	s.b.quiet()
}

// patientBye waits for a BYE longer than a raw peer usually does.
func (l *line) patientBye() *msg.Message {
	l.p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 45*time.Second)
	defer cancel()
	m, err := l.p.look(ctx, l.ofCall(msg.BYE))
	if err != nil {
		l.p.t.Fatalf("no BYE: %v", err)
	}
	return m
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
