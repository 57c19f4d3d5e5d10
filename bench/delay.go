package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// probeEvery is how often a probe is placed while SIPp loads the server.
const probeEvery = 20 * time.Millisecond

// added are the delays of the probes.
type added struct {
	sync.WaitGroup
	mu     sync.Mutex
	delays []time.Duration
	lost   int
}

// delay measures what the border adds to the way of an INVITE and of its 180, while SIPp loads it at the rate: the time from the
// caller's write to the arrival at the callee, and back.
func (p *plan) delay(ctx context.Context, s *server) (result, error) {
	uas, err := p.callee()
	if err != nil {
		return result{}, err
	}
	defer uas.stop()
	pr, err := newProbe()
	if err != nil {
		return result{}, err
	}
	defer pr.close()
	if _, err := p.warm(ctx); err != nil {
		return result{}, err
	}
	load, err := p.callers(sipPort, p.rate, (p.seconds+2)*p.rate, holdTime)
	if err != nil {
		return result{}, err
	}
	defer load.sipp.stop()
	time.Sleep(time.Second)
	var all added
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for n := range p.seconds * int(time.Second/probeEvery) {
		<-ticker.C
		all.Go(func() { all.one(ctx, pr, "9"+strconv.Itoa(100000+n)) })
	}
	all.Wait()
	t, err := load.wait(ctx)
	if err != nil {
		return result{}, err
	}
	if len(all.delays) == 0 {
		return result{}, errors.New("no probe was answered")
	}
	slices.Sort(all.delays)
	r := result{value: ms(at(all.delays, 99)), unit: "ms of added set-up delay, p99"}
	r.text = fmt.Sprintf("added set-up delay p50 %.2f ms, p99 %.2f ms, most %.1f ms at %d calls/s (%d probes, %d lost; %v)",
		ms(at(all.delays, 50)), r.value, ms(at(all.delays, 100)), p.rate, len(all.delays), all.lost, t)
	return r, nil
}

// one places a probe and notes its delay.
func (a *added) one(ctx context.Context, pr *probe, number string) {
	c, err := pr.call(ctx, number, description(westHost))
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.lost++
		return
	}
	pr.mu.Lock()
	defer pr.mu.Unlock()
	if c.heard.IsZero() {
		a.lost++
	} else {
		a.delays = append(a.delays, c.arrived.Sub(c.invited)+c.heard.Sub(c.rang))
	}
	pr.hangup(c)
}
