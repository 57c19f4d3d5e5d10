package integration

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// register sends a REGISTER of a user's, answers the challenge, and gives the final answer.
func (h *household) register(user, password string, headers ...string) *msg.Message {
	h.t.Helper()
	once := func(more ...string) *msg.Message {
		l := h.line(user, user)
		l.target = "sip:" + h.name
		return l.answer(l.request("REGISTER", "", append(slices.Clone(headers), more...)...), 0)
	}
	res := once()
	if res.Status != 401 {
		h.t.Fatalf("a REGISTER without a digest was answered with %s", res.StartLine())
	}
	return once(answerTo(h.t, res, user, password, "REGISTER", "sip:"+h.name, digest.SHA256))
}

// want checks the status of an answer.
func (h *household) want(res *msg.Message, status int) *msg.Message {
	h.t.Helper()
	if res.Status != status {
		h.t.Fatalf("got %s, want %d", res.StartLine(), status)
	}
	return res
}

// registrations waits until there are so many, and gives them.
func (b *border) registrations(n int, query string) []sbc.Registration {
	b.t.Helper()
	page, err := rest.Until(patience(b.t, 10*time.Second), b.Client, "/v1/registrations?limit=1000&"+query,
		func(p rest.Page[sbc.Registration]) bool { return len(p.Items) == n })
	if err != nil {
		b.t.Fatalf("%d registrations (%s): %v", n, query, err)
	}
	return page.Items
}

// TestPhonesRegister: a phone proves who it is, is bound to where it came from, is asked for by the API and taken away; what it
// may not ask for is refused and told of.
func TestPhonesRegister(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			h := newHousehold(t, transport, nil)
			id := h.subscriber("alice", "secret", nil)
			h.subscriber("bob", "secret", nil)
			here := h.phone.addr.String()
			contact := "Contact: <sip:alice@10.9.8.7:5062;transport=" + transport + ">"
			res := h.want(h.register("alice", "secret", contact, "Expires: 600"), 200)
			if c := res.Get("Contact"); !strings.Contains(c, "sip:alice@10.9.8.7:5062") || !strings.Contains(c, ";expires=") {
				t.Errorf("Contact %q", c)
			}
			r := h.registrations(1, "aor=alice@"+h.name)[0]
			if r.SubscriberID != id || r.NAT != sbc.NATAddress || !r.Reachable || !r.Connected || string(r.Transport) != transport ||
				!strings.HasPrefix(r.Source, h.phone.addr.Addr().String()+":") || transport == "udp" && r.Source != here {
				t.Errorf("%+v", r)
			}
			h.asked(r.ID)
			h.want(h.register("alice", "secret", contact, "Expires: 5"), 423)
			h.want(h.register("alice", "secret", "Contact: <sip:alice@"+h.w.westPeer.String()+">"), 403) // a gateway
			if _, err := rest.Until(patience(t, 5*time.Second), h.Client, "/v1/events?type=security.contact",
				func(p rest.Page[sbc.Event]) bool { return len(p.Items) == 1 }); err != nil {
				t.Error(err)
			}
			h.want(h.register("bob", "secret", "Contact: *", "Expires: 0"), 200)
			h.registrations(1, "")
			if transport == "tcp" {
				h.hangsUp(r)
				return
			}
			if err := h.Do(t.Context(), "DELETE", "/v1/registrations/"+r.ID, nil, nil); err != nil {
				t.Fatal(err)
			}
			if res = h.want(h.register("alice", "secret"), 200); res.Get("Contact") != "" {
				t.Errorf("a contact that was taken away is there: %s", res.Get("Contact"))
			}
		})
	}
}

