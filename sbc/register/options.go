package register

import (
	"cmp"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Wire is what the registrar needs of the edge.
type Wire interface {
	Send(o msg.Outbound) msg.ClientTx
	// KeepAlive sends what keeps a NAT binding open: CRLF twice on a stream (RFC 5626 4.4.1), four octets on UDP. Nobody answers
	// to it but a stream's peer. msg.ErrClosed says that the connection or the interface is gone.
	KeepAlive(h msg.Hop) error
	// Connected tells whether the connection a message came by is still open; UDP always is.
	Connected(h msg.Hop) bool
	// Hold keeps a connection from being closed for silence for so long.
	Hold(h msg.Hop, d time.Duration)
}

// Journal keeps bindings for the next start.
type Journal interface {
	// Write keeps changes; they survive the process when it returns.
	Write(changes []sbc.LiveChange) error
	// Sync forces what was written to the disk.
	Sync() error
}

// Guard is told what upstream registrars say of passwords; guard.Guard is one.
type Guard interface {
	// Authenticated hears of a right password.
	Authenticated(h msg.Hop, subscriberID string)
	// Failed hears of a wrong one; proven is false where its source may be forged.
	Failed(h msg.Hop, domainID, username string, proven bool)
}

// unguarded is the Guard of a registrar that has none.
type unguarded struct{}

func (unguarded) Authenticated(msg.Hop, string)        {}
func (unguarded) Failed(msg.Hop, string, string, bool) {}

// Options of New. Snapshot, Domain and Wire are needed.
type Options struct {
	// Snapshot gives the configuration of the day; Domain one of its domains that is in service, or nil.
	Snapshot func() *config.Snapshot
	Domain   func(id string) *sbc.Domain
	// Hosts tells whether a host in an address names a domain for requests that come by an interface.
	Hosts func(d *sbc.Domain, interfaceID, host string) bool
	Wire  Wire
	// Guard hears of right and wrong passwords at upstream registrars; nil is nobody.
	Guard Guard
	// Asks makes the requests that wake phones; nil wakes none.
	Asks Poster
	// Journal may be nil: then nothing survives the process. Restored is what it held.
	Journal  Journal
	Restored []sbc.LiveChange
	// Secret makes GRUUs that nobody can guess; it is the same on all nodes and after every start.
	Secret []byte
	// MaxBindings bounds the contacts of all subscribers together; 0 is 4,000,000.
	MaxBindings int
	// ServerName is what Server and User-Agent say; "" is "Sallyport".
	ServerName string
	// Events hears what happens to registrations; it must not block. Nil hears nothing.
	Events func(sbc.Event)
	// Arrived hears of a subscriber's contacts that are new, when that was answered; it must not block. Nil hears nothing.
	Arrived    func(s *sbc.Subscriber, registrationIDs []string)
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

func (o *Options) defaults() {
	o.MaxBindings = cmp.Or(o.MaxBindings, 4_000_000)
	o.ServerName = cmp.Or(o.ServerName, "Sallyport")
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Guard == nil {
		o.Guard = unguarded{}
	}
	if o.Events == nil {
		o.Events = func(sbc.Event) {}
	}
}

// Registrar keeps the contacts of all subscribers. It is safe for concurrent use.
type Registrar struct {
	o       Options
	metrics *metrics
	table   *table
	flows   *flows
	pages   *pages
	gruus   gruus
	wakers  wakers
	up      upstreams
	denied  atomic.Pointer[denied]
	// began is when the clock of the table stood at 0, a second ago: 0 means never.
	began time.Time
	// kick tells Run that something is due before it meant to look again.
	kick chan struct{}
	// wakes is what Run sleeps until, in nanoseconds of the table's clock.
	wakes atomic.Int64
	// over is set when Run has ended.
	over atomic.Bool
	// seen is the configuration that Run saw last, with its policies by domain; both are Run's.
	seen     *config.Snapshot
	policies map[string]sbc.KeepAlivePolicy
}

// New makes a registrar with the contacts that the journal held. Run begins keep-alives and expiry.
func New(o Options) *Registrar {
	o.defaults()
	r := &Registrar{
		o: o, table: newTable(), flows: newFlows(), gruus: newGRUUs(o.Secret), began: time.Now().Add(-time.Second),
		kick: make(chan struct{}, 1),
	}
	r.up.open()
	r.wakers.by = map[string][]*waker{}
	r.metrics = newMetrics(o.Registerer, r)
	r.pages = newPages(r)
	r.restore(o.Restored)
	r.o.Restored = nil
	return r
}

// now is the time of the table: how long there has been a registrar.
func (r *Registrar) now() time.Duration { return time.Since(r.began) }

// at turns a time of the table into one of the day.
func (r *Registrar) at(d time.Duration) time.Time { return time.Now().Add(d - r.now()).Round(0) }
