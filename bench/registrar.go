package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// afterwards is how long a registrar has to write down and tidy up before its memory is looked at while it is busy.
	afterwards = 3 * time.Second
	// calm is how long a server is left alone before its memory is looked at for good: transactions end after 32 s.
	calm = forgotten + 10*time.Second
	// quiet is the share of a processor below which a server has nothing to do, and readyIn how long it may take until then.
	quiet   = 0.05
	readyIn = time.Minute
)

// registrar measures processor time per authenticated REGISTER, challenge and answer together, and memory per registration: first
// all phones register, then, when the transactions of that are forgotten, some register again. The latter gives the figures:
// registrations come once, but are refreshed for ever. Memory is looked at when the server has had nothing to do for longer than it
// remembers transactions, before the first and after the last of them, and, told beside it, at once after each.
func (p *plan) registrar(ctx context.Context, s *server) (result, error) {
	ps, err := newPhones(p.phones)
	if err != nil {
		return result{}, err
	}
	defer ps.close()
	s.ready()
	time.Sleep(calm)
	idle := s.idle(2 * time.Second)
	empty := s.resident()
	first, err := p.registered(ctx, s, ps, p.phones, idle)
	if err != nil {
		return result{}, err
	}
	time.Sleep(afterwards)
	rushed := s.resident()
	time.Sleep(calm) // phones do not come at this rate: the transactions of so many are no part of a registration
	full := s.resident()
	stop := p.sample(s, "registrar")
	again, err := p.registered(ctx, s, ps, min(p.phones, p.refreshes*p.seconds), idle)
	profile := stop(ctx)
	if err != nil {
		return result{}, err
	}
	time.Sleep(afterwards)
	busy := s.resident()
	time.Sleep(calm)
	later := s.resident()
	each := func(bytes int64) float64 { return float64(bytes-empty) / 1024 / float64(p.phones) }
	r := result{value: us(again), unit: "µs of CPU per REGISTER, challenge and answer"}
	r.more = []result{{value: each(later), unit: "KB resident per registration"}}
	r.text = fmt.Sprintf("%.1f µs of CPU per REGISTER refreshed, %.1f µs when new; %.1f MB empty, %.1f MB with %d registered at %d/s, "+
		"%.1f MB %v later: %.2f KB each at once, %.2f KB later; after refreshes %.1f MB at once, %.1f MB %v later: %.2f and %.2f KB each; "+
		"%d requests repeated, %d refused with 503 for a while", us(again), us(first), mb(empty), mb(rushed), p.phones, p.refreshes, mb(full),
		calm, each(rushed), each(full), mb(busy), mb(later), calm, each(busy), each(later), ps.repeated, ps.refused) + profile
	return r, nil
}

// ready waits until the server has done what its start and its provisioning left it to do.
func (s *server) ready() {
	for begun := time.Now(); time.Since(begun) < readyIn; {
		var used time.Duration
		for _, part := range s.idle(time.Second) {
			used += part
		}
		if used < time.Duration(quiet*float64(time.Second)) {
			return
		}
	}
}

// registered has the first so many phones register, and gives the processor time of each, less what the server uses anyhow.
func (p *plan) registered(ctx context.Context, s *server, ps *phones, n int, idle []time.Duration) (time.Duration, error) {
	before, begun := s.cpu(), time.Now()
	if err := ps.register(ctx, 0, n, p.refreshes); err != nil {
		return 0, err
	}
	used, lasted := s.cpu(), time.Since(begun)
	var total time.Duration
	for i := range used {
		total += used[i] - before[i] - time.Duration(float64(idle[i])*lasted.Seconds())
	}
	return total / time.Duration(n), nil
}
