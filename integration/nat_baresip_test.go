package integration

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// TestBaresipBehindNAT has a baresip behind each kind of NAT register over UDP and over TCP, call, and be called, with audio both
// ways.
func TestBaresipBehindNAT(t *testing.T) {
	needs(t, "baresip")
	t.Parallel()
	h := newHomes(t, false, "tcp", 0)
	domain := h.phones("home.example", "490", rest.Object{"digest": rest.Object{"algorithms": []string{"MD5"}}})
	var wait sync.WaitGroup
	for i, kind := range natKinds() {
		transport := []string{"udp", "tcp"}[i%2]
		for j, transport := range []string{transport, map[string]string{"udp": "tcp", "tcp": "udp"}[transport]} {
			space, _ := h.lab.home(kind, byte(16+2*i+j))
			user, number := fmt.Sprint(transport, "-", kind), fmt.Sprintf("490%d%d", i, j)
			h.user(domain, user, number)
			at := &host{t: t, name: space, border: h.lab.bound[0], peer: netip.MustParseAddr(insidePhone)}
			account := fmt.Sprintf("<sip:%s@home.example;transport=%s>;auth_pass=%q;regint=60;answermode=auto;"+
				"outbound=\"sip:%s:5060;transport=%s\"\n",
				user, transport, password, at.border, transport)
			folder, _ := startBaresipAs(t, at, user, account, 400)
			wait.Go(func() { h.talks(at, folder, user, number) })
		}
	}
	wait.Wait()
	for _, r := range h.b.cdrs(16) {
		// Where sixteen phones share two processors, a NAT drops a packet now and then.
		if r.FinalCode != 200 || len(r.Media) != 2 || r.Media[0].Lost+r.Media[1].Lost > 2 {
			t.Errorf("record %+v", r)
		}
	}
	h.b.quiet()
}

// talks has a baresip call the trunk, and the trunk call it.
func (h *homes) talks(at *host, folder, user, number string) {
	if !soon(func() bool { return len(h.registered(user)) == 1 }) {
		h.t.Errorf("%s does not register", user)
		return
	}
	dialled := "49300" + number
	h.lab.inside(at.name, func() { tell(h.t, at, "dial", "sip:"+dialled+"@home.example") })
	if !soon(func() bool { return h.trunk.incoming(dialled) != nil && hearsEnough(h.trunk.incoming(dialled), 400) }) {
		h.t.Errorf("%s does not call", user)
		return
	}
	if !soon(func() bool { return lastTone(h.t, folder, 400, 1000) == 1000 }) {
		h.t.Errorf("%s does not hear whom it calls", user)
	}
	ctx := patience(h.t, wirePatience)
	if err := h.trunk.incoming(dialled).Hangup(ctx); err != nil {
		h.t.Errorf("%s: %v", user, err)
	}
	c, err := h.trunk.Dial(number, netip.AddrPortFrom(h.w.east, 5060))
	if err != nil {
		h.t.Error(err)
		return
	}
	if code, err := c.Final(ctx); err != nil || code != 200 || !soon(func() bool { return hearsEnough(c, 400) }) {
		h.t.Errorf("a call to %s: %d %v %+v", user, code, err, c.Heard())
	}
	if err := c.Hangup(ctx); err != nil {
		h.t.Errorf("%s: %v", user, err)
	}
}

// registered gives the contacts of a user.
func (h *homes) registered(user string) []sbc.Registration {
	var page rest.Page[sbc.Registration]
	if err := h.b.Get(h.t.Context(), "/v1/registrations?aor="+user+"@home.example", &page); err != nil {
		h.t.Error(err)
	}
	return page.Items
}

// TestBaresipTwoFlows has baresip register by two flows, UDP and TCP (RFC 5626): whichever of them dies, calls reach it by the
// other one.
func TestBaresipTwoFlows(t *testing.T) {
	needs(t, "baresip", "nft")
	west, s := newHost(t), newSides(t)
	b := startBorder(t, app.Options{})
	w := b.connect(sides{west: west.border, westPeer: s.westPeer, east: s.east, eastPeer: s.eastPeer},
		wish{westRealm: rest.Object{"trust": "access"}})
	b.create("/sip-interfaces", rest.Object{"name": "tcp", "realm_id": w.westRealm, "transport": "tcp", "bind_address": west.border.String(),
		"port": 5060})
	domain := b.create("/domains", rest.Object{"name": "phones.example", "realm_id": w.westRealm, "routing_plan_id": w.plan,
		"digest": rest.Object{"algorithms": []string{"MD5"}}, "no_response_timeout_ms": 1000})
	id := b.create("/subscribers", rest.Object{"domain_id": domain, "username": "alice", "password": "secret"})
	b.create("/aliases", rest.Object{"name": "4977", "domain_id": domain, "subscriber_id": id})
	b.create("/routing-plans/"+w.westPlan+"/rules", rest.Object{"name": "in", "prefix": "4977", "action": "subscriber", "domain_id": domain})
	trunk, err := phone.New(phone.Options{Address: s.eastPeer, Port: 5060, Name: "trunk", UserAgent: "trunk", Tone: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer trunk.Close()
	startBaresipAs(t, west, "alice", fmt.Sprintf("<sip:alice@phones.example>;auth_pass=secret;regint=60;answermode=auto;sipnat=outbound;"+
		"outbound=\"sip:%[1]s:5060;transport=udp\";outbound2=\"sip:%[1]s:5060;transport=tcp\"\n", west.border), 400)
	flows := map[sbc.Transport]string{}
	ids := map[int]bool{}
	for _, r := range b.registrations(2, "") {
		flows[r.Transport], ids[r.RegID] = r.ID, true
		if !strings.HasPrefix(r.InstanceID, "urn:uuid:") || !r.Reachable || !r.Connected {
			t.Errorf("%+v", r)
		}
	}
	if flows["udp"] == "" || flows["tcp"] == "" || !ids[1] || !ids[2] {
		t.Fatalf("%v %v", flows, ids)
	}
	for i, c := range []struct{ dies, by sbc.Transport }{{"udp", "tcp"}, {"tcp", "udp"}} {
		west.cuts(t, map[sbc.Transport]string{
			"udp": "udp sport 5060 drop", "tcp": "tcp sport 5060 reject with tcp reset\ntcp dport 5060 reject with tcp reset",
		}[c.dies])
		call, err := trunk.Dial("4977", netip.AddrPortFrom(s.east, 5060))
		if err != nil {
			t.Fatal(err)
		}
		ctx := patience(t, wirePatience)
		if code, err := call.Final(ctx); err != nil || code != 200 {
			t.Fatalf("without %s: %d %v", c.dies, code, err)
		}
		waitTone(t, call, 400)
		if err := call.Hangup(ctx); err != nil {
			t.Error(err)
		}
		r := b.cdrs(i + 1)[i]
		if last := r.Attempts[len(r.Attempts)-1]; last.RegistrationID != flows[c.by] {
			t.Errorf("%+v", r.Attempts)
		}
		t.Logf("without %s: %d attempts", c.dies, len(r.Attempts))
	}
	b.quiet()
}

// cuts lets a host not get some packets any more; earlier cuts heal.
func (h *host) cuts(t *testing.T, rule string) {
	t.Helper()
	_ = h.command("nft", "delete", "table", "ip", "cut").Run() // may not have been made
	cmd := h.command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader("table ip cut {\nchain in {\ntype filter hook input priority filter\n" + rule + "\n}\n}\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = h.command("nft", "delete", "table", "ip", "cut").Run() }) // so that who ends can say so
}
