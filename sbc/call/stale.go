package call

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// checkEvery is how often the calls are looked through. What is found wrong is believed the second time.
const checkEvery = time.Minute

// overdue is how long a call may outlive the time at which its own timers should have ended it.
const overdue = 5 * time.Minute

// longestSetup is how long a call may be without an answer: more attempts than that ring one after the other for nobody.
const longestSetup = time.Hour

// Check looks through the calls every minute until the context ends, and ends those without a live leg: a fault of ours. It gives
// places back that no call holds. It should never find any.
func (m *Manager) Check(ctx context.Context) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			m.checkOnce()
		}
	}
}

// checkOnce is one look.
func (m *Manager) checkOnce() {
	defer func() {
		if r := recover(); r != nil {
			m.metrics.panics.Inc()
			m.o.Log.Error("panic while looking through the calls", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	for _, c := range m.calls.all("") {
		c.glance(c.check)
	}
	if n := m.o.Tally.Reconcile(func(id string) bool { return m.calls.call(id) != nil }); n > 0 {
		m.metrics.stale.WithLabelValues("place").Add(float64(n))
		m.o.Log.Error("places on trunks were held by no call", "places", n)
	}
}

// glance is look for a call that is idle; a busy one is alive.
func (c *Call) glance(f func()) {
	c.queue.mu.Lock()
	if c.queue.busy {
		c.queue.mu.Unlock()
		return
	}
	c.queue.busy = true
	c.queue.mu.Unlock()
	c.do(&job{kind: jobRun, run: f})
	c.rest()
}

// check ends the call if it was found stale twice in a row.
func (c *Call) check() {
	why := c.stale()
	if why == "" || !c.suspect {
		c.suspect = why != ""
		return
	}
	c.m.metrics.stale.WithLabelValues("call").Inc()
	c.m.o.Log.Error("a call without a live leg was found", "call_id", c.id, "why", why)
	c.event(sbc.EventCallStale, nil, map[string]string{"why": why})
	if c.st.ended || c.expired() {
		c.rec.ended(sbc.EndStale, sbc.SideSBC, causeTemporary)
		c.abandon()
		return
	}
	c.stopNow(stopOrder{reason: sbc.EndStale})
}

// stale says why nothing can end the call any more; "" if all is well.
func (c *Call) stale() string {
	switch {
	case c.st.ended:
		return "over, but not forgotten"
	case c.expired():
		return "does not end by itself"
	case c.rec.answeredAt.IsZero() && c.st.a == callerInviting && now().Sub(c.started) > longestSetup:
		return "neither answered nor refused"
	case !c.live(c.a) && !c.live(c.b) && c.st.t == targetNone: // a target has timers of its own
		return "no leg is alive"
	}
	return ""
}

// expired tells whether the call has outlived its maximum duration.
func (c *Call) expired() bool {
	if c.rec.answeredAt.IsZero() {
		return false
	}
	longest := c.maxDuration()
	return longest > 0 && now().Sub(c.rec.answeredAt) > longest+overdue
}

// live tells whether something may still come for a leg: its dialog can be found, and is not over.
func (c *Call) live(l *leg) bool {
	switch {
	case l == nil, l == c.a && c.st.a == callerOver, l == c.b && c.st.b == calleeOver:
		return false
	case l == c.a && c.st.a == callerInviting:
		return c.tx != nil
	}
	e := c.m.calls.tag(l.tag)
	return e != nil && !e.gone.Load() && e.owner() == c
}
