package main

import (
	"context"
	"fmt"
	"time"
)

const (
	socketsPerCall = 4   // RTP and RTCP on both sides
	socketsElse    = 150 // what a server has open besides
	holdRate       = 200 // calls a second while they are set up: memory is the question, not speed
	settled        = 3 * time.Second
	forgotten      = 35 * time.Second // transactions end 32 s after the call was set up
)

// memory measures the resident set with no call, 1,000 and -held calls held: at once after they were set up, and again when the
// transactions of their INVITE are forgotten. The slope from none to all is the figure.
func (p *plan) memory(ctx context.Context, s *server) (result, error) {
	uas, err := p.callee()
	if err != nil {
		return result{}, err
	}
	defer uas.stop()
	held, note := p.held, ""
	if fit := (socketLimit() - socketsElse) / socketsPerCall; fit < held {
		held, note = fit, fmt.Sprintf(" (asked for %d: ulimit -n %d, %d sockets a call)", p.held, socketLimit(), socketsPerCall)
	}
	few := min(1000, held/2)
	whole := settingUp(held) + 2*settled + forgotten + 5*time.Second
	empty := s.resident()
	first, err := p.callers(sipPort, holdRate, few, whole)
	if err != nil {
		return result{}, err
	}
	defer first.sipp.stop()
	if err := first.pause(ctx, settingUp(few)+settled); err != nil {
		return result{}, err
	}
	some := s.resident()
	rest, err := p.callers(sipPort+1, holdRate, held-few, whole-settingUp(few)-settled)
	if err != nil {
		return result{}, err
	}
	defer rest.sipp.stop()
	if err := rest.pause(ctx, settingUp(held-few)+settled); err != nil {
		return result{}, err
	}
	full := s.resident()
	if err := rest.pause(ctx, forgotten); err != nil {
		return result{}, err
	}
	later := s.resident()
	for _, c := range []*calling{first, rest} {
		if _, err := c.wait(ctx); err != nil { // calls that failed were not held
			return result{}, err
		}
	}
	r := result{value: float64(full-empty) / 1024 / float64(held), unit: "KB per held call"}
	r.text = fmt.Sprintf("%.1f MB empty, %.1f MB with %d calls held, %.1f MB with %d%s, %.1f MB %v later: %.1f KB per call, %.1f KB later",
		mb(empty), mb(some), few, mb(full), held, note, mb(later), forgotten, r.value, float64(later-empty)/1024/float64(held))
	return r, nil
}

// settingUp is how long it takes to set up n calls.
func settingUp(n int) time.Duration { return time.Duration(n) * time.Second / holdRate }

// pause waits while calls are held; SIPp ending too early is an error.
func (c *calling) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-c.sipp.gone:
		_, err := c.wait(ctx)
		return fmt.Errorf("SIPp ended while its calls should be held: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	}
}
