package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor time in /proc (USER_HZ, 100 a second on every Linux).
const tick = 10 * time.Millisecond

// CPU is the processor time that the server has used since its start: its own, and that of the processes it made.
func (s *Server) CPU() (time.Duration, error) {
	file, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	postmaster, _, _ := strings.Cut(string(file), "\n")
	used, _, err := times(postmaster, 4) // with those that have ended
	if err != nil {
		return 0, err
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, p := range all {
		one, parent, err := times(filepath.Base(p), 2)
		if err == nil && parent == postmaster { // some end while we look
			used += one
		}
	}
	return used, nil
}

// times reads the first n of the four times in /proc/PID/stat (proc(5): utime, stime, cutime, cstime), and the parent.
func times(pid string, n int) (used time.Duration, parent string, err error) {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return 0, "", err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // from the third on
	if len(fields) < 15 {
		return 0, "", fmt.Errorf("/proc/%s/stat has %d fields", pid, len(fields))
	}
	for _, field := range fields[11 : 11+n] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, "", err
		}
		used += time.Duration(ticks) * tick
	}
	return used, fields[1], nil
}
