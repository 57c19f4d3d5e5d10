package subscription

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/call"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// book is a Directory and a Location with one subscriber, whose number is 4930; it answers when the test says so.
type book struct {
	call.Location
	entry  *sbc.Entry
	phones []call.Contact
	asks   []func()
}

func (b *book) Ask(_, name string, done func(*sbc.Entry, error)) {
	b.asks = append(b.asks, func() {
		if name == "4930" {
			done(b.entry, nil)
			return
		}
		done(nil, sbc.Errorf(sbc.CodeNotFound, "nobody"))
	})
}

func (b *book) AskID(string, func(*sbc.Entry, error))    { panic("nobody asks") }
func (b *book) Peek(string, string) (*sbc.Entry, bool)   { return nil, false }
func (b *book) Contacts(string) []call.Contact           { return b.phones }
func (b *book) Registered(string) bool                   { return len(b.phones) > 0 }
func (b *book) Asleep(*sbc.Domain, string) bool          { return false }
func (b *book) answer()                                  { a := b.asks[0]; b.asks = b.asks[1:]; a() }
func (b *book) rings(n int, others ...route.Phone) *book { return b.add(n, others) }

// add lets the subscriber have n phones, the first with further flows.
func (b *book) add(n int, others []route.Phone) *book {
	for i := range n {
		p := call.Contact{Q: 1, Phone: route.Phone{RegistrationID: "reg_" + strconv.Itoa(i), Target: msg.Target{Host: "192.0.2." + strconv.Itoa(50+i)}}}
		p.URI.Scheme, p.URI.User, p.URI.Host = "sip", "phone"+strconv.Itoa(i), "192.0.2.50"
		if i == 0 {
			p.Others = others
		}
		b.phones = append(b.phones, p)
	}
	return b
}

// town makes a world whose numbers are those of a domain, and gives its only subscriber.
func town(t *testing.T) (*world, *book) {
	w := newWorld(t, 0)
	d := &sbc.Domain{}
	d.Defaults()
	d.Meta = sbc.Meta{ID: "dom_1", TenantID: sbc.DefaultTenantID, Name: "phones.example", Enabled: true, Revision: 1}
	d.RealmID, d.SignallingProfileID = "rlm_a", "sgp_1"
	w.rows = append(w.rows, d)
	w.edit(func(r sbc.Resource) {
		if r, ok := r.(*sbc.Rule); ok {
			r.RouteListID, r.DomainID, r.Action = "", "dom_1", sbc.ActionSubscriber
		}
	})
	s := &sbc.Subscriber{DomainID: "dom_1", Username: "bob"}
	s.Meta = sbc.Meta{ID: "sub_bob", TenantID: sbc.DefaultTenantID, Enabled: true}
	b := &book{entry: &sbc.Entry{Subscriber: s}}
	w.decides(b, b)
	return w, b
}

// edit changes the configuration.
func (w *world) edit(change func(r sbc.Resource)) {
	w.t.Helper()
	for _, r := range w.rows {
		change(r)
	}
	snap, err := config.Compile(w.rows, 2)
	if err != nil {
		w.t.Fatal(err)
	}
	w.m.o.Snapshot = func() *config.Snapshot { return snap }
	w.decides(nil, nil)
}

// text sends a MESSAGE of trunk a.
func (w *world) text() *tx {
	return w.ask(msg.MESSAGE, hop("sif_a", subscriberIP), "", "hi", "Content-Type: text/plain")
}

// TestMessageToPhones: a MESSAGE for a number of ours goes to all phones of the subscriber, who is looked up meanwhile; the first that takes
// it answers. A flow that is broken is followed by the phone's next.
func TestMessageToPhones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b := town(t)
		other := route.Phone{Target: msg.Target{Host: "192.0.2.99"}}
		b.rings(2, other)
		in := w.text()
		if len(w.sent) != 0 || len(in.res) != 0 {
			t.Fatal("does not wait for the directory")
		}
		b.answer()
		if len(w.sent) != 2 || w.sent[1].Target.Host != "192.0.2.51" || w.sent[1].Request.RequestURI.User != "phone1" ||
			w.sent[1].Request.From.URI.Host != "phones.example" {
			t.Fatalf("%d were sent: %+v", len(w.sent), w.sent)
		}
		w.sent[0].Owner.Failed(nil, msg.ErrTransport)
		if len(w.sent) != 3 || w.sent[2].Target.Host != "192.0.2.99" {
			t.Fatalf("the other flow was not tried: %+v", w.sent)
		}
		w.reply(w.sent[2], 486)
		w.reply(w.sent[1], 200)
		in.want(w, 200)

		again := w.text()
		b.answer()
		for _, o := range w.sent[3:] {
			w.reply(o, 486)
		}
		again.want(w, 486)
		b.phones = nil
		nobody := w.text()
		b.answer()
		nobody.want(w, 480)
		if w.m.errands.taken() != 0 {
			t.Errorf("%d are under way", w.m.errands.taken())
		}
	})
}

