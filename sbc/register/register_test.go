package register

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// TestRegisters: a contact is bound, shown in the answer with its time, refreshed, and taken away (RFC 3261 10.3).
func TestRegisters(t *testing.T) {
	virtual(t, func(w *world) {
		ok := w.register(phoneAt, phone+";q=0.5", "Expires: 600", "User-Agent: test/1").want(w, 200)
		if got := ok.contacts(); len(got) != 1 || got[0] != "<sip:alice@203.0.113.7:5062>;expires=600;q=0.5" {
			t.Errorf("%q", got)
		}
		if ok.res.To.Tag() == "" || ok.res.Get("Date") == "" || ok.res.Get("Server") != "Sallyport" {
			t.Errorf("%s", ok.res.AppendTo(nil))
		}
		c := w.Contacts("sub_alice")
		if len(c) != 1 || c[0].URI.String() != "sip:alice@203.0.113.7:5062" || c[0].Target.Host != "203.0.113.7" || c[0].Target.Port != 5062 ||
			c[0].Target.Interfaces[0] != "sif_a" || c[0].Q != .5 || c[0].UserAgent != "test/1" {
			t.Fatalf("%+v", c)
		}
		time.Sleep(100 * time.Second)
		if got := w.register(phoneAt).want(w, 200).contacts(); len(got) != 1 || !strings.Contains(got[0], "expires=500") {
			t.Errorf("a query: %q", got)
		}
		w.register(phoneAt, phone+";expires=700").want(w, 200)
		if again := w.Contacts("sub_alice"); len(again) != 1 || again[0].RegistrationID != c[0].RegistrationID {
			t.Errorf("a refresh is another registration: %+v", again)
		}
		time.Sleep(699 * time.Second)
		if !w.Registered("sub_alice") {
			t.Error("gone before its time")
		}
		time.Sleep(time.Second + rest)
		synctest.Wait()
		if w.Registered("sub_alice") || len(w.journal.all()) != 0 || w.table.count.Load() != 0 {
			t.Error("there after its time")
		}
		w.register(phoneAt, phone).want(w, 200)
		if got := w.register(phoneAt, phone+";expires=0").want(w, 200).contacts(); len(got) != 0 {
			t.Errorf("%q", got)
		}
		if got, want := w.happened(), []string{
			"registration.new", "registration.removed:expired", "registration.new", "registration.removed:unregistered",
		}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

// TestRefusals: what a REGISTER may not ask for gets the answer that the RFC names, and changes nothing.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []string
		status  int
		header  string
	}{
		{"brief", []string{phone, "Expires: 10"}, 423, "Min-Expires: 60"},
		{"brief contact", []string{phone + ";expires=59", "Expires: 3600"}, 423, "Min-Expires: 60"},
		{"wildcard without Expires", []string{"Contact: *"}, 400, ""},
		{"wildcard and time", []string{"Contact: *", "Expires: 60"}, 400, ""},
		{"wildcard and contact", []string{"Contact: *", phone, "Expires: 0"}, 400, ""},
		{"extension", []string{phone, "Require: path, frobnicate"}, 420, "Unsupported: path, frobnicate"},
		{"scheme", []string{"Contact: <mailto:alice@example.com>"}, 403, ""},
		{"tel", []string{"Contact: <tel:+442079460000>"}, 403, ""},
		{"gateway", []string{"Contact: <sip:alice@198.51.100.10>"}, 403, ""},
		{"gateway's network", []string{"Contact: <sip:alice@198.51.100.40:5060>"}, 403, ""},
		{"ours", []string{"Contact: <sip:alice@198.51.100.1>"}, 403, ""},
		{"loopback", []string{"Contact: <sip:alice@127.0.0.1:5062>"}, 403, ""},
		{"v6 loopback", []string{"Contact: <sip:alice@[::ffff:127.0.0.1]>"}, 403, ""},
		{"metadata", []string{"Contact: <sip:alice@169.254.169.254>"}, 403, ""},
		{"nowhere", []string{"Contact: <sip:alice@0.0.0.0>"}, 403, ""},
		{"multicast", []string{"Contact: <sip:alice@224.0.1.75>"}, 403, ""},
		{"somebody else", []string{"Contact: <sip:alice@203.0.113.8>"}, 403, ""},
		{"name", []string{"Contact: <sip:alice@host.example.net>"}, 403, ""},
		{"maddr", []string{"Contact: <sip:alice@203.0.113.7:5062;maddr=198.51.100.10>"}, 403, ""},
		{"one of two", []string{phone, "Contact: <sip:alice@198.51.100.10>"}, 403, ""},
		{"quality", []string{phone + ";q=2"}, 400, ""},
		{"quality that is no number", []string{phone + ";q=NaN"}, 400, ""},
		{"long", []string{"Contact: <sip:" + strings.Repeat("a", 600) + "@203.0.113.7>"}, 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(w *world) {
				res := w.register(phoneAt, c.headers...).want(w, c.status).res
				if name, value, ok := strings.Cut(c.header, ": "); ok && res.Get(name) != value {
					t.Errorf("%s: %q", name, res.Get(name))
				}
				if w.Registered("sub_alice") || w.table.count.Load() != 0 || len(w.table.shard("sub_alice").owners) != 0 {
					t.Error("something was bound")
				}
				told := slices.ContainsFunc(w.happened(), func(e string) bool { return strings.HasPrefix(e, "security.contact") })
				if told != (c.status == 403) {
					t.Errorf("told of it: %v", told)
				}
			})
		})
	}
}

