package relay

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
)

// wire is the socket under a Port. send never blocks; false says that the system did not take the packet.
type wire interface {
	send(b []byte, to *Dest) bool
	close() error
}

// Port is one UDP port of ours. It receives from the moment it is opened; without a Path its packets are counted and dropped.
type Port struct {
	path  atomic.Pointer[Path]
	wire  wire
	local netip.AddrPort
	heard atomic.Bool
}

// Local is the bound address.
func (p *Port) Local() netip.AddrPort { return p.local }

// Set swaps the Path; nil drops everything. Packets being handled finish on the old one.
func (p *Port) Set(path *Path) { p.path.Store(path) }

// Heard tells whether media of its party has come by the Port since Forget.
func (p *Port) Heard() bool { return p.heard.Load() }

// Forget makes Heard false until media comes.
func (p *Port) Forget() { p.heard.Store(false) }

// Path gives what it does now; nil if it drops everything.
func (p *Port) Path() *Path { return p.path.Load() }

// Close stops reception and closes the socket. No Path may lead to the Port any more.
func (p *Port) Close() error {
	p.path.Store(nil)
	return p.wire.close()
}

// receive handles one datagram. b may be changed; now is nanoseconds of the mover's clock, never 0.
func (p *Port) receive(b []byte, src netip.AddrPort, now int64, t *tally) {
	path := p.path.Load()
	if path == nil {
		t.noSession++
		return
	}
	if path.welcome(p, b, src, now) {
		return
	}
	if path.Kind == KindRTCP || path.Kind == KindRTP && path.Mux && looksRTCP(b) {
		path.control(b, src, now, t)
		return
	}
	if path.Kind == KindRTP && isZRTP(b) {
		path.zrtp(b, src, now, t)
		return
	}
	b, result, pt := path.From.media(b, src, now, path)
	if (result == pass || result == consumed) && !p.heard.Load() {
		p.heard.Store(true)
	}
	if path.Digits != nil && path.Kind == KindRTP && (result == pass || result == consumed) {
		f, _ := path.Formats.find(pt)
		path.Digits.take(b, f.Event, f.rate(), now)
	}
	if path.Tap != nil && path.Kind == KindRTP && (result == pass || result == consumed) {
		if f, _ := path.Formats.find(pt); !f.Event && !f.Noise {
			path.Tap.Take(pt, binary.BigEndian.Uint32(b[4:]), rtpPayload(b))
		}
	}
	switch result {
	case pass:
		if path.Kind == KindRTP && (path.Out != nil || path.NoEvents) && !path.admits(b, pt, now) {
			path.From.unsent()
			t.consumed++
			return
		}
		if path.Map != nil && path.Kind == KindRTP {
			b[1] = b[1]&0x80 | path.Map[pt]&0x7f
		}
		if path.Kind == KindRTP {
			var ok bool
			if b, ok = path.RTP.To.seal(b, false); !ok {
				path.From.unsent()
				t.unsent++
				return
			}
		}
		if !path.RTP.send(b, t) {
			path.From.unsent()
		}
	default:
		t.count(result)
	}
}

// control handles one RTCP packet. It is read before its source is judged, because reading also rewrites its texts; a stranger's
// packet changes nothing but the buffer.
func (p *Path) control(b []byte, src netip.AddrPort, now int64, t *tally) {
	b, result := p.From.openRTCP(b, src, now)
	if result != pass {
		t.count(result)
		return
	}
	c := readRTCP(b, p.Mask)
	switch result := p.From.rtcpIn(&c, src, now); result {
	default:
		t.count(result)
	case pass, consumed:
		if p.Out != nil || p.Back != nil {
			says, hears := p.From.told(p.Out, now), p.RTCP.To.told(p.Back, now)
			c.retell(b, &says, &hears)
		}
		p.From.round(p.RTCP.To, &c, now)
		if !p.RTCP.ready() {
			t.consumed++
			return
		}
		b, ok := p.RTCP.To.seal(b, true)
		if !ok {
			t.unsent++
			return
		}
		p.RTCP.send(b, t)
	}
}

// send passes a packet on and counts it.
func (e *Egress) send(b []byte, t *tally) bool {
	d := e.dest()
	if d == nil || !e.Port.wire.send(b, d) {
		t.unsent++
		return false
	}
	t.packets++
	t.octets += uint64(len(b))
	return true
}
