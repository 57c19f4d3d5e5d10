package register

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// TestNAT: each test of features.md 10.6 is told apart, and the contact is reached at the source, by the interface it came by.
func TestNAT(t *testing.T) {
	for _, c := range []struct {
		contact, via, source string
		tests                string
		kind                 sbc.NATKind
	}{
		{"203.0.113.7:5062", "203.0.113.7:5062", "203.0.113.7:5062", "", sbc.NATNone},
		{"192.168.1.5:5060", "192.168.1.5:5060", "203.0.113.7:1024",
			"contact_private contact_address contact_port via_address via_port via_private", sbc.NATAddress},
		{"100.64.3.5:1024", "203.0.113.7:1024", "203.0.113.7:1024", "contact_private contact_address", sbc.NATAddress},
		{"203.0.113.7:5060", "203.0.113.7:5060", "203.0.113.7:1024", "contact_port via_port", sbc.NATPort},
		{"203.0.113.7", "203.0.113.7", "203.0.113.7:5060", "", sbc.NATNone},
		{"192.168.1.5:5060", "192.168.1.5:5060", "192.168.1.5:5060", "", sbc.NATNone},
		{"[fd00::5]:5060", "[fd00::5]:5060", "[2001:db8::7]:5060", "contact_private contact_address via_address via_private", sbc.NATAddress},
		{"x4k2.invalid", "x4k2.invalid", "203.0.113.7:5060", "contact_address", sbc.NATAddress},
	} {
		t.Run(c.contact+" from "+c.source, func(t *testing.T) {
			virtual(t, func(w *world) {
				w.via = c.via
				w.register(c.source, "Contact: <sip:alice@"+c.contact+">").want(w, 200)
				contact := w.Contacts("sub_alice")[0]
				x, err := w.Registration(w.t.Context(), "", contact.RegistrationID)
				if err != nil {
					w.t.Fatal(err)
				}
				if got := strings.Join(x.NATTests, " "); got != c.tests || x.NAT != c.kind || x.Source != c.source {
					w.t.Errorf("%s %s from %s, want %s %s", x.NAT, got, x.Source, c.kind, c.tests)
				}
				to := contact.Target
				if at := source(c.source).Remote; to.Host != at.Addr().String() || to.Port != int(at.Port()) || to.Interfaces[0] != "sif_a" {
					w.t.Errorf("%+v", to)
				}
			})
		})
	}
}

// TestMovingNAT: a mapping that changes from one REGISTER to the next is told of, and the contact follows it.
func TestMovingNAT(t *testing.T) {
	virtual(t, func(w *world) {
		for i := range 3 {
			w.via = "192.168.1.5:5060"
			w.register(fmt.Sprintf("203.0.113.7:%d", 1024+i), "Contact: <sip:alice@192.168.1.5:5060>").want(w, 200)
		}
		all := w.Contacts("sub_alice")
		if len(all) != 1 || all[0].Target.Port != 1026 {
			t.Fatalf("%+v", all)
		}
		if x, err := w.Registration(w.t.Context(), "", all[0].RegistrationID); err != nil || x.NAT != sbc.NATMoving {
			t.Errorf("%+v %v", x, err)
		}
	})
}

// TestSamePrivateAddress: two phones with the same private address, in two homes, are two contacts; one phone that gets another
// port of its NAT stays one.
func TestSamePrivateAddress(t *testing.T) {
	virtual(t, func(w *world) {
		const contact = "Contact: <sip:alice@192.168.1.5:5060>"
		w.by(source("203.0.113.7:1024"), "alice", "home", contact).want(w, 200)
		w.by(source("198.51.100.77:1024"), "alice", "office", contact).want(w, 200)
		if n := len(w.Contacts("sub_alice")); n != 2 {
			t.Fatalf("%d", n)
		}
		w.by(source("203.0.113.99:4000"), "alice", "home", contact).want(w, 200)
		if n := len(w.Contacts("sub_alice")); n != 2 {
			t.Errorf("%d after the address of a home changed", n)
		}
	})
}

