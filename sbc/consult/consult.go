package consult

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/route"
	"github.com/sallyport/sallyport/webhook"
)

// Poster makes requests to other systems; webhook.Client is one.
type Poster interface {
	Do(ctx context.Context, p webhook.Post) error
}

// Options are what a Consultant needs. Asks is required.
type Options struct {
	Asks Poster
	// ENUM finds the SIP URIs of a number in DNS (RFC 6116), below a suffix; nil: there are none. edge.DNS does it.
	ENUM       func(ctx context.Context, number, suffix string) ([]string, error)
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// Kept bounds the answers that are remembered, Most the questions under way; 0 are 10,000 and 1,000.
	Kept, Most int
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// Consultant asks. It is safe for concurrent use.
type Consultant struct {
	o       Options
	metrics *metrics

	mu     sync.Mutex
	known  map[key]*entry
	asking int
}

// key is what an answer is about.
type key struct{ rule, url, trunk, caller, callee string }

// entry is what is known, or being asked.
type entry struct {
	answer *route.Answer
	// until is how long the answer counts.
	until time.Time
	// waiting are those that the question under way is for, nil where there is none.
	waiting []func(*route.Answer)
}

// New makes a Consultant.
func New(o Options) *Consultant {
	o.Kept, o.Most = cmp.Or(o.Kept, 10_000), cmp.Or(o.Most, 1000)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Consultant{o: o, metrics: newMetrics(o.Registerer), known: map[key]*entry{}}
}

// Ask puts the question of a rule about a call. Done is called once: at once with an answer that is known, else later from another
// goroutine, within the time that the rule gives.
func (c *Consultant) Ask(q *route.Ask, done func(*route.Answer)) {
	if q.HTTP == nil {
		c.enum(q, done)
		return
	}
	k := key{q.RuleID, q.HTTP.URL, q.TrunkID, q.Caller, q.Number}
	c.mu.Lock()
	e := c.known[k]
	switch {
	case e != nil && e.answer != nil && c.o.Now().Before(e.until):
		c.mu.Unlock()
		c.metrics.asked.WithLabelValues("cached").Inc()
		done(e.answer)
		return
	case e != nil && e.waiting != nil && q.HTTP.CacheS > 0:
		e.waiting = append(e.waiting, done)
		c.mu.Unlock()
		return
	case c.asking >= c.o.Most:
		answer := c.instead(q, e, errCrowded)
		c.mu.Unlock()
		done(answer)
		return
	}
	c.asking++
	if e == nil && (q.HTTP.CacheS > 0 || q.HTTP.StaleS > 0) {
		e = &entry{}
		c.keep(k, e)
	}
	if e != nil && e.waiting == nil && q.HTTP.CacheS > 0 {
		e.waiting = []func(*route.Answer){}
	}
	c.mu.Unlock()
	go c.ask(q, e, done)
}

var errCrowded = errors.New("too many calls wait for other systems")

// ask makes the request and tells everyone who waits.
func (c *Consultant) ask(q *route.Ask, e *entry, done func(*route.Answer)) {
	said, err := c.post(q)
	c.mu.Lock()
	c.asking--
	var answer *route.Answer
	if err == nil {
		answer = said.answer(q)
		if e != nil {
			e.answer, e.until = answer, c.o.Now().Add(time.Duration(q.HTTP.CacheS)*time.Second)
		}
		c.metrics.asked.WithLabelValues("answered").Inc()
	} else {
		answer = c.instead(q, e, err)
	}
	var waiting []func(*route.Answer)
	if e != nil {
		waiting, e.waiting = e.waiting, nil
	}
	c.mu.Unlock()
	c.tell(done, answer)
	for _, w := range waiting {
		c.tell(w, answer)
	}
}

// tell calls back; a panic there is that call's alone.
func (c *Consultant) tell(done func(*route.Answer), answer *route.Answer) {
	defer func() {
		if r := recover(); r != nil {
			c.o.Log.Error("going on with an answer panicked", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	done(answer)
}

// post makes the request within its time.
func (c *Consultant) post(q *route.Ask) (said said, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.o.Log.Error("asking another system panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(q.HTTP.TimeoutMS)*time.Millisecond)
	defer cancel()
	err = c.o.Asks.Do(ctx, webhook.Post{
		Purpose: "routing", URL: q.HTTP.URL, Secret: q.HTTP.Secret, ID: sbc.NewID("route_"), Answer: &said,
		Body: question{
			Type: "call.routing", At: c.o.Now().UTC(), TenantID: q.TenantID, RoutingPlanID: q.PlanID, RuleID: q.RuleID,
			TrunkID: q.TrunkID, Caller: q.Caller, Callee: q.Number, Variables: q.Variables, SIPCallID: q.CallID, Source: q.Source,
		},
	})
	if err == nil {
		err = said.fault()
	}
	return said, err
}

// instead is what counts where nobody answers: what was said before, for a while, else what the rule says; the lock is held.
func (c *Consultant) instead(q *route.Ask, e *entry, err error) *route.Answer {
	h := q.HTTP
	if e != nil && e.answer != nil && c.o.Now().Before(e.until.Add(time.Duration(h.StaleS)*time.Second)) {
		c.metrics.asked.WithLabelValues("stale").Inc()
		return e.answer
	}
	c.metrics.asked.WithLabelValues("failed").Inc()
	c.o.Log.Debug("another system was asked in vain", "rule_id", q.RuleID, "error", err)
	switch h.OnFailure {
	case sbc.HTTPFailRoute:
		return &route.Answer{Action: sbc.ActionRoute, Why: "the system asked gave no answer that counts: the rule's own route list is tried"}
	case sbc.HTTPFailReject:
		return &route.Answer{Action: sbc.ActionReject, Code: 503, Why: "the system asked gave no answer that counts: the call is refused"}
	}
	return &route.Answer{Why: "the system asked gave no answer that counts: the next rule decides"}
}

// keep remembers an entry; the lock is held. Where there is no room, some that nobody waits for go: those that come first in the order
// of a map, which is none.
func (c *Consultant) keep(k key, e *entry) {
	if len(c.known) >= c.o.Kept {
		room := 1 + c.o.Kept/100
		for old, x := range c.known {
			if x.waiting != nil {
				continue
			}
			delete(c.known, old)
			if room--; room == 0 {
				break
			}
		}
	}
	if len(c.known) < c.o.Kept {
		c.known[k] = e
	}
}
