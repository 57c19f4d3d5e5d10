package register

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/storage/live"
)

// crowd is a registrar with a journal on disk, and phones to fill it.
type crowd struct {
	*Registrar
	domain *sbc.Domain
}

func newCrowd(t testing.TB) *crowd {
	t.Helper()
	snap, err := config.Compile(rows(), 1)
	if err != nil {
		t.Fatal(err)
	}
	journal, found, err := live.Open(live.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = journal.Close() })
	c := &crowd{domain: sbc.New(sbc.KindDomain).(*sbc.Domain)}
	c.domain.ID, c.domain.TenantID, c.domain.Name = "dom_06bq4v700b8m2k4x6c0t3w5r7n", sbc.DefaultTenantID, "example.com"
	c.Registrar = New(Options{
		Snapshot: func() *config.Snapshot { return snap }, Domain: func(string) *sbc.Domain { return c.domain },
		Wire: &wire{closed: map[uint64]bool{}, held: map[uint64]time.Duration{}}, Journal: journal, Restored: found,
		Secret: []byte("s"),
	})
	return c
}

// register is a REGISTER of phone i as phones write it, behind a NAT.
func (c *crowd) register(t testing.TB, i, cseq int, done chan struct{}) {
	user := fmt.Sprintf("user%06d", i)
	m, err := msg.Parse(fmt.Appendf(nil, "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.1.%d:5060;branch=z9hG4bK%d-%d;rport\r\n"+
		"Max-Forwards: 70\r\nFrom: <sip:%s@example.com>;tag=f%d\r\nTo: <sip:%s@example.com>\r\nCall-ID: %08x-1f2e-4d3c-8b5a@192.168.1.5\r\n"+
		"CSeq: %d REGISTER\r\nContact: <sip:%s@192.168.1.%d:5060;ob>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-%012x>\"\r\n"+
		"Expires: 3600\r\nUser-Agent: Maker Model-T46S 66.85.0.5\r\nSupported: path, gruu, outbound\r\nContent-Length: 0\r\n\r\n",
		i%250, i, cseq, user, i, user, i, cseq, user, i%250, i))
	if err != nil {
		t.Fatal(err)
	}
	m.Hop = msg.Hop{Interface: "sif_a", Transport: sbc.TransportUDP,
		Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{81, byte(i >> 16), byte(i >> 8), byte(i)}), 1024)}
	c.Handle(&waiter{tx{req: m}, done}, m, c.domain, entry(user))
}

// waiter tells when it was answered.
type waiter struct {
	tx
	done chan struct{}
}

func (w *waiter) Respond(res *msg.Message) error {
	if res.Status != 200 {
		panic(res.StartLine())
	}
	w.done <- struct{}{}
	return nil
}

// fill registers so many phones and waits for all answers.
func (c *crowd) fill(t testing.TB, n, cseq int) {
	done := make(chan struct{}, 256)
	go func() {
		for i := range n {
			c.register(t, i, cseq, done)
		}
	}()
	for range n {
		<-done
	}
}

// TestMemory: a registration costs less than 1.5 KB, with what finds it, times it and keeps it on disk.
func TestMemory(t *testing.T) {
	const phones = 10_000
	var before, after runtime.MemStats
	c := newCrowd(t)
	runtime.GC()
	runtime.ReadMemStats(&before)
	c.fill(t, phones, 1)
	c.fill(t, phones, 2)
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / phones
	t.Logf("%d bytes for each of %d registrations", each, phones)
	if each > 1500 {
		t.Errorf("%d bytes for each registration, want less than 1500", each)
	}
	if n := c.table.count.Load(); n != phones {
		t.Errorf("%d registrations", n)
	}
	runtime.KeepAlive(c)
}

// BenchmarkRefresh is a REGISTER of a phone that is known, parsing left out and writing to disk included; memory at 100,000
// beside it.
func BenchmarkRefresh(b *testing.B) {
	const phones = 100_000
	c := newCrowd(b)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	c.fill(b, phones, 1)
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := float64(after.HeapAlloc-before.HeapAlloc) / phones
	done := make(chan struct{}, 256)
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for i := range b.N {
			c.register(b, i%phones, 2+i/phones, done)
		}
	}()
	for range b.N {
		<-done
	}
	b.ReportMetric(each, "B/registration")
}
