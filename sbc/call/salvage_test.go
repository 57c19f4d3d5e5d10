package call

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// bomb panics at the n-th call of something outside, and from then on at every one if it is stubborn.
type bomb struct {
	left     atomic.Int64 // 0: not armed
	stubborn bool
	blown    bool
}

// tick is called by every fake.
func (b *bomb) tick() {
	if b == nil || b.left.Load() == 0 {
		return
	}
	if b.left.Add(-1) > 0 {
		return
	}
	b.blown = true
	if b.stubborn {
		b.left.Store(1)
	}
	panic("bomb")
}

// fuse plays a call with all that happens on the way, until the bomb has blown.
func fuse(w *world) {
	a := w.caller()
	var in *server
	var out *sent
	var b *peer
	carried := func(method msg.Method, body ...string) {
		if s := w.newest(method); s != nil {
			s.reply(200, body...)
		}
	}
	for _, step := range []func(){
		func() { in = a.invite(sdp(callerIP, 4000)) },
		func() { out = w.newest(msg.INVITE); out.reply(183, sdp(calleeIP, 5000)) },
		func() { out.reply(200, sdp(calleeIP, 5000)) },
		func() { a.learn(in.want(200)); a.ack(a.lastInviteNumber, "") },
		func() { b = w.callee(out); b.try(msg.INFO, "") },
		func() { carried(msg.INFO) },
		func() { b.try(msg.INVITE, sdp(calleeIP, 5002)) },
		func() { carried(msg.INVITE, sdp(callerIP, 4002)) },
		func() { b.cseq--; b.ack(b.cseq, "") },
		func() { b.try(msg.BYE, "") },
		func() { carried(msg.BYE) },
	} {
		if step(); w.bomb.blown {
			break
		}
	}
	w.bomb.left.Store(0)
}

// newest is next, but nil where nothing was sent.
func (w *world) newest(method msg.Method) *sent {
	synctest.Wait()
	w.wire.mu.Lock()
	defer w.wire.mu.Unlock()
	for _, s := range w.wire.sent {
		if s.req.Method == method && !s.taken {
			s.taken = true
			return s
		}
	}
	return nil
}

// TestPanicAnywhere: whichever step of a call a fault strikes, once or again and again, that call ends and gives back what it
// held, and another call does not notice.
func TestPanicAnywhere(t *testing.T) {
	for _, stubborn := range []bool{false, true} {
		n := int64(1)
		for blown := true; blown; n++ {
			t.Run(fmt.Sprint(stubborn, n), func(t *testing.T) {
				run(t, nil, func(w *world) {
					good, b, _, _ := w.talk()
					w.errors.Store(true)
					w.bomb.stubborn = stubborn
					w.bomb.left.Store(n)
					fuse(w)
					if blown = w.bomb.blown; !blown {
						w.end(good)
						return
					}
					b.send(msg.OPTIONS, "").want(200)
					good.send(msg.BYE, "").want(200)
					for range 4 { // whoever is asked, answers
						for s := w.newest(msg.BYE); s != nil; s = w.newest(msg.BYE) {
							s.reply(200)
						}
						time.Sleep(lastResort)
					}
					synctest.Wait()
					records := map[string]int{}
					for _, d := range w.ledger.ends {
						records[d.CallID]++
					}
					if len(records) != 2 {
						t.Errorf("%d calls have a record", len(records))
					}
					for s, gauge := range w.m.metrics.states {
						if v := read(t, gauge); v != 0 {
							t.Errorf("%v calls are counted as %s", v, s)
						}
					}
				})
			})
		}
		if n < 20 {
			t.Errorf("only %d steps were struck", n)
		}
	}
}

// read gives the value of a metric.
func read(t *testing.T, c prometheus.Collector) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return sum
}

// TestStale: what keeps a call from ending, none of which should ever happen, is found, and the call is ended, told and counted.
func TestStale(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(c *Call)
		byes  int
	}{
		"nobody finds its dialogs": {func(c *Call) {
			for _, l := range []*leg{c.a, c.b} {
				s := c.m.calls.of(l.tag)
				s.mu.Lock()
				delete(s.tags, l.tag)
				s.mu.Unlock()
			}
		}, 2},
		"both legs are over": {func(c *Call) { c.st.a, c.st.b = callerOver, calleeOver }, 0},
		"over, but known":    {func(c *Call) { c.st.a, c.st.b, c.st.ended = callerOver, calleeOver, true }, 0},
		"its timer is lost":  {func(c *Call) { c.disarm(timerMax) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(w *world) {
				w.errors.Store(true)
				_, _, _, _ = w.talk()
				good, _, _, _ := w.talk()
				c := w.m.calls.all("")[0]
				c.look(func() { tt.spoil(c) })
				if name == "its timer is lost" {
					time.Sleep(14400*time.Second + overdue + time.Second)
				}
				list := w.m.List(sbc.CallFilter{Stale: true})
				if len(list) == 0 || list[0].ID != c.id || list[0].Stale == "" || list[0].TenantID != c.tenant ||
					len(list) > 1 && name != "its timer is lost" {
					t.Errorf("stale are %+v", list)
				}
				if list = w.m.List(sbc.CallFilter{Stale: true, TenantID: "ten_x"}); len(list) != 0 {
					t.Errorf("another tenant sees %+v", list)
				}
				w.m.checkOnce()
				if len(w.events.of(sbc.EventCallStale)) != 0 || w.m.calls.call(c.id) == nil {
					t.Error("it was ended at the first sight")
				}
				w.m.checkOnce()
				for range tt.byes {
					w.wire.next(msg.BYE).reply(200)
				}
				if name != "its timer is lost" {
					w.end(good)
				} else { // the good one has ended meanwhile
					w.wire.next(msg.BYE).reply(200)
					w.wire.next(msg.BYE).reply(200)
				}
				got := w.events.of(sbc.EventCallStale)
				if len(got) != 1 || got[0].CallID != c.id || read(t, w.m.metrics.stale) != 1 {
					t.Errorf("%+v, counted %v", got, read(t, w.m.metrics.stale))
				}
				w.ledger.mu.Lock()
				defer w.ledger.mu.Unlock()
				for _, d := range w.ledger.ends {
					if d.CallID == c.id && (d.EndReason != sbc.EndStale || d.ReleasedBy != sbc.SideSBC) {
						t.Errorf("record %+v", d)
					}
				}
				w.m.checkOnce()
				w.m.checkOnce()
				if v := read(t, w.m.metrics.stale); v != 1 {
					t.Errorf("%v are counted in the end", v)
				}
			})
		})
	}
}
