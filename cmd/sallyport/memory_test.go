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

// TestRoomClears: what a rush leaves is cleared away once, when its transactions have ended; a little load is no rush.
func TestRoomClears(t *testing.T) {
	var r room
	now, allocated, cleared := time.Now(), uint64(0), 0
	load := func(rate uint64, seconds int) {
		for range seconds {
			now = now.Add(time.Second)
			allocated += rate
			if r.look(allocated, 100<<20, now); r.clear(now) {
				cleared++
			}
		}
	}
	if load(2<<20, 300); cleared != 0 {
		t.Errorf("cleared %d times under a little load", cleared)
	}
	if load(40<<20, 100); cleared != 0 {
		t.Errorf("cleared %d times within a rush", cleared)
	}
	if load(1<<20, 34); cleared != 0 {
		t.Errorf("cleared %d times at once after a rush", cleared)
	}
	if load(1<<20, 300); cleared != 1 {
		t.Errorf("cleared %d times after a rush", cleared)
	}
}
