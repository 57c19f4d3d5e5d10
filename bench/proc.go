package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program under measurement, with its children.
type process struct {
	name string
	cmd  *exec.Cmd
	log  output
}

// output collects what a program prints, while others read it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf.Len() > 1<<20 {
		return len(b), nil // enough to see what went wrong
	}
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start runs a program in a process group of its own.
func start(name string, args ...string) (*process, error) {
	p := &process{name: filepath.Base(name), cmd: exec.Command(name, args...)}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return p, nil
}

// stop ends the process group and waits for it.
func (p *process) stop() {
	if p == nil || p.cmd.Process == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM) // gone already is as good
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(8 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-done
	}
}

// pids lists the process and its descendants.
func (p *process) pids() []int {
	family := map[int]bool{p.cmd.Process.Pid: true}
	out := []int{p.cmd.Process.Pid}
	entries, _ := filepath.Glob("/proc/[0-9]*/stat")
	for again := true; again; {
		again = false
		for _, e := range entries {
			fields, err := statFields(e)
			if err != nil {
				continue
			}
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(e)))
			parent, _ := strconv.Atoi(fields[1])
			if family[parent] && !family[pid] {
				family[pid], again = true, true
				out = append(out, pid)
			}
		}
	}
	return out
}

// statFields are the fields of /proc/PID/stat after the name: state is 0, parent 1, utime 11, stime 12.
func statFields(path string) ([]string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 22 {
		return nil, errors.New("short stat")
	}
	return fields, nil
}

// cpu is the processor time of the processes so far. /proc counts in ticks of 10 ms, so a phase lasts seconds.
func cpu(ps ...*process) time.Duration {
	var total time.Duration
	for _, p := range ps {
		for _, pid := range p.pids() {
			fields, err := statFields(fmt.Sprintf("/proc/%d/stat", pid))
			if err != nil {
				continue
			}
			user, _ := strconv.Atoi(fields[11])
			system, _ := strconv.Atoi(fields[12])
			total += time.Duration(user+system) * 10 * time.Millisecond
		}
	}
	return total
}

// resident is the resident set of the processes in bytes.
func resident(ps ...*process) int64 {
	var total int64
	for _, p := range ps {
		for _, pid := range p.pids() {
			if fields, err := statFields(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
				pages, _ := strconv.ParseInt(fields[21], 10, 64)
				total += pages * int64(os.Getpagesize())
			}
		}
	}
	return total
}

// sipp runs a SIPp to its end.
func sipp(ctx context.Context, args ...string) error {
	dir, err := os.MkdirTemp("", "sallyport-sipp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for i, a := range args {
		if strings.HasSuffix(a, ".xml") {
			if args[i], err = filepath.Abs(a); err != nil {
				return err
			}
		}
	}
	cmd := exec.CommandContext(ctx, "sipp", args...)
	cmd.Dir = dir // where SIPp puts its logs
	out, err := cmd.CombinedOutput()
	if err != nil {
		tail := out[:min(len(out), 600)] // SIPp says first what is wrong
		return fmt.Errorf("sipp %s: %w\n%s", strings.Join(args, " "), err, tail)
	}
	return nil
}

// answering waits until something answers an OPTIONS request at addr.
func answering(ctx context.Context, from, addr string) error {
	conn, err := net.Dial("udp", addr)
	if from != "" {
		var local *net.UDPAddr
		if local, err = net.ResolveUDPAddr("udp", from); err == nil {
			var remote *net.UDPAddr
			if remote, err = net.ResolveUDPAddr("udp", addr); err == nil {
				conn, err = net.DialUDP("udp", local, remote)
			}
		}
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	buf := make([]byte, 4096)
	for n := 0; ctx.Err() == nil; n++ {
		here := conn.LocalAddr().String()
		fmt.Fprintf(conn, "OPTIONS sip:bench@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKbench%d;rport\r\nMax-Forwards: 70\r\n"+
			"From: <sip:bench@%s>;tag=b%d\r\nTo: <sip:bench@%s>\r\nCall-ID: bench%d@%s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
			addr, here, n, here, n, addr, n, here)
		if err := conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			return err
		}
		if _, err := conn.Read(buf); err == nil {
			return nil
		}
	}
	return fmt.Errorf("nothing answers at %s: %w", addr, ctx.Err())
}
