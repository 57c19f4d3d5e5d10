package register

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/webhook"
)

// Poster makes requests to other systems; webhook.Client is one.
type Poster interface {
	Do(ctx context.Context, p webhook.Post) error
}

const (
	// maxWaking bounds the calls that wait for a phone to wake; those beyond do not wait.
	maxWaking = 10_000
	// wakeGrace is how long the other phones of a subscriber have when the first is awake.
	wakeGrace = time.Second
)

// Waking is a call for which phones are woken.
type Waking struct {
	Domain     *sbc.Domain
	Subscriber *sbc.Subscriber
	// CallID is the call's, Caller who calls as the subscriber may see it.
	CallID, Caller string
}

// wakers are the calls that wait for phones to wake, by subscriber.
type wakers struct {
	mu    sync.Mutex
	by    map[string][]*waker
	count atomic.Int64
}

// waker is one call that waits.
type waker struct {
	asleep map[Push]bool
	timer  *time.Timer
	until  time.Time
	then   func()
}

// push is what is told to whoever wakes phones.
type push struct {
	Type           string    `json:"type"`
	At             time.Time `json:"at"`
	TenantID       string    `json:"tenant_id"`
	DomainID       string    `json:"domain_id"`
	Domain         string    `json:"domain"`
	SubscriberID   string    `json:"subscriber_id"`
	Username       string    `json:"username"`
	RegistrationID string    `json:"registration_id"`
	Provider       string    `json:"pn_provider"`
	PRID           string    `json:"pn_prid"`
	Param          string    `json:"pn_param,omitempty"`
	CallID         string    `json:"call_id"`
	Caller         string    `json:"caller"`
}

// pushOf reads the parameters of RFC 8599 4.1 of a contact.
func pushOf(u msg.URI) (p Push) {
	p.Provider, _ = u.Param("pn-provider")
	p.PRID, _ = u.Param("pn-prid")
	p.Param, _ = u.Param("pn-param")
	return p
}

// Asleep tells whether a subscriber has phones that must be woken before they are called: those with push parameters, in a domain that
// knows who wakes them. RFC 8599 5.6.1: whether such a phone sleeps cannot be told, not even by its connection.
func (r *Registrar) Asleep(d *sbc.Domain, subscriberID string) bool {
	return d.Push.URL != "" && r.o.Asks != nil && len(r.Sleeping(subscriberID)) > 0
}

// Wake has the phones of a subscriber woken. then is called once, from another goroutine: when all have registered anew, a second after
// the first did, when nobody can be woken, or when the domain's time is over.
func (r *Registrar) Wake(c Waking, then func()) {
	id := c.Domain.Located(c.Subscriber)
	wait := time.Duration(c.Domain.Push.WaitS) * time.Second
	phones := r.Sleeping(id)
	if len(phones) == 0 || c.Domain.Push.URL == "" || r.o.Asks == nil || r.wakers.count.Load() >= maxWaking {
		go r.safely(then)
		return
	}
	w := &waker{asleep: map[Push]bool{}, until: time.Now().Add(wait), then: then}
	var rouse []Contact
	r.wakers.mu.Lock()
	others := r.wakers.by[id]
	for i := range phones {
		p := phones[i].Push
		if !w.asleep[p] && !slices.ContainsFunc(others, func(o *waker) bool { return o.asleep[p] }) {
			rouse = append(rouse, phones[i]) // else another call has it woken already
		}
		w.asleep[p] = true
	}
	r.wakers.by[id] = append(others, w)
	r.wakers.count.Add(1)
	w.timer = time.AfterFunc(wait, func() { r.overslept(id, w) })
	r.wakers.mu.Unlock()
	for i := range rouse {
		go r.safely(func() { r.rouse(c, &rouse[i], wait) })
	}
}

// rouse makes the request for one phone.
func (r *Registrar) rouse(c Waking, phone *Contact, wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	p := phone.Push
	err := r.o.Asks.Do(ctx, webhook.Post{
		Purpose: "push", URL: c.Domain.Push.URL, Secret: c.Domain.Push.Secret, ID: sbc.NewID("push"),
		Body: push{
			Type: "push.wake", At: time.Now().UTC(), TenantID: c.Domain.TenantID, DomainID: c.Domain.ID, Domain: c.Domain.Name,
			SubscriberID: c.Subscriber.ID, Username: c.Subscriber.Username, RegistrationID: phone.RegistrationID,
			Provider: p.Provider, PRID: p.PRID, Param: p.Param, CallID: c.CallID, Caller: c.Caller,
		},
	})
	if err != nil {
		r.o.Log.Warn("a phone cannot be woken", "domain_id", c.Domain.ID, "registration_id", phone.RegistrationID, "error", err)
		r.stirred(c.Domain.Located(c.Subscriber), false, p)
	}
}

// woke hears of every REGISTER that was taken.
func (r *Registrar) woke(subscriberID string, a *ask) {
	if r.wakers.count.Load() == 0 {
		return
	}
	for i := range a.wishes {
		if p := pushOf(a.wishes[i].addr.URI); p.Provider != "" && a.wishes[i].expires > 0 {
			r.stirred(subscriberID, true, p)
		}
	}
}

// stirred takes a phone off what is waited for, because it woke or because it cannot be woken.
func (r *Registrar) stirred(subscriberID string, awake bool, p Push) {
	var ready []*waker
	r.wakers.mu.Lock()
	for _, w := range slices.Clone(r.wakers.by[subscriberID]) {
		if !w.asleep[p] {
			continue
		}
		delete(w.asleep, p)
		switch {
		case len(w.asleep) == 0:
			w.timer.Stop()
			r.wakers.leave(subscriberID, w)
			ready = append(ready, w)
		case awake && time.Until(w.until) > wakeGrace:
			w.until = time.Now().Add(wakeGrace)
			w.timer.Reset(wakeGrace)
		}
	}
	r.wakers.mu.Unlock()
	for _, w := range ready {
		go r.safely(w.then)
	}
}

// overslept ends the waiting.
func (r *Registrar) overslept(subscriberID string, w *waker) {
	r.wakers.mu.Lock()
	waits := r.wakers.leave(subscriberID, w)
	r.wakers.mu.Unlock()
	if waits {
		r.safely(w.then)
	}
}

// leave takes out a call that waits no more; false if it was out. It is called with the lock held.
func (l *wakers) leave(subscriberID string, w *waker) bool {
	list := l.by[subscriberID]
	i := slices.Index(list, w)
	if i < 0 {
		return false
	}
	l.count.Add(-1)
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(l.by, subscriberID)
	} else {
		l.by[subscriberID] = list
	}
	return true
}

// safely runs what others gave.
func (r *Registrar) safely(f func()) {
	defer r.recovered("waking phones", nil)
	f()
}

// services names the push services that the contacts of a REGISTER are woken by, for its answer (RFC 8599 4.1.1, 9.1).
func (u *update) services() (list []string) {
	if u.d.Push.URL == "" || u.r.o.Asks == nil {
		return nil
	}
	for i := range u.a.wishes {
		w := &u.a.wishes[i]
		name := pushOf(w.addr.URI).Provider
		if name == "" || w.expires == 0 || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' }) {
			continue
		}
		if value := `*;+sip.pns="` + name + `"`; !slices.Contains(list, value) {
			list = append(list, value)
		}
	}
	return list
}
