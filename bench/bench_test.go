package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSharesBelongToTheInnermostFunctionOfOurs(t *testing.T) {
	const script = `sallyport 
	            dd2e internal/runtime/syscall/linux.Syscall6
	           43c66 syscall.sendto
	           76300 github.com/sallyport/sallyport/sbc/edge.(*socket).send
	           80fdf github.com/sallyport/sallyport/sbc/call.(*Call).run

sallyport 
	           11111 runtime.mallocgc
	           22222 github.com/sallyport/sallyport/sbc/msg.Parse

sallyport 
	           33333 internal/runtime/syscall/linux.EpollWait
	           44444 runtime.netpoll
	           55555 runtime.findRunnable

sallyport 
	           66666 runtime.scanObject
	           77777 runtime.gcBgMarkWorker.func2
`
	got := shares(strings.NewReader(script))
	for _, want := range []string{
		"25.0 %  sbc/edge\n", "25.0 %  sbc/edge (*socket).send (in the kernel)", "25.0 %  sbc/msg Parse (allocating)", "25.0 %  scheduler",
		"25.0 %  garbage collector",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %s", want, got)
		}
	}
}

func TestSIPpsStatisticsAreReadToTheLastLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stat.csv")
	const content = "StartTime;TotalCallCreated;SuccessfulCall(C);FailedCall(C);Retransmissions(C);\nx;1;1;0;0;\nx;2000;1999;1;7;\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := (&calling{stats: file}).tally()
	if want := (tally{created: 2000, good: 1999, failed: 1, retransmissions: 7}); err != nil || got != want {
		t.Fatalf("got %+v, %v; want %+v", got, err, want)
	}
	if err := got.check(2000); err != nil {
		t.Error("one failed call in two thousand is allowed:", err)
	}
	for name, bad := range map[string]tally{"failures": {2000, 1997, 3, 0}, "too few calls": {1999, 1999, 0, 0}} {
		if bad.check(2000) == nil {
			t.Errorf("%s: a figure would be printed of %v", name, bad)
		}
	}
}

func TestMediaThatIsNotAnchoredGivesNoFigure(t *testing.T) {
	for host, ok := range map[string]bool{borderHost: true, eastHost: false} {
		addr, err := wanted([]byte("SIP/2.0 200 OK\r\n\r\n" + string(description(host))))
		if (err == nil) != ok || addr.Port != mediaPort {
			t.Errorf("%s: %v, %v", host, addr, err)
		}
	}
}

func TestSummaryComparesMedians(t *testing.T) {
	rs := results{
		{phase: "calls", server: "sallyport", value: 0.3, unit: "ms"}, {phase: "calls", server: "kamailio", value: 1, unit: "ms"},
		{phase: "calls", server: "sallyport", value: 0.2, unit: "ms"}, {phase: "calls", server: "sallyport", value: 0.4, unit: "ms"},
	}
	const want = "| calls | sallyport | 0.2, 0.3, 0.4 | **0.3** ms | 0.30 of the peer's |\n"
	if got := rs.summary(); !strings.Contains(got, want) {
		t.Errorf("%q is missing in %s", want, got)
	}
	if got := (results)(nil).summary(); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

func TestProcessorTimeOfChildrenIsCounted(t *testing.T) {
	p, err := start(t.TempDir(), "sh", "-c", "(while :; do :; done) & wait")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); p.cpu() < 50*time.Millisecond; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the child's processor time is not seen")
		}
	}
	if p.resident() <= 0 {
		t.Error("no memory")
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	for _, args := range [][]string{{"-rate", "0"}, {"calls"}, {"-nonsense"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
	p, err := parse([]string{"-sallyport", "x", "-phases", "calls,rtp"})
	if err != nil || !filepath.IsAbs(p.binary) || len(p.phases) != 2 {
		t.Errorf("%+v, %v", p, err)
	}
}
