package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sample starts perf on Sallyport if a profile is wanted; the function returned ends it and gives what it saw per package.
func (p *plan) sample(s *server, phase string) func(context.Context) string {
	if p.profile == "" || s.name != "sallyport" {
		return func(context.Context) string { return "" }
	}
	file := p.profile + "." + phase
	perf, err := start(p.dir, "perf", "record", "-q", "-g", "-F", "997", "-e", "cpu-clock", "-o", file, "-p",
		strconv.Itoa(s.parts[0].cmd.Process.Pid))
	if err != nil {
		return func(context.Context) string { return "\n    no profile: " + err.Error() }
	}
	return func(ctx context.Context) string {
		perf.stop()
		shares, err := sharesOf(ctx, file)
		if err != nil {
			return "\n    no profile: " + err.Error()
		}
		return shares
	}
}

// sharesOf runs perf script over samples and tells each package's share.
func sharesOf(ctx context.Context, file string) (string, error) {
	cmd := exec.CommandContext(ctx, "perf", "script", "-i", file, "-F", "comm,ip,sym")
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	text := shares(out)
	return text, cmd.Wait()
}

// shares adds up samples: each belongs to the innermost function of ours in its stack, whatever runtime, library or kernel it was
// in, and to that function's package. Collecting garbage, scheduling and packages that run without us are told apart.
func shares(script io.Reader) string {
	packages, functions := map[string]int{}, map[string]int{}
	var stack []string
	total := 0
	count := func() {
		if len(stack) == 0 {
			return
		}
		pkg, function := owner(stack)
		packages[pkg]++
		functions[pkg+" "+function]++
		total++
		stack = stack[:0]
	}
	lines := bufio.NewScanner(script)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 0:
			count()
		case strings.HasPrefix(lines.Text(), "\t") || strings.HasPrefix(lines.Text(), " ") && len(fields) > 1:
			stack = append(stack, strings.Join(fields[1:], " "))
		}
	}
	count()
	return "\n    share of samples per package: " + most(packages, total, 24) + "\n    per function: " + most(functions, total, 40) + "\n   "
}

// owner tells whose a sample is. The stack begins with the innermost frame.
func owner(stack []string) (pkg, function string) {
	const ours = "github.com/sallyport/sallyport/"
	for _, frame := range stack {
		if name, ok := strings.CutPrefix(frame, ours); ok && !strings.HasPrefix(frame, ours+"sbc.Catch") {
			pkg, function, _ = strings.Cut(name, ".")
			return pkg, function + class(stack)
		}
	}
	for _, frame := range stack {
		switch {
		case strings.HasPrefix(frame, "runtime.gcBgMarkWorker"), strings.HasPrefix(frame, "runtime.bgsweep"):
			return "garbage collector", ""
		case strings.HasPrefix(frame, "runtime.mcall"), strings.HasPrefix(frame, "runtime.mstart"), strings.HasPrefix(frame, "runtime.park_m"),
			strings.HasPrefix(frame, "runtime.findRunnable"), strings.HasPrefix(frame, "runtime.schedule"):
			return "scheduler", ""
		}
	}
	for _, frame := range stack {
		if slash := strings.LastIndex(frame, "/"); slash > 0 && strings.Contains(frame[slash:], ".") {
			name, _, _ := strings.Cut(frame[slash:], ".")
			return frame[:slash] + name, ""
		}
	}
	return "runtime and kernel", ""
}

// class says what a function of ours was waiting in: memory, the kernel, or itself.
func class(stack []string) string {
	for _, frame := range stack {
		switch {
		case strings.HasPrefix(frame, "runtime.mallocgc"), strings.HasPrefix(frame, "runtime.gcAssistAlloc"):
			return " (allocating)"
		case strings.HasPrefix(frame, "runtime.newstack"):
			return " (growing its stack)"
		case strings.HasPrefix(frame, "syscall."), strings.HasPrefix(frame, "internal/runtime/syscall"):
			return " (in the kernel)"
		}
	}
	return ""
}

// most lists the largest counts as per cent of total.
func most(counts map[string]int, total, limit int) string {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return counts[b] - counts[a] })
	var b strings.Builder
	for i, name := range names {
		if i == limit {
			break
		}
		fmt.Fprintf(&b, "\n      %5.1f %%  %s", 100*float64(counts[name])/float64(max(1, total)), name)
	}
	return b.String()
}
