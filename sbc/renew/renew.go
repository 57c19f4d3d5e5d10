// Package renew keeps certificates alive: those of our own authorities and those got by ACME are renewed before they end, and of all of them
// it is told when little time is left. What is renewed is written like any other change of the configuration, so that it is in use with
// the next handshake.
//
// What went wrong, and what was told, is kept in the state that nodes share: a restart begins no storm of orders, and tells nothing twice.
package renew

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/certs"
)

const (
	// firstWait follows the first failure; it doubles with each, to longestWait. An ACME server allows few failures in an hour.
	firstWait, longestWait = time.Minute, 6 * time.Hour
	// atOnce bounds the orders under way.
	atOnce = 4
	// lease is how long a node has to renew a certificate before another may try.
	lease = 5 * time.Minute
)

// Rows are the certificates and authorities in service. They are shared and must not be changed.
type Rows struct {
	Certificates []*sbc.Certificate
	Authorities  []*sbc.CertificateAuthority
}

// Options are what a Keeper needs.
type Options struct {
	Rows  func() Rows
	State sbc.SharedState
	// Update makes a change of the configuration (config.Manager.Update without a dry run).
	Update func(ctx context.Context, change func(tx sbc.Tx) error) error
	// Obtain orders a certificate by ACME; chain and key are PEM.
	Obtain func(ctx context.Context, c *sbc.Certificate) (chain, key string, err error)
	Events func(sbc.Event)
	// Node tells nodes apart.
	Node string
	// Every is how often all certificates are looked at; 0 is a minute.
	Every time.Duration
	Log   *slog.Logger
}

// failure is what went wrong with the last try, and when the next is.
type failure struct {
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	Next   time.Time `json:"next"`
	Tries  int       `json:"tries"`
	// Revision is that of the certificate then: one that was changed since is tried at once.
	Revision int64 `json:"revision"`
}

// Keeper renews. Its methods may be called from anywhere.
type Keeper struct {
	o    Options
	wake chan struct{}
	jobs sync.WaitGroup
	room chan struct{}

	mu       sync.Mutex
	busy     map[string]bool
	failures map[string]failure
	told     map[string]string
}

// New makes a Keeper; nothing happens before Run.
func New(o Options) *Keeper {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Keeper{
		o: o, wake: make(chan struct{}, 1), room: make(chan struct{}, atOnce), busy: map[string]bool{}, failures: map[string]failure{},
		told: map[string]string{},
	}
}

// Wake has all certificates looked at now: something was written.
func (k *Keeper) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run looks at all certificates again and again until the context ends, and waits for what is under way then.
func (k *Keeper) Run(ctx context.Context) {
	ticker := time.NewTicker(cmp.Or(k.o.Every, time.Minute))
	defer ticker.Stop()
	defer k.jobs.Wait()
	for {
		k.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-k.wake:
		}
	}
}

// look renews what is due and tells what has little time left.
func (k *Keeper) look(ctx context.Context) {
	rows, now := k.o.Rows(), time.Now()
	there := make(map[string]bool, len(rows.Certificates)+len(rows.Authorities))
	for _, c := range rows.Certificates {
		there[c.ID] = true
		at, renewed := k.due(ctx, c, now)
		due := renewed && !now.Before(at)
		if due {
			k.start(ctx, c)
		}
		if !due || k.lastFailed(c.ID) { // else the alarm would come just before the good news
			k.tell(ctx, c, c.CertificatePEM, now)
		}
	}
	for _, a := range rows.Authorities {
		there[a.ID] = true
		k.tell(ctx, a, a.CertificatePEM, now)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range k.failures {
		if !there[id] {
			delete(k.failures, id)
		}
	}
	for id := range k.told {
		if !there[id] {
			delete(k.told, id)
		}
	}
}

// due is when a certificate is to be renewed, failures considered.
func (k *Keeper) due(ctx context.Context, c *sbc.Certificate, now time.Time) (time.Time, bool) {
	at, ok := certs.RenewalAt(c)
	if !ok {
		return at, false
	}
	if len(certs.Missing(c)) > 0 {
		at = time.Time{}
	}
	if now.Before(at) {
		return at, true
	}
	if f, failed := k.failed(ctx, c); failed && f.Next.After(at) {
		at = f.Next
	}
	return at, true
}

// failed is the last failure of a certificate as it is now; what other nodes kept is read.
func (k *Keeper) failed(ctx context.Context, c *sbc.Certificate) (failure, bool) {
	var f failure
	raw, err := k.o.State.State(ctx, failurePlace(c.ID))
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err != nil: // the store is away: what this node knows has to do
		f = k.failures[c.ID]
	case raw != nil && json.Unmarshal(raw, &f) == nil:
		k.failures[c.ID] = f
	default:
		delete(k.failures, c.ID)
	}
	return f, f.Tries > 0 && f.Revision == c.Revision
}

// lastFailed tells whether the last try to renew a certificate failed.
func (k *Keeper) lastFailed(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failures[id].Tries > 0
}

func failurePlace(id string) string { return "certificate/failure/" + id }

// start renews a certificate, beside others, unless it is under way.
func (k *Keeper) start(ctx context.Context, c *sbc.Certificate) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy[c.ID] || ctx.Err() != nil {
		return
	}
	select {
	case k.room <- struct{}{}:
	default:
		return // with the next look
	}
	k.busy[c.ID] = true
	k.jobs.Go(func() {
		defer func() {
			k.mu.Lock()
			delete(k.busy, c.ID)
			k.mu.Unlock()
			<-k.room
		}()
		k.settle(ctx, c, k.renew(ctx, c))
	})
}

