package integration

import (
	"context"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// reached is a trunk or an endpoint with its state.
type reached struct {
	Status struct {
		State       string `json:"state"`
		Reason      string `json:"reason"`
		ActiveCalls int    `json:"active_calls"`
		LastCode    int    `json:"last_code"`
	} `json:"status"`
}

// state waits until a trunk or endpoint is in a state, and gives the reason.
func (b *border) state(path, want string) reached {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	r, err := rest.Until(ctx, b.Client, "/v1"+path, func(r reached) bool { return r.Status.State == want })
	if err != nil {
		b.t.Fatalf("%s: %v", want, err)
	}
	return r
}

// patch changes a resource.
func (b *border) patch(path string, body rest.Object) {
	b.t.Helper()
	if err := b.Do(b.t.Context(), "PATCH", "/v1"+path, body, nil); err != nil {
		b.t.Fatal(err)
	}
}

// TestProbedGateways: of two SIPp gateways the first is killed and found down in no more than its probes; calls go to the other without
// an attempt on it; when it is there again it is called again. Both are told as events.
func TestProbedGateways(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{noEndpoint: true, eastTrunk: rest.Object{
		"selection": "order", "outlier": rest.Object{"failures": 0},
		"probe": rest.Object{"enabled": true, "interval_s": 1, "timeout_ms": 300, "down_after": 2, "up_after": 2, "from_user": "asker"},
	}})
	second := newSides(t).eastPeer
	at := "/trunks/" + w.eastTrunk + "/endpoints"
	first := b.create(at, rest.Object{"name": "first", "address": w.eastPeer.String(), "port": 5060, "priority": 1})
	other := b.create(at, rest.Object{"name": "second", "address": second.String(), "port": 5060, "priority": 2})
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	gateway := sippListening(ctx, t, "gateway.xml", w.eastPeer, "-t", "u1")
	sippServer(t, "gateway.xml", second, "-t", "u1")
	if r := b.state(at+"/"+first, "up"); r.Status.LastCode != 200 {
		t.Errorf("%+v", r)
	}
	b.state(at+"/"+other, "up")
	b.state("/trunks/"+w.eastTrunk, "up")
	call := func(endpoint string, records int) {
		t.Helper()
		if err := sipp(patience(t, 20*time.Second), t, "caller.xml", calling(w.sides, "u1", 1, "-d", "10")...); err != nil {
			t.Fatal(err)
		}
		r := b.cdrs(records)[records-1]
		if len(r.Attempts) != 1 || r.Attempts[0].EndpointID != endpoint {
			t.Errorf("attempts %+v", r.Attempts)
		}
	}
	call(first, 1)
	kill()
	_ = gateway.Wait() // it was killed
	killed := time.Now()
	if r := b.state(at+"/"+first, "down"); r.Status.Reason == "" || time.Since(killed) > 3500*time.Millisecond {
		t.Errorf("%+v after %s", r, time.Since(killed))
	}
	if r := b.state("/trunks/"+w.eastTrunk, "degraded"); r.Status.Reason == "" {
		t.Errorf("%+v", r)
	}
	call(other, 2)
	sippServer(t, "gateway.xml", w.eastPeer, "-t", "u1")
	b.state(at+"/"+first, "up")
	call(first, 3)
	page, err := rest.Until(patience(t, 10*time.Second), b.Client, "/v1/events?type=gateway.state", func(p rest.Page[sbc.Event]) bool { return len(p.Items) >= 2 })
	if err != nil {
		t.Fatal(err)
	}
	if e := page.Items; e[0].Data["state"] != "down" || e[0].Data["endpoint_id"] != first || e[0].TrunkID != w.eastTrunk || e[1].Data["state"] != "up" {
		t.Errorf("%+v", e)
	}
}

// TestOutlierOfCalls: a gateway that fails two calls in a row is left alone, and no call waits for it, until its time is over; where it
// is the only one left it is tried all the same.
func TestOutlierOfCalls(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{noEndpoint: true, eastTrunk: rest.Object{
		"selection": "order", "no_response_timeout_ms": 200, "outlier": rest.Object{"failures": 2, "eject_s": 3},
	}})
	second := newSides(t).eastPeer
	at := "/trunks/" + w.eastTrunk + "/endpoints"
	silent := b.create(at, rest.Object{"name": "silent", "address": w.eastPeer.String(), "port": 5060, "priority": 1})
	other := b.create(at, rest.Object{"name": "busy", "address": second.String(), "port": 5060, "priority": 2})
	sippServer(t, "gateway.xml", second, "-t", "u1")
	calls := 0
	call := func(endpoints ...string) {
		t.Helper()
		calls++
		if err := sipp(patience(t, 20*time.Second), t, "caller.xml", calling(w.sides, "u1", 1, "-d", "10")...); err != nil {
			t.Fatal(err)
		}
		r := b.cdrs(calls)[calls-1]
		ok := len(r.Attempts) == len(endpoints)
		for i, a := range r.Attempts {
			ok = ok && a.EndpointID == endpoints[i]
		}
		if !ok {
			t.Fatalf("call %d: attempts %+v", calls, r.Attempts)
		}
	}
	call(silent, other)
	call(silent, other)
	if r := b.state(at+"/"+silent, "ejected"); r.Status.Reason == "" {
		t.Errorf("%+v", r)
	}
	call(other)
	b.state(at+"/"+silent, "unknown")
	sippServer(t, "gateway.xml", w.eastPeer, "-t", "u1")
	call(silent)
	b.state(at+"/"+silent, "up")
}

// TestDrain: what drains gets no new call, and those in progress go on until the deadline, at which both sides get BYE with the reason.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	for _, c := range []struct{ name, path string }{{"endpoint", "/trunks/" + s.w.eastTrunk + "/endpoints/" + s.w.endpoint}, {"trunk", "/trunks/" + s.w.eastTrunk}} {
		s.run(t, c.name, func(t *testing.T) {
			caller, callee, number := s.talk()
			s.b.patch(c.path, rest.Object{"draining": true})
			if r := s.b.state(c.path, "draining"); r.Status.ActiveCalls != 1 || r.Status.Reason == "" {
				t.Errorf("%+v", r)
			}
			refused := s.west.dial(s.number(), s.west.sdp())
			refused.refusedWith(1, 503)
			info := caller.request("INFO", "") // it goes on
			callee.say(callee.hear(msg.INFO), 200, "", "")
			caller.answer(info, 200)
			s.b.patch(c.path, rest.Object{"drain_deadline": time.Now().Add(time.Second)})
			caller.say(caller.hear(msg.BYE), 200, "", "")
			callee.say(callee.hear(msg.BYE), 200, "", "")
			r := s.record(number)
			wantEnd(t, r, sbc.EndDrained, sbc.SideSBC, 200)
			if r.EndedAt.Sub(r.StartedAt) < 500*time.Millisecond {
				t.Error("it was ended before the deadline")
			}
			s.b.patch(c.path, rest.Object{"draining": false, "drain_deadline": nil})
			a, z, n := s.talk()
			s.over(a, z, n)
		})
	}
}