// TestWhoseAddress: nobody registers for another, whatever password was right; aliases are the subscriber's own.
func TestWhoseAddress(t *testing.T) {
	virtual(t, func(w *world) {
		for to, status := range map[string]int{
			"sip:bob@example.com": 403, "sip:alice@example.net": 404, "sip:4420alice@example.com": 200, "tel:+1": 404, "sip:al%69ce@example.com": 200,
		} {
			tx := w.send(source(phoneAt), "alice", "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.7:5062;branch=z9hG4bKx\r\n"+
				"From: <sip:x@example.com>;tag=f\r\nTo: <"+to+">\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n"+phone+"\r\n")
			if tx.res.Status != status {
				t.Errorf("%s: %d", to, tx.res.Status)
			}
		}
	})
}

// TestWildcard: "*" takes everything away, unless it is older than what there is.
func TestWildcard(t *testing.T) {
	virtual(t, func(w *world) {
		w.register(phoneAt, phone, "Contact: <sip:alice@203.0.113.7:5070>").want(w, 200)
		w.by(source(phoneAt), "bob", "call-b", "Contact: <sip:bob@203.0.113.7:5062>").want(w, 200)
		w.cseq = -1
		w.register(phoneAt, "Contact: *", "Expires: 0").want(w, 400)
		if n := len(w.Contacts("sub_alice")); n != 2 {
			t.Errorf("%d left by an old one", n)
		}
		w.cseq = 7
		w.register(phoneAt, "Contact: *", "Expires: 0").want(w, 200)
		if w.Registered("sub_alice") || !w.Registered("sub_bob") || w.table.count.Load() != 1 || len(w.journal.all()) != 1 {
			t.Error("not all of alice's, or some of bob's")
		}
	})
}

// TestOrder: a REGISTER that is older than the binding does not change it; another Call-ID has its own numbers, and one may be
// repeated.
func TestOrder(t *testing.T) {
	virtual(t, func(w *world) {
		w.cseq = 10
		w.register(phoneAt, phone, "Expires: 600").want(w, 200)
		w.cseq = 10
		w.register(phoneAt, phone, "Expires: 700").want(w, 200)
		w.cseq = 5
		w.register(phoneAt, phone, "Expires: 0").want(w, 400)
		w.cseq = 5
		w.by(source(phoneAt), "alice", "call-2", phone, "Expires: 800").want(w, 200)
		if got := w.register(phoneAt).contacts(); len(got) != 1 || !strings.Contains(got[0], "expires=800") {
			t.Errorf("%q", got)
		}
	})
}

// TestTimes: contacts get what they ask for between the domain's bounds, shortened by chance, never below the least.
func TestTimes(t *testing.T) {
	virtual(t, func(w *world) {
		for ask, want := range map[string]string{"Expires: 99999": "7200", "Expires: never": "3600", "Expires: 60": "60", "X: y": "3600"} {
			if got := w.register(phoneAt, phone, ask).want(w, 200).contacts(); !strings.HasSuffix(got[0], ";expires="+want) {
				t.Errorf("%s: %q, want %s", ask, got, want)
			}
		}
		w.domain.Registration.JitterPercent = 50
		seen := map[string]bool{}
		for range 100 {
			got := w.register(phoneAt, phone, "Expires: 100").want(w, 200).contacts()[0]
			var n int
			if _, err := fmt.Sscanf(got[strings.Index(got, "expires="):], "expires=%d", &n); err != nil || n < 60 || n > 100 {
				t.Errorf("%q", got)
			}
			seen[got] = true
		}
		if len(seen) < 10 {
			t.Errorf("%d different times", len(seen))
		}
	})
}

