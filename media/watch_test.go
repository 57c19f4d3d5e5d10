package media

import (
	"sync/atomic"
	"testing"
	"time"
)

// clockwork is an engine without sockets whose clock is set by hand.
type clockwork struct {
	e   *Engine
	now atomic.Int64
}

func newClockwork() *clockwork {
	c := &clockwork{}
	c.now.Store(int64(time.Hour))
	c.e = &Engine{clock: c.now.Load}
	c.e.watch = newWatch(c.now.Load, func(v any) { panic(v) })
	return c
}

// pass lets time pass in the wheel's steps.
func (c *clockwork) pass(d time.Duration) {
	for end := c.now.Load() + int64(d); c.now.Load() < end; {
		c.now.Store(min(end, c.now.Load()+int64(watchTick)))
		c.e.watch.turn(c.now.Load())
	}
}

func (c *clockwork) session(silence, hold time.Duration) (*Session, *int) {
	fired := new(int)
	s := c.e.Open(SessionOptions{Silence: silence, HoldSilence: hold, OnSilence: func(*Party, time.Time) { *fired++ }})
	return s, fired
}

func TestSilenceFiresOnceAfterAnswer(t *testing.T) {
	for _, limit := range []time.Duration{time.Second, 60 * time.Second, 10 * time.Minute, 24 * time.Hour} {
		c := newClockwork()
		s, fired := c.session(limit, 0)
		c.pass(2 * time.Minute)
		if *fired != 0 {
			t.Errorf("%v: fired before the answer", limit)
		}
		s.Answered()
		c.pass(limit - watchTick)
		if *fired != 0 {
			t.Errorf("%v: fired too early", limit)
		}
		c.pass(2 * watchTick)
		if *fired != 1 {
			t.Errorf("%v: fired %d times", limit, *fired)
		}
		c.pass(2 * time.Minute)
		if *fired != 1 || c.e.timeouts.Load() != 1 {
			t.Errorf("%v: fired %d times in the end", limit, *fired)
		}
	}
}

func TestHoldHasItsOwnLimit(t *testing.T) {
	c := newClockwork()
	s, fired := c.session(time.Minute, 10*time.Minute)
	s.hold = true
	s.Answered()
	c.pass(9 * time.Minute)
	if *fired != 0 {
		t.Fatal("a call on hold was ended by the limit for talking ones")
	}
	// The end of hold begins a new minute.
	s.hold, s.since = false, c.now.Load()
	at, _ := s.deadline()
	c.e.watch.set(s, at)
	c.pass(59 * time.Second)
	if *fired != 0 {
		t.Fatal("the minute after hold was cut short")
	}
	c.pass(2 * time.Second)
	if *fired != 1 {
		t.Errorf("fired %d times", *fired)
	}
}

func TestSilenceOff(t *testing.T) {
	c := newClockwork()
	s, fired := c.session(0, time.Minute)
	s.Answered()
	c.pass(time.Hour)
	if *fired != 0 || s.entry.in {
		t.Error("a call without limit is watched")
	}
}

func TestClosedSessionIsForgotten(t *testing.T) {
	c := newClockwork()
	s, fired := c.session(time.Second, 0)
	s.Answered()
	s.Close()
	c.e.watch.set(s, c.now.Load()) // a look that was under way when it closed
	c.pass(time.Minute)
	if *fired != 0 || s.entry.in {
		t.Error("a closed session fired")
	}
	for i, head := range c.e.watch.slots {
		if head != nil {
			t.Fatalf("slot %d is not empty", i)
		}
	}
}

// A wheel that was late (a suspended machine) finds everything due.
func TestLateWheel(t *testing.T) {
	c := newClockwork()
	n := 0
	for i := range 100 {
		s, _ := c.session(time.Duration(i+1)*time.Second, 0)
		s.o.OnSilence = func(*Party, time.Time) { n++ }
		s.Answered()
	}
	c.now.Add(int64(time.Hour))
	c.e.watch.turn(c.now.Load())
	if n != 100 {
		t.Errorf("%d of 100 fired", n)
	}
}

func TestManyInOneSlot(t *testing.T) {
	c := newClockwork()
	var sessions []*Session
	fired := 0
	for range 50 {
		s, _ := c.session(time.Second, 0)
		s.o.OnSilence = func(*Party, time.Time) { fired++ }
		s.Answered()
		sessions = append(sessions, s)
	}
	for i, s := range sessions {
		if i%3 == 0 {
			s.Close()
		}
	}
	c.pass(3 * time.Second)
	if fired != 33 {
		t.Errorf("%d fired, want 33", fired)
	}
}

func TestPanicOfOneCallbackDoesNotStopTheOthers(t *testing.T) {
	c := newClockwork()
	caught := 0
	c.e.watch.panicky = func(any) { caught++ }
	bad, _ := c.session(time.Second, 0)
	bad.o.OnSilence = func(*Party, time.Time) { panic("callback") }
	bad.Answered()
	good, fired := c.session(time.Second, 0)
	good.Answered()
	c.pass(3 * time.Second)
	if caught != 1 || *fired != 1 {
		t.Errorf("caught %d, fired %d", caught, *fired)
	}
}

// With real packets: they put silence off, and what is reported is when the last one came.
func TestPacketsPutSilenceOff(t *testing.T) {
	e := testEngine(t, Options{}, poolOf("p", "127.0.0.1", 4))
	a, b := newPhone(t, "127.0.0.2"), newPhone(t, "127.0.0.3")
	silent := make(chan time.Time, 2)
	s := e.Open(SessionOptions{Silence: 400 * time.Millisecond, OnSilence: func(_ *Party, last time.Time) { silent <- last }})
	defer s.Close()
	x, err := s.Offer(s.Party(PartyOptions{Pools: []string{"p"}}), s.Party(PartyOptions{Pools: []string{"p"}}), a.sdp())
	if err != nil {
		t.Fatal(err)
	}
	back, err := x.Answer(b.sdp())
	if err != nil {
		t.Fatal(err)
	}
	s.Answered()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 50 {
		<-tick.C
		a.say(door(t, back, 0))
	}
	spoke := time.Now()
	select {
	case <-silent:
		t.Fatal("silence while A spoke")
	default:
	}
	select {
	case last := <-silent:
		if d := spoke.Sub(last); d > 100*time.Millisecond || d < -100*time.Millisecond {
			t.Errorf("last media %v away", d)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("silence was not seen")
	}
	if d := spoke.Sub(s.LastMedia()); d > 100*time.Millisecond || d < -100*time.Millisecond {
		t.Errorf("LastMedia %v away", d)
	}
}

func BenchmarkWatchTurn(b *testing.B) {
	c := newClockwork()
	for range 5000 {
		s, _ := c.session(time.Minute, 0)
		s.Answered()
		s.answered = 1 << 60 // always talking
	}
	b.ReportAllocs()
	for b.Loop() {
		c.now.Add(int64(watchTick))
		c.e.watch.turn(c.now.Load())
	}
}
