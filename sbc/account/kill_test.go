package account

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// The kill test runs this test binary once more as a process that makes calls until it is killed. What it says on its standard
// output it says after the journal's method has returned, so that it must be true afterwards.
const (
	envChild = "SALLYPORT_ACCOUNT_CHILD" // the folder, for the child
	envRound = "SALLYPORT_ACCOUNT_ROUND"
)

// ledger is a store in a file: records are appended with one write, and those that are there already are left as they are when
// it is read.
type ledger struct{ f *os.File }

func openLedger(dir string) (*ledger, error) {
	f, err := os.OpenFile(filepath.Join(dir, "ledger"), os.O_CREATE|os.O_APPEND|os.O_RDWR, private)
	return &ledger{f}, err
}

func (l *ledger) AppendCDRs(_ context.Context, records []sbc.CDR) error {
	b := bytes.NewBufferString("\n") // whatever a killed process left half written ends here
	for i := range records {
		if err := json.NewEncoder(b).Encode(&records[i]); err != nil {
			return err
		}
	}
	_, err := l.f.Write(b.Bytes())
	return err
}

// records reads the first record of every id, as a store that inserts or ignores would have it.
func (l *ledger) records() (map[string]sbc.CDR, error) {
	if _, err := l.f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	got := map[string]sbc.CDR{}
	err := eachLine(l.f, func(b []byte) error {
		var c sbc.CDR
		if json.Unmarshal(b, &c) != nil { // half written: a transaction that was not committed
			return nil
		}
		if _, ok := got[c.ID]; !ok {
			got[c.ID] = c
		}
		return nil
	})
	return got, err
}

// TestMain is the child, where the environment says so.
func TestMain(m *testing.M) {
	if dir := os.Getenv(envChild); dir != "" {
		fmt.Fprintln(os.Stderr, child(dir, os.Getenv(envRound)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// child makes calls for ever: ten at a time are up, each ends after ten others have been answered, every fifth never.
func child(dir, round string) error {
	l, err := openLedger(dir)
	if err != nil {
		return err
	}
	j, err := Open(Options{
		Dir: filepath.Join(dir, "journal"), Heartbeat: 5 * time.Millisecond, Sync: 5 * time.Millisecond, SegmentBytes: 50_000,
		keep: time.Millisecond, volatile: true,
	})
	if err != nil {
		return err
	}
	go j.Run(context.Background(), l)
	for i := 0; ; i++ {
		id := fmt.Sprintf("r%s-%d", round, i)
		if err := j.Answered(answered(id)); err != nil {
			return err
		}
		fmt.Println("A", id)
		if i < 10 || i%5 == 0 {
			continue
		}
		id = fmt.Sprintf("r%s-%d", round, i-10)
		if err := j.End(ended(id)); err != nil {
			return err
		}
		fmt.Println("E", id)
	}
}

// TestKill kills a process in the middle of its calls, again and again over the same journal. Every call that was answered has
// exactly one record; those that had ended have the final one.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	calls := map[string]bool{} // answered; true if ended
	for round := range killRounds {
		killedRound(t, dir, fmt.Sprint(round), calls)
	}
	l, err := openLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.f.Close() }()
	j := mustOpen(t, quiet(filepath.Join(dir, "journal")))
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	j.Run(stopped, l)
	if n, _ := j.Backlog(); n != 0 {
		t.Fatalf("%d records are left", n)
	}
	got, err := l.records()
	if err != nil {
		t.Fatal(err)
	}
	recovered := 0
	for id, finished := range calls {
		c, ok := got[id]
		switch {
		case !ok:
			t.Errorf("%s has no record (ended: %v)", id, finished)
		case finished && (c.Recovered || c.EndReason != sbc.EndCallerBye):
			t.Errorf("%s ended, but its record says %s", id, c.EndReason)
		case c.Recovered && (c.EndReason != sbc.EndNodeFailure || c.DurationMS < 0 || c.EndedAt.After(time.Now())):
			t.Errorf("%s: %+v", id, c)
		case c.Recovered:
			recovered++
		}
	}
	if recovered == 0 || len(calls) < killRounds || len(got) > len(calls)+killRounds*2 {
		t.Errorf("%d calls, %d records, %d recovered", len(calls), len(got), recovered)
	}
	t.Logf("%d calls in %d lives, %d recovered", len(calls), killRounds, recovered)
}

// killedRound lets a child live until it has said so many lines.
func killedRound(t *testing.T, dir, round string, calls map[string]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), envChild+"="+dir, envRound+"="+round)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 1 + rand.IntN(700); lines.Scan(); n-- {
		if n == 0 {
			if err := cmd.Process.Kill(); err != nil { // SIGKILL
				t.Fatal(err)
			}
		}
		what, id, ok := strings.Cut(lines.Text(), " ")
		if ok && strings.HasPrefix(id, "r"+round+"-") {
			calls[id] = what == "E"
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("round %s: %v, %s", round, err, complaint.String())
	}
}
