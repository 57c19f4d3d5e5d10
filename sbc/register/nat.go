package register

import (
	"net/netip"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// natTests are the tests of features.md 10.6 that a REGISTER failed, as bits.
type natTests uint8

const (
	contactPrivate natTests = 1 << iota
	contactAddress
	contactPort
	viaAddress
	viaPort
	viaPrivate
)

// names lists the tests in words.
func (t natTests) names() []string {
	list := []string{}
	for i, name := range []string{"contact_private", "contact_address", "contact_port", "via_address", "via_port", "via_private"} {
		if t&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return list
}

func (t natTests) private() bool { return t&contactPrivate != 0 }

// kind sums the tests up.
func (b *binding) kind() sbc.NATKind {
	switch {
	case b.moves >= 2:
		return sbc.NATMoving
	case b.tests&(contactAddress|viaAddress) != 0:
		return sbc.NATAddress
	case b.tests&(contactPort|viaPort) != 0:
		return sbc.NATPort
	}
	return sbc.NATNone
}

// test holds what a REGISTER says of its sender's address against the one it came from. On a stream the port that is called from
// is never the one that is listened on: there ports tell nothing.
func test(m *msg.Message, contact msg.URI) natTests {
	var t natTests
	source := m.Hop.Remote
	stream := m.Hop.Transport != sbc.TransportUDP
	if a, ok := address(contact.Host); ok {
		if isPrivate(a) && a != source.Addr() {
			t |= contactPrivate
		}
		if a != source.Addr() {
			t |= contactAddress
		}
	} else if strings.HasSuffix(strings.ToLower(contact.Host), ".invalid") { // RFC 7118 5: a browser that knows no address
		t |= contactAddress
	}
	if !stream && portOf(contact.Port) != source.Port() {
		t |= contactPort
	}
	if a, ok := address(m.Via.Host); ok {
		if isPrivate(a) && a != source.Addr() {
			t |= viaPrivate
		}
		if a != source.Addr() {
			t |= viaAddress
		}
	}
	if !stream && portOf(m.Via.Port) != source.Port() {
		t |= viaPort
	}
	return t
}

func address(host string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return a.Unmap().WithZone(""), err == nil
}

func portOf(port int) uint16 {
	if port == 0 {
		return 5060
	}
	return uint16(port)
}

// isPrivate tells an address that is no use outside its own network (RFC 1918, 4193), shared ones of carriers included (RFC
// 6598).
func isPrivate(a netip.Addr) bool {
	return a.IsPrivate() || a.Is4() && a.As4()[0] == 100 && a.As4()[1]&0xc0 == 64
}
