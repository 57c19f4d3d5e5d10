package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/sbc/msg"
)

// failures are the error responses that have a name (RFC 3261 21 and the IANA registry), with two more of each class.
func failures() (codes []int) {
	for status := 400; status < 700; status++ {
		class := msg.StatusText(status/100*100 + 99)
		if msg.StatusText(status) != class || status%100 == 0 || status%100 == 60 || status%100 == 99 {
			codes = append(codes, status)
		}
	}
	return codes
}

// toldAs is what the caller hears of a failure of the callee: what concerns one leg alone is a failure of ours to the other.
func toldAs(status int) int {
	switch status {
	case 401, 407:
		return 403
	case 420, 421, 422, 481, 482, 483, 494:
		return 500
	}
	return status
}

// failing are headers that belong to failures and say where they come from, and all those that belong nowhere.
func failing(p *peer) []string {
	word := "leak-" + p.side
	return append(hostileHeaders(p), "WWW-Authenticate: Digest realm=\""+p.host("realm")+"\", nonce=\""+word+"\"",
		"Proxy-Authenticate: Digest realm=\""+p.host("realm")+"\", nonce=\""+word+"\"", "Unsupported: "+word, "Min-SE: 1800;x="+word,
		"Min-Expires: 60;x="+word, "Security-Server: "+word, "Permission-Missing: sip:x@"+p.host("permission"),
		"Geolocation-Error: 100;code=\""+word+"\"", "AlertMsg-Error: 100;text=\""+word+"\"", "Accept-Encoding: "+word,
		"Require: "+word, "Contact: <sip:x@"+p.host("contact")+">;q=0.5", "Content-Type: text/"+word)
}

// errorScenes are all failures of the callee: of a call, of a change of the session and of what is carried within it.
func errorScenes() (list []scene) {
	for _, status := range failures() {
		list = append(list, scene{fmt.Sprintf("a call that fails with %d", status), func(a, b *peer) {
			call := a.dial("4930123456", a.sdp())
			rings := b.ring()
			rings.say(rings.invite, status, "no, says "+b.host("phrase"), "a body of leak-"+b.side, failing(b)...)
			m := call.final(toldAs(status))
			for _, name := range []string{"WWW-Authenticate", "Proxy-Authenticate", "Contact", "Content-Type", "Min-SE", "Unsupported"} {
				if m.Has(name) {
					a.t.Errorf("%d with %s: %s", status, name, m.Get(name))
				}
			}
			rings.hear(msg.ACK)
		}})
	}
	return append(list, scene{"re-INVITEs that fail in every way", failedChanges},
		scene{"INFO that fails in every way", failedInfos})
}

// ends tells whether a failure within a dialog ends it (RFC 5057 5.1): with 481 and 408 the peer is not there any more.
func ends(status int) bool {
	return slices.Contains([]int{404, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 502, 604}, status)
}

// failedChanges lets the callee refuse changes, of which the caller is told, and the call goes on (pitfall 5).
func failedChanges(a, b *peer) {
	call, rings := connected(a, b)
	a.sync(a.border)
	for _, status := range failures() {
		if ends(status) || status == 491 || status == 422 { // these two the border tries again
			continue
		}
		call.request("INVITE", a.sdp(hostileSDP(a)), hostileHeaders(a)...)
		rings.say(rings.hear(msg.INVITE), status, "no, says "+b.host("phrase"), "a body of leak-"+b.side, failing(b)...)
		call.final(toldAs(status))
		rings.hear(msg.ACK)
	}
	call.hangup(rings)
}

// failedInfos lets the callee refuse what is carried within the dialog.
func failedInfos(a, b *peer) {
	call, rings := connected(a, b)
	digit := append(hostileHeaders(a), "Content-Type: application/dtmf-relay")
	for _, status := range failures() {
		if ends(status) {
			continue
		}
		seq := call.request("INFO", "Signal=5\r\nDuration=160\r\n", digit...)
		rings.say(rings.hear(msg.INFO), status, "no, says "+b.host("phrase"), "a body of leak-"+b.side, failing(b)...)
		call.answer(seq, toldAs(status))
	}
	call.hangup(rings)
}

// TestLeaksErrors plays every error response in both directions.
func TestLeaksErrors(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	eyes := w.watched(t, false)
	playAll(t, eyes, errorScenes())
	b.quiet()
	eyes.finished(t)
}

// TestLeakScenes counts what the leak tests play: at least 50 scenes, transfers and subscriptions among them, and error responses
// of every class from the callee.
func TestLeakScenes(t *testing.T) {
	names := map[string]bool{}
	for _, list := range [][]scene{allScenes(), errorScenes(), reliableScenes(true), subscriptionScenes(), passScenes(), watchScenes()} {
		for _, s := range list {
			if names[s.name] {
				t.Errorf("two scenes are called %q", s.name)
			}
			names[s.name] = true
		}
	}
	t.Logf("%d scenes", len(names))
	if len(names) < 50 {
		t.Errorf("%d scenes; 50 are demanded", len(names))
	}
	all := strings.Join(slices.Sorted(maps.Keys(names)), "\n")
	for _, must := range []string{"blind transfer", "attended transfer", "REFER carried", "SUBSCRIBE", "PUBLISH",
		"fails with 4", "fails with 5", "fails with 6"} {
		if !strings.Contains(all, must) {
			t.Errorf("no scene with %q among\n%s", must, all)
		}
	}
}
