package edge

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"

	"github.com/sallyport/sallyport/sbc/msg"
)

// STUN's numbers (RFC 8489 5, 14, 18).
const (
	stunHeader      = 20
	stunCookie      = 0x2112A442
	stunBinding     = 0x0001
	stunSuccess     = 0x0101
	stunError       = 0x0111
	stunFingerprint = 0x5354554e

	attrMappedAddress    = 0x0001
	attrChangeRequest    = 0x0003 // RFC 5780 7.2
	attrErrorCode        = 0x0009
	attrUnknown          = 0x000A
	attrXORMappedAddress = 0x0020
	attrFingerprint      = 0x8028
	attrOptional         = 0x8000 // from here on what is not known may be passed over

	stunUnknownMax = 8
)

// isSTUN tells STUN from SIP, which begins with a letter (RFC 7983 7).
func isSTUN(b []byte) bool { return len(b) >= stunHeader && b[0] < 4 }

// stun answers a Binding request (RFC 8489 7.3) that came in by UDP, so many a second to one address: the answer is at most two
// and a half times as long as the request.
func (e *Edge) stun(packets packetConn, b []byte, from netip.AddrPort) {
	if !e.bindings.allow(from.Addr()) {
		e.metrics.drops.WithLabelValues("stun").Inc()
		return
	}
	answer := stunAnswer(b, from)
	if answer == nil {
		e.metrics.parseErrors.WithLabelValues("udp", "stun").Inc()
		return
	}
	if _, err := packets.WriteToUDPAddrPort(answer, from); err != nil {
		e.log.Debug("edge: answering STUN", "to", from, "error", err)
	}
}

// stunAnswer is the answer to a Binding request, nil if there is to be none. Requests of RFC 3489, without the cookie, get the
// plain MAPPED-ADDRESS (RFC 8489 11). Credentials are passed over: who asks learns nothing but its own address.
func stunAnswer(b []byte, from netip.AddrPort) []byte {
	if !isSTUN(b) || binary.BigEndian.Uint16(b) != stunBinding || len(b)%4 != 0 ||
		int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeader {
		return nil
	}
	modern := binary.BigEndian.Uint32(b[4:]) == stunCookie
	unknown, ok := stunAttributes(b)
	if !ok {
		return nil
	}
	out := make([]byte, stunHeader, 96)
	copy(out[4:], b[4:stunHeader])
	if len(unknown) > 0 {
		binary.BigEndian.PutUint16(out, stunError)
		out = stunAppend(out, attrErrorCode, append([]byte{0, 0, 4, 20}, "Unknown Attribute"...))
		list := make([]byte, 0, 2*stunUnknownMax)
		for _, u := range unknown {
			list = binary.BigEndian.AppendUint16(list, u)
		}
		out = stunAppend(out, attrUnknown, list)
	} else {
		binary.BigEndian.PutUint16(out, stunSuccess)
		out = stunMapped(out, from, modern)
	}
	if modern {
		out = stunSign(out)
	}
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)-stunHeader))
	return out
}

// stunAttributes walks the attributes. It gives those that must be understood and are not, and false where the message is broken,
// its fingerprint included (14.7).
func stunAttributes(b []byte) (unknown []uint16, ok bool) {
	for at := stunHeader; at < len(b); {
		if len(b)-at < 4 {
			return nil, false
		}
		kind, size := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		next := at + 4 + (size+3)&^3
		if next > len(b) {
			return nil, false
		}
		value := b[at+4 : at+4+size]
		switch {
		case kind == attrFingerprint:
			return unknown, size == 4 && next == len(b) && binary.BigEndian.Uint32(value) == crc32.ChecksumIEEE(b[:at])^stunFingerprint
		case kind == attrChangeRequest && size == 4 && value[3]&6 == 0: // no change is wanted
		case kind >= attrOptional, stunCredential(kind):
		case len(unknown) < stunUnknownMax:
			unknown = append(unknown, kind)
		}
		at = next
	}
	return unknown, true
}

