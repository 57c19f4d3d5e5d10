package integration

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// host is a network namespace joined to this one by a pair of virtual interfaces: a machine of its own for a peer.
type host struct {
	t       testing.TB
	name    string
	outside string     // our end of the pair, where tshark listens
	border  netip.Addr // our address in that network
	peer    netip.Addr // the host's
}

var lastHost atomic.Uint32

// newHost makes a host in a network of its own, or skips the test where that is not allowed.
func newHost(t testing.TB) *host {
	t.Helper()
	needs(t, "ip")
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	n := lastHost.Add(1)
	h := &host{
		t: t, name: fmt.Sprintf("sp%d-%d", os.Getpid(), n), outside: fmt.Sprintf("spv%d%c", os.Getpid()%100000, 'a'+n%26),
		border: netip.AddrFrom4([4]byte{10, 77, byte(n), 1}), peer: netip.AddrFrom4([4]byte{10, 77, byte(n), 2}),
	}
	for _, args := range [][]string{
		{"netns", "add", h.name},
		{"link", "add", h.outside, "type", "veth", "peer", "name", "eth0", "netns", h.name},
		{"addr", "add", h.border.String() + "/24", "dev", h.outside},
		{"link", "set", h.outside, "up"},
		{"-n", h.name, "addr", "add", h.peer.String() + "/24", "dev", "eth0"},
		{"-n", h.name, "link", "set", "lo", "up"},
		{"-n", h.name, "link", "set", "eth0", "up"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			h.remove()
			t.Skipf("no network namespaces here: ip %s: %s", strings.Join(args, " "), out)
		}
	}
	t.Cleanup(h.remove)
	return h
}

func (h *host) remove() {
	_ = exec.Command("ip", "netns", "del", h.name).Run()   // may not have been made
	_ = exec.Command("ip", "link", "del", h.outside).Run() // goes with the namespace, soon
}

// command prepares a program that runs on the host.
func (h *host) command(name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", h.name, name}, args...)...)
}
