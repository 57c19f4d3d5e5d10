package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Where everything is: see doc.go for why not 127.0.0.1.
const (
	borderHost = "127.0.71.1"
	callerHost = "127.0.71.2" // SIPp calls from here
	calleeHost = "127.0.71.3" // and answers here
	westHost   = "127.0.71.4" // the probe and the RTP generator call from here
	eastHost   = "127.0.71.5" // and answer here; numbers that begin with 9 are routed to it
	sipPort    = 5060
	border     = borderHost + ":5060"
)

// bindFailed is SIPp's exit code when an address is taken: -2.
const bindFailed = 254

// tally is what SIPp counted.
type tally struct{ created, good, failed, retransmissions int }

func (t tally) String() string {
	return fmt.Sprintf("%d calls, %d failed, %d retransmissions", t.created, t.failed, t.retransmissions)
}

// check refuses a measurement in which more than one call in a thousand failed: it would be of something else.
func (t tally) check(want int) error {
	if t.failed*1000 > t.created || t.created < want {
		return fmt.Errorf("SIPp made %v; wanted %d good ones", t, want)
	}
	return nil
}

// callee starts the SIPp that answers.
func (p *plan) callee() (*process, error) {
	return p.sipp("uas.xml", "-i", calleeHost, "-p", strconv.Itoa(sipPort), "-mi", calleeHost, "-mp", strconv.Itoa(mediaPort))
}

// calling is a series of calls under way.
type calling struct {
	sipp  *process
	stats string
	want  int
}

// callers starts count calls at a rate, each held for hold, from a port of the caller's address.
func (p *plan) callers(port, rate, count int, hold time.Duration) (*calling, error) {
	stats := filepath.Join(p.dir, "sipp-"+strconv.FormatInt(time.Now().UnixNano(), 36)+".csv")
	s, err := p.sipp("uac.xml", "-i", callerHost, "-p", strconv.Itoa(port), "-mi", callerHost,
		"-mp", strconv.Itoa(mediaPort+10*(port-sipPort)), "-s", "2025550199", // SIPp binds its RTP ports though it sends none
		"-r", strconv.Itoa(rate), "-m", strconv.Itoa(count), "-l", strconv.Itoa(count+1), "-d", strconv.FormatInt(hold.Milliseconds(), 10),
		"-recv_timeout", "20000", "-trace_stat", "-stf", stats, "-fd", "1")
	return &calling{sipp: s, stats: stats, want: count}, err
}

// load makes count calls at a rate and waits for their end.
func (p *plan) load(ctx context.Context, rate, count int, hold time.Duration) (tally, error) {
	c, err := p.callers(sipPort, rate, count, hold)
	if err != nil {
		return tally{}, err
	}
	return c.wait(ctx)
}

// wait waits for the end of the calls and checks that they were good.
func (c *calling) wait(ctx context.Context) (tally, error) {
	select {
	case <-c.sipp.gone:
	case <-ctx.Done():
		c.sipp.stop()
		return tally{}, fmt.Errorf("sipp did not finish: %w", ctx.Err())
	}
	t, err := c.tally()
	if err == nil {
		err = t.check(c.want)
	}
	if err != nil {
		return t, fmt.Errorf("%w (%v)\n%s", err, c.sipp.err, c.sipp.output(500))
	}
	return t, nil
}

// tally reads the last line of SIPp's statistics.
func (c *calling) tally() (tally, error) {
	f, err := os.Open(c.stats)
	if err != nil {
		return tally{}, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = ';', -1, true
	rows, err := r.ReadAll()
	if err != nil {
		return tally{}, err
	}
	if len(rows) < 2 {
		return tally{}, errors.New("SIPp wrote no statistics")
	}
	value := func(name string) int {
		for i, head := range rows[0] {
			if last := rows[len(rows)-1]; head == name && i < len(last) {
				n, _ := strconv.Atoi(last[i])
				return n
			}
		}
		return 0
	}
	return tally{value("TotalCallCreated"), value("SuccessfulCall(C)"), value("FailedCall(C)"), value("Retransmissions(C)")}, nil
}

// sipp starts a SIPp with one of our scenarios towards the border. If its address is still taken by the one before, it tries again
// for a while; anything else that ends it at once is an error with SIPp's first words.
func (p *plan) sipp(scenario string, args ...string) (*process, error) {
	file, err := p.testdata(scenario)
	if err != nil {
		return nil, err
	}
	args = append([]string{"-sf", file, "-nostdin", "-skip_rlimit"}, args...)
	for try := 1; ; try++ {
		s, err := start(p.dir, "sipp", append(args, "-aa", border)...) // answers the OPTIONS that ask after long calls
		if err != nil {
			return nil, err
		}
		select {
		case <-s.gone:
		case <-time.After(300 * time.Millisecond):
			return s, nil
		}
		code := s.cmd.ProcessState.ExitCode()
		switch {
		case code == 0:
			return s, nil // few calls, all done
		case code != bindFailed || try == 10:
			return nil, fmt.Errorf("sipp %s ended at once (%v):\n%s", scenario, s.err, s.output(600))
		}
		time.Sleep(300 * time.Millisecond)
	}
}
