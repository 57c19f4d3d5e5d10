package main

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
)

// inFlight is how many calls the in-process benchmarks have under way at a time.
const inFlight = 64

// startInProcess starts a whole border in this process, provisioned as for the measurements, with a probe to call through it.
func startInProcess(b *testing.B) *probe {
	b.Helper()
	free, err := alone()
	if err != nil {
		b.Skip(err)
	}
	b.Cleanup(free)
	a, err := app.Start(b.Context(), app.Options{DataDir: b.TempDir(), APIAddress: borderHost + ":0"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			b.Log("stop:", err)
		}
	})
	if err := provision(b.Context(), rest.Client{URL: a.URL(), Key: a.FirstKey()}, false); err != nil {
		b.Fatal(err)
	}
	p, err := newProbe()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.close)
	return p
}

// many places n calls and hangs each up, inFlight at a time.
func many(b *testing.B, p *probe, from, n int) {
	var wait sync.WaitGroup
	free := make(chan struct{}, inFlight)
	for i := range n {
		free <- struct{}{}
		wait.Go(func() {
			defer func() { <-free }()
			c, err := p.call(b.Context(), "9"+strconv.Itoa(1_000_000+from+i), description(westHost))
			if err != nil {
				b.Error(err)
				return
			}
			p.mu.Lock()
			p.hangup(c)
			p.mu.Unlock()
		})
	}
	wait.Wait()
}

// forget lets go of calls that are over: what the probe keeps would count as the border's memory.
func (p *probe) forget() {
	p.mu.Lock()
	clear(p.calls)
	p.mu.Unlock()
}

// BenchmarkCall is a whole call through a whole border in this process: processor time, allocations and bytes allocated per call,
// the probe's own (about a tenth) included. Its profiles tell where a call's cost goes:
//
//	go test -run '^$' -bench Call$ -benchtime 5000x -cpuprofile cpu.out -memprofile mem.out -memprofilerate 4096 ./bench
func BenchmarkCall(b *testing.B) {
	p := startInProcess(b)
	many(b, p, 0, 200)
	b.ReportAllocs()
	begun := processorTime(b)
	b.ResetTimer()
	many(b, p, 1000, b.N)
	b.StopTimer()
	b.ReportMetric(us(processorTime(b)-begun)/float64(b.N), "cpu-µs/call")
}

// BenchmarkKept is the memory that the calls gone leave behind: the heap in use per call, at once after their BYE and again when
// their transactions are forgotten. The ladders of ended calls, kept in a ring of bounded size, are in both.
func BenchmarkKept(b *testing.B) {
	p := startInProcess(b)
	many(b, p, 0, 200)
	p.forget()
	before := heap()
	b.ResetTimer()
	many(b, p, 1000, b.N)
	b.StopTimer()
	p.forget()
	perCall := func() float64 { return float64(int64(heap())-int64(before)) / 1024 / float64(b.N) }
	b.ReportMetric(perCall(), "KB-kept/call")
	if b.N > 1 {
		time.Sleep(forgotten)
		b.ReportMetric(perCall(), "KB-kept-later/call")
	}
}

// heap is what is in use after a collection.
func heap() uint64 {
	time.Sleep(100 * time.Millisecond) // the last BYEs are on their way
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// processorTime is this process's so far.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
