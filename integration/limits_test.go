package integration

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

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

// TestLimitProfile: of 1,000 attempts at once on a tenant with room for 10 calls, 10 are put through and never 11 are up; each of the
// others gets the profile's code and has taken no port.
func TestLimitProfile(t *testing.T) {
	t.Parallel()
	s := stageWith(t, "/limit-profiles", rest.Object{"whole_tenant": true, "max_calls": 10, "reject_code": 486}, func(string) wish { return wish{} })
	c := newLot(t, s)
	var lines []*line
	for range 1000 {
		lines = append(lines, s.west.dial(s.number(), s.west.sdp()))
	}
	up := 0
	for _, l := range lines {
		m := l.answer(1, 0)
		l.ack(m)
		switch m.Status {
		case 200:
			up++
			defer func() { l.answer(l.request("BYE", ""), 200) }()
		case 486:
		default:
			t.Errorf("answered with %s", m.StartLine())
		}
	}
	if most := c.peak(); up != 10 || most != 10 {
		t.Errorf("%d calls were put through; the other side saw %d at once", up, most)
	}
	if used := s.portsInUse(); used != 10+10 {
		t.Errorf("%d pairs of ports are in use for 10 calls", used)
	}
	var profiles rest.Page[struct {
		ID string `json:"id"`
	}]
	if err := s.b.Get(t.Context(), "/v1/limit-profiles", &profiles); err != nil {
		t.Fatal(err)
	}
	var usage rest.Page[sbc.LimitUsage]
	if err := s.b.Get(t.Context(), "/v1/limit-profiles/"+profiles.Items[0].ID+"/usage", &usage); err != nil {
		t.Fatal(err)
	}
	if len(usage.Items) != 1 || usage.Items[0].Key != sbc.DefaultTenantID || usage.Items[0].CallsIn != 10 || usage.Items[0].CallsOut != 10 {
		t.Errorf("the API shows %+v", usage.Items)
	}
}
