package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

// plan is what is measured.
type plan struct {
	servers []string
	phases  []string
	rate    int
	seconds int
	runs    int
	held    int
	streams int
}

func main() {
	servers := flag.String("servers", "sallyport,kamailio", "comma-separated: sallyport, kamailio")
	phases := flag.String("phases", "calls,delay,memory,rtp", "comma-separated: calls, delay, memory, rtp")
	var p plan
	flag.IntVar(&p.rate, "rate", 500, "calls a second")
	flag.IntVar(&p.seconds, "seconds", 10, "seconds measured after a warm-up of 3")
	flag.IntVar(&p.runs, "runs", 3, "runs; servers alternate within each")
	flag.IntVar(&p.held, "held", 4900, "calls held in the memory phase (four sockets each: see ulimit -n)")
	flag.IntVar(&p.streams, "streams", 500, "calls with RTP both ways in the rtp phase")
	flag.Parse()
	p.servers, p.phases = strings.Split(*servers, ","), strings.Split(*phases, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := p.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run carries out all phases, each on servers freshly started.
func (p *plan) run(ctx context.Context) error {
	var faults []error
	for run := 1; run <= p.runs; run++ {
		for _, phase := range p.phases {
			for _, name := range p.servers {
				line, err := p.one(ctx, phase, name)
				if err != nil {
					faults = append(faults, fmt.Errorf("run %d, %s, %s: %w", run, phase, name, err))
					continue
				}
				fmt.Printf("run %d  %-6s  %-10s  %s\n", run, phase, name, line)
			}
		}
	}
	return errors.Join(faults...)
}

// one measures one phase on one server.
func (p *plan) one(ctx context.Context, phase, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	s, err := startServer(ctx, name)
	if err != nil {
		return "", err
	}
	defer s.stop()
	switch phase {
	case "calls":
		return p.calls(ctx, s)
	case "delay":
		return p.delay(ctx, s)
	case "memory":
		return p.memory(ctx, s)
	case "rtp":
		return p.rtp(ctx, s)
	}
	return "", fmt.Errorf("unknown phase %q", phase)
}

// callee starts the SIPp that answers.
func callee() (*process, error) {
	return start("sipp", "-sf", "bench/testdata/uas.xml", "-i", "127.0.0.3", "-p", "5060", "-mi", "127.0.0.3", "-mp", "7000",
		"-nostdin", "-skip_rlimit", "127.0.0.1:5060")
}

// load makes SIPp call at a fixed rate: count calls, each held for hold.
func load(ctx context.Context, rate, count int, hold time.Duration) error {
	return sipp(ctx, "-sf", "bench/testdata/uac.xml", "-i", "127.0.0.2", "-p", "5060", "-s", "2025550199", "-mi", "127.0.0.2", "-mp", "7000",
		"-r", strconv.Itoa(rate), "-m", strconv.Itoa(count), "-d", strconv.Itoa(int(hold.Milliseconds())), "-l", strconv.Itoa(count+1),
		"-nostdin", "-skip_rlimit", "-recv_timeout", "20000", "127.0.0.1:5060")
}

// calls measures processor time per call: INVITE, 180, 200, ACK, BYE, 200 on both sides, media anchored but silent.
func (p *plan) calls(ctx context.Context, s *server) (string, error) {
	uas, err := callee()
	if err != nil {
		return "", err
	}
	defer uas.stop()
	if err := load(ctx, p.rate, 3*p.rate, 0); err != nil {
		return "", fmt.Errorf("warm-up: %w", err)
	}
	before := s.cpu()
	time.Sleep(2 * time.Second)
	idle := (s.cpu() - before) / 2
	before, begun := s.cpu(), time.Now()
	if err := load(ctx, p.rate, p.seconds*p.rate, 0); err != nil {
		return "", err
	}
	used, lasted := s.cpu()-before, time.Since(begun)
	used -= time.Duration(float64(idle) * lasted.Seconds())
	return fmt.Sprintf("%.3f ms of CPU per call at %d calls/s (%d calls, idle %.1f ms/s)", ms(used)/float64(p.seconds*p.rate), p.rate,
		p.seconds*p.rate, ms(idle)), nil
}

// memory measures the resident set with calls held.
func (p *plan) memory(ctx context.Context, s *server) (string, error) {
	uas, err := callee()
	if err != nil {
		return "", err
	}
	defer uas.stop()
	empty := s.resident()
	seconds := p.held/p.rate + 1
	done := make(chan error, 1)
	hold := time.Duration(seconds+12) * time.Second
	go func() { done <- load(ctx, p.rate, p.held, hold) }()
	time.Sleep(time.Duration(seconds+6) * time.Second)
	full := s.resident()
	if err := <-done; err != nil {
		return "", err
	}
	return fmt.Sprintf("%.1f MB with %d calls held, %.1f MB empty: %.1f KB per call", mb(full), p.held, mb(empty),
		float64(full-empty)/1024/float64(p.held)), nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func mb(n int64) float64         { return float64(n) / (1 << 20) }
