package integration

import (
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestRefreshKeepsTheLatch: a refresh of the session that changes nothing (RFC 4028) lets nobody else in who waits for one at
// the same address, and takes nothing away from who speaks (RTP bleed).
func TestRefreshKeepsTheLatch(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	for _, method := range []msg.Method{msg.INVITE, msg.UPDATE} {
		s.run(t, string(method), func(t *testing.T) {
			a, b, number := s.talkWithMedia(t, pcmu)
			both(t, a, b, 0)
			neighbour := listen(t, a.p.addr.Addr())
			renew(t, a, b, method, pcmu)
			for range 10 {
				neighbour.say(a.door, 0, "bleed")
				carries(t, b.ear, b.door, a.ear, 0)
			}
			if p := b.ear.last.Load(); p == nil || p.data == "bleed" {
				t.Errorf("the callee hears %+v", p)
			}
			if p := neighbour.last.Load(); p != nil {
				t.Errorf("the neighbour hears %+v", p)
			}
			both(t, a, b, 0)
			wantEnd(t, s.over(a.line, b.line, number), sbc.EndCallerBye, sbc.SideCaller, 200)
		})
	}
}
