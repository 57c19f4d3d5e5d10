package relay

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The generator of load is another process, so that the figures are the relay's own: this test binary, started again with
// SALLYPORT_RELAY_LOAD set.
const loadEnv = "SALLYPORT_RELAY_LOAD"

func TestMain(m *testing.M) {
	if os.Getenv(loadEnv) != "" {
		if err := generate(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// generate sends to each port at the given rate and counts what comes back. Its input is one line "pps seconds port...", its
// output the sink's port on a line, and "sent received" at the end.
func generate(in io.Reader, out io.Writer) error {
	from, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
	if err != nil {
		return err
	}
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 3)})
	if err != nil {
		return err
	}
	if err := sink.SetReadBuffer(8 << 20); err != nil {
		return err
	}
	fmt.Fprintln(out, sink.LocalAddr().(*net.UDPAddr).Port)
	line, err := bufio.NewReaderSize(in, 1<<20).ReadString('\n')
	if err != nil {
		return err
	}
	var numbers []int
	for _, f := range strings.Fields(line) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return err
		}
		numbers = append(numbers, n)
	}
	pps, seconds, ports := numbers[0], numbers[1], numbers[2:]
	received := make(chan int)
	go func() {
		n, buf := 0, make([]byte, 2048)
		for {
			if _, _, err := sink.ReadFromUDPAddrPort(buf); err != nil {
				received <- n
				return
			}
			n++
		}
	}()
	sent := flood(from, ports, pps, seconds)
	if err := sink.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		return err
	}
	fmt.Fprintln(out, sent, <-received)
	return nil
}

// flood spreads the packets evenly over ticks of a millisecond.
func flood(from *net.UDPConn, ports []int, pps, seconds int) int {
	pkt := rtpPacket(0, 0, 0, 1)
	begin, sent, total := time.Now(), 0, len(ports)*pps*seconds
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for sent < total {
		due := min(total, int(time.Since(begin).Seconds()*float64(len(ports)*pps)))
		for ; sent < due; sent++ {
			i := sent % len(ports)
			n := uint32(sent / len(ports))
			binary.BigEndian.PutUint16(pkt[2:], uint16(n))
			binary.BigEndian.PutUint32(pkt[4:], n*160)
			to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(ports[i]))
			if _, err := from.WriteToUDPAddrPort(pkt, to); err != nil {
				return sent
			}
		}
		<-tick.C
	}
	return sent
}

// BenchmarkRelayProcess measures the processor time of this process per relayed packet: run with -benchtime 1x.
func BenchmarkRelayProcess(b *testing.B) {
	for _, c := range []struct {
		name         string
		sockets, pps int
		make         func(Options) (Mover, error)
	}{
		{"epoll/1000x50", 1000, 50, New},
		{"epoll/400x50", 400, 50, New},
		{"epoll/10x4000", 10, 4000, New},
		{"portable/1000x50", 1000, 50, func(o Options) (Mover, error) { return NewPortable(o), nil }},
		{"portable/10x4000", 10, 4000, func(o Options) (Mover, error) { return NewPortable(o), nil }},
	} {
		b.Run(c.name, func(b *testing.B) {
			m, err := c.make(Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			for b.Loop() {
				relayLoad(b, m, c.sockets, c.pps, 4)
			}
		})
	}
}

func relayLoad(b *testing.B, m Mover, sockets, pps, seconds int) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), loadEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	sinkPort, err := strconv.Atoi(lines.Text())
	if err != nil {
		b.Fatal(err)
	}
	var order strings.Builder
	fmt.Fprint(&order, pps, seconds)
	sink := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.3"), uint16(sinkPort))
	var ports []*Port
	for range sockets {
		in, out := wired(b, m, sink)
		ports = append(ports, in, out)
		fmt.Fprint(&order, " ", in.Local().Port())
	}
	before, cpu := m.Totals(), processorTime()
	fmt.Fprintln(stdin, order.String())
	lines.Scan()
	var sent, received int
	if _, err := fmt.Sscan(lines.Text(), &sent, &received); err != nil {
		b.Fatal(err)
	}
	spent := processorTime() - cpu
	after := m.Totals()
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	relayed := after.Packets - before.Packets
	b.ReportMetric(float64(spent.Nanoseconds())/1000/float64(relayed), "µs/packet")
	b.ReportMetric(100*float64(sent-received)/float64(sent), "lost-%")
	for _, p := range ports {
		p.Set(nil)
	}
	for _, p := range ports {
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// wired opens two ports: what 127.0.0.2 sends to the first leaves by the second to sink.
func wired(tb testing.TB, m Mover, sink netip.AddrPort) (in, out *Port) {
	tb.Helper()
	var err error
	if in, err = m.Open(netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		tb.Fatal(err)
	}
	if out, err = m.Open(netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		tb.Fatal(err)
	}
	a, c := NewStream(), NewStream()
	a.Expect(Peer{Signalling: netip.MustParseAddr("127.0.0.2")}, Peer{}, true, 1)
	c.Expect(Peer{Media: sink}, Peer{}, true, 1)
	in.Set(&Path{From: a, Mux: true, RTP: Egress{Port: out, To: c}, RTCP: Egress{Port: out, To: c}})
	return in, out
}

func processorTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
