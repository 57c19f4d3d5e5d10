package integration

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// TestHunting walks over a route list: a silent endpoint, one that is overloaded, one that is busy, one that answers.
func TestHunting(t *testing.T) {
	needs(t, "sipp")
	for _, c := range []struct {
		name, first string // scenario of the first endpoint, "" is nobody
		caller      string
		attempts    []int // the codes of the attempts, 0 is none
		end         sbc.EndReason
	}{
		{"silence goes on", "", "caller.xml", []int{0, 200}, sbc.EndCallerBye},
		{"503 goes on", "callee_503.xml", "caller.xml", []int{503, 200}, sbc.EndCallerBye},
		{"486 stops", "callee_busy.xml", "caller_refused_486.xml", []int{486}, sbc.EndBusy},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			s := newSides(t)
			second := newSides(t).eastPeer
			w := b.connect(s, wish{noEndpoint: true, eastTrunk: rest.Object{"no_response_timeout_ms": 1000}})
			endpoint := func(name, address string, priority int) {
				b.create("/trunks/"+w.eastTrunk+"/endpoints", rest.Object{
					"name": name, "address": address, "port": 5060, "transport": "udp", "priority": priority,
				})
			}
			endpoint("first", s.eastPeer.String(), 1)
			endpoint("second", second.String(), 2)
			if c.first != "" {
				sippServer(t, c.first, s.eastPeer)
			}
			sippServer(t, "callee.xml", second)
			begun := time.Now()
			if err := sipp(patience(t, 30*time.Second), t, c.caller, calling(s, "u1", 3)...); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took > 8*time.Second {
				t.Errorf("three calls took %v: a silent gateway must cost seconds, not 32", took)
			}
			for _, r := range b.cdrs(3) {
				var codes []int
				for _, a := range r.Attempts {
					codes = append(codes, a.Code)
				}
				if fmt.Sprint(codes) != fmt.Sprint(c.attempts) || r.EndReason != c.end {
					t.Errorf("attempts %v, end %s; expected %v, %s", codes, r.EndReason, c.attempts, c.end)
				}
			}
			b.quiet()
		})
	}
}

// TestBorderEndsCalls are the ends that neither side wishes for: it rings too long, talks too long, or says nothing.
func TestBorderEndsCalls(t *testing.T) {
	needs(t, "sipp")
	for _, c := range []struct {
		name, caller, callee string
		trunk                rest.Object
		end                  sbc.EndReason
		billable             [2]int64 // ms, at least and at most
	}{
		{"no answer", "caller_refused_480.xml", "callee_rings.xml", rest.Object{"ring_timeout_s": 1}, sbc.EndNoAnswer, [2]int64{0, 0}},
		{"maximum duration", "caller_answers.xml", "callee.xml", rest.Object{"max_call_duration_s": 1}, sbc.EndMaxDuration, [2]int64{900, 1500}},
		{"silence", "caller_answers.xml", "callee.xml", rest.Object{"media_timeout_s": 1}, sbc.EndMediaTimeout, [2]int64{0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			w := b.connect(newSides(t), wish{eastTrunk: c.trunk, westTrunk: c.trunk})
			sippServer(t, c.callee, w.eastPeer)
			if err := sipp(patience(t, 30*time.Second), t, c.caller, calling(w.sides, "u1", 2)...); err != nil {
				t.Fatal(err)
			}
			for _, r := range b.cdrs(2) {
				if r.EndReason != c.end || r.ReleasedBy != sbc.SideSBC {
					t.Errorf("ended by %s with %s; expected the border with %s", r.ReleasedBy, r.EndReason, c.end)
				}
				if r.BillableMS < c.billable[0] || r.BillableMS > c.billable[1] {
					t.Errorf("billable %d ms; expected %v", r.BillableMS, c.billable)
				}
			}
			b.quiet()
		})
	}
}

// TestSIPpAudio lets SIPp send audio and have it echoed, over both transports of signalling.
func TestSIPpAudio(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	sippServer(t, "callee.xml", w.eastPeer, "-mp", "7000", "-rtp_echo")
	ctx := patience(t, 30*time.Second)
	cmd := sippCommand(ctx, t, "caller_rtp.xml", calling(w.sides, "u1", 2, "-d", "2500", "-mp", "8000")...)
	tone := make([]byte, 8000*4)
	for i := range tone {
		tone[i] = byte(0x80 | i&0x3f)
	}
	if err := os.WriteFile(filepath.Join(cmd.Dir, "tone.raw"), tone, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sipp: %v\n%s", err, out[:min(len(out), 3000)])
	}
	for _, r := range b.cdrs(2) {
		if len(r.Media) != 2 {
			t.Fatalf("media %+v", r.Media)
		}
		for _, s := range r.Media {
			if s.Packets < 80 || s.Lost != 0 || s.RelayedPackets < 80 {
				t.Errorf("stream of the %s: %+v", s.Side, s)
			}
		}
	}
	b.quiet()
}

// TestWeights sends calls to endpoints with weights and compares the shares.
func TestWeights(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	s := newSides(t)
	w := b.connect(s, wish{noEndpoint: true})
	for name, weight := range map[string]int{"seventy": 70, "thirty": 30} {
		b.create("/trunks/"+w.eastTrunk+"/endpoints", rest.Object{"name": name, "address": s.eastPeer.String(), "port": 5060 + weight, "weight": weight})
	}
	first := map[int]int{}
	const calls = 1000
	for range calls {
		var e sbc.Explanation
		err := b.Do(t.Context(), http.MethodPost, "/v1/routing/explain", rest.Object{
			"source_address": s.westPeer.String(), "source_port": 5060, "sip_interface_id": w.westInterface, "transport": "udp", "caller": "1", "callee": "4930",
		}, &e)
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Attempts) != 2 {
			t.Fatalf("%d attempts of two endpoints: %+v", len(e.Attempts), e)
		}
		first[e.Attempts[0].Port]++
	}
	// Three standard deviations of a binomial share of 0.7 in 1,000 are 0.043.
	if share := float64(first[5130]) / calls; math.Abs(share-0.7) > 0.05 {
		t.Errorf("the endpoint of weight 70 was first in %.3f of the calls", share)
	}
}

