package main

import (
	"testing"
	"time"
)

// TestRoom: the heap gets room by what is allocated, between bounds, and is not given another for a trifle.
func TestRoom(t *testing.T) {
	const mb = 1 << 20
	var r room
	now, allocated := time.Now(), uint64(0)
	look := func(rate, live uint64) int {
		now = now.Add(lookEvery)
		allocated += rate
		return r.look(allocated, live, now)
	}
	if p := look(0, 2*mb); p != garbagePercent {
		t.Errorf("a heap of 2 MB gets %d %%", p)
	}
	for range 10 {
		look(0, 160*mb)
	}
	if p := look(0, 160*mb); p != leastPercent {
		t.Errorf("160 MB and nothing to do: %d %%", p)
	}
	if p := look(40*mb, 160*mb); p != garbagePercent {
		t.Errorf("160 MB and 40 MB a second: %d %%", p)
	}
	if p := look(0, 160*mb); p != garbagePercent {
		t.Errorf("at once after a rush: %d %%", p)
	}
	for range 60 {
		look(4*mb, 160*mb)
	}
	middle := look(4*mb, 160*mb) // 60 MB for 15 s
	if middle < 33 || middle > 42 {
		t.Errorf("160 MB and 4 MB a second: %d %%", middle)
	}
	if p := look(4*mb+mb/10, 160*mb); p != middle {
		t.Errorf("a little more: %d %%, was %d", p, middle)
	}
	if p := look(40*mb, 4000*mb); p < leastPercent || p > 15 {
		t.Errorf("4 GB and 40 MB a second: %d %%", p)
	}
}
