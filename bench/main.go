package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// plan is what is measured, and how.
type plan struct {
	servers []string
	phases  []string
	rate    int           // calls a second in calls and delay
	warmUp  time.Duration // of the same rate before calls and delay
	seconds int           // measured in calls, delay, rtp and each suite of srtp
	runs    int
	held    int // calls held in memory
	streams int // calls with RTP in rtp and srtp
	// phones register in registrar, refreshes of them a second
	phones, refreshes int
	profile           string
	binary            string // of Sallyport
	dir               string // scratch: binaries, logs, databases
}

func main() {
	p, err := parse(os.Args[1:])
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = p.measure(ctx)
		stop()
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parse reads the command line.
func parse(args []string) (*plan, error) {
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	p := &plan{}
	servers := set.String("servers", "sallyport,kamailio", "comma-separated: sallyport, kamailio (with rtpengine)")
	phases := set.String("phases", "calls,delay,memory,rtp,srtp,registrar,parser",
		"comma-separated: calls, delay, memory, rtp, srtp, registrar, parser")
	set.IntVar(&p.rate, "rate", 500, "calls a second in the phases calls and delay")
	set.DurationVar(&p.warmUp, "warm-up", 35*time.Second, "of load before calls and delay; less than 32s leaves the end of transactions out")
	set.IntVar(&p.seconds, "seconds", 10, "seconds measured in calls, delay, rtp and each suite of srtp, and of refreshes in registrar")
	set.IntVar(&p.runs, "runs", 3, "runs; servers alternate within each")
	set.IntVar(&p.held, "held", 5000, "calls held in the memory phase; fewer if ulimit -n does not allow it")
	set.IntVar(&p.streams, "streams", 500, "calls with RTP both ways in the phases rtp and srtp")
	set.IntVar(&p.phones, "phones", 100_000, "phones that register in the phase registrar")
	set.IntVar(&p.refreshes, "registers", 2000, "of them that register in a second, challenge and answer")
	set.StringVar(&p.profile, "profile", "", "in the phases calls, rtp, srtp and registrar, write perf's samples of Sallyport here (needs perf)")
	set.StringVar(&p.binary, "sallyport", "", "binary to measure (default: built from this checkout)")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	p.servers, p.phases = strings.Split(*servers, ","), strings.Split(*phases, ",")
	switch {
	case set.NArg() > 0:
		return nil, fmt.Errorf("%q is not understood; see -h", set.Arg(0))
	case p.rate < 1 || p.seconds < 1 || p.runs < 1 || p.held < 1 || p.streams < 1:
		return nil, errors.New("-rate, -seconds, -runs, -held and -streams must be at least 1")
	case p.phones < 1 || p.phones > 4<<20 || p.refreshes < 1:
		return nil, errors.New("-phones must be 1 to 4194304, and -registers at least 1")
	}
	return p, p.absolute()
}

// absolute makes paths independent of where the programs run.
func (p *plan) absolute() (err error) {
	for _, path := range []*string{&p.binary, &p.profile} {
		if *path != "" && err == nil {
			*path, err = filepath.Abs(*path)
		}
	}
	return err
}

// measure makes everything ready, carries out the runs and prints what they have in common.
func (p *plan) measure(ctx context.Context) error {
	free, err := alone()
	if err != nil {
		return err
	}
	defer free()
	if p.dir, err = os.MkdirTemp("", "sallyport-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(p.dir)
	if err := p.build(ctx); err != nil {
		return err
	}
	fmt.Println(describeHost(ctx))
	var all results
	err = p.run(ctx, &all)
	fmt.Print(all.summary())
	return err
}

// alone takes the lock that keeps two benches from spoiling each other's figures.
func alone() (func(), error) {
	path := filepath.Join(os.TempDir(), "sallyport-bench.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another bench is running (%s): %w", path, err)
	}
	return func() { f.Close() }, nil // closing gives the lock back
}

// run carries out all phases, each on servers freshly started. A phase that fails does not keep the others from being measured.
func (p *plan) run(ctx context.Context, all *results) error {
	var faults []error
	for run := 1; run <= p.runs; run++ {
		for _, phase := range p.phases {
			for _, name := range p.serversOf(phase) {
				if ctx.Err() != nil {
					return errors.Join(append(faults, ctx.Err())...)
				}
				noise := listenNoise()
				r, err := p.one(ctx, phase, name)
				r.phase, r.server, r.others = phase, name, noise.others()
				if err != nil {
					faults = append(faults, fmt.Errorf("run %d, %s, %s: %w", run, phase, name, err))
					fmt.Printf("run %d  %-9s  %-10s  no figure: %v\n", run, phase, name, firstLine(err))
					continue
				}
				all.add(r)
				fmt.Printf("run %d  %-9s  %-10s  %s; others used %.0f %% of the machine\n", run, phase, name, r.text, r.others)
			}
		}
	}
	return errors.Join(faults...)
}

// serversOf lists the servers a phase compares: the parser is ours alone.
func (p *plan) serversOf(phase string) []string {
	if phase == "parser" {
		return []string{"sallyport"}
	}
	return p.servers
}

// one measures one phase on one server.
func (p *plan) one(ctx context.Context, phase, name string) (result, error) {
	limit := 3*time.Minute + p.warmUp + 2*time.Duration(p.seconds)*time.Second // srtp measures two suites
	if phase == "registrar" {                                                  // writing the subscribers and registering them may each take that long on a machine that is shared
		limit += 3*calm + readyIn + 6*time.Duration(p.phones)*time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if phase == "parser" {
		return p.parser(ctx)
	}
	measure, ok := map[string]func(context.Context, *server) (result, error){
		"calls": p.calls, "delay": p.delay, "memory": p.memory, "rtp": p.rtp, "srtp": p.srtp, "registrar": p.registrar,
	}[phase]
	if !ok {
		return result{}, fmt.Errorf("unknown phase %q", phase)
	}
	s, err := p.startServer(ctx, phase, name)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	r, err := measure(ctx, s)
	if err != nil {
		return r, fmt.Errorf("%w%s", err, s.words())
	}
	return r, nil
}

// firstLine shortens an error for the table; the whole of it follows at the end.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
