package edge

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestOverload: while a socket is behind, what begins something is refused at once, and everything that belongs to what is
// carried is served; so are calls for help.
func TestOverload(t *testing.T) {
	var told []bool
	virtual(t, func(w *world) {
		waiting := &w.edge.iface("a").sock.packets.(*memPackets).waiting
		calls := 0
		fresh := func(method string) call {
			calls++
			r := request(method)
			r.branch, r.callID = fmt.Sprint("z9hG4bK", calls), fmt.Sprint(calls)
			return r
		}
		first := fresh("INVITE")
		w.peer.send(first.String())
		respond(t, w.txs[0], 180)
		w.peer.status(180)

		waiting.Store(behindAt + 1)
		for range lookEvery {
			w.peer.send(fresh("OPTIONS").String()) // served, as whoever asks whether we are alive has to know
		}
		served := w.count()
		for _, method := range []string{"INVITE", "REGISTER", "MESSAGE", "SUBSCRIBE", "PUBLISH"} {
			w.peer.send(fresh(method).String())
			if m := w.peer.status(503); m.Get("Retry-After") == "" {
				t.Errorf("%s is refused without Retry-After", method)
			}
		}
		answered := 0
		for range 1000 {
			r := fresh("INVITE")
			r.uri = "sip:4930123456@192.0.2.1"
			w.peer.send(r.String())
			if w.peer.next() != nil {
				answered++
			}
		}
		if w.count() != served || answered == 0 || answered > 100 {
			t.Errorf("%d that are too many are handled, %d of 1000 at once answered", w.count()-served, answered)
		}
		w.peer.send(first.String())
		w.peer.status(180)
		help := fresh("INVITE")
		help.uri = "sip:112@192.0.2.1"
		w.peer.send(help.String())
		within := fresh("BYE")
		within.to += ";tag=x"
		w.peer.send(within.String())
		if w.count() != served+2 {
			t.Errorf("of a call for help and a BYE %d are served", w.count()-served)
		}
		<-time.After(time.Second)
		if w.peer.send(fresh("INVITE").String()); w.count() != served+3 {
			t.Error("nothing at all is begun any more")
		}
		served++
		waiting.Store(0)
		<-time.After(time.Second)
		w.peer.send(fresh("INVITE").String())
		if w.count() != served+3 {
			t.Error("when it has caught up it still refuses")
		}
		pass(2 * overloadEnds)
		if fmt.Sprint(told) != "[true false]" {
			t.Errorf("told %v", told)
		}
		w.edge.txs.closeAll()
	}, func(o *Options) {
		o.Emergency = func(m *msg.Message) bool { return m.RequestURI.User == "112" }
		o.Overload = func(begins bool) { told = append(told, begins) }
	})
}

// TestGoodput offers ten times what can be served, over real sockets: requests of which each costs half a millisecond of a
// processor. The figure is in the log; what it may be at least leaves room for machines that have others to serve, too.
func TestGoodput(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" || raceEnabled {
		t.Skip("needs the figures of Linux, and seconds, and code as fast as it is")
	}
	data := make([]byte, 1<<19)
	run := func(rate int, d time.Duration) (served int) {
		var count atomic.Int64
		e := onLoopback(t, Options{Handle: func(tx msg.ServerTx, m *msg.Message) {
			sha256.Sum256(data)
			count.Add(1)
			respond(t, tx, 486)
		}}, listener("a", sbc.TransportUDP, "127.0.0.1"))
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(bound(t, e, "a")))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r := request("INVITE")
		r.uri, r.callID = "sip:4930123456@192.0.2.1", "callidcall"
		raw := []byte(r.String())
		branch, id := bytes.Index(raw, []byte("branch1")), bytes.Index(raw, []byte("callidcall"))
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		sent := 0
		for start := time.Now(); time.Since(start) < d; <-tick.C {
			for due := int(time.Since(start).Seconds() * float64(rate)); sent < due; sent++ {
				copy(raw[branch:], fmt.Sprintf("%07d", sent))
				copy(raw[id:], fmt.Sprintf("%010d", sent))
				if _, err := c.Write(raw); err != nil {
					t.Fatal(err)
				}
			}
		}
		return int(float64(count.Load()) / d.Seconds())
	}
	measure := func() int {
		began := time.Now()
		for range 500 {
			sha256.Sum256(data)
		}
		return int(500 / time.Since(began).Seconds())
	}
	before := measure()
	flooded := run(10*before, 2*time.Second)
	capacity := min(before, measure()) // others may have come to this machine meanwhile
	t.Logf("%d a second can be served; of ten times that %d are (%.0f %%)", capacity, flooded, 100*float64(flooded)/float64(capacity))
	if flooded < capacity/2 {
		t.Errorf("of %d requests a second that could be served %d were", capacity, flooded)
	}
}
