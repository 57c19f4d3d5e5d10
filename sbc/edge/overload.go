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
// on what would begin something waits in a line of its own, and has its turn when nothing else is to be done: when the socket has
// been read empty, no other one is behind, and what was set going has run. There is no rate that could be wrong, and no time that
// the processor was given to others is taken for slowness. What finds the line full, or stood in it for too long, is answered with
// 503 (RFC 3261 21.5.4).
type overload struct {
	edge *Edge
	// mark is what the To tags of refusals begin with, as it is found in a message: an ACK with it wants nothing.
	mark []byte
	// behind counts the sockets whose queue is too long.
	behind atomic.Int32
	// bounded is set while what begins something stands in line.
	bounded atomic.Bool
	// share is which part of what came of late was begun, in 1/65536: connections, which have no line, get the same.
	share atomic.Int64
	// shed is when something was refused or dropped last, in ns of the table's clock.
	shed atomic.Int64

	told atomic.Bool // that something is refused

	mu    sync.Mutex
	check *time.Timer
}

const (
	// behindAt is the queue of a socket, in octets as the system counts them, at which it is behind; half of its room where that is
	// less. It is caught up again at an eighth. A small datagram counts for three quarters of a KiB, an INVITE for about two.
	behindAt = 128 << 10
	// lookEvery is how many datagrams are read before the queue is looked at again.
	lookEvery    = 4
	overloadEnds = 5 * time.Second // how long nothing was shed when it is over
	// lineLength is how many may stand in line at a socket, lineTime for how long: less than after what they would ask again
	// (RFC 3261 17.1.1.1, T1).
	lineLength = 512
	lineTime   = 450 * time.Millisecond
	// lineGivesWay is for how long those in line let another socket catch up.
	lineGivesWay = 20 * time.Millisecond
	// lineYields is how many of those in line have their turn before what they set going has.
	lineYields = 8
	// shareOf is over how many requests the share is taken.
	shareOf = 256
	// shedding is how many requests each second are read to be refused, because nothing is known of their senders.
	shedding float64 = 4000
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
	if bounded := s.edge.overload.bounded.Load(); bounded != s.hurried {
		s.hurry(bounded)
	}
	b, ok := s.packets.(backlogged)
	switch s.reads++; {
	case !ok:
		return
	case s.hurried:
		if p, ok := s.packets.(hurried); ok && p.left() {
			return // the queue is looked at when what was read of it is done
		}
	case s.reads%lookEvery != 0:
		return
	}
	waiting, room := b.backlog()
	limit := min(room/2, behindAt)
	switch {
	case !s.behind && room > 0 && waiting > limit:
		s.behind = true
		s.edge.overload.lags()
	case s.behind && waiting <= limit/8:
		s.caughtUp()
	}
}

// hurried is a packetConn that can read many datagrams at once.
type hurried interface {
	// hurry has it do so, or not any more; left tells whether some have been read and not given.
	hurry(on bool)
	left() bool
	// more tells whether one can be given at once, and reads for that if need be.
	more() bool
}

func (s *socket) hurry(on bool) {
	s.hurried = on
	if p, ok := s.packets.(hurried); ok {
		p.hurry(on)
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

// lags notes that a socket came to be behind: from now on what begins something stands in line.
func (o *overload) lags() {
	o.behind.Add(1)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bounded.Load() || o.edge.closed.Load() {
		return
	}
	o.share.Store(1 << 16)
	o.shed.Store(int64(o.edge.txs.now()))
	o.bounded.Store(true)
	o.check = time.AfterFunc(overloadEnds, o.over)
}

// sheds tells whether a request is refused because the node has more to do than it can, and with what. What came in a datagram has
// stood in line, unless its sender was not known. Calls for help are served as long as anything is.
func (o *overload) sheds(m *msg.Message, l link) (msg.Decision, bool) {
	if !o.bounded.Load() || !begins(m) || m.Method == msg.INVITE && o.edge.o.Emergency(m) {
		return msg.Decision{}, false
	}
	if s, ok := l.(*socket); ok {
		s.friends.note(m.Hop.Remote, o.edge.txs.now())
		if !s.refusing {
			return msg.Decision{}, false
		}
	} else if rand.Int64N(1<<16) < o.share.Load() {
		return msg.Decision{}, false
	}
	o.noteShed()
	return msg.Decision{Status: 503, Headers: []msg.Header{{Name: "Retry-After", Value: retryAfterOverload(m.Method)}}}, true
}

// noteShed counts what is refused or dropped.
func (o *overload) noteShed() {
	o.edge.metrics.shed()
	o.shed.Store(int64(o.edge.txs.now()))
	o.shares(0)
	if o.told.CompareAndSwap(false, true) {
		o.tell(true)
	}
}

// shares takes one request into the share, 1<<16 of one that was begun, 0 of one that was not.
func (o *overload) shares(begun int64) {
	was := o.share.Load()
	o.share.Store(was + (begun-was)/shareOf) // two at once: one is not counted
}

// retryAfterOverload is what those who are refused are told, in seconds.
func retryAfterOverload(method msg.Method) string {
	after := 1 // a carrier may send nothing at all for so long
	if method != msg.INVITE {
		after = 5 + rand.IntN(20) // phones that come back all at once would be the next overload
	}
	return strconv.Itoa(after)
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
	if o.ends() && o.told.CompareAndSwap(true, false) {
		o.tell(false)
	}
}

// ends looks whether it is over, or else comes back.
func (o *overload) ends() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.bounded.Load() {
		return false
	}
	left := overloadEnds - (o.edge.txs.now() - time.Duration(o.shed.Load()))
	if left > 0 || o.behind.Load() > 0 {
		o.check.Reset(max(left, time.Second))
		return false
	}
	o.bounded.Store(false)
	return true
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
