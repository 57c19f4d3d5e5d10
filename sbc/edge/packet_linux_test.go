package edge

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// blockingPair is a socket read beside the poller, and its peer.
func blockingPair(t *testing.T) (packetConn, *net.UDPConn) {
	t.Helper()
	runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))
	e := newEdge(Options{Resolver: literals{}}, newMemNet())
	t.Cleanup(func() { _ = e.Close() })
	c, err := system{}.listenPacket(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	p := e.unpolled(c)
	if _, ok := p.(*blockingPacket); !ok {
		t.Fatalf("%T", p)
	}
	peer, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(addrPort(p.LocalAddr())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	return p, peer
}

func TestBlockingSocketReadsAndWrites(t *testing.T) {
	p, peer := blockingPair(t)
	defer func() { _ = p.Close() }()
	if _, err := peer.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, from, err := p.ReadFromUDPAddrPort(buf)
	if err != nil || !bytes.Equal(buf[:n], []byte("ping")) || from != addrPort(peer.LocalAddr()) {
		t.Fatalf("%q from %v: %v", buf[:n], from, err)
	}
	if _, err := p.WriteToUDPAddrPort([]byte("pong"), from); err != nil {
		t.Fatal(err)
	}
	if n, err = peer.Read(buf); err != nil || string(buf[:n]) != "pong" {
		t.Fatalf("%q: %v", buf[:n], err)
	}
	if _, err := p.WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort("[::1]:5060")); err == nil {
		t.Error("an IPv6 address was written to")
	}
	text := []byte("ping")
	if allocs := testing.AllocsPerRun(100, func() {
		_, _ = peer.Write(text)
		_, a, _ := p.ReadFromUDPAddrPort(buf)
		_, _ = p.WriteToUDPAddrPort(text, a)
	}); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestClosingWakesTheBlockedReader(t *testing.T) {
	p, _ := blockingPair(t)
	ended, begun := make(chan error, 1), make(chan struct{})
	go func() {
		close(begun)
		_, _, err := p.ReadFromUDPAddrPort(make([]byte, 100))
		ended <- err
	}()
	<-begun
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	case <-time.After((wakeAfter - 1) * time.Second):
		t.Fatal("the reader sleeps on")
	}
	if _, err := p.WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort("127.0.0.1:9")); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if err := p.Close(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestBlockingReadsAreBounded: processors are left to everybody else.
func TestBlockingReadsAreBounded(t *testing.T) {
	e := newEdge(Options{Resolver: literals{}}, newMemNet())
	defer func() { _ = e.Close() }()
	blocking := 0
	for range runtime.GOMAXPROCS(0) + 1 {
		c, err := system{}.listenPacket(netip.MustParseAddrPort("127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		p := e.unpolled(c)
		if _, ok := p.(*blockingPacket); ok {
			blocking++
		}
		defer func() { _ = p.Close() }()
	}
	if blocking != runtime.GOMAXPROCS(0)/2 {
		t.Errorf("%d of %d", blocking, runtime.GOMAXPROCS(0))
	}
}
