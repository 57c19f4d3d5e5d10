package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// describeHost says on what the figures were taken: they mean little without it.
func describeHost(ctx context.Context) string {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		limit.Max = 0
	}
	version := func(name string, args ...string) string {
		out, _ := exec.CommandContext(ctx, name, args...).CombinedOutput() // sipp -v exits with 99
		for line := range strings.Lines(string(out)) {
			if line = strings.TrimSpace(line); line != "" {
				return strings.TrimSpace(strings.TrimPrefix(line, "version:"))
			}
		}
		return name + " is not installed"
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("host: %d cores of %s, %s of memory, Linux %s, ulimit -n %d, %s\npeers: %s; rtpengine %s; load: %s\n",
		runtime.NumCPU(), field("/proc/cpuinfo", "model name"), field("/proc/meminfo", "MemTotal"), strings.TrimSpace(string(kernel)),
		limit.Max, runtime.Version(), version("kamailio", "-v"), version("rtpengine", "--version"), version("sipp", "-v"))
}

// field finds "name : value" in a file of /proc.
func field(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// socketLimit is how many descriptors a process may have open here.
func socketLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Max, 1<<30))
}

// noise tells how much of the machine others use: the servers under measurement share it with whatever else runs.
type noise struct {
	begun     time.Time
	busy, own time.Duration
}

func listenNoise() noise { return noise{begun: time.Now(), busy: busy(), own: own()} }

// others is the share of all cores in per cent used by neither this program nor what it started. The kernel's own work for
// interrupts is in it, so a quiet machine shows one or two.
func (n noise) others() float64 {
	whole := time.Since(n.begun) * time.Duration(runtime.NumCPU())
	return max(0, 100*float64(busy()-n.busy-(own()-n.own))/float64(whole))
}

// busy is the time all cores were not idle so far, what the hypervisor stole included.
func busy() time.Duration {
	f, err := os.Open("/proc/stat")
	if err != nil {
		return 0
	}
	defer f.Close()
	var ticks int
	if lines := bufio.NewScanner(f); lines.Scan() {
		for i, word := range strings.Fields(lines.Text()) {
			n, _ := strconv.Atoi(word)      // the first word is "cpu"
			if i != 4 && i != 5 && i <= 8 { // 4 and 5: idle and waiting for a disk; behind 8: guests, counted before
				ticks += n
			}
		}
	}
	return time.Duration(ticks) * tick
}

// own is the processor time of this program, of what it runs and of what it ran.
func own() time.Duration {
	var total time.Duration
	for _, pid := range family(os.Getpid()) {
		if f, err := statFields(pid); err == nil {
			for _, n := range f[11:15] { // user and system; the same of children that ended
				ticks, _ := strconv.Atoi(n)
				total += time.Duration(ticks) * tick
			}
		}
	}
	return total
}
