package secure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// handshakeTime is how long one attempt may take: six flights, each said again after 1, 2 and 4 s.
	handshakeTime = 15 * time.Second
	// attempts is how often a handshake may fail before it is given up.
	attempts = 5
	// again is when a side that begins tries once more.
	again = 500 * time.Millisecond
	// linger is how long after a handshake its last flight is said again to a peer that did not hear it.
	linger = 30 * time.Second
	// mostDatagrams is how many are taken of one handshake, retransmissions included.
	mostDatagrams = 200
	// hold is for how long a handshake that came from a likely source keeps others out that are as likely.
	hold = 3 * time.Second
)

// ErrHandshake says that no handshake came to an end in so many attempts; it wraps why the last did not.
var ErrHandshake = errors.New("secure: handshake failed")

// AssociationOptions say with whom and how keys are agreed on.
type AssociationOptions struct {
	Identity *Identity
	// Active begins the handshake (a=setup:active); otherwise the peer does.
	Active bool
	// Peer are the fingerprints that signalling told; the certificate must have one of them.
	Peer []Fingerprint
	// Suites are taken, the first preferred; those with 80-bit tags for AES-256-CM have no profile in DTLS (RFC 5764 4.1.2, RFC 7714
	// 14.2) and are left out.
	Suites []Suite
	// Send sends a datagram; to is the source of the handshake, invalid if none was heard from yet. It must not block.
	Send  func(b []byte, to netip.AddrPort)
	Limit *Limit
	Log   *slog.Logger
	// Ready gets the contexts of a handshake that proved to be with the peer, and the source it came from; Failed is called
	// instead if there will be none. Each at most once, from a goroutine of the association, without locks.
	Ready  func(seal, open *Context, source netip.AddrPort)
	Failed func(err error)
}

// Association agrees on keys with one peer for one m-line by DTLS (RFC 5763, RFC 5764). Safe for concurrent use.
//
// Whoever feeds it judges sources: only what may be the peer comes here, and what is certainly the peer (the pair that ICE
// validated, the exact address of the SDP) goes before what is likely (another port of the same host). A handshake that fails
// ends nothing, unless it was certainly the peer that showed another certificate.
type Association struct {
	o AssociationOptions

	mu       sync.Mutex
	now      *attempt
	failures int
	over     bool
	timer    *time.Timer
}

// attempt is one handshake.
type attempt struct {
	a        *Association
	feed     *feed
	cancel   context.CancelFunc
	source   netip.AddrPort
	sure     bool
	begun    time.Time
	left     int
	done     bool // keys are there
	replaced bool
}

// NewAssociation makes one; it does nothing before Start or Take.
func NewAssociation(o AssociationOptions) *Association {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Association{o: o}
}

