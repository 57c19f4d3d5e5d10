package edge

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// overload sees to it that under more load than the node can carry, calls in progress and as many new ones as possible get all of
// their messages, instead of each call some. Its measure is what waits in the sockets: a queue that is longer than what a short
// burst makes does not become shorter by itself, for who waits in vain asks again (RFC 3261 17.1.1.2). From the first such queue
// on only so much new is begun each second as was before, less with each look that finds a queue still too long, more with each
// that does not. What is too much is answered with 503 (RFC 3261 21.5.4), and where even that were too many answers, dropped
// unread.
type overload struct {
	edge *Edge
	// behind counts the sockets whose queue is too long.
	behind atomic.Int32
	// bounded is set while the rate is.
	bounded atomic.Bool

	mu sync.Mutex
	// begun counts what was begun since the time; before is the rate of the time before that.
	begun  int
	since  time.Duration
	before float64
	// rate is what may be begun each second, tokens what may be now; answers is the same for refusals.
	rate, tokens, answers float64
	at, looked            time.Duration
	shed                  time.Duration // when something was refused or dropped last
	check                 *time.Timer
}

const (
	// behindAt is the queue of a socket, in octets as the system counts them, at which it is behind; half of its room where that is
	// less. It is caught up again at an eighth. A small datagram counts for three quarters of a KiB, an INVITE for about two.
	behindAt = 512 << 10
	// lookEvery is how many datagrams are read before the queue is looked at again.
	lookEvery = 4
	// overloadLook is how often the rate is set anew, by these factors.
	overloadLook            = 50 * time.Millisecond
	overloadLess            = 0.9
	overloadMore            = 1.08
	overloadMeasure         = 200 * time.Millisecond
	overloadEnds            = 5 * time.Second // how long nothing was shed when it is over
	shedding        float64 = 2000            // answers to what is shed, each second
	// shortNumber is the longest number that may be one for help: those are read before it is decided.
	shortNumber = 6
)

// backlogged is a packetConn that knows how much waits in it.
type backlogged interface {
	// backlog gives the octets that wait and those that there is room for; no room is that it does not know.
	backlog() (waiting, room int)
}

// look notes whether the socket is behind. It is called by its reader.
func (s *socket) look() {
	if s.edge.o.NoShedding {
		return
	}
	if s.junk > 0.5 { // what waits is a flood, which is dropped as fast as can be: no call is to suffer for it
		s.caughtUp()
		return
	}
	b, ok := s.packets.(backlogged)
	if s.reads++; !ok || !s.behind && s.reads%lookEvery != 0 {
		return
	}
	waiting, room := b.backlog()
	limit := min(room/2, behindAt)
	switch {
	case !s.behind && room > 0 && waiting > limit:
		s.behind = true
		s.edge.overload.behind.Add(1)
	case s.behind && waiting <= limit/8:
		s.caughtUp()
	}
}

// sift notes whether a datagram passed the guard. It is called by the reader.
func (s *socket) sift(passed bool) {
	s.junk -= s.junk / 64
	if !passed {
		s.junk += 1.0 / 64
	}
}

// caughtUp notes that the socket is not behind any more, or not read.
func (s *socket) caughtUp() {
	if s.behind {
		s.behind = false
		s.edge.overload.behind.Add(-1)
	}
}

// begins tells whether a request would begin something. Others belong to what is carried already.
func begins(m *msg.Message) bool {
	if m.To.Tag() != "" {
		return false
	}
	switch m.Method {
	case msg.INVITE, msg.REGISTER, msg.SUBSCRIBE, msg.PUBLISH, msg.MESSAGE:
		return true
	}
	return false
}

// sheds tells whether a request is refused because the node has more to do than it can, and with what; status -1 is silence.
// Calls for help are served as long as anything is.
func (o *overload) sheds(m *msg.Message) (msg.Decision, bool) {
	if !begins(m) || m.Method == msg.INVITE && o.bounded.Load() && o.edge.o.Emergency(m) {
		return msg.Decision{}, false
	}
	o.mu.Lock()
	serve, answer := o.takeLocked(o.edge.txs.now())
	o.mu.Unlock()
	if serve {
		return msg.Decision{}, false
	}
	o.edge.metrics.drops.WithLabelValues("overload").Inc()
	if !answer {
		return msg.Decision{Status: statusSilence}, true
	}
	after := 1 // a carrier may send nothing at all for so long
	if m.Method != msg.INVITE {
		after = 5 + rand.IntN(20) // phones that come back all at once would be the next overload
	}
	return msg.Decision{Status: 503, Headers: []msg.Header{{Name: "Retry-After", Value: strconv.Itoa(after)}}}, true
}

