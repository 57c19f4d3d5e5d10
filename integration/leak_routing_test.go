package integration

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestLeaksOfRouting: a carrier that challenges calls and is asked whether it is alive learns nothing of the caller, and the caller nothing of its
// challenge; what another system says of a call, and what it was told, reaches neither.
func TestLeaksOfRouting(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{AllowLocalWebhooks: true})
	credentials := rest.Object{"username": "border", "password": "leak-west-password"}
	w := b.connect(newSides(t), wish{eastTrunk: rest.Object{"credentials": credentials, "probe": rest.Object{"enabled": true, "interval_s": 1}}})
	other := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(out, `{"action":"route","variables":{"deal":"leak-east","owner":"leak-west"}}`)
	}))
	defer other.Close()
	b.create("/routing-plans/"+w.plan+"/rules", rest.Object{"name": "asked", "prefix": "493", "action": "http", "route_list_id": w.list,
		"http": rest.Object{"url": other.URL, "secret": "whsec_C2FVsBQIhrscChlQIMV", "on_failure": "route"}})
	eyes := w.watched(t, false)
	west, east := eyes.west, eyes.east
	probe := east.take("a probe", func(m *msg.Message) bool { return m.IsRequest() && m.Method == msg.OPTIONS })
	(&line{p: east, callID: probe.CallID, local: probe.To.WithTag("leakeastprobe").String()}).say(probe, 200, "", "", hostileHeaders(east)...)

	call := west.dial("4930123456", west.sdp(hostileSDP(west)), hostileHeaders(west)...)
	first := east.ring()
	challenge := "Proxy-Authenticate: Digest realm=\"" + east.host("realm") + "\", nonce=\"leakeastnonce\", opaque=\"leakeastopaque\", qop=\"auth\", algorithm=SHA-256"
	first.say(first.invite, 407, "", "", append(hostileHeaders(east), challenge)...)
	first.hear(msg.ACK)
	proved := east.take("the INVITE with an answer", func(m *msg.Message) bool {
		return m.IsRequest() && m.Method == msg.INVITE && m.Get("Proxy-Authorization") != ""
	})
	rings := &line{p: east, callID: proved.CallID, remote: proved.From.String(), invite: proved, seq: 100,
		local: proved.To.WithTag("leakeast" + msg.NewTag()).String()}
	if c, err := proved.Contacts(); err == nil && len(c) > 0 {
		rings.target = c[0].URI.String()
	}
	rings.say(proved, 200, "", east.sdp(hostileSDP(east)), hostileHeaders(east)...)
	call.final(200)
	rings.hear(msg.ACK)
	call.hangup(rings, hostileHeaders(west)...)
	b.quiet()
	eyes.check(t)
	eyes.finished(t)
}
