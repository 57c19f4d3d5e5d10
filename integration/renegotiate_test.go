package integration

import (
	"encoding/binary"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestInfoByAPI: each side gets INFO in its dialog, and the answer of its device is that of the API; the other side hears nothing.
func TestInfoByAPI(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	call, rings, number := s.talk()
	id := s.running().ID
	for side, l := range map[sbc.Side]*line{sbc.SideCaller: call, sbc.SideCallee: rings} {
		var answer sbc.InfoAnswer
		done := make(chan error, 1)
		go func() {
			done <- s.b.Do(t.Context(), http.MethodPost, "/v1/calls/"+id+"/info",
				rest.Object{"side": side, "content_type": "application/x-credit", "body": "120"}, &answer)
		}()
		info := l.hear(msg.INFO)
		if info.Get("Content-Type") != "application/x-credit" || string(info.Body) != "120" {
			t.Errorf("%s", info.AppendTo(nil))
		}
		l.say(info, 415, "Not that", "", "Accept: text/plain")
		if err := <-done; err != nil || answer.Status != 415 || answer.Reason != "Not that" {
			t.Errorf("%+v %v", answer, err)
		}
	}
	s.settle()
	call.p.nothing("an INFO", call.ofCall(msg.INFO))
	rings.p.nothing("an INFO", rings.ofCall(msg.INFO))
	wantEnd(t, s.over(call, rings, number), sbc.EndCallerBye, sbc.SideCaller, 200)
	s.b.quiet()
}

// TestReinviteByAPI: both sides are offered again what they were told last, and may say that they have moved.
func TestReinviteByAPI(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	call, rings, number := s.talk()
	done := s.order(t, http.MethodPost, "/reinvite", rest.Object{})
	for _, l := range []*line{call, rings} {
		re := l.hear(msg.INVITE)
		if d := readSDP(t, re.Body); len(d.media) != 1 || d.media[0].port == 0 || d.media[0].direction != "sendrecv" {
			t.Errorf("offered %+v", d.media)
		}
		l.say(re, 200, "", l.p.sdp())
		l.hear(msg.ACK)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wantEnd(t, s.over(call, rings, number), sbc.EndCallerBye, sbc.SideCaller, 200)
	s.b.quiet()
}

// talker sends media to a door of the border every 10 ms, and counts how many packets in a row did not come: a machine that is busy
// elsewhere sends later, which is no gap.
type talker struct {
	c     *net.UDPConn
	to    atomic.Pointer[netip.AddrPort]
	heard atomic.Int64 // packets
	gap   atomic.Int64 // of sequence numbers; 1 is none
	from  atomic.Pointer[netip.AddrPort]
}

func newTalker(t *testing.T, at netip.Addr, to netip.AddrPort, ssrc uint32) *talker {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, 40000)))
	if err != nil {
		t.Fatal(err)
	}
	k, quit := &talker{c: c}, make(chan struct{})
	k.to.Store(&to)
	var running sync.WaitGroup
	t.Cleanup(func() { close(quit); c.Close(); running.Wait() })
	running.Go(func() {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for seq := uint16(0); ; seq++ {
			select {
			case <-quit:
				return
			case <-ticker.C:
				_, _ = c.WriteToUDPAddrPort(rtp(seq, ssrc), *k.to.Load()) // what is lost shows as a gap
			}
		}
	})
	running.Go(func() {
		buf, last := make([]byte, 2000), uint16(0)
		for {
			_, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			seq := binary.BigEndian.Uint16(buf[2:])
			if k.heard.Load() > 0 {
				k.gap.Store(max(k.gap.Load(), int64(int16(seq-last))))
			}
			last = seq
			k.from.Store(&from)
			k.heard.Add(1)
		}
	})
	return k
}

// hears waits for so many more packets.
func (k *talker) hears(t *testing.T, more int64) {
	t.Helper()
	want := k.heard.Load() + more
	waitFor(t, func() bool { return k.heard.Load() >= want }, "media")
}

// TestMediaMovesToAnotherPort: a side is told of other ports of ours while both talk; neither hears a gap of 200 ms (features
// 8.18), and the old ports go back once it sends to the new ones.
func TestMediaMovesToAnotherPort(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	number := s.number()
	call := s.west.dial(number, s.west.sdp())
	rings := s.east.ring()
	rings.say(rings.invite, 200, "", s.east.sdp())
	ok := call.final(200)
	rings.hear(msg.ACK)
	s.west.sync(s.west.border)
	before := mediaPort(t, rings.invite.Body, s.w.east)
	a := newTalker(t, s.w.westPeer, mediaPort(t, ok.Body, s.w.west), 1)
	z := newTalker(t, s.w.eastPeer, before, 2)
	a.hears(t, 10)
	z.hears(t, 10)
	used := s.b.metric("sbc_media_ports", "in_use")
	done := s.order(t, http.MethodPost, "/reinvite", rest.Object{"side": "callee", "media": "new_port"})
	re := rings.hear(msg.INVITE)
	now := mediaPort(t, re.Body, s.w.east)
	if now == before {
		t.Fatalf("it stays at %v", now)
	}
	rings.say(re, 200, "", s.east.sdp())
	rings.hear(msg.ACK)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return *z.from.Load() == now }, "media from the new port")
	a.hears(t, 20) // by the old port still
	z.to.Store(&now)
	a.hears(t, 20)
	z.hears(t, 20)
	waitFor(t, func() bool { return s.b.metric("sbc_media_ports", "in_use") == used }, "the old ports to go back")
	a.hears(t, 10)
	for name, k := range map[string]*talker{"caller": a, "callee": z} {
		if gap := k.gap.Load(); gap > 1 {
			t.Errorf("the %s missed %d packets in a row", name, gap-1)
		}
	}
	wantEnd(t, s.over(call, rings, number), sbc.EndCallerBye, sbc.SideCaller, 200)
	s.b.quiet()
}