// TestServicesOfCalls: forwards and do not disturb are of calls; who may not call may not write either.
func TestServicesOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b := town(t)
		s := b.rings(1).entry.Subscriber
		s.DoNotDisturb, s.Forwarding.Unconditional.Target = true, "4930555"
		in := w.text()
		b.answer()
		w.reply(w.sent[0], 202)
		in.want(w, 200)
		s.Enabled = false
		in = w.text()
		b.answer()
		in.want(w, 404)
	})
}

// TestSubscribeOnePhone: a SUBSCRIBE goes to one phone after the other, and its dialog is with the one that takes it.
func TestSubscribeOnePhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b := town(t)
		b.rings(2)
		in := w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), "", "", "Event: presence", "Expires: 60")
		b.answer()
		if len(w.sent) != 1 {
			t.Fatalf("%d were sent", len(w.sent))
		}
		w.reply(w.sent[0], 489)
		w.reply(w.sent[1], 200, msg.Header{Name: "Expires", Value: "60"})
		ok := in.want(w, 200)
		again := w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), ";tag="+ok.To.Tag(), "", "Event: presence", "Expires: 0")
		if w.sent[2].Request.CallID != w.sent[1].Request.CallID {
			t.Error("the dialog is not that of the phone that answered")
		}
		w.reply(w.sent[2], 200, msg.Header{Name: "Expires", Value: "0"})
		again.want(w, 200)
		time.Sleep(grace + time.Second)
		if w.count() != 0 {
			t.Errorf("%d are known", w.count())
		}
	})
}

// TestMessageFailsOver: after a failure that the trunk's policy names, and after silence, the next endpoint is asked; the last one has all the
// time of a transaction. What is not of the policy is told at once, and the best answer in the end.
func TestMessageFailsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		e := &sbc.Endpoint{}
		e.Defaults()
		e.Meta = sbc.Meta{ID: "end_c", TenantID: sbc.DefaultTenantID, Name: "c", Enabled: true, Revision: 1}
		e.TrunkID, e.Address, e.Port, e.Priority = "trk_b", "198.51.100.11", 5060, 2
		w.rows = append(w.rows, e)
		w.edit(func(r sbc.Resource) {
			if r, ok := r.(*sbc.Endpoint); ok && r.ID == "end_b" {
				r.Priority = 1
			}
		})
		in := w.text()
		if w.sent[0].Timers.NoResponse != 4*time.Second {
			t.Errorf("the first waits %v", w.sent[0].Timers.NoResponse)
		}
		w.sent[0].Owner.Failed(nil, msg.ErrNoResponse)
		if len(w.sent) != 2 || w.sent[1].Target.Host != "198.51.100.11" || w.sent[1].Timers != (msg.Timers{}) {
			t.Fatalf("%+v", w.sent)
		}
		w.reply(w.sent[1], 202)
		in.want(w, 200)
		in = w.text()
		w.reply(w.sent[2], 503)
		w.reply(w.sent[3], 408)
		in.want(w, 408)
		in = w.text()
		w.reply(w.sent[4], 404)
		in.want(w, 404)
		if len(w.sent) != 5 {
			t.Error("404 is not of the policy")
		}
	})
}

// TestMessageRates: messages are bound by the rate of a limit profile, apart from calls, and by no number of calls; a trunk that drains gets
// none and sends none.
func TestMessageRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		p := &sbc.LimitProfile{}
		p.Defaults()
		p.Meta = sbc.Meta{ID: "lmp_1", TenantID: sbc.DefaultTenantID, Name: "l", Enabled: true, Revision: 1}
		p.MaxCalls, p.MaxCallsPerSecondIn, p.RejectCode = 1, 2, 480
		w.rows = append(w.rows, p)
		w.edit(func(r sbc.Resource) {
			if r, ok := r.(*sbc.Trunk); ok && r.ID == "trk_a" {
				r.LimitProfileIDs = []string{"lmp_1"}
			}
		})
		for range 2 {
			w.text()
		}
		if res := w.text().want(w, 480); len(w.sent) != 2 || res.Get("Retry-After") != "1" {
			t.Errorf("%d were sent\n%s", len(w.sent), res.AppendTo(nil))
		}
		time.Sleep(time.Second + time.Millisecond)
		w.text()
		if len(w.sent) != 3 {
			t.Error("the second is over")
		}
		drain := func(id string) {
			w.edit(func(r sbc.Resource) {
				if r, ok := r.(*sbc.Trunk); ok {
					r.Draining = r.ID == id
				}
			})
		}
		drain("trk_b")
		w.text().want(w, 503)
		drain("trk_a")
		if res := w.text().want(w, 503); res.Get("Retry-After") != "30" || len(w.sent) != 3 {
			t.Errorf("%d were sent\n%s", len(w.sent), res.AppendTo(nil))
		}
	})
}
