package call

import (
	"cmp"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// Wire sends; edge.Edge is one. Its callbacks come from the wire's goroutines, in order, and only append to a queue.
type Wire interface {
	// Send starts a client transaction. It does not block; failures come by Owner.Failed.
	Send(o msg.Outbound) msg.ClientTx
	// SendACK sends the ACK of a 2xx, which is no transaction (RFC 3261 13.2.2.4).
	SendACK(ack *msg.Message, t msg.Target, prepare func(*msg.Message, msg.Local), sent func([]byte, msg.Hop))
}

// Ledger keeps call detail records; account.Journal is one. Both methods return when the record is safe.
type Ledger interface {
	// Answered keeps the record of a call as it is when it is answered, in case the node dies before End.
	Answered(c *sbc.CDR) error
	// End keeps the record of a call that is over. It is called once for each call.
	End(c *sbc.CDR) error
}

// Engine moves media; Media makes one of a media.Engine.
type Engine interface {
	Open(o media.SessionOptions) Session
}

// Session is the media of one call; the methods are those of media.Session, called from the call's queue only.
type Session interface {
	Party(o media.PartyOptions) *media.Party
	// Signalling tells where a party's signalling really comes from.
	Signalling(p *media.Party, source netip.Addr)
	Offer(from, to *media.Party, offer []byte) (Exchange, error)
	// Reoffer, Renew and Take are for changes of our own and for calls that are joined.
	Reoffer(from, to *media.Party) (Exchange, error)
	Renew(to *media.Party, d media.Direction) (Exchange, error)
	// Move is Renew with other ports of ours.
	Move(to *media.Party) (Exchange, error)
	Take(p *media.Party, from Session) error
	// SetDirect says whether media of two parties go without us, Switch changes it between them later.
	SetDirect(p, q *media.Party, direct bool)
	Direct(p, q *media.Party) bool
	Switch(from, to *media.Party, direct bool, d media.Direction) (Exchange, error)
	// Held tells whether a party was told not to send on any line.
	Held(p *media.Party) bool
	// Play, StopPlaying and SendDTMF speak to a party, as it Speaks; Attend answers its offer when nobody else does.
	Play(to *media.Party, a *media.Audio, repeat int, done func()) error
	StopPlaying(p *media.Party)
	SendDTMF(to *media.Party, digits string, each, gap time.Duration, done func()) error
	Speaks(p *media.Party) (sound, events bool)
	Attend(p *media.Party, offer []byte) (answer []byte, err error)
	// ListenDTMF says who hears the digits of all parties, from the thread that moves packets; SentDigits tells whether a party
	// has sent any.
	ListenDTMF(to func(from *media.Party, digit byte, d time.Duration))
	SentDigits(p *media.Party) bool
	// Record keeps what a party says from now on, no longer than longest.
	Record(p *media.Party, longest time.Duration) (Recording, error)
	Drop(p *media.Party)
	// Keep and KeepParty give what must survive the process, RestoreParty and Rejoin make a session of a later one go on with it.
	Keep() media.SessionState
	KeepParty(p *media.Party) *media.PartyState
	RestoreParty(o media.PartyOptions, st *media.PartyState) (*media.Party, error)
	Rejoin(a, b *media.Party, wasA, wasB *media.PartyState) (joined bool, err error)
	Answered()
	Stats() []media.StreamStats
	LastMedia() time.Time
	Close() []media.StreamStats
}

// Exchange is one round of offer and answer; the methods are those of media.Exchange.
type Exchange interface {
	Offer() []byte
	Changed() bool
	Moved() bool
	Answer(answer []byte) ([]byte, error)
	Reject()
}

// Media makes an Engine of a media.Engine.
func Media(e *media.Engine) Engine { return mediaEngine{e} }

type mediaEngine struct{ *media.Engine }

func (e mediaEngine) Open(o media.SessionOptions) Session { return mediaSession{e.Engine.Open(o)} }

type mediaSession struct{ *media.Session }

func (s mediaSession) Signalling(p *media.Party, source netip.Addr) { p.SetSignalling(source) }

func (s mediaSession) Offer(from, to *media.Party, offer []byte) (Exchange, error) {
	return exchanged(s.Session.Offer(from, to, offer))
}

func (s mediaSession) Reoffer(from, to *media.Party) (Exchange, error) {
	return exchanged(s.Session.Reoffer(from, to))
}

func (s mediaSession) Renew(to *media.Party, d media.Direction) (Exchange, error) {
	return exchanged(s.Session.Renew(to, d))
}

func (s mediaSession) Record(p *media.Party, longest time.Duration) (Recording, error) {
	r, err := s.Session.Record(p, longest)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (s mediaSession) Move(to *media.Party) (Exchange, error) {
	return exchanged(s.Session.Move(to))
}

func (s mediaSession) Switch(from, to *media.Party, direct bool, d media.Direction) (Exchange, error) {
	return exchanged(s.Session.Switch(from, to, direct, d))
}

func (s mediaSession) Take(p *media.Party, from Session) error {
	other, ok := from.(mediaSession)
	if !ok {
		return media.ErrClosed
	}
	return s.Session.Take(p, other.Session)
}

// exchanged makes no typed nil of an error.
func exchanged(x *media.Exchange, err error) (Exchange, error) {
	if err != nil {
		return nil, err
	}
	return x, nil
}

// Options are what a Manager needs. Snapshot, Wire, Engine, Ledger and Tally must be set.
type Options struct {
	// Snapshot gives the configuration in service; a call takes it once.
	Snapshot func() *config.Snapshot
	Wire     Wire
	Engine   Engine
	Ledger   Ledger
	Tally    *admit.Tally
	// Blob gives the content of a blob that the configuration names, from this node's disk or memory: it is asked on the call's
	// queue and must not wait for a network. false says that it is not there yet. nil: there are none.
	Blob func(b sbc.Blob) (io.ReaderAt, bool)
	// Mailboxes keeps messages; nil: there are no mailboxes.
	Mailboxes Mailboxes
	// Directory and Location find subscribers and their phones; nil where there are none.
	Directory Directory
	Location  Location
	// Charge finds what a call to a number costs by a deck at a moment, before anything of it is billed; nil where no rate holds. The deck
	// may be nil. A nil Charge charges nothing.
	Charge func(d *sbc.RateDeck, number string, at time.Time) *sbc.Charge
	// Consult asks other systems for rules that want it; nil: they do not answer.
	Consult Consultant
	// Reach tells what is alive on the way out; nil: all is well.
	Reach route.Live
	// Attempted hears what became of an attempt on an endpoint that began at some time: code is that of its final answer, 0 where it gave
	// none at all. It must not block. nil: nobody.
	Attempted func(endpointID string, began time.Time, code int)
	// Inbound finds the trunk of a request for a contact that we have registered at a carrier, and the number that is called; nil: we
	// have registered none.
	Inbound func(req *msg.Message) (trunkID, registrantID, called string, ok bool)
	// Route gives the proxies on the way to a trunk that its registrar has named (RFC 3608), and where they begin; nil knows of none.
	Route func(trunkID string) (routes []msg.NameAddr, next msg.Target, ok bool)
	// Features switches what subscribers dial codes for; nil: codes are numbers like others.
	Features Features
	// Node names this node in records.
	Node string
	// ServerName is what User-Agent and Server say; "" is sbc.ServerName.
	ServerName string
	Log        *slog.Logger
	// Events hears what happens to calls, as the types of sbc.Event say; it must not block. nil: nobody.
	Events func(sbc.Event)
	// Wants tells whether somebody wants to hear events of a type that are too many to be raised for nobody. nil: nobody does.
	Wants func(sbc.EventType) bool
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
	// Live keeps the calls in progress for a later process, see Keep and Restore; nil keeps none.
	Live LiveJournal
	// WriteThrough has a call written as soon as it changes, and not with the next snapshot. KeepEvery is how often that is taken, and
	// what was written forced to the disk; 0 is 1 s.
	WriteThrough bool
	KeepEvery    time.Duration
	// MaxCalls bounds the calls in progress on this node; new ones beyond get 503. 0 is 100,000.
	MaxCalls int
	// TraceBytes bounds what is kept of the ladders of ended calls; 0 is 32 MiB, negative keeps none.
	TraceBytes int
}

const (
	defaultMaxCalls   = 100_000
	defaultTraceBytes = 32 << 20
)

func (o Options) withDefaults() Options {
	o.ServerName, o.Log = cmp.Or(o.ServerName, sbc.ServerName), cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	o.MaxCalls, o.TraceBytes = cmp.Or(o.MaxCalls, defaultMaxCalls), cmp.Or(o.TraceBytes, defaultTraceBytes)
	return o
}