// stunCredential tells attributes that have to do with authentication, which Binding here does without (18.3).
func stunCredential(kind uint16) bool {
	switch kind {
	case 0x0006, 0x0008, 0x0014, 0x0015, 0x001C, 0x001D, 0x001E:
		return true
	}
	return false
}

func stunAppend(out []byte, kind uint16, value []byte) []byte {
	out = binary.BigEndian.AppendUint16(out, kind)
	out = binary.BigEndian.AppendUint16(out, uint16(len(value)))
	out = append(out, value...)
	for len(out)%4 != 0 {
		out = append(out, 0)
	}
	return out
}

// stunMapped adds where the request came from: XOR-MAPPED-ADDRESS (14.2), so that no gateway rewrites it, or MAPPED-ADDRESS
// (14.1).
func stunMapped(out []byte, from netip.AddrPort, modern bool) []byte {
	a := from.Addr().Unmap().WithZone("")
	value := make([]byte, 4, 20)
	value[1] = 1
	if a.Is6() {
		value[1] = 2
	}
	binary.BigEndian.PutUint16(value[2:], from.Port())
	value = append(value, a.AsSlice()...)
	if !modern {
		return stunAppend(out, attrMappedAddress, value)
	}
	value[2], value[3] = value[2]^out[4], value[3]^out[5]
	for i := range value[4:] {
		value[4+i] ^= out[4+i] // the cookie, then the transaction id
	}
	return stunAppend(out, attrXORMappedAddress, value)
}

// stunSign adds the FINGERPRINT (14.7), for which the length counts it already.
func stunSign(out []byte) []byte {
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)+8-stunHeader))
	sum := crc32.ChecksumIEEE(out) ^ stunFingerprint
	return stunAppend(out, attrFingerprint, binary.BigEndian.AppendUint32(nil, sum))
}

// stunSocket answers STUN on a port of its own, for all interfaces of an address that want it there.
type stunSocket struct {
	edge    *Edge
	bound   netip.AddrPort
	packets packetConn
	iface   string // the first interface that wanted it, for the guard
}

// stunPlace is where a listener wants STUN besides its own port.
func (l *Listener) stunPlace() (netip.AddrPort, bool) {
	if !l.STUN || l.STUNPort == 0 || l.Transport != "udp" || l.STUNPort == int(l.Bind.Port()) {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(l.Bind.Addr(), uint16(l.STUNPort)), true
}

// addSTUN finds or binds the STUN socket of a listener.
func (c *Change) addSTUN(l *Listener) error {
	at, wanted := l.stunPlace()
	if !wanted || c.stuns[at] != nil {
		return nil
	}
	if known := (*c.edge.stuns.Load())[at]; known != nil {
		c.stuns[at] = known
		return nil
	}
	packets, err := c.edge.net.listenPacket(at)
	if err != nil {
		return err
	}
	s := &stunSocket{edge: c.edge, bound: at, packets: packets, iface: l.ID}
	c.stuns[at] = s
	c.freshSTUNs = append(c.freshSTUNs, s)
	return nil
}

// commitSTUN begins to read the new sockets and closes those that nobody wants any more.
func (c *Change) commitSTUN() {
	old := *c.edge.stuns.Load()
	next := c.stuns
	c.edge.stuns.Store(&next)
	for _, s := range c.freshSTUNs {
		c.edge.start("stun reader", s.read)
	}
	for at, s := range old {
		if next[at] == nil {
			s.close()
		}
	}
}

func (s *stunSocket) close() {
	if err := s.packets.Close(); err != nil {
		s.edge.log.Warn("edge: closing a STUN port", "address", s.bound, "error", err)
	}
}

// read answers until the socket is closed.
func (s *stunSocket) read() {
	var room [1500]byte
	for {
		n, from, err := s.packets.ReadFromUDPAddrPort(room[:])
		if err != nil {
			if !s.edge.goesOn(err) {
				return
			}
			continue
		}
		from = unmap(from)
		h := msg.Hop{Interface: s.iface, Transport: "udp", Local: s.bound, Remote: from}
		if isSTUN(room[:n]) && s.edge.o.Guard.Packet(h, room[:n]) == msg.Serve {
			s.edge.stun(s.packets, room[:n], from)
		}
	}
}
