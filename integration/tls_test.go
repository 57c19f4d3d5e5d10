package integration

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// carriers is a border between two carriers that know each other by certificates alone.
type carriers struct {
	*border
	s                    sides
	ca                   *pki
	trunk, westInterface string
}

// newCarriers makes one: the west is whoever shows carrier.example, the east is called by TLS and must show its address.
func newCarriers(t *testing.T) *carriers {
	t.Helper()
	c := &carriers{border: startBorder(t, app.Options{}), s: newSides(t), ca: newPKI(t)}
	server := c.ca.profile(c.border, "west", []string{"sip:border.example", "border.example"}, rest.Object{"client_auth": "require"})
	client := c.ca.profile(c.border, "east", []string{"border.east.example"}, nil)
	side := func(name string, at netip.Addr, profile string) (id, sip string) {
		id = c.create("/realms", rest.Object{"name": name, "trust": "peer", "unknown_source": "reject"})
		sip = c.create("/sip-interfaces", rest.Object{
			"name": name, "realm_id": id, "transport": "tls", "bind_address": at.String(), "port": 5061, "tls_profile_id": profile,
		})
		c.create("/media-pools", rest.Object{"name": name, "realm_id": id, "address": at.String(), "port_min": 30000, "port_max": 30399})
		return id, sip
	}
	west, sip := side("west", c.s.west, server)
	c.westInterface = sip
	east, _ := side("east", c.s.east, server)
	plan := c.create("/routing-plans", rest.Object{"name": "to east"})
	c.trunk = c.create("/trunks", rest.Object{"name": "carrier", "realm_id": west, "routing_plan_id": plan})
	c.create("/trunks/"+c.trunk+"/identities", rest.Object{"name": "certificate", "tls_name": "Carrier.example"})
	gateway := c.create("/trunks", rest.Object{"name": "gateway", "realm_id": east, "tls_profile_id": client})
	c.create("/trunks/"+gateway+"/endpoints", rest.Object{"name": "gateway", "address": c.s.eastPeer.String(), "transport": "tls"})
	list := c.create("/route-lists", rest.Object{"name": "east"})
	c.create("/route-lists/"+list+"/targets", rest.Object{"name": "east", "trunk_id": gateway})
	c.create("/routing-plans/"+plan+"/rules", rest.Object{"name": "all", "prefix": "", "action": "route", "route_list_id": list})
	return c
}