// takeLocked takes a place among what may be begun, or else among what may be answered.
func (o *overload) takeLocked(now time.Duration) (serve, answer bool) {
	if !o.bounded.Load() {
		if o.behind.Load() == 0 {
			o.measureLocked(now)
			return true, false
		}
		o.boundLocked(now)
	}
	o.refillLocked(now)
	switch {
	case o.tokens >= 1:
		o.tokens--
		return true, false
	case o.answers >= 1:
		o.answers--
		answer = true
	}
	o.shed = now
	return false, answer
}

// measureLocked counts what is begun while all is well.
func (o *overload) measureLocked(now time.Duration) {
	if took := now - o.since; took >= overloadMeasure {
		o.before = float64(o.begun) / took.Seconds()
		o.begun, o.since = 0, now
	}
	o.begun++
}

// boundLocked begins to bound the rate, at what was reached until now.
func (o *overload) boundLocked(now time.Duration) {
	rate := o.before
	if took := now - o.since; took >= overloadMeasure/4 || rate == 0 && took > 0 { // a node that has just begun knows no other
		rate = max(rate, float64(o.begun)/took.Seconds())
	}
	o.rate, o.tokens, o.answers = max(10, rate), 0, shedding*overloadLook.Seconds()
	o.at, o.looked, o.shed = now, now, now
	o.bounded.Store(true)
	if o.edge.closed.Load() {
		return
	}
	o.check = time.AfterFunc(overloadEnds, o.over)
	o.tell(true)
}

func (o *overload) refillLocked(now time.Duration) {
	passed := (now - o.at).Seconds()
	o.at = now
	for ; now-o.looked >= overloadLook; o.looked += overloadLook {
		if o.behind.Load() > 0 {
			o.rate = max(10, o.rate*overloadLess)
		} else {
			o.rate = o.rate*overloadMore + 1
		}
		if now-o.looked > time.Second { // nobody asked meanwhile
			o.looked = now
		}
	}
	o.tokens = min(max(1, o.rate*overloadLook.Seconds()), o.tokens+passed*o.rate)
	o.answers = min(max(1, shedding*overloadLook.Seconds()), o.answers+passed*shedding)
}

// unread tells whether a datagram is dropped before it is read: it would begin something, and neither a place nor an answer is
// left.
func (o *overload) unread(raw []byte) bool {
	if !o.bounded.Load() || !rawBegins(raw) {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.edge.txs.now()
	if o.refillLocked(now); o.tokens >= 1 || o.answers >= 1 {
		return false
	}
	o.shed = now
	return true
}

// rawBegins is begins for what is not parsed; where it is not sure it says no. Numbers that may be ones for help are read.
func rawBegins(raw []byte) bool {
	line, rest, _ := bytes.Cut(raw, []byte("\n"))
	method, uri, _ := bytes.Cut(line, []byte(" "))
	switch string(method) {
	case "INVITE":
		_, user, _ := bytes.Cut(uri, []byte(":"))
		if at := bytes.IndexAny(user, "@; \r"); at <= shortNumber {
			return false
		}
	case "REGISTER", "SUBSCRIBE", "PUBLISH", "MESSAGE":
	default:
		return false
	}
	for len(rest) > 1 && rest[0] != '\r' {
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if len(line) > 3 && (line[0]|0x20 == 't') && (line[1] == ':' || line[1]|0x20 == 'o' && line[2] == ':') {
			return !bytes.Contains(line, []byte("tag="))
		}
	}
	return false
}

// over ends it when nothing was shed for a while.
func (o *overload) over() {
	defer o.edge.recovered("overload")
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.bounded.Load() {
		return
	}
	now := o.edge.txs.now()
	if left := o.shed + overloadEnds - now; left > 0 || o.behind.Load() > 0 {
		o.check.Reset(max(left, overloadLook))
		return
	}
	o.begun, o.since = 0, now
	o.bounded.Store(false)
	o.tell(false)
}

func (o *overload) tell(begins bool) {
	o.edge.log.Warn("edge: overload", "begins", begins)
	if f := o.edge.o.Overload; f != nil {
		f(begins)
	}
}

// close stops looking.
func (o *overload) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bounded.Store(false)
	if o.check != nil {
		o.check.Stop()
	}
}