// Start begins the handshake where we are to.
func (a *Association) Start() {
	if !a.o.Active {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over || a.now != nil {
		return
	}
	if !a.begin(netip.AddrPort{}, false) {
		a.later()
	}
}

// later tries to begin again in a moment. The lock is held.
func (a *Association) later() {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = time.AfterFunc(again, a.Start)
}

// Looks reports whether a datagram is DTLS by its first octet (RFC 7983 7).
func Looks(b []byte) bool { return len(b) > 0 && b[0] >= 20 && b[0] <= 63 }

// Take handles a datagram that Looks like DTLS, from a source that may be the peer; sure says that it is. It copies b.
func (a *Association) Take(b []byte, source netip.AddrPort, sure bool) {
	if len(b) < recordHeader || len(b) > mostRecord {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return
	}
	t := a.now
	if t == nil || source != t.source && t.yields(sure, hello(b)) {
		if a.o.Active && t == nil || !a.o.Active && !hello(b) {
			return
		}
		if !a.o.Active {
			if t != nil {
				t.stop(true)
			}
			if a.now = nil; !a.begin(source, sure) {
				return
			}
		} else {
			t.source, t.sure = source, sure
		}
		t = a.now
	}
	if source != t.source && (!sure || !t.sure) || t.left == 0 {
		return
	}
	t.source = source // the same peer by another pair
	t.left--
	t.feed.put(b)
}

// yields says whether another source takes the place of that of an attempt: where we began, whoever answers first, and for both a
// source that is certain that of one which is not, or one that begins where another one did not get far.
func (t *attempt) yields(sure, hello bool) bool {
	switch {
	case t.done || t.sure:
		return false
	case !t.source.IsValid():
		return true
	case sure:
		return hello || t.a.o.Active
	default:
		return hello && time.Since(t.begun) > hold
	}
}

const (
	recordHeader = 13   // RFC 6347 4.1
	mostRecord   = 2048 // a datagram of handshakes
)

// hello reports whether a datagram begins with a ClientHello in the clear (RFC 6347 4.1, 4.2.2).
func hello(b []byte) bool {
	return len(b) > recordHeader && b[0] == 22 && b[3] == 0 && b[4] == 0 && b[recordHeader] == 1
}

// begin makes an attempt; false if there are too many in the process. The lock is held.
func (a *Association) begin(source netip.AddrPort, sure bool) bool {
	if !a.o.Limit.begin() {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	t := &attempt{a: a, cancel: cancel, source: source, sure: sure, begun: time.Now(), left: mostDatagrams}
	t.feed = newFeed(t.send)
	a.now = t
	go t.run(ctx)
	return true
}

// send sends to where the peer of the attempt is.
func (t *attempt) send(b []byte) {
	t.a.mu.Lock()
	to, current := t.source, t.a.now == t && !t.a.over
	t.a.mu.Unlock()
	if current {
		t.a.o.Send(b, to)
	}
}

// stop ends an attempt without a word. The lock is held.
func (t *attempt) stop(replaced bool) {
	t.replaced = t.replaced || replaced
	t.feed.mute()
	t.cancel()
}

// run is the goroutine of an attempt.
func (t *attempt) run(ctx context.Context) {
	a := t.a
	defer t.cancel()
	var seal, open *Context
	conn, err := t.handshake(ctx)
	if err == nil {
		seal, open, err = a.keys(conn)
	}
	a.o.Limit.end()
	if source, ready := t.finish(err); ready {
		a.o.Ready(seal, open, source)
		t.wait()
	}
	t.feed.mute()
	if conn != nil {
		_ = conn.Close() // nobody is told
	}
	_ = t.feed.Close()
}

// wait keeps a finished handshake until it is of no use any more.
func (t *attempt) wait() {
	timer := time.NewTimer(linger)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.feed.done:
	}
}

// handshake calls pion, whose faults must not be ours.
func (t *attempt) handshake(ctx context.Context) (conn handshaker, err error) {
	defer func() {
		if v := recover(); v != nil {
			t.a.o.Log.Error("DTLS handshake panicked", "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: panic", ErrHandshake)
		}
	}()
	c, err := t.a.conn(t.feed)
	if err != nil {
		return nil, err
	}
	return c, c.HandshakeContext(ctx)
}

// finish notes how an attempt ended, and tells who must know; true if there are keys.
func (t *attempt) finish(err error) (source netip.AddrPort, ready bool) {
	a := t.a
	a.mu.Lock()
	if a.now != t || a.over || t.replaced {
		a.mu.Unlock()
		return source, false
	}
	source = t.source
	if err == nil {
		t.done, t.left = true, mostDatagrams
		a.mu.Unlock()
		return source, true
	}
	a.now = nil
	a.failures++
	final := a.failures >= attempts || t.sure && errors.Is(err, ErrFingerprint)
	a.over = final
	if !final && a.o.Active {
		a.later()
	}
	a.mu.Unlock()
	a.o.Log.Debug("DTLS handshake failed", "peer", source, "error", err, "final", final)
	if final {
		if !errors.Is(err, ErrFingerprint) {
			err = fmt.Errorf("%w: %w", ErrHandshake, err)
		}
		a.o.Failed(err)
	}
	return source, false
}

// Close ends it with all its goroutines; nobody is told anything any more.
func (a *Association) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	if a.timer != nil {
		a.timer.Stop()
	}
	if a.now != nil {
		a.now.stop(false)
		_ = a.now.feed.Close()
	}
}