// open opens a phone of the west with a certificate; what it asks the border to show is border.example.
func (c *carriers) open(t *testing.T, names ...string) *phone.Phone {
	t.Helper()
	cfg := c.ca.config(names...)
	cfg.ServerName = "border.example"
	p, err := phone.New(phone.Options{Address: c.s.westPeer, Name: "w", UserAgent: "w", Tone: 400, Transport: sbc.TransportTLS, TLS: cfg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// gateway opens the phone of the east, which wants to see the border's certificate.
func (c *carriers) gateway(t *testing.T, names ...string) (calls chan *phone.Call, end func()) {
	t.Helper()
	cfg := c.ca.config(names...)
	cfg.ClientAuth = tls.RequireAndVerifyClientCert
	cfg.VerifyConnection = func(s tls.ConnectionState) error { return s.PeerCertificates[0].VerifyHostname("border.east.example") }
	calls = make(chan *phone.Call, 8)
	p, err := phone.New(phone.Options{
		Address: c.s.eastPeer, Port: 5061, Name: "e", UserAgent: "e", Tone: 1000, Transport: sbc.TransportTLS, TLS: cfg,
		Incoming: func(call *phone.Call) {
			if err := call.Answer(); err != nil {
				t.Error(err)
			}
			calls <- call
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return calls, p.Close
}

// final dials and gives the final answer.
func (c *carriers) final(t *testing.T, p *phone.Phone, number string) (*phone.Call, int) {
	t.Helper()
	call, err := p.Dial(number, netip.AddrPortFrom(c.s.west, 5061))
	if err != nil {
		t.Fatal(err)
	}
	code, err := call.Final(patience(t, 15*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return call, code
}

// TestCarriersByCertificate: who shows the name of a trunk is that trunk wherever it comes from, and nobody else is; a gateway that cannot
// show its name gets no call; the border shows its own certificate where it is asked for one.
func TestCarriersByCertificate(t *testing.T) {
	t.Parallel()
	c := newCarriers(t)
	_, stop := c.gateway(t, "other.example")
	good := c.open(t, "carrier.example")
	if _, code := c.final(t, good, "4930100"); code < 500 {
		t.Errorf("a gateway with another name was called: %d", code)
	}
	stop()
	calls, stop := c.gateway(t, c.s.eastPeer.String())
	defer stop()
	call, code := c.final(t, good, "4930101")
	if code != 200 {
		t.Fatalf("the call got %d", code)
	}
	other := <-calls
	if !soon(func() bool { return call.Heard().Packets > 3 && other.Heard().Packets > 3 }) {
		t.Errorf("%+v and %+v were heard", call.Heard(), other.Heard())
	}
	if err := other.Hangup(patience(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	if _, code := c.final(t, c.open(t, "stranger.example"), "4930102"); code != 403 {
		t.Errorf("a stranger got %d", code)
	}
	if nobody, err := tls.Dial("tcp", netip.AddrPortFrom(c.s.west, 5061).String(), &tls.Config{
		RootCAs: c.ca.pool, ServerName: "border.example", MaxVersion: tls.VersionTLS12,
	}); err == nil {
		_ = nobody.Close() // it is too late
		t.Error("nobody's certificate was taken")
	}
	for name, want := range map[string]string{"CARRIER.example": c.trunk, "stranger.example": ""} {
		var e sbc.Explanation
		c.do("POST", "/routing/explain", rest.Object{
			"source_address": "203.0.113.9", "sip_interface_id": c.westInterface, "callee": "4930", "tls_name": name,
		}, &e)
		if e.TrunkID != want || want != "" && !strings.Contains(fmt.Sprint(e.Steps), "with a certificate of carrier.example") {
			t.Errorf("explained for %s: %+v", name, e)
		}
	}
	for _, r := range c.cdrs(2) {
		if r.IngressTrunkID != c.trunk || r.Legs[0].Transport != sbc.TransportTLS || r.FinalCode == 200 &&
			(r.Legs[0].TLSVersion != "TLS 1.3" || r.Legs[1].TLSVersion != "TLS 1.3" || r.Legs[1].CipherSuite == "") {
			t.Errorf("%+v", r)
		}
	}
	c.quiet()
}

// TestOpenSSL: what the border speaks, as openssl sees it: TLS 1.2 and 1.3, nothing older, no renegotiation.
func TestOpenSSL(t *testing.T) {
	needs(t, "openssl")
	t.Parallel()
	x := newCrossing(t, false)
	roots := x.ca.file("roots.pem", x.ca.roots)
	for _, tr := range []sbc.Transport{sbc.TransportTLS, sbc.TransportWSS} {
		try := func(input string, args ...string) string {
			cmd := exec.CommandContext(patience(t, 10*time.Second), "openssl", append([]string{
				"s_client", "-connect", x.west[tr].String(), "-CAfile", roots, "-verify_return_error", "-verify_ip", x.west[tr].Addr().String(),
			}, args...)...)
			cmd.Stdin = strings.NewReader(input)
			out, _ := cmd.CombinedOutput() // its exit code says less
			return string(out)
		}
		for _, version := range []string{"1.2", "1.3"} {
			out := try("Q\n", "-tls"+strings.Replace(version, ".", "_", 1))
			if !strings.Contains(out, "TLSv"+version+", Cipher is ") || !strings.Contains(out, "Verify return code: 0") {
				t.Errorf("%s by TLS %s:\n%s", tr, version, out)
			}
		}
		for _, version := range []string{"-tls1", "-tls1_1"} {
			if out := try("Q\n", version, "-cipher", "ALL:@SECLEVEL=0"); !strings.Contains(out, "alert protocol version") {
				t.Errorf("%s by %s:\n%s", tr, version, out)
			}
		}
		if out := try("R\nQ\n", "-tls1_2", "-no_ign_eof"); !strings.Contains(out, "RENEGOTIATING") || !strings.Contains(out, "alert unexpected message") {
			t.Errorf("%s renegotiates:\n%s", tr, out)
		}
	}
}

// TestBaresipTLS: baresip registers by TLS with a certificate, and is called over its connection.
func TestBaresipTLS(t *testing.T) {
	needs(t, "baresip")
	t.Parallel()
	x := newCrossing(t, false)
	x.callsBaresip(t, "")
	x.cdrs(1)
}

// TestBaresipTLSAndSRTP: so does one whose media must be encrypted; its keys travel by TLS and no other way.
func TestBaresipTLSAndSRTP(t *testing.T) {
	needs(t, "baresip")
	t.Parallel()
	x := newCrossing(t, false)
	x.do("PATCH", "/domains/"+x.domain, rest.Object{"media_profile_id": x.create("/media-profiles", rest.Object{
		"name": "srtp", "srtp": "required", "srtp_keying": []string{"sdes"}})}, nil)
	x.callsBaresip(t, ";mediaenc=srtp-mand")
	for _, m := range x.cdrs(1)[0].Media {
		if (m.SRTP == sbc.SuiteGCM128) != (m.Side == sbc.SideCallee) || m.RelayedPackets == 0 {
			t.Errorf("stream %+v", m)
		}
	}
}

// callsBaresip lets baresip register, with more parameters of its account, and calls it.
func (x *crossing) callsBaresip(t *testing.T, more string) {
	t.Helper()
	x.do("PATCH", "/domains/"+x.domain, rest.Object{"digest": rest.Object{"algorithms": []string{"MD5"}}}, nil) // it knows no other
	id := x.create("/subscribers", rest.Object{"domain_id": x.domain, "username": "alice", "password": "secret"})
	x.create("/aliases", rest.Object{"name": "4930", "domain_id": x.domain, "subscriber_id": id})
	x.demandCertificates()
	folder := t.TempDir()
	home := netip.MustParseAddr("127.0.0.1") // where its connections come from, whatever it listens on
	at := netip.AddrPortFrom(home, uint16(freePort(t, home)))
	cert, key := x.ca.issue("alice.example")
	for file, content := range map[string]string{
		"config": fmt.Sprintf("poll_method epoll\nsip_listen %s\nsip_certificate %s\nsip_cafile %s\naudio_player aufile,%s\n"+
			"audio_source aufile,%s\naudio_channels 1\nausrc_channels 1\nauplay_channels 1\nmodule_path /usr/lib/baresip/modules\n"+
			"module g711.so\nmodule uuid.so\nmodule srtp.so\nmodule aufile.so\nmodule_tmp account.so\nmodule_app menu.so\n", at,
			filepath.Join(folder, "own.pem"), filepath.Join(folder, "roots.pem"), filepath.Join(folder, "heard.wav"),
			filepath.Join(folder, "tone.wav")),
		"accounts": fmt.Sprintf("<sip:alice@%s;transport=tls>;auth_user=alice;auth_pass=secret;regint=600;answermode=auto;"+
			"outbound=\"sip:%s;transport=tls\"%s\n", crossingDomain, x.east[sbc.TransportTLS], more),
		"contacts": "", "tone.wav": wave(1000), "own.pem": cert + key, "roots.pem": x.ca.roots,
	} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("baresip", "-f", folder)
	out := &safeBuffer{}
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = out, out, &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("baresip:\n%s", out.String())
		}
	})
	r := x.registrations(1, "")[0]
	if r.Transport != sbc.TransportTLS || !r.Connected || !strings.HasPrefix(r.UserAgent, "baresip") {
		t.Errorf("%+v", r)
	}
	ctx := patience(t, 10*time.Second)
	call, err := x.caller(t, sbc.TransportWSS).Dial("4930", x.west[sbc.TransportWSS])
	if err != nil {
		t.Fatal(err)
	}
	if code, err := call.Final(ctx); err != nil || code != 200 {
		t.Fatalf("baresip answered %d, %v", code, err)
	}
	if !soon(func() bool { return call.Heard().Packets > 3 }) {
		t.Errorf("%+v was heard", call.Heard())
	}
	if err := call.Hangup(ctx); err != nil {
		t.Error(err)
	}
}

// demandCertificates has the TLS profile ask everybody for a certificate.
func (x *crossing) demandCertificates() {
	x.t.Helper()
	var page rest.Page[struct{ ID string }]
	if err := x.Get(x.t.Context(), "/v1/tls-profiles", &page); err != nil {
		x.t.Fatal(err)
	}
	for _, p := range page.Items {
		x.do("PATCH", "/tls-profiles/"+p.ID, rest.Object{"client_auth": "request"}, nil)
	}
}
