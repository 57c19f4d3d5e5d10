package integration

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// startLinphone runs a Linphone on a host that registers as alice and takes every call; what it is told goes to its input.
func startLinphone(t *testing.T, h *host, domain, transport string) (orders io.Writer) {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "linphonerc")
	port := map[string]string{"udp": "sip_port=5060\nsip_tcp_port=0", "tcp": "sip_port=0\nsip_tcp_port=5060"}[transport]
	config := fmt.Sprintf(`[sip]
%[4]s
sip_tls_port=0
default_proxy=0
guess_hostname=1
use_ipv6=0
[rtp]
audio_rtp_port=20000
[sound]
playback_dev_id=no
capture_dev_id=no
hold_music=%[5]s
[net]
mtu=1300
[auth_info_0]
username=alice
passwd=secret
realm=%[1]s
domain=%[1]s
[proxy_0]
reg_proxy=<sip:%[2]s:5060;transport=%[3]s>
reg_route=<sip:%[2]s:5060;transport=%[3]s;lr>
reg_identity=sip:alice@%[1]s
reg_expires=600
reg_sendregister=1
publish=0
dial_escape_plus=0
`, domain, h.border, transport, port, filepath.Join(folder, "tone.wav")) // what it plays where it has no microphone
	if err := os.WriteFile(filepath.Join(folder, "tone.wav"), []byte(wave(400)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(folder, ".local/share/linphone"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	// It listens only where it could reach the world.
	if out, err := exec.Command("ip", "-n", h.name, "route", "add", "default", "via", h.border.String()).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := h.command("linphone-daemon", "--config", file, "--auto-answer", "--disable-stats-events", "--log", filepath.Join(folder, "log"))
	cmd.Env = append(os.Environ(), "HOME="+folder, "XDG_DATA_HOME="+folder, "XDG_CONFIG_HOME="+folder)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output := &safeBuffer{}
	cmd.Stdout, cmd.Stderr = output, output
	orders, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(folder, "log"))
			t.Logf("linphone:\n%s\n%s", output.String(), log[max(0, len(log)-20000):])
		}
	})
	return orders
}

// TestLinphone has Linphone, whose SIP stack knows SHA-256, register, call, and be called, where nothing else is offered, and where
// everything is that is by default. Of a challenge in SHA-512-256 it says "unsupported algo" and gives up, whatever comes behind,
// which RFC 7616 3.3 does not allow: that is why this one is not offered unless a domain wants it.
func TestLinphone(t *testing.T) {
	needs(t, "linphone-daemon")
	for _, c := range []struct {
		transport string
		digest    rest.Object
	}{{"udp", rest.Object{"algorithms": []string{"SHA-256"}}}, {"tcp", rest.Object{}}} {
		t.Run(c.transport, func(t *testing.T) {
			t.Parallel()
			west, s := newHost(t), newSides(t)
			b := startBorder(t, app.Options{})
			w := b.connect(sides{west: west.border, westPeer: s.westPeer, east: s.east, eastPeer: s.eastPeer},
				wish{westRealm: rest.Object{"trust": "access"}})
			if c.transport == "tcp" {
				b.create("/sip-interfaces", rest.Object{"name": "tcp", "realm_id": w.westRealm, "transport": "tcp", "bind_address": west.border.String(),
					"port": 5060})
			}
			domain := b.create("/domains", rest.Object{"name": "phones.example", "realm_id": w.westRealm, "routing_plan_id": w.plan,
				"digest": c.digest})
			id := b.create("/subscribers", rest.Object{"domain_id": domain, "username": "alice", "password": "secret"})
			b.create("/aliases", rest.Object{"name": "4977", "domain_id": domain, "subscriber_id": id})
			b.create("/routing-plans/"+w.westPlan+"/rules", rest.Object{"name": "in", "prefix": "4977", "action": "subscriber", "domain_id": domain})
			calls := make(chan *phone.Call, 1)
			trunk, err := phone.New(phone.Options{Address: s.eastPeer, Port: 5060, Name: "trunk", UserAgent: "trunk", Tone: 1000,
				Incoming: func(c *phone.Call) {
					if err := c.Answer(); err != nil {
						t.Error(err)
					}
					calls <- c
				}})
			if err != nil {
				t.Fatal(err)
			}
			defer trunk.Close()
			orders := startLinphone(t, west, "phones.example", c.transport)
			if r := b.registrations(1, "")[0]; r.SubscriberID != id || string(r.Transport) != c.transport {
				t.Errorf("%+v", r)
			}
			if _, err := io.WriteString(orders, "call sip:4930123@phones.example\n"); err != nil {
				t.Fatal(err)
			}
			select {
			case out := <-calls:
				waitTone(t, out, 400)
				if err := out.Hangup(patience(t, 5*time.Second)); err != nil {
					t.Error(err)
				}
			case <-time.After(wirePatience):
				t.Fatal("Linphone does not call")
			}
			in, err := trunk.Dial("4977", netip.AddrPortFrom(s.east, 5060))
			if err != nil {
				t.Fatal(err)
			}
			if code, err := in.Final(patience(t, 10*time.Second)); err != nil || code != 200 {
				t.Fatalf("%d %v", code, err)
			}
			waitTone(t, in, 400)
			if err := in.Hangup(patience(t, 5*time.Second)); err != nil {
				t.Error(err)
			}
			for _, r := range b.cdrs(2) {
				if r.FinalCode != 200 || r.CallerSubscriberID != id && r.CalleeSubscriberID != id || r.EndReason == sbc.EndMediaTimeout {
					t.Errorf("record %+v", r)
				}
			}
			b.quiet()
		})
	}
}
