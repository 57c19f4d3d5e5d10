package integration

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
)

// TestLeaksOfProfilesBesideCalls plays what is no call, and INVITEs that name another dialog, with header rules that try to
// smuggle.
func TestLeaksOfProfilesBesideCalls(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	both := rest.Object{
		"pass_headers":      []string{"X-Trace", "Subject"},
		"header_profile_id": b.create("/header-profiles", rest.Object{"name": "smuggler", "rules": smuggling()}),
		"signalling_profile_id": b.create("/signalling-profiles", rest.Object{
			"name": "events", "pass_messages": true, "pass_events": []string{"message-summary", "dialog", "presence", "refer"},
		}),
	}
	w := b.connect(newSides(t), wish{westTrunk: both, eastTrunk: both})
	eyes := w.watched(t, false)
	playAll(t, eyes, append(subscriptionScenes(), takeoverScenes()...))
	eyes.finished(t)
	for _, side := range []string{string(eyes.east.bytes()), string(eyes.west.bytes())} {
		for _, method := range []string{"SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE", "INVITE"} {
			if !ruledOne(side, method) {
				t.Errorf("the rules were not applied to any %s", method)
			}
		}
	}
}

// ruledOne tells whether among messages there is a request of a method that a rule has written into.
func ruledOne(messages, method string) bool {
	for _, m := range strings.Split(messages, method+" sip:")[1:] {
		if head, _, _ := strings.Cut(m, "\r\n\r\n"); strings.Contains(head, "CSeq: ") && strings.Contains(head, "X-Out: ") {
			return true
		}
	}
	return false
}
