package subscription

import (
	"sync"
	"testing"
)

// TestSerial: jobs are done one at a time and in order, a panic in one ends none of the others, and a flood is bounded.
func TestSerial(t *testing.T) {
	faults := 0
	s := &serial{fault: func(any) { faults++ }}
	var order []int
	s.do(func() {
		for i := range 5 {
			s.do(func() {
				if i == 2 {
					panic("a fault")
				}
				order = append(order, i)
			})
		}
		if len(order) != 0 {
			t.Error("a job was done within another")
		}
	})
	if len(order) != 4 || order[2] != 3 || faults != 1 {
		t.Errorf("%v, %d faults", order, faults)
	}
	n := 0
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 1000 {
				s.do(func() { n++ })
			}
		})
	}
	group.Wait()
	s.do(func() {
		taken := 0
		for range 2 * maxJobs {
			if s.offer(func() {}) {
				taken++
			}
		}
		if taken != maxJobs {
			t.Errorf("%d of a flood were taken", taken)
		}
	})
	if n != 8000 {
		t.Errorf("%d of 8000 were done", n)
	}
}
