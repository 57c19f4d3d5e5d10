package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// holdTime is how long the calls of a load last: long enough that ACK and BYE do not overtake each other among a server's workers.
const holdTime = 50 * time.Millisecond

// calls measures processor time per call: INVITE, 100, 180, 200, ACK, BYE, 200 on both sides, media anchored but silent, record
// written. What the server uses with nothing to do is measured first and taken off.
func (p *plan) calls(ctx context.Context, s *server) (result, error) {
	uas, err := p.callee()
	if err != nil {
		return result{}, err
	}
	defer uas.stop()
	idle := s.idle(2 * time.Second)
	if _, err := p.warm(ctx); err != nil {
		return result{}, err
	}
	stop := p.sample(s, "calls")
	before, begun := s.cpu(), time.Now()
	t, err := p.load(ctx, p.rate, p.seconds*p.rate, holdTime)
	used, lasted := s.cpu(), time.Since(begun)
	profile := stop(ctx)
	if err != nil {
		return result{}, err
	}
	var total time.Duration
	var each []string
	for i, part := range s.parts {
		d := used[i] - before[i] - time.Duration(float64(idle[i])*lasted.Seconds())
		total += d
		each = append(each, fmt.Sprintf("%s %.3f", part.name, ms(d)/float64(t.created)))
	}
	r := result{value: ms(total) / float64(t.created), unit: "ms of CPU per call"}
	r.text = fmt.Sprintf("%.3f ms of CPU per call at %d calls/s (%s; %v; %.0f MB resident)", r.value, p.rate, strings.Join(each, ", "), t,
		mb(s.resident())) + profile
	return r, nil
}

// warm loads the server until what it does for calls long gone (transactions last 32 s, RFC 3261 17.2.2) is part of its work.
func (p *plan) warm(ctx context.Context) (tally, error) {
	t, err := p.load(ctx, p.rate, max(1, int(float64(p.rate)*p.warmUp.Seconds())), holdTime)
	if err != nil {
		return t, fmt.Errorf("warm-up: %w", err)
	}
	return t, nil
}

// parser runs the benchmarks of the message package as they are.
func (p *plan) parser(ctx context.Context) (result, error) {
	const pkg = "github.com/sallyport/sallyport/sbc/msg"
	out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", ".", "-benchmem", "-benchtime", "1s", pkg).CombinedOutput()
	if err != nil {
		return result{}, fmt.Errorf("%w\n%s", err, out)
	}
	r := result{unit: "ns to parse an INVITE"}
	var lines []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		if strings.HasPrefix(f[0], "BenchmarkParseInvite") {
			if r.value, err = strconv.ParseFloat(f[2], 64); err != nil {
				return result{}, err
			}
		}
		lines = append(lines, "\n    "+strings.Join(append([]string{strings.TrimPrefix(f[0], "Benchmark")}, f[2:]...), " "))
	}
	r.text = strings.Join(lines, "") + "\n   "
	return r, nil
}

// build makes the binary that is measured, unless one was given.
func (p *plan) build(ctx context.Context) error {
	if p.binary != "" {
		return nil
	}
	p.binary = filepath.Join(p.dir, "sallyport")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", p.binary, "github.com/sallyport/sallyport/cmd/sallyport").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}