// TestContactRules: what a Contact may name is the domain's choice; what is never allowed is not.
func TestContactRules(t *testing.T) {
	for _, c := range []struct {
		rule    sbc.ContactSource
		contact string
		status  int
	}{
		{sbc.ContactSame, "203.0.113.7:9", 200}, {sbc.ContactSame, "192.168.1.5", 403}, {sbc.ContactSame, "x.invalid", 403},
		{sbc.ContactPrivate, "10.1.2.3", 200}, {sbc.ContactPrivate, "203.0.113.8", 403},
		{sbc.ContactAny, "203.0.113.8", 200}, {sbc.ContactAny, "phone.example.net", 200}, {sbc.ContactAny, "198.51.100.10", 403},
		{sbc.ContactAny, "127.0.0.1", 403},
	} {
		virtual(t, func(w *world) {
			w.domain.Registration.ContactSource = c.rule
			w.register(phoneAt, "Contact: <sip:alice@"+c.contact+">").want(w, c.status)
			if c.contact == "203.0.113.8" && c.status == 200 {
				if to := w.Contacts("sub_alice")[0].Target; to.Host != "203.0.113.8" || !to.Supplied {
					w.t.Errorf("believed, and called at %s, guarded: %v", to.Host, to.Supplied)
				}
			} else if c.status == 200 && w.Contacts("sub_alice")[0].Target.Supplied {
				w.t.Errorf("%s leads to its source, and is guarded", c.contact)
			}
		})
	}
}

// natted registers so many subscribers behind a NAT.
func (w *world) natted(n int) {
	w.via = "192.168.1.5:5060"
	for i := range n {
		w.by(source(fmt.Sprintf("203.0.113.7:%d", 1024+i)), fmt.Sprint("user", i), "c", "Contact: <sip:u@192.168.1.5:5060>").want(w, 200)
	}
}

// TestSpread: contacts that registered all at once are pinged evenly over the interval, each once in it.
func TestSpread(t *testing.T) {
	virtual(t, func(w *world) {
		w.wire.answers(10 * time.Millisecond)
		const contacts, interval = 2500, 25
		w.natted(contacts)
		began := time.Now()
		time.Sleep(4 * interval * time.Second)
		per := make([]int, 4*interval)
		w.wire.mu.Lock()
		for _, at := range w.wire.times {
			per[min(int(at.Sub(began)/time.Second), len(per)-1)]++
		}
		w.wire.mu.Unlock()
		if n := w.wire.count(); n < 4*contacts-10 || n > 4*contacts+10 { // those at the edges are some milliseconds late
			t.Errorf("%d pings in four intervals of %d contacts", n, contacts)
		}
		if lo, hi := slices.Min(per), slices.Max(per); lo < contacts/interval/2 || hi > contacts/interval*2 {
			t.Errorf("from %d to %d a second, want about %d", lo, hi, contacts/interval)
		}
	})
}

