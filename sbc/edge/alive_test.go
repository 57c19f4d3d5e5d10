package edge

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestHeldConnection: a phone that registered stays connected though it says nothing, can be kept alive, and its end is told
// once.
func TestHeldConnection(t *testing.T) {
	var closed []msg.Hop
	virtual(t, func(w *world) {
		w.listen(Listener{ID: "a", Transport: sbc.TransportUDP, Bind: edgeAddr},
			Listener{ID: "tcp", Transport: sbc.TransportTCP, Bind: edgeAddr, Idle: time.Minute})
		c, err := w.net.dialStream(t.Context(), peerAddr.Addr(), edgeAddr)
		if err != nil {
			t.Fatal(err)
		}
		var hop msg.Hop
		w.onHandle = func(tx msg.ServerTx, m *msg.Message) {
			hop = m.Hop
			w.edge.Hold(hop, 10*time.Minute)
			w.edge.Hold(hop, time.Minute) // takes nothing back
			respond(t, tx, 200)
		}
		if _, err := c.Write([]byte(request("REGISTER").text("TCP"))); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4096)
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
		pass(9 * time.Minute)
		if !w.edge.Connected(hop) {
			t.Fatal("closed while it was held")
		}
		if err := w.edge.KeepAlive(hop); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != "\r\n\r\n" {
			t.Fatalf("keep-alive: %q %v", buf[:n], err)
		}
		other := hop
		other.Remote = netip.AddrPortFrom(hop.Remote.Addr(), 1)
		if w.edge.Connected(other) || w.edge.KeepAlive(other) == nil {
			t.Error("another peer has the same connection")
		}
		pass(3 * time.Minute)
		if w.edge.Connected(hop) {
			t.Error("open when nothing holds it any more")
		}
		if err := w.edge.KeepAlive(hop); err == nil {
			t.Error("kept alive what is closed")
		}
		if len(closed) != 1 || closed[0].Conn != hop.Conn || closed[0].Remote != hop.Remote || closed[0].Interface != "tcp" {
			t.Errorf("told of %+v, want one end of %+v", closed, hop)
		}
	}, func(o *Options) { o.Closed = func(h msg.Hop) { closed = append(closed, h) } })
}

// TestKeepAliveOnUDP: four octets go to the phone, from the interface by which it came.
func TestKeepAliveOnUDP(t *testing.T) {
	virtual(t, func(w *world) {
		hop := msg.Hop{Interface: "a", Transport: sbc.TransportUDP, Remote: peerAddr}
		if !w.edge.Connected(hop) || w.edge.Connected(msg.Hop{Interface: "gone", Transport: sbc.TransportUDP}) {
			t.Error("UDP is there while its interface is")
		}
		if err := w.edge.KeepAlive(hop); err != nil {
			t.Fatal(err)
		}
		pass(0)
		select {
		case m := <-w.peer.c.in:
			if string(m.b) != "\x00\x00\x00\x00" {
				t.Errorf("got %q", m.b)
			}
		default:
			t.Error("nothing came")
		}
		hop.Interface = "gone"
		if err := w.edge.KeepAlive(hop); err == nil {
			t.Error("sent by an interface that is not there")
		}
	})
}
