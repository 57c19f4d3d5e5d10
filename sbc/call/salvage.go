package call

import (
	"fmt"
	"time"
)

// crash ends a call after a panic as orderly as it can.
func (c *Call) crash() {
	c.events, c.in, c.inTx, c.crashed = nil, nil, nil, true
	if !c.final && c.tx != nil && (c.st.a == callerAnswered || c.st.a == callerLeaving) { // so says the machine; the caller waits
		c.st.a, c.rec.answeredAt, c.rec.finalCode = callerInviting, time.Time{}, 0
	}
	orderly := c.guarded("ending a call after a panic", func() {
		c.stopNow(stopOrder{reason: endError})
		if c.st.ended {
			c.abandon() // the machine was done, its actions were not
		}
	})
	if !orderly {
		c.salvage()
	}
}

// leaveAll gives back every place that is still the call's, also those that no leg knows of because a fault came between.
func (c *Call) leaveAll() {
	c.m.o.Tally.Reconcile(func(id string) bool { return id != c.id })
}

// guarded runs f and tells whether it came to its end.
func (c *Call) guarded(what string, f func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			c.m.o.Log.Error("panic while "+what, "call_id", c.id, "panic", fmt.Sprint(r))
		}
	}()
	f()
	return true
}

// salvage gives everything back that a call holds whose orderly end failed, each thing by itself, and forgets the call.
func (c *Call) salvage() {
	if c.forgotten {
		return
	}
	c.forgotten = true
	c.st = state{a: callerOver, b: calleeOver, ended: true}
	c.events = nil
	for k := range timerCount {
		c.disarm(k)
	}
	c.guarded("breaking a promise", func() {
		if broken := c.breakPromise(); broken != nil {
			broken()
		}
	})
	c.guarded("giving places back", c.leaveAll)
	c.guarded("closing a mailbox", c.leaveDesk)
	c.guarded("closing the media", func() {
		if s := c.session; s != nil {
			c.session = nil
			s.Close()
		}
	})
	c.guarded("writing the record", func() { c.writeRecord(nil) })
	c.guarded("retiring the tags", func() {
		t := now()
		c.m.calls.retire(c.a.tag, t)
		for _, tag := range c.hunt.tags {
			c.m.calls.retire(tag, t)
		}
	})
	c.moved()
	c.m.forget(c)
}
