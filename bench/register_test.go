package main

import (
	"context"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
)

// benchPhones register in BenchmarkRegister, benchRate of them a second: fewer than would be answered late.
const (
	benchPhones = 2000
	benchRate   = 1500
)

// BenchmarkRegister is an authenticated REGISTER of a phone that is registered already, challenge and answer, through a whole border
// in this process: processor time, allocations and bytes allocated, the phone's own (about a fifth) included. Its profiles tell where
// the cost goes:
//
//	go test -run '^$' -bench Register$ -benchtime 6000x -cpuprofile cpu.out -memprofile mem.out -memprofilerate 4096 ./bench
func BenchmarkRegister(b *testing.B) {
	free, err := alone()
	if err != nil {
		b.Skip(err)
	}
	b.Cleanup(free)
	data := b.TempDir()
	a, err := app.Start(b.Context(), app.Options{DataDir: data, APIAddress: borderHost + ":0"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			b.Log("stop:", err)
		}
	})
	domain, err := provisionDomain(b.Context(), rest.Client{URL: a.URL(), Key: a.FirstKey()})
	if err != nil {
		b.Fatal(err)
	}
	p := &plan{phones: benchPhones}
	if err := p.subscribe(b.Context(), data, domain); err != nil {
		b.Fatal(err)
	}
	time.Sleep(noticed)
	ps, err := newPhones(benchPhones)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(ps.close)
	rounds := func(n int) {
		for ; n > 0; n -= benchPhones {
			if err := ps.register(b.Context(), 0, min(n, benchPhones), benchRate); err != nil {
				b.Fatal(err)
			}
		}
	}
	rounds(benchPhones)
	b.ReportAllocs()
	begun := processorTime(b)
	b.ResetTimer()
	rounds(b.N)
	b.StopTimer()
	b.ReportMetric(us(processorTime(b)-begun)/float64(b.N), "cpu-µs/REGISTER")
}