// asked lets the API ask the phone whether it is there.
func (h *household) asked(id string) {
	h.t.Helper()
	type outcome struct {
		r   sbc.Registration
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		o.err = h.Do(h.t.Context(), "POST", "/v1/registrations/"+id+"/refresh", nil, &o.r)
		done <- o
	}()
	l := h.phone.asked(msg.OPTIONS)
	if l.invite.RequestURI.Host != "10.9.8.7" || l.invite.From.URI.Host != h.name {
		h.t.Errorf("OPTIONS %s from %s", l.invite.RequestURI, l.invite.From)
	}
	l.say(l.invite, 486, "", "")
	if o := <-done; o.err != nil || o.r.RoundTripMS <= 0 || o.r.Misses != 0 {
		h.t.Errorf("%+v %v", o.r, o.err)
	}
}

// hangsUp lets the phone close its connection: it cannot be called then, and can when it is back by another one.
func (h *household) hangsUp(was sbc.Registration) {
	h.t.Helper()
	h.phone.mu.Lock()
	for _, c := range h.phone.conns {
		c.Close()
	}
	h.phone.mu.Unlock()
	if r := h.registrations(1, "reachable=false")[0]; r.ID != was.ID || r.Connected {
		h.t.Errorf("%+v", r)
	}
	h.want(h.register("alice", "secret", "Contact: <sip:alice@10.9.8.7:5062;transport=tcp>"), 200)
	if r := h.registrations(1, "reachable=true")[0]; r.ID != was.ID || r.Source == was.Source {
		h.t.Errorf("%+v was %+v", r, was)
	}
}

// TestKeptAlive: a phone behind NAT is pinged by itself; one that does not answer is unreachable after the misses that the domain
// says.
func TestKeptAlive(t *testing.T) {
	h := newHousehold(t, "udp", rest.Object{"keep_alive": rest.Object{"mode": "options", "interval_s": 5, "max_misses": 1}})
	h.subscriber("alice", "secret", nil)
	h.want(h.register("alice", "secret", "Contact: <sip:alice@10.9.8.7:5062>"), 200)
	h.phone.asked(msg.OPTIONS) // no answer
	h.registrations(1, "reachable=false&nat=address")
	again := h.phone.asked(msg.OPTIONS)
	again.say(again.invite, 404, "", "")
	h.registrations(1, "reachable=true")
}

// TestRegistrationsSurviveKill: what was answered with 200 is there after kill -9, and what was taken away is not.
func TestRegistrationsSurviveKill(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	p := &child{t: t, bin: buildBinary(t), key: token.New(), args: []string{
		"serve", "-data-dir", t.TempDir(), "-api-address", "127.0.0.1:0", "-log-level", "warn", "-node", "crash"}}
	p.start()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	h := furnish(&border{t: t, Client: p.api}, "udp", rest.Object{"registration": rest.Object{"max_contacts": 100}})
	h.subscriber("alice", "secret", nil)
	h.subscriber("bob", "secret", nil)
	for i := range 3 {
		h.want(h.register("alice", "secret", fmt.Sprintf("Contact: <sip:alice@10.9.8.7:%d>", 6000+i)), 200)
	}
	h.want(h.register("bob", "secret", "Contact: <sip:bob@10.9.8.7:7000>"), 200)
	h.want(h.register("bob", "secret", "Contact: *", "Expires: 0"), 200)
	before := h.registrations(3, "")
	p.kill()
	p.start()
	h.Client = p.api
	after := h.registrations(3, "")
	for i := range after {
		x, y := before[i], after[i]
		if x.ID != y.ID || x.Contact != y.Contact || x.Source != y.Source || !y.Reachable ||
			x.ExpiresAt.Sub(y.ExpiresAt).Abs() > time.Second {
			t.Errorf("%+v\nwas %+v", y, x)
		}
	}
}

