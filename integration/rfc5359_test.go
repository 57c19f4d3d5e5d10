package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// busyOrFree is what a device tells of its dialogs (RFC 4235), in the shortest form.
func busyOrFree(p *peer, version int, state string) string {
	return fmt.Sprintf(`<?xml version="1.0"?><dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="%d" state="full" `+
		`entity="sip:4930123@%s"><dialog id="leak%sid"><state>%s</state></dialog></dialog-info>`,
		version, p.host("entity"), p.side, state)
}

// TestRFC5359 has the one service of RFC 5359 that needs a subscription beside calls; the others are in sbc/call.
func TestRFC5359(t *testing.T) {
	t.Parallel()
	t.Run("2.17 automatic redial", func(t *testing.T) {
		s := stageWith(t, "/signalling-profiles", rest.Object{"pass_events": []string{"dialog"}}, func(id string) wish {
			return wish{westTrunk: rest.Object{"signalling_profile_id": id}, eastTrunk: rest.Object{"signalling_profile_id": id}}
		})
		number := s.number()
		call := s.west.dial(number, s.west.sdp())
		rings := s.east.ring()
		rings.say(rings.invite, 486, "", "")
		call.final(486)
		rings.hear(msg.ACK)
		wantEnd(t, s.record(number), sbc.EndBusy, sbc.SideCallee, 486)
		subscriber, notifier := subscribed(s.west, s.east, "dialog")
		for i, state := range []string{"confirmed", "terminated"} {
			got := tells(notifier, subscriber, "dialog", "active;expires=60", busyOrFree(s.east, i+1, state),
				"Content-Type: application/dialog-info+xml")
			if !strings.Contains(string(got.Body), ">"+state+"<") {
				t.Errorf("the caller is told %s", got.Body)
			}
		}
		number = s.number()
		call, rings = setUp(s.west, s.east, number)
		wantEnd(t, s.over(call, rings, number), sbc.EndCallerBye, sbc.SideCaller, 200)
		seq := subscriber.request("SUBSCRIBE", "", "Event: dialog", "Expires: 0") // F16 there
		notifier.say(notifier.hear(msg.SUBSCRIBE), 200, "", "", "Expires: 0", "Contact: "+s.east.contact())
		subscriber.answer(seq, 200)
		tells(notifier, subscriber, "dialog", "terminated;reason=timeout", "")
		s.b.quiet()
	})
}
