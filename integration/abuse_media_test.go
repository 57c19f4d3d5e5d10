package integration

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/sbc/msg"
)

// rtp is one packet of G.711.
func rtp(seq uint16, ssrc uint32) []byte {
	p := make([]byte, 172)
	p[0] = 0x80
	binary.BigEndian.PutUint16(p[2:], seq)
	binary.BigEndian.PutUint32(p[4:], uint32(seq)*160)
	binary.BigEndian.PutUint32(p[8:], ssrc)
	return p
}

// TestMediaStranger has a stranger send to both media ports of a call, before and after the parties do: nothing of it arrives, and it
// gets nothing.
func TestMediaStranger(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	west, east := w.peers(t, false)
	socket := func(a netip.Addr) *net.UDPConn {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 40000)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	a, z, thief := socket(w.westPeer), socket(w.eastPeer), socket(w.stranger())
	call := west.dial("4930123456", west.sdp())
	rings := east.ring()
	rings.say(rings.invite, 200, "", east.sdp())
	ok := call.final(200)
	rings.hear(msg.ACK)
	toA, toZ := mediaPort(t, ok.Body, w.west), mediaPort(t, rings.invite.Body, w.east)
	send := func(c *net.UDPConn, to netip.AddrPort, seq, n int, ssrc uint32) {
		for i := range n {
			if _, err := c.WriteToUDPAddrPort(rtp(uint16(seq+i), ssrc), to); err != nil {
				t.Error(err)
			}
		}
	}
	for round := range 3 {
		for _, ssrc := range []uint32{0xbad, 1, 2} {
			send(thief, toA, round*1000, 20, ssrc)
			send(thief, toZ, round*1000, 20, ssrc)
		}
		send(a, toA, round*50, 50, 1)
		send(z, toZ, round*50, 50, 2)
		expectRTP(t, z, 50, 1)
		expectRTP(t, a, 50, 2)
	}
	if err := thief.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, from, err := thief.ReadFromUDPAddrPort(make([]byte, 2000)); err == nil {
		t.Errorf("the stranger got %d octets from %v", n, from)
	}
	call.hangup(rings)
	for _, m := range b.cdrs(1)[0].Media {
		if m.Packets != 150 || m.RelayedPackets != 150 || m.Discarded < 100 {
			t.Errorf("the %s's stream: %d packets, %d relayed, %d discarded", m.Side, m.Packets, m.RelayedPackets, m.Discarded)
		}
	}
	if b.metric("sbc_rtp_dropped_total", "wrong_source") == 0 {
		t.Error("the stranger's packets are not counted")
	}
}

// mediaPort reads where a description wants media, and checks that it is the border.
func mediaPort(t *testing.T, body []byte, border netip.Addr) netip.AddrPort {
	t.Helper()
	_, rest, _ := bytes.Cut(body, []byte("m=audio "))
	port, err := strconv.Atoi(string(rest[:bytes.IndexByte(rest, ' ')]))
	if err != nil || !bytes.Contains(body, []byte("IN IP4 "+border.String())) {
		t.Fatalf("%v in\n%s", err, body)
	}
	return netip.AddrPortFrom(border, uint16(port))
}

// expectRTP reads packets, all of which must be the other party's.
func expectRTP(t *testing.T, c *net.UDPConn, n int, ssrc uint32) {
	t.Helper()
	buf := make([]byte, 2000)
	for i := range n {
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		k, _, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatalf("packet %d of %d did not come: %v", i, n, err)
		}
		if got := binary.BigEndian.Uint32(buf[8:]); k != 172 || got != ssrc {
			t.Fatalf("packet %d is of %d octets and source %x", i, k, got)
		}
	}
}
