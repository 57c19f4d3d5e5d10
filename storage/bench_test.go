package storage_test

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/integration/pgtest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/account"
	"github.com/sallyport/sallyport/storage"
)

// databases runs a benchmark on both.
func databases(b *testing.B, f func(b *testing.B, s storage.Store)) {
	for name, url := range map[string]func() string{
		"sqlite":   func() string { return "sqlite://" + filepath.Join(b.TempDir(), "bench.db") },
		"postgres": func() string { return pgtest.Database(b, pgtest.Start(b)) },
	} {
		b.Run(name, func(b *testing.B) {
			s, err := storage.Open(b.Context(), url(), storage.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			f(b, s)
		})
	}
}

func typicalCDR() sbc.CDR {
	at := time.Now().UTC()
	stream := sbc.StreamStats{
		Side: sbc.SideCaller, Media: "audio", Codec: "PCMA/8000", LocalAddress: "192.0.2.1:30000", RemoteAddress: "192.0.2.2:4000",
		Packets: 1500, Octets: 258000, RelayedPackets: 1500, JitterMS: 0.25, MOS: 4.4, FirstPacket: &at, LastPacket: &at,
	}
	return sbc.CDR{
		ID: sbc.NewID(sbc.PrefixCDR), CallID: sbc.NewID(sbc.PrefixCall), TenantID: sbc.DefaultTenantID, Node: "node-1",
		IngressTrunkID: "trk_01k2m3n4p5q6r7s8t9v0w1x2y3", EgressTrunkID: "trk_01k2m3n4p5q6r7s8t9v0w1x2y4",
		Caller: fmt.Sprint("+49", at.UnixNano()%1e9), Callee: fmt.Sprint("0049", at.UnixNano()%1e8), CalleeNormalised: "+493012345",
		FromURI: "sip:+4930@a.example", ToURI: "sip:0049@b.example", StartedAt: at, ProgressAt: &at, AnsweredAt: &at, EndedAt: at,
		Disposition: sbc.DispositionAnswered, EndReason: sbc.EndCallerBye, ReleasedBy: sbc.SideCaller, FinalCode: 200,
		Legs:     []sbc.CDRLeg{{Side: sbc.SideCaller, SIPCallID: "x@y", Transport: sbc.TransportUDP}, {Side: sbc.SideCallee}},
		Attempts: []sbc.CDRAttempt{{Number: 1, TrunkID: "trk_1", StartedAt: at, Code: 200}},
		Media:    []sbc.StreamStats{stream, stream},
	}
}

// BenchmarkAppendCDRs: one operation is one record. Its processor time is that of this process alone.
func BenchmarkAppendCDRs(b *testing.B) {
	for _, size := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			databases(b, func(b *testing.B, s storage.Store) {
				batch := make([]sbc.CDR, size)
				documents := make([]string, size)
				sink, ok := s.(account.DocumentSink)
				if !ok {
					b.Fatal("the store does not take documents")
				}
				var spent time.Duration
				b.ReportAllocs()
				for i := 0; i < b.N; i += size {
					b.StopTimer()
					for k := range batch {
						batch[k] = typicalCDR()
						documents[k] = string(batch[k].AppendJSON(nil))
					}
					begin := processorTime(b)
					b.StartTimer()
					if err := sink.AppendCDRDocuments(context.Background(), batch, documents); err != nil {
						b.Fatal(err)
					}
					spent += processorTime(b) - begin
				}
				b.ReportMetric(float64(spent.Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
			})
		})
	}
}

// processorTime is this process's so far.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkUpdate: one resource written and everything read for the next snapshot, with 10,000 rules beside it.
func BenchmarkUpdate(b *testing.B) {
	databases(b, func(b *testing.B, s storage.Store) {
		plan := &sbc.RoutingPlan{Meta: sbc.Meta{ID: "rpl_1", TenantID: sbc.DefaultTenantID, Name: "plan"}}
		rule := func(i int) *sbc.Rule {
			r := sbc.New(sbc.KindRule).(*sbc.Rule)
			r.Meta = sbc.Meta{ID: fmt.Sprintf("rul_%06d", i), TenantID: sbc.DefaultTenantID, Name: fmt.Sprint("rule ", i)}
			r.RoutingPlanID, r.Action, r.Prefix = plan.ID, sbc.ActionReject, fmt.Sprint(i)
			return r
		}
		const rules = 10_000
		for from := 0; from < rules; from += 1000 {
			err := s.Update(b.Context(), func(tx sbc.Tx) error {
				err := tx.Put(plan)
				for i := from; i < from+1000 && err == nil; i++ {
					err = tx.Put(rule(i))
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
		b.ResetTimer()
		for i := 0; i < b.N; i++ {
			err := s.Update(b.Context(), func(tx sbc.Tx) error {
				if err := tx.Put(rule(i % rules)); err != nil {
					return err
				}
				all, err := tx.All()
				if len(all) != rules+2 {
					b.Fatalf("%d, %v", len(all), err)
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