// TestChangeWhileTalking adds and removes interfaces and pools while a call is up: the call does not notice, and each change is
// in force when its answer comes.
func TestChangeWhileTalking(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	s := newSides(t)
	w := b.connect(s, wish{})
	bob, err := phone.New(phone.Options{Address: s.eastPeer, Port: 5060, Name: "bob", UserAgent: "b", Tone: 1000, Incoming: func(c *phone.Call) {
		c.Ring()
		if err := c.Answer(); err != nil {
			t.Error(err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close()
	alice, err := phone.New(phone.Options{Address: s.westPeer, Name: "alice", UserAgent: "a", Tone: 400})
	if err != nil {
		t.Fatal(err)
	}
	defer alice.Close()
	ctx := patience(t, 30*time.Second)
	west := phoneTarget(s)
	talk := func() *phone.Call {
		t.Helper()
		c, err := alice.Dial("4930", west)
		if err != nil {
			t.Fatal(err)
		}
		if code, err := c.Final(ctx); err != nil || code != 200 {
			t.Fatalf("final %d, %v", code, err)
		}
		return c
	}
	first := talk()
	// A second interface and pool in the east; the first pool goes while the call uses it.
	extra := newSides(t)
	b.create("/sip-interfaces", rest.Object{"name": "east-2", "realm_id": w.eastRealm, "transport": "tcp", "bind_address": extra.east.String(), "port": 5060})
	b.create("/media-pools", rest.Object{"name": "east-2", "realm_id": w.eastRealm, "address": extra.east.String(), "port_min": 40000, "port_max": 40999})
	var pools rest.Page[struct {
		ID, Name string
	}]
	if err := b.Get(ctx, "/v1/media-pools", &pools); err != nil {
		t.Fatal(err)
	}
	for _, p := range pools.Items {
		if p.Name == "east" {
			if err := b.Do(ctx, http.MethodDelete, "/v1/media-pools/"+p.ID, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	second := talk()
	waitTone(t, second, 1000)
	before := first.Heard().Packets
	waitFor(t, func() bool { return first.Heard().Packets > before+50 }, "the first call's audio goes on")
	for _, c := range []*phone.Call{first, second} {
		if c.Heard().Lost != 0 {
			t.Errorf("%d packets were lost", c.Heard().Lost)
		}
		if err := c.Hangup(ctx); err != nil {
			t.Error(err)
		}
	}
	b.cdrs(2)
	b.quiet()
}

// TestAcrossFamilies joins IPv4 over UDP in the west with IPv6 over TCP in the east, with audio.
func TestAcrossFamilies(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{})
	s := newSides(t)
	w := b.connect(s, wish{noEndpoint: true})
	realm := b.create("/realms", rest.Object{"name": "six", "trust": "peer"})
	b.create("/sip-interfaces", rest.Object{"name": "six", "realm_id": realm, "transport": "tcp", "bind_address": "::1", "port": 5071})
	b.create("/media-pools", rest.Object{"name": "six", "realm_id": realm, "address": "::1", "port_min": 33000, "port_max": 33099})
	trunk := b.create("/trunks", rest.Object{"name": "six", "realm_id": realm})
	b.create("/trunks/"+trunk+"/endpoints", rest.Object{"name": "six", "address": "::1", "port": 5072, "transport": "tcp"})
	list := b.create("/route-lists", rest.Object{"name": "six"})
	b.create("/route-lists/"+list+"/targets", rest.Object{"name": "six", "trunk_id": trunk})
	b.create("/routing-plans/"+w.plan+"/rules", rest.Object{"name": "six", "prefix": "49", "action": "route", "route_list_id": list})
	cmd := sippCommand(patience(t, time.Minute), t, "callee.xml", "-i", "::1", "-p", "5072", "-mi", "::1", "-mp", "7600", "-t", "t1", "-rtp_echo", "-m", "2")
	callee := &safeBuffer{}
	cmd.Stdout, cmd.Stderr = callee, callee
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		raw, err := os.ReadFile("/proc/net/tcp6")
		return err == nil && strings.Contains(string(raw), ":13D0 ")
	}, "SIPp listens on [::1]:5072")
	caller := sippCommand(patience(t, 30*time.Second), t, "caller_rtp.xml", calling(s, "u1", 2, "-d", "1500", "-mp", "8200")...)
	if err := os.WriteFile(filepath.Join(caller.Dir, "tone.raw"), bytes.Repeat([]byte{0x55}, 32000), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := caller.CombinedOutput(); err != nil {
		t.Fatalf("sipp: %v\n%s", err, out[:min(len(out), 2000)])
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the callee: %v", err)
	}
	for _, r := range b.cdrs(2) {
		for _, m := range r.Media {
			if m.RelayedPackets < 40 {
				t.Errorf("stream of the %s: %+v", m.Side, m)
			}
		}
		if len(r.Legs) != 2 || r.Legs[1].Transport != sbc.TransportTCP || !strings.HasPrefix(r.Legs[1].RemoteAddress, "[::1]") {
			t.Errorf("legs %+v", r.Legs)
		}
	}
	b.quiet()
}
