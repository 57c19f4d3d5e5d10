package register

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestConnection: a contact is bound to the connection it came by: it is held for as long as the contact, and when it closes the
// phone is not called any more, unless it can be called at its own address.
func TestConnection(t *testing.T) {
	virtual(t, func(w *world) {
		h := stream("192.0.2.8:2000", 5)
		w.by(h, "carol", "c", "Contact: <sip:carol@10.0.0.6:5060;transport=tcp>", "Expires: 900").want(w, 200)
		c := w.Contacts("sub_carol")[0]
		if c.Target.Flow == nil || c.Target.Flow.Conn != 5 || c.Target.Host != "" || w.wire.held[5] != 15*time.Minute {
			t.Errorf("%+v held %v", c.Target, w.wire.held)
		}
		w.by(stream("192.0.2.9:2000", 6), "dave", "d", "Contact: <sip:dave@192.0.2.9:5060;transport=tcp>").want(w, 200)
		w.wire.closed[5], w.wire.closed[6] = true, true
		w.Closed(h)
		w.Closed(stream("192.0.2.9:2000", 6))
		if len(w.Contacts("sub_carol")) != 0 || !w.Registered("sub_carol") {
			t.Error("called over a connection that is closed")
		}
		if d := w.Contacts("sub_dave"); len(d) != 1 || d[0].Target.Host != "192.0.2.9" || d[0].Target.Port != 5060 {
			t.Errorf("%+v", d)
		}
		// It comes back by another connection, from another port, with the same name of its own.
		w.by(stream("192.0.2.8:2001", 7), "carol", "c", "Contact: <sip:carol@10.0.0.6:5060;transport=tcp>").want(w, 200)
		if again := w.Contacts("sub_carol"); len(again) != 1 || again[0].Target.Flow.Conn != 7 || again[0].RegistrationID != c.RegistrationID {
			t.Errorf("%+v", again)
		}
		want := []string{"registration.new", "registration.new", "registration.unreachable:connection closed",
			"registration.refreshed", "registration.reachable"}
		if got := w.happened(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		w.Closed(h) // told late: it is not carol's connection any more
		if len(w.Contacts("sub_carol")) != 1 {
			t.Error("the end of an old connection cuts a new one off")
		}
		w.by(stream("192.0.2.8:2001", 7), "carol", "c", "Contact: *", "Expires: 0").want(w, 200)
		if n := len(w.flows.by); n != 0 {
			t.Errorf("%d connections are remembered", n)
		}
	})
}

// TestClosedMeanwhile: a connection that closes while its REGISTER is worked on is not taken for open.
func TestClosedMeanwhile(t *testing.T) {
	virtual(t, func(w *world) {
		w.wire.closed[5] = true
		w.by(stream("192.0.2.8:2000", 5), "carol", "c", "Contact: <sip:carol@10.0.0.6:5060;transport=tcp>").want(w, 200)
		if len(w.Contacts("sub_carol")) != 0 || len(w.flows.by) != 0 {
			t.Error("called over it")
		}
	})
}

const instance = `;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"`

// TestOutbound: two flows of one phone are two bindings, one way to it at a time; the same flow anew replaces itself (RFC 5626).
func TestOutbound(t *testing.T) {
	virtual(t, func(w *world) {
		reg := func(conn uint64, id string) *tx {
			return w.by(stream("192.0.2.8:2000", conn), "alice", "c"+id,
				"Contact: <sip:line1@10.0.0.6;transport=tcp>;reg-id="+id+instance, "Supported: path, outbound").want(w, 200)
		}
		if res := reg(1, "1").res; res.Get("Require") != "outbound" || !strings.Contains(res.Get("Contact"), "reg-id=1") {
			t.Errorf("%s", res.AppendTo(nil))
		}
		time.Sleep(time.Second)
		reg(2, "2")
		all := w.Contacts("sub_alice")
		if len(all) != 1 || len(all[0].Others) != 1 || all[0].RegID != 2 || all[0].Others[0].RegID != 1 {
			t.Fatalf("%+v", all)
		}
		w.Closed(stream("192.0.2.8:2000", 2))
		if all = w.Contacts("sub_alice"); len(all) != 1 || all[0].RegID != 1 || len(all[0].Others) != 0 {
			t.Errorf("%+v", all)
		}
		reg(3, "2")
		if all = w.Contacts("sub_alice"); len(all) != 1 || all[0].Target.Flow.Conn != 3 || len(all[0].Others) != 1 {
			t.Errorf("%+v", all)
		}
		w.by(stream("192.0.2.8:2000", 1), "alice", "c", "Supported: outbound", "Contact: <sip:a@10.0.0.6>;reg-id=1"+instance+
			", <sip:b@10.0.0.6>;reg-id=2"+instance).want(w, 400)
		w.via = "192.0.2.8:5060;branch=z9hG4bKa, SIP/2.0/UDP 10.0.0.6"
		w.by(stream("192.0.2.8:2000", 1), "alice", "c", "Supported: outbound", "Contact: <sip:a@10.0.0.6>;reg-id=1"+instance).want(w, 439)
		w.domain.Registration.Outbound = false
		w.via = ""
		w.by(stream("192.0.2.8:2000", 1), "bob", "c", "Require: outbound", "Contact: <sip:a@10.0.0.6>;reg-id=1"+instance).want(w, 420)
	})
}

// TestPath: a way back is kept, shown and handed to calls where the domain wants it (RFC 3327).
func TestPath(t *testing.T) {
	virtual(t, func(w *world) {
		const path = "Path: <sip:edge@203.0.113.7;lr>, <sip:next@192.0.2.77;lr>"
		w.register(phoneAt, phone, path, "Supported: path").want(w, 200)
		if w.Contacts("sub_alice")[0].Path != nil {
			t.Error("taken though the domain ignores it")
		}
		w.domain.Registration.Path = sbc.PathAllow
		if got := w.register(phoneAt, phone, path, "Supported: path").want(w, 200).res.GetAll("Path"); len(got) != 2 {
			t.Errorf("%q", got)
		}
		if c := w.Contacts("sub_alice")[0]; len(c.Path) != 2 || c.Path[0] != "<sip:edge@203.0.113.7;lr>" || c.Target.Host != "203.0.113.7" {
			t.Errorf("%+v", c)
		}
		w.register(phoneAt, phone, path).want(w, 200)
		w.register(phoneAt, phone, "Path: nonsense").want(w, 400)
		w.domain.Registration.Path = sbc.PathNeed
		if got := w.register(phoneAt, phone, path).want(w, 420).res.Get("Unsupported"); got != "path" {
			t.Errorf("%q", got)
		}
	})
}

// TestGRUU: a phone gets two addresses of its own; the public one stays, a temporary one is another each time and ends with the
// Call-ID (RFC 5627 3.4.1, 5.1).
func TestGRUU(t *testing.T) {
	virtual(t, func(w *world) {
		gruus := func(res *msg.Message) (public, temp msg.URI) {
			n, err := res.Contacts()
			if err != nil {
				t.Fatal(err)
			}
			for name, to := range map[string]*msg.URI{"pub-gruu": &public, "temp-gruu": &temp} {
				text, _ := msg.Param(n[0].Params, name)
				if *to, err = msg.ParseURI(text); err != nil {
					t.Fatalf("%s: %q %v\n%s", name, text, err, res.AppendTo(nil))
				}
			}
			return public, temp
		}
		found := func(u msg.URI, sub string) (n int) {
			list, who, ok := w.ByGRUU(u, sub)
			if !ok || len(list) > 0 && who != "sub_alice" {
				t.Errorf("%s is not known, or %s's", u, who)
			}
			return len(list)
		}
		first := w.register(phoneAt, phone+instance, "Supported: gruu").want(w, 200).res
		w.register(phoneAt, "Contact: <sip:alice@203.0.113.7:7000>", "Supported: gruu").want(w, 200)
		pub, temp := gruus(first)
		if pub.User != "alice" || strings.Contains(temp.String(), "alice") || strings.Contains(pub.String()+temp.String(), "0A95A0E128") {
			t.Errorf("%s %s", pub, temp)
		}
		if found(pub, "sub_alice") != 1 || found(temp, "") != 1 || found(pub, "sub_bob") != 0 {
			t.Error("not found, or somebody else's")
		}
		pub2, temp2 := gruus(w.register(phoneAt, phone+instance, "Supported: gruu").want(w, 200).res)
		if pub2.String() != pub.String() || temp2.String() == temp.String() || found(temp, "") != 1 || found(temp2, "") != 1 {
			t.Error("the public one changed, or a temporary one did not, or died")
		}
		forged := temp
		forged.User = forged.User[:len(forged.User)-4] + "aaaa"
		if list, _, _ := w.ByGRUU(forged, ""); len(list) != 0 {
			t.Error("a forged one is taken")
		}
		w.by(source(phoneAt), "alice", "another", phone+instance, "Supported: gruu").want(w, 200)
		if found(temp, "") != 0 || found(pub, "sub_alice") != 1 {
			t.Error("a temporary one outlives its Call-ID, or the public one does not")
		}
		if _, _, ok := w.ByGRUU(msg.URI{}, "sub_alice"); ok {
			t.Error("an address without gr is taken for a GRUU")
		}
	})
}

// TestPush: what wakes a phone is read from its contact (RFC 8599 4), also when it does not answer any more.
func TestPush(t *testing.T) {
	virtual(t, func(w *world) {
		w.by(stream("192.0.2.8:2000", 5), "alice", "c",
			"Contact: <sip:a@10.0.0.6;transport=tcp;pn-provider=apns;pn-prid=00fc13adff78512;pn-param=DEF123>").want(w, 200)
		w.register(phoneAt, phone).want(w, 200)
		w.Closed(stream("192.0.2.8:2000", 5))
		synctest.Wait()
		if c := w.Contacts("sub_alice"); len(c) != 1 || c[0].Push.Provider != "" {
			t.Errorf("%+v", c)
		}
		if c := w.Sleeping("sub_alice"); len(c) != 1 || c[0].Push != (Push{"apns", "00fc13adff78512", "DEF123"}) {
			t.Errorf("%+v", c)
		}
	})
}

// TestOrderOfContacts: the highest q is first, then whoever registered last.
func TestOrderOfContacts(t *testing.T) {
	virtual(t, func(w *world) {
		for _, c := range []string{"<sip:a@203.0.113.7:1>;q=0.2", "<sip:b@203.0.113.7:2>;q=0.9", "<sip:c@203.0.113.7:3>;q=0.9", "<sip:d@203.0.113.7:4>"} {
			time.Sleep(time.Second)
			w.register(phoneAt, "Contact: "+c).want(w, 200)
		}
		got := ""
		for _, c := range w.Contacts("sub_alice") {
			got += c.URI.User
		}
		if got != "dcba" {
			t.Error(got)
		}
	})
}
