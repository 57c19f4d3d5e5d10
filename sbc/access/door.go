package access

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Directory finds subscribers without ever keeping the caller waiting; directory.Cache is one.
type Directory interface {
	// Ask finds who has a name in a domain, as username or as alias, and AskID who has an id. Done is called once: at once where
	// it is known, else later from another goroutine. Errors: CodeNotFound, CodeUnavailable.
	Ask(domainID, name string, done func(*sbc.Entry, error))
	AskID(id string, done func(*sbc.Entry, error))
}

// Guard is told what comes of answers to challenges; guard.Guard is one.
type Guard interface {
	// Authenticated hears of a right password.
	Authenticated(h msg.Hop, subscriberID string)
	// Failed hears of a wrong one; ourNonce is false for one that proves nothing about its source.
	Failed(h msg.Hop, domainID, username string, ourNonce bool)
	// Forgiven takes back the newest n wrong ones for an account from a source, because they were none: the account has no hash of the
	// algorithms that were answered first.
	Forgiven(h msg.Hop, domainID, username string, n int)
	// Barred tells whether an account cannot be used from a source for now.
	Barred(h msg.Hop, domainID, username string) bool
	// Allowed takes one request from the budget of an account, and tells whether there was one left.
	Allowed(h msg.Hop, subscriberID string, method msg.Method) bool
}

// unguarded is the Guard of a door that has none.
type unguarded struct{}

func (unguarded) Authenticated(msg.Hop, string)            {}
func (unguarded) Failed(msg.Hop, string, string, bool)     {}
func (unguarded) Forgiven(msg.Hop, string, string, int)    {}
func (unguarded) Barred(msg.Hop, string, string) bool      { return false }
func (unguarded) Allowed(msg.Hop, string, msg.Method) bool { return true }

// Options are what a Door needs. Snapshot, Directory, Nonces and Capabilities must be set.
type Options struct {
	// Snapshot gives the configuration in service.
	Snapshot  func() *config.Snapshot
	Directory Directory
	// Guard hears of right and wrong passwords; nil is nobody, and nobody is barred.
	Guard  Guard
	Nonces *digest.Nonces
	// Registered tells whether a subscriber of a domain whose accounts are an upstream registrar's has registered by the very way that a
	// request came by; nil says no.
	Registered func(subscriberID string, h msg.Hop) bool
	// Inbound tells whether a request is for a contact that we have registered at a carrier; nil says no.
	Inbound func(req *msg.Message) bool
	// Asks makes the requests of domains that have calls authorised by others; nil makes none, and the policy of a failure holds.
	Asks Poster
	// Capabilities is what OPTIONS is answered with.
	Capabilities func(req *msg.Message) msg.Decision
	// ServerName is what Server says; "" is "Sallyport".
	ServerName string
	Log        *slog.Logger
	// Events hears of wrong passwords and foreign identities; it must not block. nil: nobody.
	Events func(sbc.Event)
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
}

// Door decides who comes in. It is safe for concurrent use.
type Door struct {
	o       Options
	metrics *metrics
	// refusing counts the refusals that wait for their time, asking the calls that wait for an authorisation.
	refusing, asking atomic.Int64
}

