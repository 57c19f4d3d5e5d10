package edge

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The retransmissions of a request over UDP (RFC 8489 6.2.1): after 500 ms, and then after twice the time before, until it was sent
// seven times; after the last of them 16 times the first wait. That is 39.5 s in all.
const (
	stunRTO      = 500 * time.Millisecond
	stunSent     = 7
	stunLastWait = 16 * stunRTO
)

// Why a STUN server told no address.
var (
	errSTUNSilent  = errors.New("no answer")
	errSTUNRefused = errors.New("the server answered with an error")
)

// stunQuery is a Binding request of ours under way on a socket.
type stunQuery struct {
	server  netip.AddrPort
	request []byte
	told    chan stunTold // holds one
}

// stunTold is what a server answered.
type stunTold struct {
	mapped netip.AddrPort
	err    error
}

// newSTUNQuery makes a Binding request with a random transaction id of 96 bits (RFC 8489 5).
func newSTUNQuery(server netip.AddrPort) *stunQuery {
	b := make([]byte, stunHeader, stunHeader+8)
	binary.BigEndian.PutUint16(b, stunBinding)
	binary.BigEndian.PutUint32(b[4:], stunCookie)
	_, _ = rand.Read(b[8:]) // never fails
	return &stunQuery{server: server, request: stunSign(b), told: make(chan stunTold, 1)}
}

// takes tells whether a packet is the answer: it comes from who was asked, with the id of the question and a whole FINGERPRINT, if
// any. What is broken is not (RFC 8489 6.3): the question is repeated.
func (q *stunQuery) takes(b []byte, from netip.AddrPort) bool {
	if from != q.server || !isSTUN(b) || !bytes.Equal(b[4:stunHeader], q.request[4:stunHeader]) ||
		int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeader {
		return false
	}
	kind := binary.BigEndian.Uint16(b)
	if kind != stunSuccess && kind != stunError {
		return false
	}
	mapped, ok := stunMappedIn(b)
	told := stunTold{mapped: mapped}
	switch {
	case !ok:
		return false
	case kind == stunError:
		told.err = errSTUNRefused
	case !mapped.IsValid() || mapped.Addr().IsUnspecified() || mapped.Addr().IsMulticast():
		return false
	}
	select {
	case q.told <- told:
	default: // it was told before
	}
	return true
}

// stunMappedIn reads XOR-MAPPED-ADDRESS (RFC 8489 14.2); ok is false where the message is broken.
func stunMappedIn(b []byte) (mapped netip.AddrPort, ok bool) {
	for at := stunHeader; at < len(b); {
		if len(b)-at < 4 {
			return mapped, false
		}
		kind, size := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		next := at + 4 + (size+3)&^3
		if next > len(b) {
			return mapped, false
		}
		value := b[at+4 : at+4+size]
		switch {
		case kind == attrFingerprint:
			return mapped, size == 4 && next == len(b) && binary.BigEndian.Uint32(value) == crc32.ChecksumIEEE(b[:at])^stunFingerprint
		case kind == attrXORMappedAddress && !mapped.IsValid():
			if mapped, ok = stunUnmask(b, value); !ok {
				return mapped, false
			}
		}
		at = next
	}
	return mapped, true
}

// stunUnmask reads an address that was masked with the cookie and the transaction id.
func stunUnmask(b, value []byte) (netip.AddrPort, bool) {
	if len(value) != 8 && len(value) != 20 || value[1] != byte(1+len(value)/20) {
		return netip.AddrPort{}, false
	}
	plain := bytes.Clone(value[2:])
	plain[0], plain[1] = plain[0]^b[4], plain[1]^b[5]
	for i := range plain[2:] {
		plain[2+i] ^= b[4+i]
	}
	a, ok := netip.AddrFromSlice(plain[2:])
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(plain)), ok
}

// ask sends the request, again and again, until it is answered.
func (q *stunQuery) ask(ctx context.Context, send func(b []byte, to netip.AddrPort) error) (netip.AddrPort, error) {
	wait := stunRTO
	var failure error
	for n := 1; n <= stunSent; n++ {
		if err := send(q.request, q.server); err != nil {
			failure = err
		}
		if n == stunSent {
			wait = stunLastWait
		}
		t := time.NewTimer(wait)
		select {
		case told := <-q.told:
			t.Stop()
			return told.mapped, told.err
		case <-ctx.Done():
			t.Stop()
			return netip.AddrPort{}, ctx.Err()
		case <-t.C:
		}
		wait *= 2
	}
	if failure != nil {
		return netip.AddrPort{}, failure
	}
	return netip.AddrPort{}, errSTUNSilent
}

// MappedOf asks a STUN server by which address it sees a SIP interface: from the interface's own socket where that is UDP, so that port
// tells whether the NAT leaves ports as they are; from a port beside it on streams, where port is 0. One question at a time for each
// interface.
func (e *Edge) MappedOf(ctx context.Context, id, host string, port int) (mapped netip.AddrPort, own uint16, err error) {
	i := e.iface(id)
	if i == nil {
		return mapped, 0, msg.ErrClosed
	}
	if i.Transport != sbc.TransportUDP {
		mapped, err = e.MappedFrom(ctx, i.sock.bound.Addr(), host, port)
		return mapped, 0, err
	}
	server, err := e.stunServer(ctx, i.sock.bound.Addr(), host, port)
	if err != nil {
		return mapped, 0, err
	}
	q := newSTUNQuery(server)
	i.sock.query.Store(q)
	defer i.sock.query.CompareAndSwap(q, nil)
	mapped, err = q.ask(ctx, i.sock.send)
	return mapped, i.sock.bound.Port(), err
}

// MappedFrom asks a STUN server by which address it sees one of ours, from any free port.
func (e *Edge) MappedFrom(ctx context.Context, from netip.Addr, host string, port int) (netip.AddrPort, error) {
	server, err := e.stunServer(ctx, from, host, port)
	if err != nil {
		return netip.AddrPort{}, err
	}
	packets, err := e.net.listenPacket(netip.AddrPortFrom(from, 0))
	if err != nil {
		return netip.AddrPort{}, err
	}
	q, closed := newSTUNQuery(server), make(chan struct{})
	e.start("stun client", func() {
		defer close(closed)
		var room [1500]byte
		for {
			n, at, err := packets.ReadFromUDPAddrPort(room[:])
			if err == nil {
				q.takes(room[:n], unmap(at))
			} else if !e.goesOn(err) {
				return
			}
		}
	})
	defer func() {
		_ = packets.Close() // it is of no use any more
		<-closed
	}()
	return q.ask(ctx, func(b []byte, to netip.AddrPort) error {
		_, err := packets.WriteToUDPAddrPort(b, to)
		return err
	})
}

// stunServer finds the address of a server that an address of ours can reach by its family.
func (e *Edge) stunServer(ctx context.Context, from netip.Addr, host string, port int) (netip.AddrPort, error) {
	found, err := e.o.Resolver.Lookup(ctx, host, port, sbc.TransportUDP)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for _, a := range found {
		if a.Addr.Addr().Is4() == from.Is4() {
			return a.Addr, nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("%s: %w of the family of %s", host, ErrNoAddress, from)
}
