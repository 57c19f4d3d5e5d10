package integration

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// keypad is a place for media that sends telephone-events and writes down those that come, each once with its payload type.
type keypad struct {
	t    testing.TB
	conn *net.UDPConn
	addr netip.AddrPort
	seq  uint16
	done chan struct{}

	mu    sync.Mutex
	heard []string
	ts    map[uint32]bool
}

func newKeypad(t testing.TB, addr netip.Addr) *keypad {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		t.Fatal(err)
	}
	k := &keypad{t: t, conn: c, addr: c.LocalAddr().(*net.UDPAddr).AddrPort(), done: make(chan struct{}), ts: map[uint32]bool{}}
	go k.listen()
	t.Cleanup(func() { c.Close(); <-k.done })
	return k
}

func (k *keypad) listen() {
	defer close(k.done)
	buf := make([]byte, 2048)
	for {
		n, _, err := k.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if n != 16 {
			continue
		}
		ts := binary.BigEndian.Uint32(buf[4:])
		k.mu.Lock()
		if !k.ts[ts] {
			k.ts[ts] = true
			k.heard = append(k.heard, fmt.Sprintf("%d as %d", buf[12], buf[1]&0x7f))
		}
		k.mu.Unlock()
	}
}

// digits are those that came.
func (k *keypad) digits() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.heard)
}

// press sends a digit of 100 ms, its end three times.
func (k *keypad) press(to netip.AddrPort, pt, code byte) {
	k.t.Helper()
	start := uint32(k.seq+1) * 160
	for n := 1; n <= 7; n++ {
		k.seq++
		b := []byte{0x80, pt, byte(k.seq >> 8), byte(k.seq), 0, 0, 0, 0, 1, 2, 3, 4, code, 10, 0, 0}
		binary.BigEndian.PutUint16(b[14:], uint16(160*min(n, 5)))
		binary.BigEndian.PutUint32(b[4:], start)
		if n >= 5 {
			b[13] |= 0x80
		}
		if _, err := k.conn.WriteToUDPAddrPort(b, to); err != nil {
			k.t.Error(err)
		}
	}
}

// audioLine describes the keypad; a payload type of 0 leaves telephone-events out.
func (k *keypad) audioLine(event int) string {
	if event == 0 {
		return fmt.Sprintf("m=audio %d RTP/AVP 8", k.addr.Port())
	}
	return fmt.Sprintf("m=audio %d RTP/AVP 8 %d\r\na=rtpmap:%d telephone-event/8000", k.addr.Port(), event, event)
}

// keypads sets a call up between two keypads, and tells where each sends.
func (s *stage) keypads(westPT, eastPT int) (caller, callee *line, west, east *keypad, doorWest, doorEast netip.AddrPort) {
	t := s.west.t
	t.Helper()
	west, east = newKeypad(t, s.west.addr.Addr()), newKeypad(t, s.east.addr.Addr())
	caller = s.west.dial(s.number(), s.west.offers(1, west.audioLine(westPT)))
	callee = s.east.ring()
	doorEast = readSDP(t, callee.invite.Body).media[0].at
	callee.say(callee.invite, 200, "", s.east.offers(1, east.audioLine(eastPT)))
	doorWest = readSDP(t, caller.final(200).Body).media[0].at
	callee.hear(msg.ACK)
	s.west.sync(s.west.border)
	return caller, callee, west, east, doorWest, doorEast
}

// wantDigits waits for digits and sees that there are no others.
func (k *keypad) wantDigits(want ...string) {
	k.t.Helper()
	waitFor(k.t, func() bool { return len(k.digits()) >= len(want) }, fmt.Sprintf("digits %v, so far %v", want, k.digits()))
	if got := k.digits(); !slices.Equal(got, want) {
		k.t.Errorf("digits %v, want %v", got, want)
	}
}

// inform sends a digit by INFO that must be taken.
func inform(l *line, digit string) {
	l.p.t.Helper()
	seq := l.request("INFO", "Signal="+digit+"\r\nDuration=100\r\n", "Content-Type: application/dtmf-relay")
	if m := l.answer(seq, 0); m.Status != 200 {
		l.p.t.Errorf("INFO was answered with %d", m.Status)
	}
}

// informed waits for a digit by INFO.
func informed(l *line, body string) {
	l.p.t.Helper()
	m := l.hear(msg.INFO)
	if string(m.Body) != body || m.Get("Content-Type") != "application/dtmf-relay" {
		l.p.t.Errorf("INFO with %q", m.Body)
	}
	l.say(m, 200, "", "")
}

// TestDigits: telephone-events and INFO, each into the other and under the number that the receiver gave, and no digit twice.
func TestDigits(t *testing.T) {
	t.Parallel()
	t.Run("other numbers", func(t *testing.T) {
		s := newStage(t, wish{})
		caller, callee, west, east, doorWest, doorEast := s.keypads(101, 96)
		west.press(doorWest, 101, 5)
		west.press(doorWest, 101, 11)
		east.press(doorEast, 96, 7)
		east.wantDigits("5 as 96", "11 as 96")
		west.wantDigits("7 as 101")
		caller.hangup(callee)
	})
	t.Run("INFO and packets", func(t *testing.T) {
		s := newStage(t, wish{})
		packets := s.b.create("/media-profiles", rest.Object{"name": "packets", "dtmf": "rfc4733", "dtmf_events": "full"})
		info := s.b.create("/media-profiles", rest.Object{"name": "info", "dtmf": "info", "dtmf_events": "masked"})
		s.b.do("PATCH", "/trunks/"+s.w.eastTrunk, rest.Object{"media_profile_id": packets}, nil)
		s.b.do("PATCH", "/trunks/"+s.w.westTrunk, rest.Object{"media_profile_id": info}, nil)
		caller, callee, west, east, _, doorEast := s.keypads(0, 97) // only the east is offered telephone-events
		inform(caller, "4")
		inform(caller, "*")
		east.wantDigits("4 as 97", "10 as 97")
		east.press(doorEast, 97, 8)
		informed(caller, "Signal=8\r\nDuration=100\r\n")
		s.west.nothing("INFO", caller.ofCall(msg.INFO))
		west.wantDigits()
		s.b.do("POST", "/calls/"+s.running().ID+"/dtmf", rest.Object{"side": "callee", "digits": "9"}, nil)
		east.wantDigits("4 as 97", "10 as 97", "9 as 97")
		s.b.do("POST", "/calls/"+s.running().ID+"/dtmf", rest.Object{"side": "caller", "digits": "3"}, nil)
		informed(caller, "Signal=3\r\nDuration=100\r\n")
		var page rest.Page[sbc.Event]
		s.b.do("GET", "/events?type=call.dtmf", nil, &page)
		var told []string
		for _, e := range page.Items {
			told = append(told, e.Data["side"]+" "+e.Data["digit"])
		}
		if want := []string{"caller *", "caller *", "callee 8"}; !slices.Equal(told, want) {
			t.Errorf("events %q, want %q", told, want)
		}
		caller.hangup(callee)
	})
}