// errOthers says that another node does it, or that it was done or changed meanwhile.
var errOthers = errors.New("renew: another is at it")

// renew gets a certificate and writes it; a panic is an error.
func (k *Keeper) renew(ctx context.Context, c *sbc.Certificate) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("renew: panic: %v", p)
			k.o.Log.Error("renewing a certificate panicked", "certificate_id", c.ID, "panic", p)
		}
	}()
	mine, err := k.o.State.Lease(ctx, "certificate/"+c.ID, k.o.Node, lease)
	if err != nil {
		return err
	}
	if !mine {
		return errOthers
	}
	var chain, key string
	if c.Source == sbc.CertificateACME {
		if chain, key, err = k.o.Obtain(ctx, c); err != nil {
			return err
		}
	}
	return k.o.Update(ctx, func(tx sbc.Tx) error { return k.write(tx, c, chain, key) })
}

// write puts the new certificate in the place of the old, unless that was changed meanwhile.
func (k *Keeper) write(tx sbc.Tx, seen *sbc.Certificate, chain, key string) error {
	r, err := tx.Get(sbc.KindCertificate, "", seen.ID)
	if err != nil {
		return err
	}
	c, ok := r.(*sbc.Certificate)
	if !ok || c.Revision != seen.Revision {
		return errOthers
	}
	before := *c
	if c.CertificatePEM, c.PrivateKeyPEM = chain, key; c.Source == sbc.CertificateInternal {
		err = certs.Renew(c, func(id string) (*sbc.CertificateAuthority, error) {
			r, err := tx.Get(sbc.KindCertificateAuthority, c.TenantID, id)
			if err != nil {
				return nil, err
			}
			a, ok := r.(*sbc.CertificateAuthority)
			if !ok {
				return nil, sbc.Errorf(sbc.CodeNotFound, "no authority %s", id)
			}
			return a, nil
		}, time.Now())
		if err != nil {
			return err
		}
	}
	if err := tx.Put(c); err != nil {
		return err
	}
	return tx.Audit(sbc.AuditEvent{
		ID: sbc.NewID(sbc.PrefixAudit), At: time.Now().UTC(), TenantID: c.TenantID, Actor: "system:renewal", OperationID: "renew_certificate",
		Kind: sbc.KindCertificate, ResourceID: c.ID, Before: fields(&before), After: fields(c), Revision: tx.Revision(),
	})
}

// fields is a certificate for the audit log, without its key.
func fields(c *sbc.Certificate) map[string]any {
	raw, err := json.Marshal(c.Shown())
	if err != nil {
		return nil
	}
	var m map[string]any
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	return m
}

// settle tells how it ended, and keeps it.
func (k *Keeper) settle(ctx context.Context, c *sbc.Certificate, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	switch {
	case errors.Is(err, errOthers), errors.Is(err, context.Canceled):
		return
	case err == nil:
		k.mu.Lock()
		delete(k.failures, c.ID)
		k.mu.Unlock()
		if err := k.o.State.DeleteState(ctx, failurePlace(c.ID)); err != nil {
			k.o.Log.Warn("the last failure of a certificate cannot be forgotten", "certificate_id", c.ID, "error", err)
		}
		k.event(c, sbc.EventCertificateRenewed, map[string]string{"source": string(c.Source)})
		return
	}
	k.mu.Lock()
	f := k.failures[c.ID]
	if f.Revision != c.Revision {
		f = failure{Revision: c.Revision}
	}
	now := time.Now()
	f.Reason, f.At, f.Next = sentence(err), now, now.Add(min(firstWait<<min(f.Tries, 20), longestWait))
	f.Tries++
	k.failures[c.ID] = f
	k.mu.Unlock()
	if raw, err := json.Marshal(f); err == nil {
		if err := k.o.State.PutState(ctx, failurePlace(c.ID), raw); err != nil {
			k.o.Log.Warn("the failure of a certificate cannot be kept", "certificate_id", c.ID, "error", err)
		}
	}
	k.o.Log.Warn("a certificate could not be renewed", "certificate_id", c.ID, "name", c.Name, "reason", f.Reason, "next", f.Next)
	k.event(c, sbc.EventCertificateFailed, map[string]string{"source": string(c.Source), "reason": f.Reason})
}

// sentence is an error for people: that of a rule names what is wrong.
func sentence(err error) string {
	var e *sbc.Error
	if errors.As(err, &e) && len(e.Faults) > 0 {
		return fmt.Sprintf("%s: %s", e.Faults[0].Pointer, e.Faults[0].Detail)
	}
	return fmt.Sprintf("%.500s", err.Error())
}

// Status adds to what is known of a certificate when it is renewed, and what went wrong.
func (k *Keeper) Status(c *sbc.Certificate, s *sbc.CertificateStatus) {
	at, ok := certs.RenewalAt(c)
	if !ok {
		return
	}
	k.mu.Lock()
	f := k.failures[c.ID]
	k.mu.Unlock()
	if f.Tries > 0 && f.Revision == c.Revision {
		at = f.Next
		if s.State == sbc.CertificatePending {
			s.State, s.Reason = sbc.CertificateFailed, f.Reason
		} else {
			s.Reason = "the last renewal failed: " + f.Reason
		}
	}
	if !at.IsZero() {
		at = at.UTC().Truncate(time.Second)
		s.RenewalAt = &at
	}
}
