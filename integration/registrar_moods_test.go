package integration

import (
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// registers makes a registrant of the eastern trunk and gives its path.
func (b *border) registers(w wiring, registrar string, more rest.Object) (path string) {
	b.t.Helper()
	path = "/v1/trunks/" + w.eastTrunk + "/registrants"
	return path + "/" + b.create(strings.TrimPrefix(path, "/v1"), with(rest.Object{
		"name": "carrier", "registrar": registrar, "aor_user": "4930555", "retry_s": 1, "max_retry_s": 1,
		"credentials": rest.Object{"password": password},
	}, more))
}

// told are the states that events of registrants have told of, in order; it waits until the last one is there.
func (b *border) told(last string) string {
	b.t.Helper()
	var states string
	_, err := rest.Until(patience(b.t, wirePatience), b.Client, "/v1/events?type=registrant.state", func(p rest.Page[sbc.Event]) bool {
		list := make([]string, len(p.Items))
		for i, e := range p.Items {
			list[i] = e.Data["state"]
		}
		states = strings.Join(list, " ")
		return len(list) > 0 && list[len(list)-1] == last
	})
	if err != nil {
		b.t.Fatalf("%v: %s", err, states)
	}
	return states
}

// at is the n-th further address of the east.
func (s sides) at(n byte) netip.Addr {
	a := s.east.As4()
	a[3] = 10 + n
	return netip.AddrFrom4(a)
}

// TestRegistrarChangesPassword: the carrier changes the password of the account. The border says so and is silent; the new password of the
// API is tried at once.
func TestRegistrarChangesPassword(t *testing.T) {
	t.Parallel()
	needs(t, "sipp")
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	carrier := sippListening(patience(t, 30*time.Second), t, "registrar_password.xml", w.eastPeer, "-m", "1")
	path := b.registers(w, w.eastPeer.String(), rest.Object{"credentials": rest.Object{"username": "border", "password": "old"}})
	b.registrant(path, sbc.RegistrantRegistered)
	change := func(o rest.Object) {
		t.Helper()
		if err := b.Do(t.Context(), http.MethodPatch, path, o, nil); err != nil {
			t.Fatal(err)
		}
	}
	change(rest.Object{"description": "it is refreshed now"})
	if s := b.registrant(path, sbc.RegistrantWrongCredentials); s.Code != 401 || s.NextAt != nil || s.Reason != "the registrar refuses the credentials" {
		t.Errorf("%+v", s)
	}
	change(rest.Object{"credentials": rest.Object{"password": "new"}})
	b.registrant(path, sbc.RegistrantRegistered)
	change(rest.Object{"enabled": false})
	if err := carrier.Wait(); err != nil {
		t.Errorf("the registrar was not content: %v", err)
	}
	if got := b.told("disabled"); got != "registering registered wrong_credentials registered unregistering disabled" {
		t.Errorf("events: %s", got)
	}
}

// TestRegistrarSuspends: an account that is suspended is left alone, in the carrier's own words, until the border is told to register.
func TestRegistrarSuspends(t *testing.T) {
	t.Parallel()
	needs(t, "sipp")
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	carrier := sippListening(patience(t, 30*time.Second), t, "registrar_suspends.xml", w.eastPeer, "-m", "1")
	path := b.registers(w, w.eastPeer.String(), nil)
	if s := b.registrant(path, sbc.RegistrantRejected); s.Code != 403 || s.NextAt != nil || !strings.Contains(s.Reason, "403 Account suspended") {
		t.Errorf("%+v", s)
	}
	b.do(http.MethodPost, strings.TrimPrefix(path, "/v1")+"/register", nil, nil)
	b.registrant(path, sbc.RegistrantRegistered)
	b.do(http.MethodDelete, strings.TrimPrefix(path, "/v1"), nil, nil)
	if err := carrier.Wait(); err != nil {
		t.Errorf("the registrar was not content: %v", err)
	}
	if got := b.told("disabled"); got != "registering rejected registered unregistering disabled" {
		t.Errorf("events: %s", got)
	}
}

// TestRegistrarIsSilent: a registrar that says nothing is asked again after a while, and is found when it is back.
func TestRegistrarIsSilent(t *testing.T) {
	if testing.Short() {
		t.Skip("ten seconds of silence")
	}
	t.Parallel()
	needs(t, "sipp")
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	silent := newPeer(t, "east", netip.AddrPortFrom(w.eastPeer, 5060), netip.AddrPortFrom(w.east, 5060), false)
	path := b.registers(w, w.eastPeer.String(), nil)
	first := silent.asked(msg.REGISTER)
	ctx := patience(t, 15*time.Second)
	r, err := rest.Until(ctx, b.Client, path, func(r registrantState) bool { return r.Status.State == sbc.RegistrantUnreachable })
	if err != nil || r.Status.Code != 0 || r.Status.NextAt == nil || time.Until(*r.Status.NextAt) > time.Second || r.Status.Reason != "the registrar does not answer" {
		t.Fatalf("%v: %+v", err, r.Status)
	}
	delete(silent.lines, first.callID)
	again := silent.take("another REGISTER", func(m *msg.Message) bool { return m.Method == msg.REGISTER && m.CSeq.Seq == first.invite.CSeq.Seq+1 })
	if again.CallID != first.callID || again.From.Tag() != first.invite.From.Tag() {
		t.Errorf("first\n%s\nagain\n%s", first.invite.AppendTo(nil), again.AppendTo(nil))
	}
	silent.close()
	carrier := sippListening(ctx, t, "registrar_once.xml", w.eastPeer, "-m", "1")
	b.registrant(path, sbc.RegistrantRegistered)
	b.do(http.MethodDelete, strings.TrimPrefix(path, "/v1"), nil, nil)
	if err := carrier.Wait(); err != nil {
		t.Errorf("the registrar was not content: %v", err)
	}
}

// TestRegistrarByName: of the members of a registrar's name the first is silent, the second overloaded, the third is Kamailio. The
// challenge goes back to whom it came from. Calls come from a fourth address of the name, though no identity knows it; a stranger
// who knows the contact, and one who guesses, get nothing.
func TestRegistrarByName(t *testing.T) {
	t.Parallel()
	needs(t, "sipp", "kamailio")
	s := newSides(t)
	server, _ := zoneServer(t, "--host-record=one.example,"+s.at(1).String(),
		"--srv-host=_sip._udp.carrier.example,one.example,5060,1,1", "--srv-host=_sip._udp.carrier.example,two.example,5060,2,1",
		"--srv-host=_sip._udp.carrier.example,three.example,5060,3,1", "--srv-host=_sip._udp.carrier.example,four.example,5060,4,1",
		"--host-record=two.example,"+s.at(2).String(), "--host-record=three.example,"+s.at(3).String(), "--host-record=four.example,"+s.at(4).String())
	b := startBorder(t, app.Options{DNSServers: []string{server}})
	w := b.connect(s, wish{})
	silent := newPeer(t, "east", netip.AddrPortFrom(s.at(1), 5060), netip.AddrPortFrom(w.east, 5060), false)
	sippServer(t, "registrar_503.xml", s.at(2))
	startKamailioAt(t, s.at(3))
	path := b.registers(w, "carrier.example", rest.Object{"contact_user": "4930555"})
	silent.asked(msg.REGISTER)
	if got := b.registrant(path, sbc.RegistrantRegistered); !strings.HasPrefix(got.Contact, "sip:4930555@") {
		t.Errorf("%+v", got)
	}
	west := newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5060), netip.AddrPortFrom(w.west, 5060), false)
	border := netip.AddrPortFrom(w.east, 5060)
	fourth, stranger := newPeer(t, "east", netip.AddrPortFrom(s.at(4), 5060), border, false), newPeer(t, "east", netip.AddrPortFrom(s.at(9), 5060), border, false)
	var caller *line
	var dialled time.Time
	waitFor(t, func() bool { // the other addresses are looked up after the 200, so that the first call may come too early
		if west.count() == 0 && time.Since(dialled) > 2*time.Second {
			caller, dialled = fourth.dial("4930555", fourth.sdp()), time.Now()
		}
		return west.count() > 0
	}, "a call from the fourth address")
	callee := west.ring()
	callee.say(callee.invite, 200, "", west.sdp())
	caller.final(200)
	callee.hear(msg.ACK)
	caller.hangup(callee)
	for _, user := range []string{"4930555", "guess", strings.Repeat("a", 24)} {
		l := stranger.dial(user, stranger.sdp())
		stranger.nothing("an answer to a stranger", func(m *msg.Message) bool { return m.CallID == l.callID && m.Status != 403 })
	}
	west.nothing("a stranger's call", func(m *msg.Message) bool { return m.IsRequest() && m.Method == msg.INVITE })
	if c := b.cdrs(1)[0]; c.IngressTrunkID != w.eastTrunk || c.FinalCode != 200 {
		t.Errorf("%+v", c)
	}
	b.quiet()
}