// TestDeletedWhileDown: who is deleted or disabled while no node runs is not registered at the next start; the others are.
func TestDeletedWhileDown(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	dir := t.TempDir()
	p := &child{t: t, bin: buildBinary(t), key: token.New(), args: []string{
		"serve", "-data-dir", dir, "-api-address", "127.0.0.1:0", "-log-level", "warn", "-node", "down"}}
	p.start()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	h := furnish(&border{t: t, Client: p.api}, "udp", nil)
	gone := map[string]string{}
	for _, who := range []string{"alice", "bob", "carol"} {
		gone[who] = h.subscriber(who, "secret", nil)
		h.want(h.register(who, "secret", "Contact: <sip:"+who+"@10.9.8.7:6000>"), 200)
	}
	h.registrations(3, "")
	p.kill()
	store := openStore(t, dir)
	err := store.Update(t.Context(), func(tx sbc.Tx) error {
		r, err := tx.Get(sbc.KindSubscriber, "", gone["bob"])
		if err != nil {
			return err
		}
		r.Base().Enabled = false
		return errors.Join(tx.Put(r), tx.Delete(sbc.KindSubscriber, gone["carol"]))
	})
	if err := errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	p.start()
	h.Client = p.api
	if left := h.registrations(1, ""); left[0].SubscriberID != gone["alice"] {
		t.Errorf("%+v is registered", left)
	}
}

// TestSIPpRegisters lets SIPp register phones and register them again: each twice answered, none lost, none doubled. It
// calls from several addresses, for one is not challenged more than 500 times a second. SALLYPORT_REGISTRATIONS says how many: 10,000
// where it does not.
func TestSIPpRegisters(t *testing.T) {
	needs(t, "sipp")
	const addresses = 4
	phones := 10_000
	if raceEnabled {
		phones = 1_000
	}
	if _, err := fmt.Sscan(os.Getenv("SALLYPORT_REGISTRATIONS"), &phones); err == nil {
		t.Logf("%d phones", phones)
	}
	b := startBorder(t, app.Options{NoShedding: true}) // SIPp takes a 503 for a failure, where phones come back
	h := furnish(b, "udp", rest.Object{"digest": rest.Object{"algorithms": []string{"MD5"}}, "keep_alive": rest.Object{"mode": "off"}})
	if err := b.Do(t.Context(), "PATCH", "/v1/realms/"+h.w.westRealm, rest.Object{"trust": "core"}, nil); err != nil {
		t.Fatal(err)
	}
	users, lists := &strings.Builder{}, [addresses]strings.Builder{}
	users.WriteString("username,password\n")
	for i := range lists {
		lists[i].WriteString("SEQUENTIAL\n")
	}
	for i := range phones {
		fmt.Fprintf(users, "user%d,secret\n", i)
		fmt.Fprintf(&lists[i%addresses], "user%d;[authentication username=user%d password=secret];%d\n", i, i, 10_000+i%50_000)
	}
	if j := b.imported(b.send("kind=subscribers&domain_id="+h.name, strings.NewReader(users.String()))); j.Counts.Created != phones {
		t.Fatalf("%+v", j)
	}
	folder := t.TempDir()
	for i := range lists {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i)), []byte(lists[i].String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.phone.close()
	for round := range 2 {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		var wait sync.WaitGroup
		for i := range addresses {
			from := h.phone.addr.Addr().As4()
			from[3] += byte(i)
			wait.Go(func() {
				if err := sipp(ctx, t, "register.xml", "-i", netip.AddrFrom4(from).String(), "-p", "5060", "-inf", filepath.Join(folder, fmt.Sprint(i)),
					"-m", fmt.Sprint((phones+addresses-1-i)/addresses), "-r", "450", "-l", "50", "-recv_timeout", "30000", "-t", "u1",
					h.w.west.String()+":5060"); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		cancel()
		t.Logf("round %d: %d REGISTERs with digest in %v", round+1, phones, time.Since(began))
		if n := b.count(); n != phones {
			t.Fatalf("%d registrations of %d", n, phones)
		}
	}
}

// count counts the registrations, page by page.
func (b *border) count() (n int) {
	b.t.Helper()
	for cursor := ""; ; {
		var p rest.Page[sbc.Registration]
		if err := b.Get(b.t.Context(), "/v1/registrations?limit=1000"+cursor, &p); err != nil {
			b.t.Fatal(err)
		}
		if n += len(p.Items); p.NextCursor == "" {
			return n
		}
		cursor = "&cursor=" + p.NextCursor
	}
}
