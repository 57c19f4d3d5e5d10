package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/webhook"
)

// TestPushed has a phone sleep: a call to it wakes it by the system that its domain names, waits until it has registered anew, and is
// completed (RFC 8599). What wakes it is its own: the caller sees nothing of it.
func TestPushed(t *testing.T) {
	woken := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var q struct {
			Type, Username string
			Provider       string `json:"pn_provider"`
			PRID           string `json:"pn_prid"`
		}
		if err := json.Unmarshal(body, &q); err != nil || q.Type != "push.wake" || q.Username != "bob" || q.Provider != "fcm" {
			t.Errorf("told %s: %v", body, err)
		}
		want := webhook.Signature("whsecret", r.Header.Get(webhook.HeaderID), r.Header.Get(webhook.HeaderTimestamp), body)
		if r.Header.Get(webhook.HeaderSignature) != want {
			t.Errorf("signed %s, want %s", r.Header.Get(webhook.HeaderSignature), want)
		}
		w.WriteHeader(http.StatusAccepted)
		woken <- q.PRID
	}))
	defer other.Close()
	h := newHousehold(t, "udp", rest.Object{"push": rest.Object{"url": other.URL, "secret": "whsecret", "wait_s": 30}})
	h.subscriber("alice", "secret", nil)
	bob := h.subscriber("bob", "secret", nil)
	contact := "Contact: <sip:bob@" + h.phone.addr.String() + ";pn-provider=fcm;pn-prid=leakwesttoken>"
	if res := h.want(h.register("bob", "secret", contact, "Expires: 600"), 200); res.Get("Feature-Caps") != `*;+sip.pns="fcm"` {
		t.Errorf("Feature-Caps %q", res.Get("Feature-Caps"))
	}
	if r := h.registrations(1, "")[0]; !r.Push {
		t.Errorf("%+v", r)
	}
	call, _ := h.dial("alice", "secret", "bob", digest.SHA256)
	select {
	case id := <-woken:
		if id != "leakwesttoken" {
			t.Errorf("woken %s", id)
		}
	case <-patience(t, 10*time.Second).Done():
		t.Fatal("nobody was woken")
	}
	h.phone.nothing("an INVITE before the phone is awake", func(m *msg.Message) bool { return m.IsRequest() && m.Method == msg.INVITE })
	h.want(h.register("bob", "secret", contact, "Expires: 600"), 200)
	callee := h.phone.ring()
	callee.say(callee.invite, 200, "", h.phone.sdp())
	call.ack(call.final(200))
	callee.hear(msg.ACK)
	call.hangup(callee)
	if r := h.cdrs(1)[0]; r.CalleeSubscriberID != bob || r.FinalCode != 200 {
		t.Errorf("record %+v", r)
	}
	h.quiet()
}
