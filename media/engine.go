package media

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/media/port"
	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/secure"
)

// wantedFiles is the limit of open files asked for: each held call needs four sockets.
const wantedFiles = 1 << 18

// Engine owns the pools, the sockets and the threads that move packets. Safe for concurrent use.
type Engine struct {
	o     Options
	mover relay.Mover
	clock func() int64
	// mask is the key under which names in RTCP are replaced.
	mask   uint64
	watch  *watch
	pacer  *pacer
	budget *port.Budget
	census *relay.Census

	// certificates are shown in handshakes, which handshakes bounds.
	certificates wardrobe
	handshakes   *secure.Limit
	// shaken are those that made keys, unshaken those that were given up.
	shaken, unshaken atomic.Uint64

	pools    atomic.Pointer[map[string]*pool]
	mu       sync.Mutex // guards what follows, and Commit
	draining []*pool

	sessions atomic.Int64
	timeouts atomic.Uint64
	noPorts  atomic.Uint64
}

// New starts an engine without pools. It raises the limit of open files as far as the process may.
func New(o Options) (*Engine, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	files, err := port.RaiseFileLimit(wantedFiles)
	if err != nil || files < wantedFiles {
		o.Log.Warn("limit of open files bounds the calls that can be held", "files", files, "calls", files/4, "error", err)
	}
	var budget *port.Budget
	if err == nil {
		budget = port.NewBudget(files)
	}
	clock := relay.Clock()
	mover, err := relay.New(relay.Options{Threads: o.Threads, Clock: clock, Log: o.Log})
	if err != nil {
		return nil, err
	}
	e := &Engine{census: relay.NewCensus(), o: o, mover: mover, clock: clock, mask: rand.Uint64() | 1, budget: budget}
	e.handshakes = secure.NewLimit(handshakeRate, handshakesAtOnce)
	e.pools.Store(&map[string]*pool{})
	e.watch = newWatch(clock, func(v any) { o.Log.Error("media watch panicked", "panic", v) })
	e.watch.start()
	e.pacer = newPacer(clock, func(v any) { o.Log.Error("media pacer panicked", "panic", v) })
	e.pacer.start()
	if o.Registerer != nil {
		if err := o.Registerer.Register(newCollector(e)); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	return e, nil
}

// Open begins the media of a call; it costs no port.
func (e *Engine) Open(o SessionOptions) *Session {
	e.sessions.Add(1)
	return &Session{e: e, o: o}
}

// Close stops the threads and closes every socket. Sessions still open must be closed by their owners all the same.
func (e *Engine) Close() error {
	e.watch.stop()
	e.pacer.stop()
	return e.mover.Close()
}

// wall turns a moment of the engine's clock into time of day, by what the time of day is now. Moment 0 is the zero time.
func (e *Engine) wall(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(at - e.clock())).Round(0)
}

// stream makes the stream of an end, which is counted while it is encrypted.
func (e *Engine) stream() *relay.Stream {
	s := relay.NewStream()
	s.Counted(e.census)
	return s
}
