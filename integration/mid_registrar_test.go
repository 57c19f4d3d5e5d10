package integration

import (
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// upstreamModes are those of a domain whose accounts are upstream.
func upstreamModes() []string { return []string{"mirror", "throttle_contact", "throttle_aor"} }

// startKamailioAt runs a registrar and proxy on an address until the test ends.
func startKamailioAt(t testing.TB, at netip.Addr) {
	t.Helper()
	startKamailio(t, "registrar.cfg", "-l", "udp:"+at.String()+":5060")
}

// startKamailio runs a Kamailio with a configuration of testdata until the test ends.
func startKamailio(t testing.TB, name string, args ...string) {
	t.Helper()
	needs(t, "kamailio")
	config, err := filepath.Abs("testdata/kamailio/" + name)
	if err != nil {
		t.Fatal(err)
	}
	run := t.TempDir()
	cmd := exec.Command("kamailio", append([]string{"-DD", "-E", "-m", "64", "-Y", run, "-f", config}, args...)...)
	cmd.Dir = run
	output := &safeBuffer{}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it was ended
		if t.Failed() {
			t.Logf("kamailio:\n%s", output.String())
		}
	})
}

// midway makes a border whose phones are a registrar's in the east; that trunk is the whole domain's way out, too.
func midway(b *border, mode string) (w wiring, domain string) {
	w = b.connect(newSides(b.t), wish{westRealm: rest.Object{"trust": "access"}})
	domain = b.create("/domains", rest.Object{"name": "phones.example", "realm_id": w.westRealm, "routing_plan_id": w.plan,
		"allow_foreign_identity": true, // the built-in phone calls itself by its address
		"registration":           rest.Object{"mode": mode, "upstream_trunk_id": w.eastTrunk}})
	return w, domain
}

// speaker is a built-in phone that answers every call.
func speaker(t testing.TB, at netip.Addr, name string, tone float64) (p *phone.Phone, calls chan *phone.Call) {
	t.Helper()
	calls = make(chan *phone.Call, 4)
	o := phone.Options{Address: at, Port: 5060, Name: name, UserAgent: name, Tone: tone, Incoming: func(c *phone.Call) {
		if c.Answer() == nil {
			calls <- c
		}
	}}
	p, err := phone.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, calls
}

// talks lets one call the other until each has heard the other's tone.
func talks(t testing.TB, from *phone.Phone, number string, by netip.AddrPort, calls chan *phone.Call, sends, hears float64) {
	t.Helper()
	call, err := from.Dial(number, by)
	if err != nil {
		t.Fatal(err)
	}
	if code, err := call.Final(patience(t, wirePatience)); code != 200 || err != nil {
		t.Fatalf("a call to %s was answered with %d, %v", number, code, err)
	}
	other := <-calls
	waitTone(t, call, hears)
	waitTone(t, other, sends)
	if err := call.Hangup(patience(t, wirePatience)); err != nil {
		t.Fatal(err)
	}
	<-other.Ended()
}

// TestKamailioUpstream: a phone registers through the border with Debian's Kamailio, which knows its password. Calls from
// there reach it, its own calls get there, and when it goes Kamailio knows.
func TestKamailioUpstream(t *testing.T) {
	for _, mode := range upstreamModes() {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			w, _ := midway(b, mode)
			startKamailioAt(t, w.eastPeer)
			core, door := netip.AddrPortFrom(w.eastPeer, 5060), netip.AddrPortFrom(w.west, 5060)
			there := w.east.As4()
			there[3] = 6
			carol, carols := speaker(t, netip.AddrFrom4(there), "carol", 1000)
			alice, alices := speaker(t, w.phoneAddr(), "alice", 400)
			registers := func(p *phone.Phone, by netip.AddrPort, user, secret, params string) int {
				account := phone.Account{Domain: "phones.example", User: user, Password: secret, Params: params}
				res, err := p.Register(patience(t, wirePatience), by, account)
				if err != nil {
					t.Fatal(err)
				}
				return res.Status
			}
			if code := registers(carol, core, "carol", password, ""); code != 200 {
				t.Fatalf("carol's REGISTER: %d", code)
			}
			if code := registers(alice, door, "alice", "wrong", ""); code != 401 {
				t.Errorf("a wrong password: %d", code)
			}
			b.registrations(0, "")
			if code := registers(alice, door, "alice", password, ""); code != 200 {
				t.Fatalf("alice's REGISTER: %d", code)
			}
			r := b.registrations(1, "subscriber_id=sip:alice@phones.example")[0]
			if u := r.Upstream; u == nil || u.State != sbc.UpstreamRegistered || u.Status != 200 || u.TrunkID != w.eastTrunk {
				t.Errorf("%+v %+v", r, r.Upstream)
			}
			talks(t, carol, "alice", core, alices, 1000, 400)
			talks(t, alice, "carol", door, carols, 400, 1000)
			if code := registers(alice, door, "alice", password, ";expires=0"); code != 200 {
				t.Errorf("alice's end: %d", code)
			}
			b.registrations(0, "")
			call, err := carol.Dial("alice", core)
			if err != nil {
				t.Fatal(err)
			}
			if code, _ := call.Final(patience(t, wirePatience)); code != 404 {
				t.Errorf("a call to alice, who is gone: %d", code)
			}
			for _, c := range b.cdrs(2) {
				if c.EndReason != sbc.EndCallerBye || c.CallerSubscriberID+c.CalleeSubscriberID != "sip:alice@phones.example" {
					t.Errorf("%+v", c)
				}
			}
			b.quiet()
		})
	}
}

