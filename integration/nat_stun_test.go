package integration

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/sbc"
)

// stunServer answers Binding requests (RFC 8489) in a namespace of the lab with who asked, or with silence.
type stunServer struct {
	at     netip.AddrPort
	silent atomic.Bool
	asked  atomic.Int64
}

// newSTUNServer begins to serve in a namespace.
func newSTUNServer(t testing.TB, l *natLab, space string, at netip.AddrPort) *stunServer {
	t.Helper()
	s := &stunServer{at: at}
	var c *net.UDPConn
	l.inside(space, func() {
		var err error
		if c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at)); err != nil {
			t.Error(err)
		}
	})
	if c == nil {
		t.FailNow()
	}
	done := make(chan struct{})
	go func() { defer close(done); s.serve(c) }()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return s
}

func (s *stunServer) serve(c *net.UDPConn) {
	b := make([]byte, 1500)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if s.asked.Add(1); n < 20 || s.silent.Load() || binary.BigEndian.Uint16(b) != 1 {
			continue
		}
		answer := append([]byte{1, 1, 0, 12}, b[4:20]...)
		answer = append(answer, 0, 0x20, 0, 8, 0, 1)
		answer = binary.BigEndian.AppendUint16(answer, from.Port()^0x2112)
		ip := from.Addr().Unmap().As4()
		answer = binary.BigEndian.AppendUint32(answer, binary.BigEndian.Uint32(ip[:])^0x2112a442)
		if _, err := c.WriteToUDPAddrPort(answer, from); err != nil {
			return
		}
	}
}

// advertised reads what a STUN server says of the resources at a path, once it stands as ok wants it.
func (b *border) advertised(path string, ok func(s *sbc.AdvertisedStatus) bool) {
	b.t.Helper()
	var page struct {
		Items []struct {
			Status struct {
				Advertised *sbc.AdvertisedStatus `json:"advertised"`
			} `json:"status"`
		} `json:"items"`
	}
	if !soon(func() bool {
		b.do("GET", path, nil, &page)
		for _, i := range page.Items {
			if i.Status.Advertised == nil || !ok(i.Status.Advertised) {
				return false
			}
		}
		return len(page.Items) == 2
	}) {
		for _, i := range page.Items {
			b.t.Errorf("%s: %+v", path, i.Status.Advertised)
		}
		b.t.FailNow()
	}
}

// TestNATDiscovered has the border behind 1:1 NAT ask a STUN server who it is: phones behind NATs call each other with audio, nobody
// learns its own addresses, and a server that falls silent changes nothing but the status.
func TestNATDiscovered(t *testing.T) {
	t.Parallel()
	l := newNATLab(t, true)
	b := startBorder(t, app.Options{})
	n := &natNet{t: t, lab: l, b: b, kinds: []natKind{portRestricted}}
	_, known := l.home(fullCone, 60)
	n.stun = newSTUNServer(t, l, l.name(fmt.Sprintf("n%d", l.boxes)), netip.AddrPortFrom(known, 3478))
	n.provision()
	seen := map[string]bool{l.seen[0].String(): true, l.seen[1].String(): true}
	b.advertised("/sip-interfaces", func(s *sbc.AdvertisedStatus) bool {
		return s.State == sbc.AdvertisedCurrent && seen[s.Address] && s.PortKept != nil && *s.PortKept && s.Server == n.stun.at.String()
	})
	b.advertised("/media-pools", func(s *sbc.AdvertisedStatus) bool { return s.State == sbc.AdvertisedCurrent && seen[s.Address] })
	n.call(n.west[0], n.east[0], "4900", true)
	b.cdrs(1)
	n.stun.silent.Store(true)
	asked := n.stun.asked.Load()
	if !soon(func() bool { return n.stun.asked.Load() > asked }) {
		t.Error("the server is not asked again")
	}
	n.call(n.west[0], n.east[0], "4901", false)
	b.cdrs(2)
	var events struct {
		Items []sbc.Event `json:"items"`
	}
	b.do("GET", "/events?type=address.changed", nil, &events)
	if len(events.Items) != 4 || !seen[events.Items[0].Data["address"]] {
		t.Errorf("events %+v", events.Items)
	}
	b.quiet()
	n.leaks()
}
