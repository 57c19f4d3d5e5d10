package call

import "testing"

// TestQueueIsBounded: a busy call keeps no more than maxQueue requests and ACKs of a peer; what is ours is never lost.
func TestQueueIsBounded(t *testing.T) {
	for _, kind := range []jobKind{jobRequest, jobAck} {
		c := &Call{}
		c.queue.busy = true
		for range maxQueue + 100 {
			c.post(job{kind: kind})
		}
		if n := len(c.queue.jobs); n != maxQueue {
			t.Errorf("job %d: %d wait", kind, n)
		}
		if !c.post(job{kind: jobTimer}) || len(c.queue.jobs) != maxQueue+1 {
			t.Error("a timer of ours was lost")
		}
	}
}