// TestTooMany: one contact too many is refused, or pushes the oldest out, as the domain says.
func TestTooMany(t *testing.T) {
	virtual(t, func(w *world) {
		w.domain.Registration.MaxContacts = 3
		one := func(i int) *tx {
			time.Sleep(time.Second)
			return w.register(phoneAt, fmt.Sprintf("Contact: <sip:alice@203.0.113.7:%d>", 6000+i))
		}
		for i := range 3 {
			one(i).want(w, 200)
		}
		one(3).want(w, 403)
		one(0).want(w, 200) // a refresh is none too many
		w.domain.Registration.MaxContactsPolicy = sbc.OverflowReplaceOldest
		all := strings.Join(one(4).want(w, 200).contacts(), " ")
		if strings.Contains(all, ":6001") || !strings.Contains(all, ":6000") || !strings.Contains(all, ":6004") || strings.Count(all, "sip:") != 3 {
			t.Errorf("%s", all)
		}
		var many []string
		for i := range 4 {
			many = append(many, fmt.Sprintf("Contact: <sip:alice@203.0.113.7:%d>", 7000+i))
		}
		w.register(phoneAt, many...).want(w, 403)
	})
}

// TestFull: beyond its bound the table takes no new contact, and keeps those it has.
func TestFull(t *testing.T) {
	virtual(t, func(w *world) {
		w.o.MaxBindings = 1
		w.register(phoneAt, phone).want(w, 200)
		if w.register(phoneAt, "Contact: <sip:alice@203.0.113.7:7777>").want(w, 503).res.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		w.register(phoneAt, phone).want(w, 200)
	})
}

// TestRestart: what a 200 said is there after the process died, with its flow, its time and its order; what expired is not.
func TestRestart(t *testing.T) {
	virtual(t, func(w *world) {
		w.domain.Registration.Path = sbc.PathAllow
		w.register(phoneAt, phone+`;+sip.instance="<urn:uuid:1>";q=0.7`, "Expires: 600", "Path: <sip:p@203.0.113.7;lr>", "User-Agent: x")
		w.by(source("192.0.2.9:1024"), "bob", "b", "Contact: <sip:bob@10.0.0.5:5060>", "Expires: 60").want(w, 200)
		w.by(stream("192.0.2.8:2000", 5), "carol", "c", "Contact: <sip:carol@10.0.0.6:5060;transport=tcp>").want(w, 200)
		before := w.Contacts("sub_alice")
		time.Sleep(59 * time.Second)
		w.stop()
		w.start()
		w.run()
		if got := w.Contacts("sub_alice"); len(got) != 1 || fmt.Sprint(got) != fmt.Sprint(before) {
			t.Errorf("\n%+v, want\n%+v", got, before)
		}
		if c := w.Contacts("sub_bob"); len(c) != 1 || c[0].Target.Host != "192.0.2.9" {
			t.Errorf("%+v", c)
		}
		if len(w.Contacts("sub_carol")) > 0 || !w.Registered("sub_carol") {
			t.Error("a phone behind NAT is called over a connection that is gone")
		}
		w.cseq = -1
		w.register(phoneAt, phone, "Expires: 0").want(w, 400)
		time.Sleep(2 * time.Second)
		if w.Registered("sub_bob") {
			t.Error("lives longer by a restart")
		}
		w.stop()
		time.Sleep(20 * time.Minute)
		w.start()
		w.run()
		synctest.Wait()
		if w.Registered("sub_alice") || len(w.journal.all()) != 1 {
			t.Errorf("%d records of what has expired", len(w.journal.all())-1)
		}
	})
}

// TestDiskFails: phones register though nothing can be written.
func TestDiskFails(t *testing.T) {
	virtual(t, func(w *world) {
		w.journal.fail = errors.New("no space left on device")
		w.register(phoneAt, phone).want(w, 200)
		if !w.Registered("sub_alice") {
			t.Error("not bound")
		}
	})
}

// TestOutOfService: contacts of a domain that is gone go, and those of a subscriber that is deleted.
func TestOutOfService(t *testing.T) {
	virtual(t, func(w *world) {
		w.register(phoneAt, phone).want(w, 200)
		w.by(source(phoneAt), "bob", "b", "Contact: <sip:bob@203.0.113.7:5062>").want(w, 200)
		w.Forget("", "sub_alice")
		if w.Registered("sub_alice") || !w.Registered("sub_bob") {
			t.Error("forgot the wrong one")
		}
		w.Forget("dom_1", "")
		synctest.Wait()
		if w.table.count.Load() != 0 || len(w.journal.all()) != 0 {
			t.Errorf("%d left, %d in the journal", w.table.count.Load(), len(w.journal.all()))
		}
	})
}

// TestURIs compares contacts as RFC 3261 19.1.4 has it.
func TestURIs(t *testing.T) {
	for _, c := range []struct {
		x, y string
		same bool
	}{
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
		{"SIP:ALICE@AtLanTa.CoM", "sip:alice@atlanta.com", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
		{"sip:bob@biloxi.com", "sips:bob@biloxi.com", false},
		{"sip:alice:x@h", "sip:alice@h", false},
	} {
		if sameURI(c.x, c.y) != c.same || sameURI(c.y, c.x) != c.same {
			t.Errorf("%s and %s", c.x, c.y)
		}
	}
}
