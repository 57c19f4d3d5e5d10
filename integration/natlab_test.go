package integration

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// natKind is a way to translate addresses, in the words of RFC 3489 5; RFC 4787 4.1 and 5 have newer ones.
type natKind string

const (
	fullCone       natKind = "full-cone"       // endpoint-independent mapping and filtering
	restricted     natKind = "restricted"      // the same mapping, filtered by address
	portRestricted natKind = "port-restricted" // the same mapping, filtered by address and port
	symmetric      natKind = "symmetric"       // a mapping of its own, with another port, for each destination
)

func natKinds() [4]natKind { return [...]natKind{fullCone, restricted, portRestricted, symmetric} }

// The network behind every NAT: all phones have the same address, as in so many homes.
const (
	insideGateway = "192.168.77.1"
	insidePhone   = "192.168.77.2"
)

// rules are those of nftables for a NAT of this kind whose bindings last for so many seconds. Plain masquerading keeps the port and
// remembers both ends; a cone lets the whole world, or all of a known host, come in by it for as long.
func (k natKind) rules(seconds int) string {
	how, in, filter := "masquerade", "", ""
	switch k {
	case symmetric:
		how = "masquerade fully-random"
	case restricted:
		filter = "oifname \"out\" update @known { ip daddr }\niifname \"out\" ct state new ip saddr != @known drop\n"
		fallthrough
	case fullCone:
		in = "iifname \"out\" udp dport @open dnat to " + insidePhone + "\n"
	}
	set := func(name, of string) string {
		return fmt.Sprintf("set %s {\ntype %s\nflags dynamic,timeout\ntimeout %ds\n}\n", name, of, seconds)
	}
	return "table ip nat {\n" + set("open", "inet_service") + "chain out {\ntype filter hook forward priority filter\n" +
		"iifname \"in\" ip protocol udp update @open { udp sport }\n}\n" +
		"chain post {\ntype nat hook postrouting priority srcnat\noifname \"out\" " + how + "\n}\n" +
		"chain pre {\ntype nat hook prerouting priority dstnat\n" + in + "}\n}\n" +
		"table ip stop {\n" + set("known", "ipv4_addr") +
		"chain through {\ntype filter hook forward priority filter\n" + filter + "}\n}\n"
}

// bindingTimeouts are the kernel's names of how long it remembers what nobody uses.
var bindingTimeouts = [...]string{"udp_timeout", "udp_timeout_stream", "tcp_timeout_established"}

// natLab is a small internet in network namespaces: a switch, with the border behind a router (or a 1:1 NAT) on one side and NATs with
// a phone behind each on the other.
//
//	border (this process) ── front ══ switch ══ box ── phone
//	                                         ╚═ box ── phone …
type natLab struct {
	t            testing.TB
	n            byte
	inner, outer byte   // second octets of the border's network and of the small internet
	front        string // the namespace of router and switch
	// bound are the border's two addresses, seen are those it is known by: the same without 1:1 NAT.
	bound, seen [2]netip.Addr
	boxes       int
	names       []string
	// forget is after how many seconds NATs made from now on forget a binding that nobody uses; 0 is as long as any test lasts.
	forget int
}

// lastLab keeps the networks of labs apart; the process sets the range, since tests of several may run side by side.
var lastLab atomic.Uint32

// newNATLab makes the switch and the border's way to it, or skips the test where that is not allowed.
func newNATLab(t testing.TB, behindNAT bool) *natLab {
	t.Helper()
	needs(t, "ip", "nft")
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	pid := uint32(os.Getpid())
	l := &natLab{t: t, n: byte(pid*4 + lastLab.Add(1)), inner: byte(96 + pid/64%16), outer: byte(112 + pid/64%16)}
	l.front = l.name("f")
	for i := range l.bound {
		l.bound[i] = netip.AddrFrom4([4]byte{10, l.inner, l.n, byte(1 + 2*i)})
		l.seen[i] = l.bound[i]
		if behindNAT {
			l.seen[i] = netip.AddrFrom4([4]byte{10, l.outer, l.n, byte(5 + i)})
		}
	}
	link := l.name("b")
	t.Cleanup(l.remove)
	l.space(l.front)
	l.ip("link", "add", link, "type", "veth", "peer", "name", "border", "netns", l.front)
	for _, a := range l.bound {
		l.ip("addr", "add", a.String()+"/24", "dev", link)
	}
	l.ip("link", "set", link, "up")
	l.ip("route", "add", l.net(l.outer, 0)+"/24", "via", l.net(l.inner, 2), "dev", link)
	l.ip("-n", l.front, "addr", "add", l.net(l.inner, 2)+"/24", "dev", "border")
	l.ip("-n", l.front, "link", "set", "border", "up")
	l.ip("-n", l.front, "link", "add", "switch", "type", "bridge")
	for _, host := range []byte{4, 5, 6} {
		l.ip("-n", l.front, "addr", "add", l.net(l.outer, host)+"/24", "dev", "switch")
	}
	l.ip("-n", l.front, "link", "set", "switch", "up")
	if behindNAT {
		l.nft(l.front, fmt.Sprintf("table ip nat {\nchain pre {\ntype nat hook prerouting priority dstnat\n"+
			"iifname \"switch\" ip daddr %[2]s dnat to %[1]s\niifname \"switch\" ip daddr %[4]s dnat to %[3]s\n}\n"+
			"chain post {\ntype nat hook postrouting priority srcnat\n"+
			"oifname \"switch\" ip saddr %[1]s snat to %[2]s\noifname \"switch\" ip saddr %[3]s snat to %[4]s\n}\n}\n",
			l.bound[0], l.seen[0], l.bound[1], l.seen[1]))
	}
	return l
}

