package edge

import (
	"fmt"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// TestOverload: while a socket is behind, what begins something stands in line, and is refused at once when that is full, or when it
// stood there for too long; everything that belongs to what is carried is served at once, and so are calls for help.
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
		look := func() {
			for range lookEvery {
				w.peer.send(fresh("OPTIONS").String()) // served, as whoever asks whether we are alive has to know
			}
		}
		look()
		served := w.count()
		fill := func() {
			for range lineLength {
				r := fresh("INVITE")
				r.uri = "sip:4930123456@192.0.2.1"
				w.peer.send(r.String())
			}
		}
		fill()
		if m := w.peer.next(); m != nil || w.count() != served || len(told) != 0 {
			t.Errorf("in line %v is heard, %d are served, told %v", m, w.count()-served, told)
		}
		for _, method := range []string{"INVITE", "REGISTER", "MESSAGE", "SUBSCRIBE", "PUBLISH"} {
			w.peer.send(fresh(method).String())
			if m := w.peer.status(503); m.Get("Retry-After") == "" {
				t.Errorf("%s is refused without Retry-After", method)
			}
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

		waiting.Store(0)
		look()
		if got := w.count() - served - 2 - lookEvery; got != lineLength {
			t.Errorf("when it has caught up %d in line are served, want %d", got, lineLength)
		}
		waiting.Store(behindAt + 1)
		look()
		served = w.count()
		fill()
		pass(lineTime + time.Millisecond)
		waiting.Store(0)
		for w.peer.next() != nil {
			continue
		}
		w.peer.send(fresh("OPTIONS").String())
		refused := 0
		for m := w.peer.next(); m != nil; m = w.peer.next() {
			if m.Status == 503 {
				refused++
			}
		}
		if refused != lineLength || w.count() != served+1 {
			t.Errorf("of %d that stood in line for too long %d are refused, %d served", lineLength, refused, w.count()-served-1)
		}
		pass(2 * overloadEnds)
		if fmt.Sprint(told) != "[true false]" || w.edge.overload.bounded.Load() {
			t.Errorf("told %v", told)
		}
		w.edge.txs.closeAll()
	}, func(o *Options) {
		o.Emergency = func(m *msg.Message) bool { return m.RequestURI.User == "112" }
		o.Overload = func(begins bool) { told = append(told, begins) }
	})
}
