package subscription

import (
	"strconv"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/notify"
	"github.com/sallyport/sallyport/sbc/route"
)

// state is one published state: our entity tag and that of whoever keeps it (RFC 3903 4.1).
type state struct {
	ours, theirs string
	trunkID      string // of the publisher
	at           route.Attempt
	until        time.Time
}

// states are the published states by our tag. It is safe for concurrent use.
type states struct {
	most, each int

	mu   sync.Mutex
	tags map[string]*state
	of   map[string]int // how many each trunk has
	// swept is when those whose time is over were looked for.
	swept time.Time
}

func newStates(o Options) *states {
	return &states{most: o.Max, each: o.MaxPerTrunk, tags: map[string]*state{}, of: map[string]int{}}
}

// get finds the state that a publisher of a trunk has under a tag; nil if there is none.
func (s *states) get(tag, trunkID string) *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.tags[tag]; st != nil && st.trunkID == trunkID && time.Now().Before(st.until) {
		return st
	}
	return nil
}

// full tells whether there is no room for another one of a trunk.
func (s *states) full(trunkID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	full := func() bool { return len(s.tags) >= s.most || s.of[trunkID] >= s.each }
	s.sweep(false)
	if full() && time.Since(s.swept) > time.Second { // a flood does not make us look again and again
		s.sweep(true)
	}
	return full()
}

// put keeps a state in place of an older one (nil for none).
func (s *states) put(st, old *state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(false)
	if old != nil {
		s.forget(old.ours)
	}
	if len(s.tags) < s.most && s.of[st.trunkID] < s.each {
		s.tags[st.ours] = st
		s.of[st.trunkID]++
	}
}

// drop forgets a state.
func (s *states) drop(tag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(tag)
}

// forget is drop with the lock held.
func (s *states) forget(tag string) {
	st := s.tags[tag]
	if st == nil {
		return
	}
	delete(s.tags, tag)
	if s.of[st.trunkID]--; s.of[st.trunkID] == 0 {
		delete(s.of, st.trunkID)
	}
}

// sweep removes those whose time is over, once a minute or now; the lock is held.
func (s *states) sweep(now bool) {
	t := time.Now()
	if !now && t.Sub(s.swept) < time.Minute {
		return
	}
	s.swept = t
	for tag, st := range s.tags {
		if t.After(st.until) {
			s.forget(tag)
		}
	}
}

// publish readies a PUBLISH; the code is that of a refusal, 0 for none.
func (e *errand) publish() int {
	tag := e.in.Get("SIP-If-Match")
	if tag == "" {
		switch {
		case len(e.in.Body) == 0: // RFC 3903 4.2
			return 400
		case e.m.states.full(e.trunk.ID):
			return 503
		}
		return 0
	}
	if e.state = e.m.states.get(tag, e.trunk.ID); e.state == nil {
		return 412 // RFC 3903 6 step 4
	}
	e.search = &only{Search: e.search, at: &e.state.at} // who keeps it and nobody else
	return 0
}

// published is the 200 to a PUBLISH: the publisher gets a tag of ours.
func (e *errand) published(at *route.Attempt, reply, res *msg.Message) {
	n := notify.Seconds(res.Get("Expires"))
	if n < 0 {
		n = max(e.expires, 0)
	}
	reply.Append("Expires", strconv.Itoa(n))
	theirs := res.Get("SIP-ETag")
	if theirs == "" || n == 0 { // removed (RFC 3903 4.5)
		if e.state != nil {
			e.m.states.drop(e.state.ours)
		}
		reply.Append("SIP-ETag", msg.NewTag())
		return
	}
	st := &state{
		ours: msg.NewTag(), theirs: theirs, trunkID: e.trunk.ID, at: *at, until: time.Now().Add(time.Duration(n) * time.Second),
	}
	e.m.states.put(st, e.state)
	reply.Append("SIP-ETag", st.ours)
}

// only is a Search that knows one address, whatever the one beneath would say.
type only struct {
	Search
	at   *route.Attempt
	code int
}

func (o *only) Next(then func(at *route.Attempt)) {
	at := o.at
	o.at = nil
	then(at)
}

func (o *only) More() bool { return false }

func (o *only) Failed(_ *route.Attempt, code int) bool {
	o.code = translate(code)
	return true
}

func (o *only) Skip(code int) { o.code = code }

func (o *only) Refusal() (code int, reason string, headers []msg.Header) { return o.code, "", nil }
