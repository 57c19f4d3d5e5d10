package media

import (
	"log/slog"
	"testing"
	"time"

	"github.com/sallyport/sallyport/media/relay"
)

// watched is a call whose sides are judged alone, on a clock set by hand. spoke tells it that a party sent a packet now.
type watched struct {
	*rig
	clock  *clockwork
	silent []*Party
	last   time.Time
}

const patience, onHold = time.Minute, 10 * time.Minute

func newWatched(t *testing.T, either bool) *watched {
	t.Helper()
	c := newClockwork()
	mover, err := relay.New(relay.Options{Threads: 1, Clock: c.now.Load, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := mover.Close(); err != nil {
			t.Error(err)
		}
	})
	c.e.mover, c.e.o = mover, Options{Log: slog.New(slog.DiscardHandler), Quarantine: time.Nanosecond}
	c.e.pools.Store(&map[string]*pool{})
	prepared, err := c.e.Prepare([]Pool{poolOf("p", "127.0.0.1", 8)})
	if err != nil {
		t.Fatal(err)
	}
	prepared.Commit()
	w := &watched{rig: &rig{t: t, e: c.e, A: newPhone(t, "127.0.0.2"), B: newPhone(t, "127.0.0.3")}, clock: c}
	w.s = c.e.Open(SessionOptions{Silence: patience, HoldSilence: onHold, OnSilence: func(p *Party, last time.Time) {
		w.silent, w.last = append(w.silent, p), last
	}})
	t.Cleanup(func() { w.s.Close() })
	w.a = w.s.Party(PartyOptions{Pools: []string{"p"}, Signalling: w.A.ip})
	w.b = w.s.Party(PartyOptions{Pools: []string{"p"}, Signalling: w.B.ip, SilenceEither: either})
	return w
}

// pass lets time go by, in which some parties send a packet every ten seconds.
func (w *watched) pass(d time.Duration, talking ...func()) {
	for range d / (10 * time.Second) {
		for _, say := range talking {
			say()
		}
		w.clock.pass(10 * time.Second)
	}
}

// from makes a party's stream hear a packet of a payload type and size, as its port would.
func (w *watched) from(p *Party, from *phone, pt byte, octets int) func() {
	return func() {
		w.t.Helper()
		before := p.ends[0].stream.Stats().Packets
		b := make([]byte, 12+octets)
		from.seq++
		b[0], b[1], b[2], b[3], b[11] = 0x80, pt, byte(from.seq>>8), byte(from.seq), 42
		from.send(from.rtp, p.ends[0].pair.Local, b)
		eventually(w.t, func() bool { return p.ends[0].stream.Stats().Packets > before })
	}
}

func (w *watched) heardAt(p *Party) int64 { return p.ends[0].stream.Stats().Last }

func (w *watched) want(silent ...*Party) {
	w.t.Helper()
	if len(w.silent) != len(silent) || len(silent) > 0 && w.silent[0] != silent[0] {
		w.t.Errorf("reported silent: %v, want %v (a is %p, b is %p)", w.silent, silent, w.a, w.b)
	}
}

// A talks, B does not: dead only where one side alone counts.
func TestSilenceOfOneSide(t *testing.T) {
	for _, either := range []bool{false, true} {
		w := newWatched(t, either)
		w.exchange(w.A.sdp(), w.B.sdp())
		w.s.Answered()
		w.pass(50*time.Second, w.from(w.a, w.A, 8, 160))
		w.want()
		w.pass(30*time.Second, w.from(w.a, w.A, 8, 160))
		if !either {
			w.want()
			w.pass(2 * patience)
			w.want(nil)
			continue
		}
		w.want(w.b)
		if age := time.Duration(w.clock.now.Load()-w.heardAt(w.a)) + time.Since(w.last); age < patience {
			t.Errorf("last media is that of A: %v ago", age)
		}
	}
}

// Both fall silent at once: nobody is to be blamed.
func TestSilenceOfBothWhereOneCounts(t *testing.T) {
	w := newWatched(t, true)
	w.exchange(w.A.sdp(), w.B.sdp())
	w.s.Answered()
	w.pass(2 * patience)
	w.want(nil)
}

// A party that was put on hold, or said it only listens, need not send; the other one must.
func TestSilenceWhereNothingIsDue(t *testing.T) {
	w := newWatched(t, true)
	w.exchange(w.A.sdp(), w.B.sdp())
	w.s.Answered()
	w.exchange(w.A.sdp("a=sendonly"), w.B.sdp("a=recvonly"))
	music := w.from(w.a, w.A, 8, 160)
	w.pass(3*onHold, music)
	w.want()
	w.pass(onHold+patience, w.from(w.b, w.B, 8, 160)) // it may, but that is not what is due
	w.want(w.a)
}

// The end of hold begins a new minute, for each side.
func TestSilenceAfterHold(t *testing.T) {
	w := newWatched(t, true)
	w.exchange(w.A.sdp(), w.B.sdp())
	w.s.Answered()
	x := w.ours(w.s.Renew(w.b, Inactive))
	w.answer(x, w.B.sdp("a=inactive"))
	w.pass(9 * time.Minute)
	w.want()
	x = w.ours(w.s.Renew(w.b, SendRecv))
	w.answer(x, w.B.sdp())
	w.pass(50*time.Second, w.from(w.a, w.A, 8, 160))
	w.want()
	w.pass(20*time.Second, w.from(w.a, w.A, 8, 160))
	w.want(w.b)
}

// Who announced silence, by a packet of comfort noise or a frame of it, has the time of hold; RTCP counts as media.
func TestSilenceAnnounced(t *testing.T) {
	for name, c := range map[string]struct {
		pt     byte
		octets int
	}{"CN": {13, 1}, "G.729 annex B": {18, 2}, "after speech": {18, 12}} {
		t.Run(name, func(t *testing.T) {
			w := newWatched(t, true)
			w.exchange(phoneSDP("127.0.0.2", portOf(w.A.rtp)), phoneSDP("127.0.0.3", portOf(w.B.rtp)))
			w.s.Answered()
			talking := w.from(w.a, w.A, 8, 160)
			w.from(w.b, w.B, 18, 20)()
			w.from(w.b, w.B, c.pt, c.octets)()
			w.pass(9*time.Minute, talking)
			w.want()
			w.from(w.b, w.B, 18, 20)() // speech again: the minute counts
			w.pass(70*time.Second, talking)
			w.want(w.b)
		})
	}
	w := newWatched(t, true)
	w.exchange(w.A.sdp(), w.B.sdp())
	w.s.Answered()
	report := func() {
		before := w.heardAt(w.b)
		w.B.send(w.B.rtcp, next(w.b.ends[0].pair.Local), []byte{0x80, 201, 0, 1, 0, 0, 0, 42})
		eventually(t, func() bool { return w.b.ends[0].stream.Last() > before })
	}
	w.pass(5*patience, w.from(w.a, w.A, 8, 160), report)
	w.want()
}

// The party whose profile counts one side alone has left, by a transfer: the others are judged by their own.
func TestSilenceAfterThePartyThatCountsIsGone(t *testing.T) {
	w := newWatched(t, true)
	w.exchange(w.A.sdp(), w.B.sdp())
	w.s.Answered()
	c := w.s.Party(PartyOptions{Pools: []string{"p"}, Signalling: w.B.ip})
	w.answer(w.ours(w.s.Reoffer(w.a, c)), w.B.sdp())
	w.s.Drop(w.b)
	w.pass(3*patience, w.from(w.a, w.A, 8, 160))
	w.want()
}