// TestLeaksUpstream: neither the registrar nor the phone learns anything of the other's side but the address of record and
// the proof.
func TestLeaksUpstream(t *testing.T) {
	for _, mode := range upstreamModes() {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			w, _ := midway(b, mode)
			_, east := w.peers(t, false)
			west := newPeer(t, "west", netip.AddrPortFrom(w.phoneAddr(), 5060), netip.AddrPortFrom(w.west, 5060), false)
			eyes := &watch{west: west, east: east, addresses: map[string][]string{
				"west": {w.west.String(), w.phoneAddr().String()}, "east": {w.east.String(), w.eastPeer.String()},
			}}
			hostile := []string{"Server: leak-east",
				"Service-Route: <sip:" + east.host("service") + ";lr>", "Path: <sip:" + east.host("path") + ";lr>",
				"P-Associated-URI: <sip:" + east.host("associated") + ">", "Warning: 399 " + east.host("warning") + ` "x"`}
			once := func(expires string, headers ...string) (phone *line, seq int, core *line) {
				phone = &line{
					p: west, callID: "leakwest" + msg.NewTag(), seq: 1, local: "<sip:alice@phones.example>;tag=leakwest" + msg.NewTag(),
					remote: "<sip:alice@phones.example>", target: "sip:phones.example",
				}
				seq = phone.request("REGISTER", "", append(headers, "Contact: "+west.contact()+`;+sip.instance="<urn:uuid:leak-west>"`,
					"Expires: "+expires, "User-Agent: leak-west", "Supported: path, gruu, outbound")...)
				core = east.asked(msg.REGISTER)
				delete(east.lines, core.callID) // the next one has the same (RFC 3261 10.2.4)
				return phone, seq, core
			}
			register := func(expires string, yes ...string) (token string) {
				phone, seq, core := once(expires)
				core.say(core.invite, 401, east.host("phrase"), "", append(hostile,
					`WWW-Authenticate: Digest realm="core", nonce="abc", domain="sip:`+
						east.host("domain")+`", x="leak-east"`)...)
				challenge, err := digest.ParseChallenge(phone.answer(seq, 401).Get("WWW-Authenticate"))
				if err != nil {
					t.Fatal(err)
				}
				proof := challenge.Answer(digest.Request{
					Username: "alice", HA1: digest.HA1(digest.MD5, "alice", "core", password), Method: "REGISTER", URI: "sip:phones.example",
				}).String()
				phone, seq, core = once(expires, "Authorization: "+proof)
				if core.invite.Get("Authorization") != proof {
					t.Errorf("the proof %s arrives as %s", proof, core.invite.Get("Authorization"))
				}
				own, err := core.invite.Contacts()
				if err != nil || len(own) != 1 {
					t.Fatalf("%v %v", own, err)
				}
				core.say(core.invite, 200, "", "", append(append(hostile, "Contact: "+own[0].String()), yes...)...)
				phone.answer(seq, 200)
				return own[0].URI.String()
			}
			contact := register("600", "Contact: <sip:"+east.host("other")+">;expires=77")
			caller := &line{p: east, callID: "leakeast" + msg.NewTag(), seq: 1,
				local:  "<sip:carol@" + east.host("from") + ">;tag=leakeast" + msg.NewTag(),
				remote: "<sip:alice@phones.example>", target: contact}
			caller.start(east.sdp(), hostileHeaders(east)...)
			callee := west.ring()
			if !strings.Contains(callee.invite.RequestURI.String(), "leakwestcontact") || callee.invite.To.URI.User != "alice" {
				t.Errorf("%s %s", callee.invite.StartLine(), callee.invite.To)
			}
			talk(caller, callee, nil)
			phone, seq, core := once("600", "Contact: <sip:10.1.1.1>")
			core.say(core.invite, 403, east.host("phrase"), "", hostile...)
			phone.answer(seq, 403)
			b.quiet()
			eyes.check(t)
		})
	}
}