// TestRegistrantSurvivesARestart: after kill -9 the same registrant registers again. Kamailio has one contact of it, and none when the
// border has stopped in order.
func TestRegistrantSurvivesARestart(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Parallel()
	m := newMortal(t, buildBinary(t))
	w := m.connect(newSides(t), wish{})
	core := netip.AddrPortFrom(w.at(3), 5060)
	startKamailioAt(t, core.Addr())
	path := m.registers(w, core.Addr().String(), nil)
	before := m.registrant(path, sbc.RegistrantRegistered)
	other, _ := speaker(t, w.at(4), "other", 400)
	contacts := func() (ours, all int) {
		t.Helper()
		res, err := other.Register(patience(t, wirePatience), core, phone.Account{Domain: "core.example", User: "4930555", Password: password})
		if err != nil || res.Status != 200 {
			t.Fatalf("%+v, %v", res, err)
		}
		list, err := res.Contacts()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			if "sip:"+c.URI.User+"@"+w.east.String()+":5060" == before.Contact {
				ours++
			}
		}
		return ours, len(list)
	}
	if ours, all := contacts(); ours != 1 || all != 2 {
		t.Fatalf("Kamailio has %d contacts of ours of %d", ours, all)
	}
	for range 2 {
		m.killed()
		if after := m.registrant(path, sbc.RegistrantRegistered); after.Contact != before.Contact || after.Code != 200 {
			t.Errorf("before %+v, after %+v", before, after)
		}
		if ours, all := contacts(); ours != 1 || all != 2 {
			t.Errorf("Kamailio has %d contacts of ours of %d after a kill", ours, all)
		}
	}
	if err := m.child.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = m.child.cmd.Wait() // it was asked to
	if ours, all := contacts(); ours != 0 || all != 1 {
		t.Errorf("Kamailio has %d contacts of ours of %d after the end", ours, all)
	}
}

