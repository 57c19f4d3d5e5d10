package call

import (
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// trusted makes both realms believe asserted identities.
func trusted(_ string, r sbc.Resource) {
	if realm, ok := r.(*sbc.Realm); ok {
		realm.Trust = sbc.TrustPeer
	}
}

// identities become two lines of one name, one of which has a place for our host.
func identities(ip string) []string {
	return []string{"P-Asserted-Identity: <sip:+441234@" + ip + ">, <tel:+441234>"}
}

// wantIdentities sees that both lines came, with a host of ours in the one that needs it.
func wantIdentities(t *testing.T, m *msg.Message, host string) {
	t.Helper()
	want := []string{"<sip:+441234@" + host + ">", "<tel:+441234>"}
	if got := m.GetAll("P-Asserted-Identity"); !slices.Equal(got, want) {
		t.Errorf("%s: identities %q, want %q", m.StartLine(), got, want)
	}
	if raw := string(m.AppendTo(nil)); strings.Contains(raw, header.HostToken) {
		t.Errorf("a header without our host in it:\n%s", raw)
	}
}

// TestOpenHeaders: every request and response that passes has our host where a header needs one, and keeps all its lines.
func TestOpenHeaders(t *testing.T) {
	run(t, trusted, func(w *world) {
		a, b, _, _ := w.talk()
		for method, body := range map[msg.Method]string{msg.INFO: "", msg.MESSAGE: "", msg.UPDATE: "", msg.INVITE: sdp(callerIP, 4002)} {
			tx := a.send(method, body, identities(callerIP)...)
			far := w.wire.next(method)
			wantIdentities(t, far.req, borderB)
			bodies := []string{}
			if body != "" {
				bodies = append(bodies, sdp(calleeIP, 5002))
			}
			far.reply(200, append(bodies, identities(calleeIP)...)...)
			wantIdentities(t, tx.want(200), borderA)
			if method == msg.INVITE {
				a.ack(a.lastInviteNumber, "")
			}
		}
		bye := b.send(msg.BYE, "", identities(calleeIP)...)
		bye.want(200)
		far := w.wire.next(msg.BYE)
		wantIdentities(t, far.req, borderA)
		far.reply(200)
	})
}

// TestBodyType writes the type of a body anew.
func TestBodyType(t *testing.T) {
	for in, want := range map[string]string{
		"text/plain":                                 "text/plain",
		"Text/Plain;charset=UTF-8":                   "text/plain;charset=utf-8",
		`text/plain;charset="utf-8";x="pbx.example"`: "text/plain;charset=utf-8",
		"text/plain;charset=pbx":                     "text/plain",
		"application/dtmf-relay;version=pbx.example": "application/dtmf-relay",
		"text/plain;format=flowed;delsp=10.0.0.1":    "text/plain",
		"nonsense of pbx.example":                    "application/octet-stream",
	} {
		if got := header.BodyType(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// TestOwnName tells a device's name for itself from a number.
func TestOwnName(t *testing.T) {
	for contact, want := range map[string]string{
		"<sip:4xk29dkw-0@10.0.0.1>": "4xk29dkw-0", "<sip:+4930123456@10.0.0.1>": "", "<sip:bob@10.0.0.1>": "",
		"<sip:10.0.0.1>": "", "*": "",
		"<sip:a-device-1@h>, <sip:a-device-2@h>": "",
	} {
		m := msg.NewRequest(msg.INVITE, msg.URI{})
		m.Append("Contact", contact)
		if got := ownName(m); got != want {
			t.Errorf("%q: %q, want %q", contact, got, want)
		}
	}
}
