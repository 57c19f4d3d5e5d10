package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit in which /proc counts processor time (USER_HZ is 100 on every Linux).
const tick = 10 * time.Millisecond

// process is a program that was started, with its children. What it prints goes to a file, so that reading it costs nobody
// processor time while something is measured.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	gone chan struct{} // closed when it has ended
	err  error         // how, once gone is closed
}

// start runs a program in dir, in a process group of its own.
func start(dir, name string, args ...string) (*process, error) {
	out, err := os.CreateTemp(dir, filepath.Base(name)+"-*.log")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{name: filepath.Base(name), cmd: exec.Command(name, args...), log: out.Name(), gone: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.gone)
	}()
	return p, nil
}

// stop ends the process group and waits for it.
func (p *process) stop() {
	group := -p.cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM) // gone already is as good
	select {
	case <-p.gone:
	case <-time.After(8 * time.Second):
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-p.gone
	}
}

// ended tells whether the process has ended by itself.
func (p *process) ended() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// output is what it printed so far, at most the first and the last n bytes of it.
func (p *process) output(n int) string {
	all, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	if len(all) > 2*n {
		all = bytes.Join([][]byte{all[:n], all[len(all)-n:]}, []byte("\n[...]\n"))
	}
	return string(bytes.ToValidUTF8(all, nil))
}

// family lists a process and its descendants.
func family(root int) []int {
	parents := map[int]int{}
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, e := range entries {
		pid, _ := strconv.Atoi(filepath.Base(e))
		if f, err := statFields(pid); err == nil {
			parents[pid], _ = strconv.Atoi(f[1])
		}
	}
	out := []int{root}
	for i := 0; i < len(out); i++ {
		for pid, parent := range parents {
			if parent == out[i] {
				out = append(out, pid)
			}
		}
	}
	return out
}

// statFields are the fields of /proc/PID/stat after the name: state is 0, parent 1, utime 11, stime 12, resident pages 21.
func statFields(pid int) ([]string, error) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 22 {
		return nil, errors.New("short stat")
	}
	return fields, nil
}

// cpu is the processor time of a process and its descendants so far. The kernel keeps it in nanoseconds and shows it in ticks,
// so over seconds the rounding is lost in the figure.
func (p *process) cpu() time.Duration {
	var total time.Duration
	for _, pid := range family(p.cmd.Process.Pid) {
		if f, err := statFields(pid); err == nil {
			user, _ := strconv.Atoi(f[11])
			system, _ := strconv.Atoi(f[12])
			total += time.Duration(user+system) * tick
		}
	}
	return total
}

// resident is the memory of a process and its descendants in bytes: pages shared among them (Kamailio's workers share theirs)
// are counted once, as the kernel apportions them (PSS); where that cannot be read, the resident set.
func (p *process) resident() int64 {
	var total int64
	for _, pid := range family(p.cmd.Process.Pid) {
		rollup := "/proc/" + strconv.Itoa(pid) + "/smaps_rollup"
		if kb, err := strconv.ParseInt(strings.TrimSuffix(field(rollup, "Pss"), " kB"), 10, 64); err == nil {
			total += kb << 10
			continue
		}
		if f, err := statFields(pid); err == nil {
			pages, _ := strconv.ParseInt(f[21], 10, 64)
			total += pages * int64(os.Getpagesize())
		}
	}
	return total
}
