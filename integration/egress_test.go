package integration

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// dnsmasq runs a name server on an address that knows these names and no other.
func dnsmasq(t *testing.T, at netip.Addr, names map[string]string) (server string) {
	t.Helper()
	needs(t, "dnsmasq")
	server = netip.AddrPortFrom(at, 5353).String()
	args := []string{"--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=", "--user=root", "--bind-interfaces",
		"--listen-address=" + at.String(), "--port=5353"}
	for name, a := range names {
		args = append(args, "--address=/"+name+"/"+a)
	}
	companion(t, func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, "dnsmasq", args...) }, "dnsmasq")
	asks := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
	waitFor(t, func() bool {
		_, err := asks.LookupHost(t.Context(), "home.example.")
		return err == nil
	}, "dnsmasq")
	return server
}

// TestNamesLeadNowhere is features.md 13.6: a phone names a host as its contact, and its connection closes. Where dnsmasq has that
// name lead to a gateway, to the border, to this machine, to the metadata of a cloud or into a private network, nothing is sent there
// and it is told of; a name that leads where the realm allows is followed.
func TestNamesLeadNowhere(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	a := s.west.As4()
	a[3] = 8
	home := s.phoneAddr().String()
	names := map[string][2]string{
		"gateway.example": {s.eastPeer.String(), "an address of a trunk"}, "own.example": {s.east.String(), "an address of the border"},
		"loopback.example": {"127.0.0.77", "a loopback address"}, "metadata.example": {"169.254.169.254", "a link-local address"},
		"private.example": {"10.1.2.3", "a private address"}, "home.example": {home, ""},
	}
	zone := map[string]string{}
	for name, n := range names {
		zone[name] = n[0]
	}
	b := startBorder(t, app.Options{DNSServers: []string{dnsmasq(t, netip.AddrFrom4(a), zone)}})
	h := furnishAt(b, s, "tcp", nil)
	h.do("PATCH", "/realms/"+h.w.westRealm, rest.Object{"egress_allow": []string{home + "/32"}}, nil)
	h.subscriber("alice", "secret", nil)
	for name, n := range names {
		h.phone.named = "sip:alice@" + name + ":5060;transport=tcp"
		h.want(h.register("alice", "secret", "Contact: <sip:alice@"+home+":5060;transport=tcp>"), 200) // tells when it is gone
		call, _ := h.dial("alice", "secret", "4930123", digest.SHA256)
		callee := h.east.ring()
		callee.say(callee.invite, 200, "", h.east.sdp())
		call.final(200)
		callee.hear(msg.ACK)
		h.phone.mu.Lock()
		for _, c := range h.phone.conns {
			c.Close()
		}
		h.phone.mu.Unlock()
		waitFor(t, func() bool { return !h.registrations(1, "")[0].Connected }, "the end of the connection")
		callee.answer(callee.request("BYE", ""), 200)
		if n[1] == "" {
			call.say(call.hear(msg.BYE), 200, "", "")
			continue
		}
		if _, err := rest.Until(patience(t, 5*time.Second), h.Client, "/v1/events?type=security.egress", func(p rest.Page[sbc.Event]) bool {
			for _, e := range p.Items {
				if e.Data["target"] == name && e.Data["reason"] == n[1] && strings.HasPrefix(e.Data["address"], n[0]+":") {
					return true
				}
			}
			return false
		}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.east.nothing("what was meant for a phone", func(m *msg.Message) bool {
		return m.IsRequest() && strings.Contains(fmt.Sprint(m.RequestURI), "alice@")
	})
	if n := h.metric("sbc_guard_blocked_total", `"egress"`); n < 5 {
		t.Errorf("%v are counted", n)
	}
	h.cdrs(len(names))
	h.quiet()
}