// TestServiceRoute: the registrar names two proxies (RFC 3608); the call goes to the first and carries both, wherever the endpoint is.
func TestServiceRoute(t *testing.T) {
	t.Parallel()
	needs(t, "sipp")
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{noEndpoint: true})
	b.create("/trunks/"+w.eastTrunk+"/endpoints", rest.Object{"name": "far", "address": w.at(7).String(), "port": 5060})
	ctx := patience(t, 30*time.Second)
	registrar := sippListening(ctx, t, "registrar_routes.xml", w.at(3), "-m", "1", "-key", "proxy", w.eastPeer.String())
	proxy := sippListening(ctx, t, "callee_routed.xml", w.eastPeer, "-m", "1")
	path := b.registers(w, w.at(3).String(), nil)
	b.registrant(path, sbc.RegistrantRegistered)
	if err := sipp(ctx, t, "caller.xml", calling(w.sides, "u1", 1, "-d", "100")...); err != nil {
		t.Fatal(err)
	}
	if err := proxy.Wait(); err != nil {
		t.Errorf("the proxy was not content: %v", err)
	}
	b.do(http.MethodDelete, strings.TrimPrefix(path, "/v1"), nil, nil)
	if err := registrar.Wait(); err != nil {
		t.Errorf("the registrar was not content: %v", err)
	}
	b.quiet()
}
