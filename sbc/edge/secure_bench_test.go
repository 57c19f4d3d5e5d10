package edge

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// securedBench is an edge with one interface that lets one source in as often as it likes.
func securedBench(b *testing.B, transport sbc.Transport) (*Edge, *authority, string) {
	b.Helper()
	ca := newAuthority(b)
	p := ca.profile(ca.issue("127.0.0.1"), tls.NoClientCert)
	e := New(Options{Resolver: literals{}, TLS: func(string) (TLS, bool) { return p, true }})
	e.greeted = newLimiter(1<<30, 1<<30) // the benchmark is a source that makes as many handshakes as it can
	b.Cleanup(func() { _ = e.Close() })
	l := listener("s", transport, "127.0.0.1")
	l.TLSProfileID, l.MaxConns, l.MaxConnsPerSource = "p", 1<<20, 1<<20
	c, err := e.Prepare([]Listener{l})
	if err != nil {
		b.Fatal(err)
	}
	c.Commit()
	at, _ := e.Bound("s")
	return e, ca, at.String()
}

// BenchmarkHandshake is one TLS handshake, both ends in this process: without resumption, as phones come after a restart, and with.
func BenchmarkHandshake(b *testing.B) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, resumed := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s resumed=%v", tls.VersionName(version), resumed), func(b *testing.B) {
				_, ca, at := securedBench(b, sbc.TransportTLS)
				cfg := &tls.Config{RootCAs: ca.pool, MinVersion: version, MaxVersion: version}
				if resumed {
					cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				}
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					c, err := tls.Dial("tcp", at, cfg)
					if err != nil {
						b.Fatal(err)
					}
					if resumed && version == tls.VersionTLS13 { // the ticket comes behind the handshake, with the first answer
						if _, err := c.Write([]byte("\r\n\r\n")); err != nil {
							b.Fatal(err)
						}
						if _, err := c.Read(make([]byte, 2)); err != nil {
							b.Fatal(err)
						}
					}
					if n++; n > 1 && c.ConnectionState().DidResume != resumed {
						b.Fatal("a session was resumed, or not, against what was asked for")
					}
					_ = c.Close() // it has served
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
			})
		}
	}
}

// BenchmarkIdleConnection is the memory that an idle connection costs us: what its own end in this process costs is measured with bare
// sockets and taken off. An iteration is one connection.
func BenchmarkIdleConnection(b *testing.B) {
	for _, transport := range []sbc.Transport{sbc.TransportTCP, sbc.TransportTLS, sbc.TransportWS, sbc.TransportWSS} {
		b.Run(string(transport), func(b *testing.B) {
			e, ca, at := securedBench(b, transport)
			open := make([]net.Conn, 0, b.N)
			before := inUse()
			own := uint64(0)
			for b.Loop() {
				if len(open) >= 3000 { // descriptors are few
					continue
				}
				open = append(open, idleClient(b, transport, ca, at))
			}
			until(b, "all are open", func() bool { s, _ := e.Status("s"); return s.Connections == len(open) })
			both := inUse() - before
			if transport.Encrypted() {
				own = clientCost(b, ca) * uint64(len(open))
			}
			b.ReportMetric(float64(both-min(both, own))/float64(len(open)), "B/connection")
			for _, c := range open {
				_ = c.Close() // they have served
			}
		})
	}
}

// idleClient connects with as little as it can.
func idleClient(b *testing.B, transport sbc.Transport, ca *authority, at string) net.Conn {
	c, err := net.Dial("tcp", at)
	if err != nil {
		b.Fatal(err)
	}
	if transport.Encrypted() {
		s := tls.Client(c, &tls.Config{RootCAs: ca.pool, ServerName: "127.0.0.1"})
		if err := s.Handshake(); err != nil {
			b.Fatal(err)
		}
		c = s
	}
	if transport.WebSocket() {
		_, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"))
		if err != nil {
			b.Fatal(err)
		}
		if res, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil); err != nil || res.StatusCode != 101 {
			b.Fatal(res, err)
		}
	}
	return c
}

// clientCost is what the client's end of TLS takes.
func clientCost(b *testing.B, ca *authority) uint64 {
	const n = 200
	pair := ca.issue("127.0.0.1")
	var clients, servers []*tls.Conn
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }() // the benchmark is over
	before := inUse()
	for range n {
		done := make(chan *tls.Conn)
		go func() {
			c, err := l.Accept()
			if err != nil {
				done <- nil
				return
			}
			s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}})
			_ = s.Handshake() // the client tells
			done <- s
		}()
		c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: ca.pool, ServerName: "127.0.0.1"})
		if err != nil {
			b.Fatal(err)
		}
		clients, servers = append(clients, c), append(servers, <-done)
	}
	both := inUse() - before
	for i := range clients {
		_, _ = clients[i].Close(), servers[i].Close() // they have served
	}
	return both / n / 2 // either end keeps much the same
}

// inUse is what the heap and the stacks hold.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