// New makes a Door.
func New(o Options) *Door {
	if o.ServerName == "" {
		o.ServerName = "Sallyport"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Guard == nil {
		o.Guard = unguarded{}
	}
	if o.Events == nil {
		o.Events = func(sbc.Event) {}
	}
	return &Door{o: o, metrics: newMetrics(o.Registerer)}
}

// How a subscriber was recognised.
const (
	ByDigest  = "digest"
	ByAddress = "address"
	// ByRegistration: its upstream registrar knows it, and the request came by the way it registered by.
	ByRegistration = "registration"
	// ByUpstream is for a REGISTER that its upstream registrar has to judge: nobody is recognised yet.
	ByUpstream = "upstream"
)

// Caller is whose a request is.
type Caller struct {
	// Domain and Entry are the subscriber's; nil for a trunk's request, and for a stranger's where no domain is concerned.
	Domain *sbc.Domain
	Entry  *sbc.Entry
	// How is ByDigest, ByAddress, ByRegistration or ByUpstream, "" where Entry is nil.
	How string
	// Identity is who calls, for others to see.
	Identity Identity
	// Permit is what was said about a call by whom the domain asks.
	Permit Permit
}

// Guards tells whether a request came in where the door stands: in a realm with domains, outside of dialogs.
func (d *Door) Guards(req *msg.Message) bool {
	if req.To.Tag() != "" {
		return false
	}
	snap := d.o.Snapshot()
	i := snap.Interface(req.Hop.Interface)
	return i != nil && len(snap.DomainsOf(i.RealmID)) > 0
}

// Admit decides on a request before a transaction exists for it. ok is false for those that are not the door's: of trunks,
// within dialogs, and of realms without domains.
func (d *Door) Admit(req *msg.Message) (decision msg.Decision, ok bool) {
	if !d.Guards(req) {
		return decision, false
	}
	v := d.visit(req)
	if v.trunk {
		return decision, false
	}
	return v.admit(), true
}

// Gone mends the decision about a request within a dialog that is not served: where subscribers are, who holds on to a dialog
// that is gone is told so (RFC 3261 12.2.2), as one who never had it.
func (d *Door) Gone(req *msg.Message, decision msg.Decision) msg.Decision {
	if decision.Action == msg.Serve || req.Method == msg.ACK || req.To.Tag() == "" {
		return decision
	}
	snap := d.o.Snapshot()
	if i := snap.Interface(req.Hop.Interface); i == nil || len(snap.DomainsOf(i.RealmID)) == 0 {
		return decision
	}
	return msg.Decision{Action: msg.Refuse, Status: 481}
}

// Identify finds out whose a request is that Admit let in. It answers the request itself, or goes on with then: at once, or
// later from another goroutine. It does not block.
func (d *Door) Identify(tx msg.ServerTx, req *msg.Message, then func(Caller)) {
	look := d.visit(req)
	if look.trunk {
		then(Caller{})
		return
	}
	v := new(visit) // it may have to wait
	*v = look
	v.tx, v.then = tx, then
	switch {
	case v.subscriberID != "":
		d.o.Directory.AskID(v.subscriberID, v.guarded(v.known))
	default:
		v.authenticate()
	}
}

// visit is one request at the door.
type visit struct {
	d     *Door
	tx    msg.ServerTx
	req   *msg.Message
	snap  *config.Snapshot
	realm string
	then  func(Caller)
	began time.Time
	// trunk says that an identity of a trunk claims the request; subscriberID is whom an access rule takes its source for.
	trunk        bool
	subscriberID string
	domain       *sbc.Domain
	answer       answer
}

// visit looks at where a request came from.
func (d *Door) visit(req *msg.Message) visit {
	v := visit{d: d, req: req, snap: d.o.Snapshot(), began: time.Now()}
	if i := v.snap.Interface(req.Hop.Interface); i != nil {
		v.realm = i.RealmID
	}
	src := identify.From(req.Hop)
	c, known := v.snap.Identify.Identify(src, req.RequestURI.Number())
	if !known && req.Method != msg.INVITE {
		c, known = v.snap.Identify.Known(src)
	}
	v.trunk, v.subscriberID = known && c.SubscriberID == "", c.SubscriberID
	if !v.trunk && d.o.Inbound != nil && d.o.Inbound(req) {
		v.trunk, v.subscriberID = true, ""
	}
	return v
}

// methods are those that the door lets in.
const methods = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, REFER, NOTIFY, INFO, MESSAGE, REGISTER, SUBSCRIBE, PUBLISH"

// admit decides on a request that is no trunk's.
func (v *visit) admit() msg.Decision {
	switch v.req.Method {
	case msg.ACK:
		return msg.Decision{Action: msg.Silence}
	case msg.CANCEL: // nothing was found that it could cancel (RFC 3261 9.2)
		return refuse(481)
	case msg.OPTIONS, msg.REGISTER, msg.INVITE, msg.MESSAGE, msg.SUBSCRIBE, msg.PUBLISH:
	default:
		return refuse(405, msg.Header{Name: "Allow", Value: methods})
	}
	if !v.findDomain() {
		v.d.metrics.refused.WithLabelValues("foreign").Inc()
		return refuse(403)
	}
	switch {
	case !v.routedToUs():
		v.d.metrics.refused.WithLabelValues("route").Inc()
		return refuse(403)
	case v.req.Method == msg.OPTIONS: // RFC 3261 11.2; the same whoever is asked for
		return v.d.o.Capabilities(v.req)
	case v.subscriberID != "":
		return msg.Decision{Action: msg.Serve}
	case v.domain.Upstream():
		return v.admitGuest()
	}
	switch v.readAnswer() {
	case answerBroken:
		return refuse(400)
	case answerNone:
		return v.challenge(false, nil)
	case answerForeign:
		v.d.o.Guard.Failed(v.req.Hop, v.domain.ID, v.answer.user, false)
		return v.challenge(true, nil)
	case answerStale:
		return v.challenge(true, nil)
	}
	return msg.Decision{Action: msg.Serve}
}

func refuse(code int, headers ...msg.Header) msg.Decision {
	return msg.Decision{Action: msg.Refuse, Status: code, Headers: headers}
}

// respond gives a decision as the answer of a transaction.
func (v *visit) respond(d msg.Decision) {
	res := msg.NewResponse(v.req, d.Status, d.Reason)
	for _, h := range d.Headers {
		res.Append(h.Name, h.Value)
	}
	res.Append("Server", v.d.o.ServerName)
	if err := v.tx.Respond(res); err != nil { // the transport is gone, and the peer with it
		v.d.o.Log.Debug("response not sent", "status", res.Status, "error", err)
	}
}

// guarded makes a function that may be called by other goroutines answer 500 where it fails.
func (v *visit) guarded(f func(*sbc.Entry, error)) func(*sbc.Entry, error) {
	return func(e *sbc.Entry, err error) {
		defer v.recovered()
		f(e, err)
	}
}

// recovered answers 500 for a panic.
func (v *visit) recovered() {
	r := recover()
	if r == nil {
		return
	}
	v.d.metrics.panics.Inc()
	v.d.o.Log.Error("panic at the door", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
	v.respond(refuse(500))
}
