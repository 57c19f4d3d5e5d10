package register

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/webhook"
)

// pusher is whoever wakes phones.
type pusher struct {
	mu   sync.Mutex
	told []push
	err  error
}

func (p *pusher) Do(_ context.Context, q webhook.Post) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, q.Body.(push))
	return p.err
}

const (
	sleeper = "Contact: <sip:alice@203.0.113.7:5062;pn-provider=apns;pn-prid=one;pn-param=app>"
	another = "Contact: <sip:alice@203.0.113.7:5064;pn-provider=fcm;pn-prid=two>"
)

// wakes lets a call wait for alice's phones, and gives what tells when it went on.
func (w *world) wakes() func() (went bool, after time.Duration) {
	began, done := time.Now(), make(chan time.Duration, 1)
	w.Wake(Waking{Domain: w.domain, Subscriber: entry("alice").Subscriber, CallID: "call_1", Caller: "bob"}, func() { done <- time.Since(began) })
	return func() (bool, time.Duration) {
		synctest.Wait()
		select {
		case d := <-done:
			return true, d
		default:
			return false, 0
		}
	}
}

// TestWoken: the phones of a subscriber are woken, each once however many calls wait, and the calls go on when they are back.
func TestWoken(t *testing.T) {
	virtual(t, func(w *world) {
		p := &pusher{}
		w.o.Asks = p
		res := w.register(phoneAt, sleeper, "Expires: 600")
		if res.res.Has("Feature-Caps") || w.Asleep(w.domain, "sub_alice") {
			t.Error("nobody wakes phones of the domain, and yet it says so")
		}
		w.domain.Push.URL = "http://push.example"
		res = w.register(phoneAt, sleeper, "Expires: 600").want(w, 200)
		if got := res.res.GetAll("Feature-Caps"); len(got) != 1 || got[0] != `*;+sip.pns="apns"` {
			t.Errorf("Feature-Caps %q", got)
		}
		if !w.Asleep(w.domain, "sub_alice") || w.Asleep(w.domain, "sub_bob") {
			t.Error("who sleeps")
		}
		one, two := w.wakes(), w.wakes()
		synctest.Wait()
		if len(p.told) != 1 {
			t.Fatalf("told %+v", p.told)
		}
		q := p.told[0]
		if q.Provider != "apns" || q.PRID != "one" || q.Param != "app" || q.Username != "alice" || q.CallID != "call_1" || q.Caller != "bob" ||
			q.Type != "push.wake" || q.RegistrationID == "" || q.Domain != "example.com" {
			t.Errorf("told %+v", q)
		}
		if went, _ := one(); went {
			t.Fatal("the call did not wait")
		}
		time.Sleep(3 * time.Second)
		w.register("203.0.113.7:7777", "Contact: <sip:alice@203.0.113.7:7777;pn-provider=apns;pn-prid=one;pn-param=app>", "Expires: 600")
		for _, f := range []func() (bool, time.Duration){one, two} {
			if went, after := f(); !went || after != 3*time.Second {
				t.Errorf("went on %v after %v", went, after)
			}
		}
		if w.wakers.count.Load() != 0 || len(w.wakers.by) != 0 {
			t.Error("something is left")
		}
	})
}

// TestAsleep: a phone that does not come, one of two that comes, one that cannot be woken, and one that takes its contact away.
func TestAsleep(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		do   func(w *world)
		want time.Duration
	}{
		{"nobody comes", nil, func(*world) {}, 10 * time.Second},
		{"one of two comes", nil, func(w *world) { w.register(phoneAt, sleeper, "Expires: 600") }, 2 * time.Second},
		{"nobody can be woken", errors.New("x"), func(*world) {}, 0},
		{"it unregisters", nil, func(w *world) { w.register(phoneAt, sleeper, "Expires: 0") }, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, func(w *world) {
				w.domain.Push.URL, w.o.Asks = "http://push.example", &pusher{err: tt.err}
				w.register(phoneAt, sleeper, "Expires: 600").want(w, 200)
				w.register(phoneAt, another, "Expires: 600").want(w, 200)
				f := w.wakes()
				time.Sleep(time.Second)
				tt.do(w)
				time.Sleep(20 * time.Second)
				if went, after := f(); !went || after != tt.want {
					t.Errorf("went on %v after %v, want %v", went, after, tt.want)
				}
			})
		})
	}
}

// TestWokenWithAnotherContact: a phone that comes back with another address has not become two; by its token or by its instance it is known.
// Phones that are not woken keep both (RFC 3261 10.3), and so do flows (RFC 5626).
func TestWokenWithAnotherContact(t *testing.T) {
	const mine = `;+sip.instance="<urn:uuid:1>"`
	for _, tt := range []struct {
		name, first, second string
		left                int
	}{
		{"the same token", "<sip:a@203.0.113.7:1;pn-provider=apns;pn-prid=one;pn-param=x>", "<sip:a@203.0.113.7:2;pn-provider=apns;pn-prid=one>", 1},
		{"a new token", "<sip:a@203.0.113.7:1;pn-provider=apns;pn-prid=one>" + mine, "<sip:a@203.0.113.7:2;pn-provider=apns;pn-prid=two>" + mine, 1},
		{"another phone", "<sip:a@203.0.113.7:1;pn-provider=apns;pn-prid=one>", "<sip:a@203.0.113.7:2;pn-provider=apns;pn-prid=two>", 2},
		{"another service", "<sip:a@203.0.113.7:1;pn-provider=apns;pn-prid=one>", "<sip:a@203.0.113.7:2;pn-provider=fcm;pn-prid=one>", 2},
		{"no push", "<sip:a@203.0.113.7:1>" + mine, "<sip:a@203.0.113.7:2>" + mine, 2},
		{"two flows", "<sip:a@203.0.113.7:1;pn-provider=apns;pn-prid=one>;reg-id=1" + mine,
			"<sip:a@203.0.113.7:2;pn-provider=apns;pn-prid=one>;reg-id=2" + mine, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, func(w *world) {
				for _, c := range []string{tt.first, tt.second} {
					w.register(phoneAt, "Contact: "+c, "Expires: 600", "Supported: outbound").want(w, 200)
				}
				got := w.Contacts("sub_alice")
				n := len(got)
				for i := range got {
					n += len(got[i].Others)
				}
				if n != tt.left {
					t.Errorf("%d contacts, want %d: %+v", n, tt.left, got)
				}
			})
		})
	}
}
