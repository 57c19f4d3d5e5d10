package edge

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Options say to whom messages are handed. The functions are called in the goroutine that read the message, in the order of
// arrival for each peer, and must not block.
type Options struct {
	// Admit decides about each request that no transaction knows, before one exists. It also sees what could be read of
	// requests that are broken; only Silence makes a difference for those. Nil serves everyone.
	Admit func(m *msg.Message) msg.Decision
	// Handle gets each new request that is served.
	Handle func(tx msg.ServerTx, m *msg.Message)
	// Ack gets each ACK that does not belong to a failed INVITE: of a 2xx, or of nothing we know.
	Ack func(m *msg.Message)
	// Closed hears of each connection that is gone, by its number; nil hears nothing. It is called by whoever closed it, and must
	// not block.
	Closed func(h msg.Hop)
	// Guard decides about messages before they are read; nil lets everything pass.
	Guard Guard
	// Egress tells whether a request may go from an interface to an address that a caller supplied (msg.Target.Supplied), as
	// target or behind that name. Its error wraps msg.ErrForbidden. Nil lets it go anywhere.
	Egress func(iface string, to netip.AddrPort, target string) error
	// Emergency tells whether an INVITE is a call for help, which is served while others are refused for overload; nil knows none.
	// It may see no more of it than its Request-URI and where it came from, and must not keep it.
	Emergency func(m *msg.Message) bool
	// NoShedding begins whatever comes, however much waits: refusals for overload are left to MaxTransactions and the calls.
	NoShedding bool
	// Overload hears when requests begin to be refused for overload, and when that is over; nil hears nothing. It must not block.
	Overload func(begins bool)
	// TLS tells how a profile speaks TLS, now: it is asked with each handshake. Nil, or false, makes none.
	TLS func(profileID string) (TLS, bool)
	// Resolver finds addresses of names; nil is NewResolver with the machine's files.
	Resolver Resolver
	// MaxTransactions bounds the transactions kept, finished ones included (200,000). Beyond it new INVITEs get 503, other
	// requests silence.
	MaxTransactions int
	// Timers are those of server transactions, and of client transactions that bring none.
	Timers msg.Timers
	// ServerName is the Server header of the answers the edge gives by itself; "" leaves it out.
	ServerName string
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Listener is one SIP interface to be served.
type Listener struct {
	ID        string
	Transport sbc.Transport
	// Bind is the address listened on; port 0 takes any free one.
	Bind netip.AddrPort
	// AdvertisedHost and AdvertisedPort stand in Via and Contact; "" and 0 are those of Bind.
	AdvertisedHost string
	AdvertisedPort int
	// MaxMessage bounds one message in octets (65,535), MaxConns the accepted connections (4,096), MaxConnsPerSource those
	// of one IPv4 address or IPv6 /64 (50). Idle closes a connection on which nothing came for so long (10 min).
	MaxMessage, MaxConns, MaxConnsPerSource int
	Idle                                    time.Duration
	// STUN answers Binding requests (RFC 8489) that come in by UDP, on the interface's own port, and on STUNPort of its address
	// where that is not 0.
	STUN     bool
	STUNPort int
	// TLSProfileID says how TLS is spoken with those who connect (tls, wss), and with those we connect to unless msg.Target.TLSProfile
	// says otherwise.
	TLSProfileID string
	// Origins are the origins (RFC 6454) of the web pages that may open a WebSocket (ws, wss); "*" is any.
	Origins []string
}

// BindError tells which listener could not be bound.
type BindError struct {
	ID  string
	Err error
}

func (e *BindError) Error() string { return fmt.Sprintf("edge: interface %s: %v", e.ID, e.Err) }

// Unwrap gives the system's error.
func (e *BindError) Unwrap() error { return e.Err }

// Errors of the edge. Those that owners of transactions hear are in package msg.
var (
	ErrDone   = errors.New("edge: the transaction has its final response already")
	ErrCancel = fmt.Errorf("edge: cancelled before it was sent: %w", msg.ErrNoResponse)
)

// Edge owns the sockets and transactions of all SIP interfaces. Its methods may be called by several goroutines at once.
type Edge struct {
	o        Options
	log      *slog.Logger
	net      network
	metrics  *metrics
	txs      *table
	streams  *streams
	answers  *limiter // refusals of strangers
	refusal  *limiter // refusals of others
	shed     *limiter // refusals for overload
	overload overload
	bindings *limiter // answers to STUN
	greeted  *limiter // handshakes of TLS
	dead     *lapses  // addresses that did not answer: of those that a name has they are tried last
	mtu      *lapses  // peers that did not take TCP when a request was too large for UDP
	seed     maphash.Seed

	changing sync.Mutex // held from Prepare to Commit or Abort
	ifaces   atomic.Pointer[map[string]*iface]
	stuns    atomic.Pointer[map[netip.AddrPort]*stunSocket]
	closed   atomic.Bool
	// lastTimers are those of the last transaction that brought some.
	lastTimers atomic.Pointer[msg.Timers]
	blocking   atomic.Int64 // sockets that are read beside the network poller
	ctx        context.Context
	stop       context.CancelFunc
	starting   sync.Mutex // no goroutine is added to running once closed is set
	running    sync.WaitGroup
}

// New makes an edge without listeners; Prepare adds them.
func New(o Options) *Edge { return newEdge(o, system{}) }

func newEdge(o Options, n network) *Edge {
	e := &Edge{o: o, log: o.Log, net: n, seed: maphash.MakeSeed()}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.o.MaxTransactions <= 0 {
		e.o.MaxTransactions = 200_000
	}
	e.o.Timers = o.Timers.WithDefaults()
	e.defaults()
	e.metrics = newMetrics(o.Registerer, e)
	e.txs = newTable(e)
	e.streams = newStreams()
	e.answers = newLimiter(4, 10)
	e.refusal = newLimiter(500, 500)
	e.shed = newLimiter(shedding, shedding)
	e.overload.edge, e.overload.mark = e, []byte(";tag=o"+strconv.FormatUint(rand.Uint64(), 36)+".")
	e.bindings = newLimiter(20, 40)
	e.greeted = newLimiter(handshakeRate, handshakeBurst)
	e.mtu, e.dead = newLapses(10*time.Minute, 4096), newLapses(deadFor, 4096)
	e.ifaces.Store(&map[string]*iface{})
	e.stuns.Store(&map[netip.AddrPort]*stunSocket{})
	e.ctx, e.stop = context.WithCancel(context.Background())
	return e
}

// defaults puts something harmless where Options hold nil.
func (e *Edge) defaults() {
	if e.o.Admit == nil {
		e.o.Admit = func(*msg.Message) msg.Decision { return msg.Decision{Action: msg.Serve} }
	}
	if e.o.Handle == nil {
		e.o.Handle = func(tx msg.ServerTx, m *msg.Message) {
			if err := tx.Respond(msg.NewResponse(m, 501, "")); err != nil {
				e.log.Debug("edge: answering 501", "error", err)
			}
		}
	}
	if e.o.Ack == nil {
		e.o.Ack = func(*msg.Message) {}
	}
	if e.o.Emergency == nil {
		e.o.Emergency = func(*msg.Message) bool { return false }
	}
	if e.o.Guard == nil {
		e.o.Guard = nobody{}
	}
	if e.o.Resolver == nil {
		r, err := NewResolver(ResolverOptions{})
		if err != nil {
			e.log.Error("edge: no resolver, only addresses can be reached", "error", err)
			e.o.Resolver = literals{}
			return
		}
		e.o.Resolver = r
	}
}

// literals is the resolver of a machine that has none.
type literals struct{}

func (literals) Lookup(_ context.Context, host string, port int, transport sbc.Transport) ([]Address, error) {
	if a, ok := Literal(host, port, transport); ok {
		return []Address{a}, nil
	}
	return nil, fmt.Errorf("%q: %w", host, ErrNoAddress)
}

// iface gives a SIP interface that is served.
func (e *Edge) iface(id string) *iface { return (*e.ifaces.Load())[id] }

// Status tells how an interface is doing; false if there is none of that id.
func (e *Edge) Status(id string) (sbc.InterfaceStatus, bool) {
	i := e.iface(id)
	if i == nil {
		return sbc.InterfaceStatus{}, false
	}
	s := sbc.InterfaceStatus{
		State: "listening", Since: i.since, BoundAddress: i.sock.bound.String(), Connections: int(i.sock.open.Load()),
	}
	if down := i.sock.down.Load(); down != nil {
		s.State, s.Since, s.Reason = "down", down.since, down.reason
	}
	return s, true
}

// Bound gives the address an interface is bound to, which Listener.Bind with port 0 leaves open.
func (e *Edge) Bound(id string) (netip.AddrPort, bool) {
	if i := e.iface(id); i != nil {
		return i.sock.bound, true
	}
	return netip.AddrPort{}, false
}

// Transactions counts the transactions kept, finished ones that still absorb retransmissions included.
func (e *Edge) Transactions() int { return int(e.txs.count.Load()) }

// Close closes every socket, fails every transaction under way with msg.ErrClosed, and waits for the goroutines to end.
func (e *Edge) Close() error {
	e.changing.Lock()
	defer e.changing.Unlock()
	e.starting.Lock()
	was := e.closed.Swap(true)
	e.starting.Unlock()
	if was {
		return nil
	}
	e.stop()
	var errs []error
	for _, i := range *e.ifaces.Load() {
		errs = append(errs, i.sock.close())
	}
	e.ifaces.Store(&map[string]*iface{})
	for _, s := range *e.stuns.Load() {
		s.close()
	}
	e.stuns.Store(&map[netip.AddrPort]*stunSocket{})
	e.overload.close()
	e.streams.closeAll()
	e.txs.closeAll()
	e.running.Wait()
	return errors.Join(errs...)
}

// start runs f in a goroutine that Close waits for. A panic in it is logged and counted, and ends only itself.
func (e *Edge) start(what string, f func()) {
	e.starting.Lock()
	done := func() {}
	if !e.closed.Load() {
		e.running.Add(1)
		done = e.running.Done
	}
	e.starting.Unlock()
	go func() {
		defer done()
		defer e.recovered(what)
		f()
	}()
}

// recovered is deferred around everything that runs code of others or reads bytes of strangers.
func (e *Edge) recovered(what string) {
	if r := recover(); r != nil {
		e.metrics.panics.Inc()
		e.log.Error("edge: panic", "in", what, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
	}
}