// home adds a NAT of a kind, known by an address of the small internet, and gives the namespace of the phone behind it.
func (l *natLab) home(kind natKind, host byte) (phone string, known netip.Addr) {
	l.t.Helper()
	l.boxes++
	box, port := l.name(fmt.Sprintf("n%d", l.boxes)), fmt.Sprintf("port%d", l.boxes)
	phone = l.name(fmt.Sprintf("p%d", l.boxes))
	known = netip.AddrFrom4([4]byte{10, l.outer, l.n, host})
	l.space(box)
	l.space(phone)
	l.ip("-n", l.front, "link", "add", port, "type", "veth", "peer", "name", "out", "netns", box)
	l.ip("-n", l.front, "link", "set", port, "master", "switch", "up")
	l.ip("-n", box, "addr", "add", known.String()+"/24", "dev", "out")
	l.ip("-n", box, "link", "set", "out", "up")
	l.ip("-n", box, "route", "add", "default", "via", l.net(l.outer, 4))
	l.ip("-n", box, "link", "add", "in", "type", "veth", "peer", "name", "eth0", "netns", phone)
	l.ip("-n", box, "addr", "add", insideGateway+"/24", "dev", "in")
	l.ip("-n", box, "link", "set", "in", "up")
	l.ip("-n", phone, "addr", "add", insidePhone+"/24", "dev", "eth0")
	l.ip("-n", phone, "link", "set", "eth0", "up")
	l.ip("-n", phone, "route", "add", "default", "via", insideGateway)
	l.nft(box, kind.rules(cmp.Or(l.forget, 600)))
	if l.forget > 0 {
		l.forgets(box)
	}
	return phone, known
}

// forgets sets how long a NAT remembers a binding.
func (l *natLab) forgets(box string) {
	l.inside(box, func() {
		for _, name := range bindingTimeouts {
			if err := os.WriteFile("/proc/sys/net/netfilter/nf_conntrack_"+name, fmt.Append(nil, l.forget), 0o600); err != nil {
				l.t.Skip("timeouts of conntrack cannot be set here:", err)
			}
		}
	})
}

// name gives a name that only this lab has.
func (l *natLab) name(what string) string {
	return fmt.Sprintf("spn%d-%d%s", os.Getpid()%10000000, l.n, what)
}

// net is an address of one of the lab's two networks.
func (l *natLab) net(second, host byte) string { return fmt.Sprintf("10.%d.%d.%d", second, l.n, host) }

// space makes a namespace that forwards packets.
func (l *natLab) space(name string) {
	l.t.Helper()
	l.ip("netns", "add", name)
	l.names = append(l.names, name)
	l.ip("-n", name, "link", "set", "lo", "up")
	l.inside(name, func() {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600); err != nil {
			l.t.Skip("namespaces cannot forward here:", err)
		}
	})
}

// ip runs one command; where the first does not work, namespaces are not to be had.
func (l *natLab) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		if len(l.names) == 0 {
			l.t.Skipf("no network namespaces here: ip %s: %s", strings.Join(args, " "), out)
		}
		l.t.Fatalf("ip %s: %s", strings.Join(args, " "), out)
	}
}

func (l *natLab) nft(space, rules string) {
	l.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", space, "nft", "-f", "-")
	cmd.Stdin = bytes.NewBufferString(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("nft in %s: %s\n%s", space, out, rules)
	}
}

func (l *natLab) remove() {
	for _, name := range l.names {
		_ = exec.Command("ip", "netns", "del", name).Run() // may not have been made
	}
	_ = exec.Command("ip", "link", "del", l.name("b")).Run() // goes with the namespace, soon
}

// inside runs f on a thread that is in a namespace: sockets opened by f belong there and stay there.
func (l *natLab) inside(name string, f func()) {
	runtime.LockOSThread()
	back := true
	defer func() {
		if back { // else the thread ends with its goroutine
			runtime.UnlockOSThread()
		}
	}()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		l.t.Error(err)
		return
	}
	defer home.Close()
	there, err := os.Open("/run/netns/" + name)
	if err != nil {
		l.t.Error(err)
		return
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		l.t.Error(err)
		return
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			back = false
			l.t.Error(err)
		}
	}()
	f()
}
