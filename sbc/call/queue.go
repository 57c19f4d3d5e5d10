package call

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc/msg"
)

// jobKind says what a job brings.
type jobKind uint8

const (
	jobStart    jobKind = iota // the INVITE
	jobRequest                 // a request within a dialog: leg, tx, msg
	jobAck                     // leg, msg
	jobCancel                  // CANCEL of the caller's INVITE or of a re-INVITE: tx, msg
	jobTxFailed                // a server transaction broke, or missed its ACK: tx, err
	jobResponse                // to a request of ours: out, msg
	jobFailed                  // a request of ours had no answer: out, err
	jobTimer                   // timer, num
	jobSilence                 // no media since at, of party or of anybody
	jobBroken                  // media of party will have no keys: err
	jobHangUp                  // text, end
	jobOrder                   // as jobRun, for what changes the call
	jobRun                     // the API looks at the call: run
)

// job is one thing that happened to a call.
type job struct {
	kind  jobKind
	timer timerKind
	num   uint32
	leg   *leg
	msg   *msg.Message
	tx    msg.ServerTx
	out   *request
	err   error
	at    time.Time
	party *media.Party
	stop  stopOrder
	run   func()
}

// owner is the call that the job is for: another than c if its leg went there.
func (j *job) owner(c *Call) *Call {
	switch {
	case j.leg != nil:
		return j.leg.end.owner()
	case j.out != nil:
		return j.out.leg.end.owner()
	}
	return c
}

// maxQueue bounds a call's queue. A peer that floods a dialog loses requests and ACKs beyond it; our own timers and answers are never
// lost.
const maxQueue = 256

// queue does jobs one at a time, in order. Those that are quick are done by whoever brings them, if the call is idle: to wake
// another goroutine costs more than the job itself. All others have a goroutine, which exists only while there are any.
type queue struct {
	mu   sync.Mutex
	jobs []job
	busy bool
}

// quick tells whether a job may be done on the goroutine that brings it, which reads messages for other calls too. What may have
// to wait for the disk is not quick: the answer to an INVITE and whatever usually ends a call write their record first.
func (c *Call) quick(j *job) bool {
	switch j.kind {
	case jobStart:
		return c.decision.code == 0
	case jobRequest, jobAck:
		return true
	case jobTimer: // on a goroutine of its own already
		return true
	case jobResponse:
		return j.msg.Status < 200
	default:
		return false
	}
}

// post brings a job. It gives false if the queue is full of what a peer sent. No lock may be held that the call could want.
func (c *Call) post(j job) bool {
	c.queue.mu.Lock()
	if len(c.queue.jobs) >= maxQueue && (j.kind == jobRequest || j.kind == jobAck) {
		c.queue.mu.Unlock()
		return false
	}
	idle, quick := !c.queue.busy, c.quick(&j)
	c.queue.busy = true
	if !idle || !quick {
		c.queue.jobs = append(c.queue.jobs, j)
	}
	c.queue.mu.Unlock()
	switch {
	case !idle:
	case quick:
		c.do(&j)
		c.rest()
	default:
		go c.work()
	}
	return true
}

// rest ends a turn: what came meanwhile has a goroutine.
func (c *Call) rest() {
	c.queue.mu.Lock()
	more := len(c.queue.jobs) > 0
	c.queue.busy = more
	c.queue.mu.Unlock()
	if more {
		go c.work()
	}
}

// look runs f as if it were a job and waits for it: in the caller's goroutine if the call is idle.
func (c *Call) look(f func()) {
	c.queue.mu.Lock()
	if c.queue.busy {
		done := make(chan struct{})
		c.queue.jobs = append(c.queue.jobs, job{kind: jobRun, run: func() { defer close(done); f() }})
		c.queue.mu.Unlock()
		<-done
		return
	}
	c.queue.busy = true
	c.queue.mu.Unlock()
	c.do(&job{kind: jobRun, run: f})
	c.rest()
}

// order is look for what changes the call: what f raises is stepped, and what it proposes is sent.
func (c *Call) order(f func()) {
	c.look(func() {
		f()
		c.run()
	})
}

// work does jobs until there are none.
func (c *Call) work() {
	var batch []job
	for {
		c.queue.mu.Lock()
		if len(c.queue.jobs) == 0 {
			c.queue.busy = false
			c.queue.mu.Unlock()
			return
		}
		batch, c.queue.jobs = c.queue.jobs, nil // an idle call keeps no room
		c.queue.mu.Unlock()
		for i := range batch {
			c.do(&batch[i])
		}
	}
}

// do does one job. A panic ends this call and no other.
func (c *Call) do(j *job) {
	defer func() {
		if r := recover(); r != nil {
			c.m.metrics.panics.Inc()
			c.m.o.Log.Error("panic in a call", "call_id", c.id, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			c.crash()
		}
	}()
	c.handle(j)
}

// timerKind names a call's timers. There is at most one of each.
type timerKind uint8

const (
	timerRing    timerKind = iota // how long the attempt may ring
	timerGuard                    // how long a cancelled INVITE may stay without a final answer
	timerMax                      // maximum duration
	timerRetry                    // a session change refused with 491 (RFC 3261 14.1)
	timerPropose                  // a change of ours that waits for its next try
	timerKeep                     // refresh or expiry of a session timer, whichever is first
	timerAssure                   // a reliable provisional response without its PRACK (RFC 3262 3)
	timerDigit                    // a digit sent by INFO, and the gap after it
	timerDesk                     // what serves the caller waits for
	timerCount
)

// timers are numbered: one that fired while it was being stopped is known by its old number.
type timers struct {
	t   [timerCount]*time.Timer
	num [timerCount]uint32
}

// arm starts a timer, or starts it anew.
func (c *Call) arm(k timerKind, d time.Duration) {
	c.disarm(k)
	n := c.timers.num[k]
	c.timers.t[k] = time.AfterFunc(d, func() { c.post(job{kind: jobTimer, timer: k, num: n}) })
}

// disarm stops a timer; a firing already under way will be ignored.
func (c *Call) disarm(k timerKind) {
	c.timers.num[k]++
	if t := c.timers.t[k]; t != nil {
		t.Stop()
		c.timers.t[k] = nil
	}
}

// fired tells whether a timer job is of the timer as it runs now, and takes the timer away.
func (c *Call) fired(j *job) bool {
	if c.timers.t[j.timer] == nil || c.timers.num[j.timer] != j.num {
		return false
	}
	c.timers.t[j.timer] = nil
	return true
}