// TestMisses: a phone that does not answer three times is not called any more, until it answers or registers again.
func TestMisses(t *testing.T) {
	virtual(t, func(w *world) {
		w.natted(1)
		id := w.Contacts("sub_user0")[0].RegistrationID
		show := func() *sbc.Registration {
			x, err := w.Registration(w.t.Context(), "", id)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		for w.wire.count() == 0 { // its moment in the interval is by chance
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(25*time.Second + patience + time.Second)
		if x := show(); x.Misses != 2 || !x.Reachable || len(w.Contacts("sub_user0")) != 1 {
			t.Errorf("%+v", x)
		}
		time.Sleep(25 * time.Second)
		if x := show(); x.Misses != 3 || x.Reachable || len(w.Contacts("sub_user0")) != 0 {
			t.Errorf("%+v", x)
		}
		w.wire.answers(40 * time.Millisecond)
		time.Sleep(26 * time.Second)
		if x := show(); x.Misses != 0 || !x.Reachable || x.RoundTripMS != 40 {
			t.Errorf("%+v", x)
		}
		w.wire.answers(0)
		time.Sleep(4 * 25 * time.Second)
		w.natted(1)
		if x := show(); x.Misses != 0 || !x.Reachable {
			t.Errorf("%+v", x)
		}
		want := []string{
			"registration.new", "registration.unreachable:no answer", "registration.reachable", "registration.unreachable:no answer",
			"registration.reachable",
		}
		if got := w.happened(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		w.keepAlive(func(p *sbc.KeepAlivePolicy) { p.RemoveUnreachable = true })
		time.Sleep(5 * 25 * time.Second)
		if w.Registered("sub_user0") {
			t.Error("not taken away")
		}
	})
}

// TestKinds: who is pinged, and how, is the domain's choice.
func TestKinds(t *testing.T) {
	virtual(t, func(w *world) {
		w.wire.answers(time.Millisecond)
		w.register(phoneAt, phone).want(w, 200) // no NAT
		w.by(stream("192.0.2.8:2000", 5), "carol", "c", "Contact: <sip:carol@10.0.0.6:5060;transport=tcp>").want(w, 200)
		time.Sleep(25 * time.Second)
		synctest.Wait()
		if len(w.wire.sent) != 0 || len(w.wire.pings) != 1 || w.wire.pings[0].Conn != 5 {
			t.Errorf("%d OPTIONS, pings %+v", len(w.wire.sent), w.wire.pings)
		}
		w.keepAlive(func(p *sbc.KeepAlivePolicy) { p.NATOnly, p.Mode = false, sbc.KeepAliveUDP })
		w.register(phoneAt, phone).want(w, 200)
		time.Sleep(25 * time.Second)
		synctest.Wait()
		if len(w.wire.sent) != 0 || len(w.wire.pings) != 3 {
			t.Errorf("%d OPTIONS, pings %+v", len(w.wire.sent), w.wire.pings)
		}
		w.keepAlive(func(p *sbc.KeepAlivePolicy) { p.Mode = sbc.KeepAliveOff })
		time.Sleep(50 * time.Second)
		if n := len(w.wire.pings); n != 3 {
			t.Errorf("%d pings though there shall be none", n)
		}
	})
}

// TestPing is the OPTIONS that a phone gets: to its contact, over its flow, from the domain.
func TestPing(t *testing.T) {
	virtual(t, func(w *world) {
		w.natted(1)
		time.Sleep(25 * time.Second)
		synctest.Wait()
		if len(w.wire.sent) == 0 {
			t.Fatal("no ping")
		}
		o := w.wire.sent[0]
		if o.Request.RequestURI.String() != "sip:u@192.168.1.5:5060" || o.Target.Host != "203.0.113.7" || o.Target.Port != 1024 ||
			o.Target.Interfaces[0] != "sif_a" || o.Request.From.URI.Host != "example.com" {
			t.Errorf("%+v\n%s", o.Target, o.Request.AppendTo(nil))
		}
	})
}

// TestPolicyChanges: another policy holds from the next second on, for those that are registered, too; contacts of a domain that
// is gone go; those of one that nobody can ask for stay.
func TestPolicyChanges(t *testing.T) {
	virtual(t, func(w *world) {
		w.wire.answers(time.Millisecond)
		w.keepAlive(func(p *sbc.KeepAlivePolicy) { p.Mode = sbc.KeepAliveOff })
		w.natted(10)
		time.Sleep(time.Minute)
		if n := w.wire.count(); n != 0 {
			t.Fatalf("%d pings", n)
		}
		w.keepAlive(func(p *sbc.KeepAlivePolicy) { p.Mode, p.IntervalS = sbc.KeepAliveOptions, 5 })
		time.Sleep(6*time.Second + time.Millisecond)
		if n := w.wire.count(); n < 10 {
			t.Errorf("%d pings of 10 contacts", n)
		}
		w.stop()
		w.configure(0)
		w.start()
		w.run()
		time.Sleep(5 * time.Minute)
		if !w.Registered("sub_user3") {
			t.Error("lost, since the store was away at the start")
		}
		w.wire.times = nil
		w.configure(3)
		time.Sleep(6*time.Second + time.Millisecond)
		if n := w.wire.count(); n < 10 {
			t.Errorf("%d pings of 10 contacts after a restart", n)
		}
		w.rows = w.rows[:len(w.rows)-1]
		w.configure(4)
		time.Sleep(2 * time.Second)
		if w.table.count.Load() != 0 || w.happened()[10] != "registration.removed:account" {
			t.Errorf("%d contacts of a domain that is gone", w.table.count.Load())
		}
	})
}

// TestShutdown: that all connections close when the process ends says nothing of the phones.
func TestShutdown(t *testing.T) {
	virtual(t, func(w *world) {
		w.keepAlive(func(p *sbc.KeepAlivePolicy) { p.RemoveUnreachable = true })
		w.by(stream("192.0.2.8:2000", 5), "carol", "c", "Contact: <sip:carol@10.0.0.6:5060;transport=tcp>").want(w, 200)
		w.stop()
		w.Closed(stream("192.0.2.8:2000", 5))
		synctest.Wait()
		if len(w.journal.all()) != 1 || slices.Contains(w.happened(), "registration.removed:unreachable") {
			t.Error("taken away")
		}
		w.run()
	})
}
