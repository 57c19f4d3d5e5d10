package access

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestGuests: in a domain whose accounts are upstream a REGISTER is not challenged here, and everything else gets in only by
// the way that its sender registered by.
func TestGuests(t *testing.T) {
	w := newWorld(t, func(d *sbc.Domain) {
		d.Registration.Mode, d.Registration.UpstreamTrunkID = sbc.RegistrationMirror, "trk_1"
	})
	const carol = "sip:carol@example.com"
	here := true
	w.door.o.Registered = func(id string, h msg.Hop) bool {
		return here && id == carol && h.Remote.String() == "192.0.2.9:5060"
	}
	elsewhere := func(m *msg.Message) *msg.Message { m.Hop.Interface = "sif_2"; return m }
	c := digest.Challenge{Realm: "core", Nonce: "n", Algorithm: digest.MD5}
	answer := c.Answer(digest.Request{Username: "mallory", HA1: "x", Method: "REGISTER", URI: "sip:example.com"})
	barred, long := "Authorization: "+answer.String(), "sip:"+strings.Repeat("x", 65)+"@example.com"
	w.seen.barred = "mallory"
	for _, tt := range []struct {
		name   string
		m      *msg.Message
		status int // 0: goes on
		how    string
	}{
		{"REGISTER", request(t, msg.REGISTER, "sip:example.com", carol), 0, ByUpstream},
		{"REGISTER of a barred account", request(t, msg.REGISTER, "sip:example.com", carol, barred), 403, ""},
		{"REGISTER of nobody", request(t, msg.REGISTER, "sip:example.com", "sip:example.com"), 404, ""},
		{"REGISTER of a name too long", request(t, msg.REGISTER, "sip:example.com", long), 404, ""},
		{"REGISTER for a foreign domain", request(t, msg.REGISTER, "sip:elsewhere.example", carol), 403, ""},
		{"INVITE", request(t, msg.INVITE, "sip:4930@example.com", carol), 0, ByRegistration},
		{"INVITE of somebody else", request(t, msg.INVITE, "sip:4930@example.com", "sip:dave@example.com"), 403, ""},
		{"INVITE of a row", request(t, msg.INVITE, "sip:4930@example.com", alice), 403, ""},
		{"INVITE that names nobody", request(t, msg.INVITE, "sip:4930@example.com", "sip:anonymous@anonymous.invalid",
			"P-Preferred-Identity: <"+carol+">"), 0, ByRegistration},
		{"INVITE that names somebody else", request(t, msg.INVITE, "sip:4930@example.com", carol,
			"P-Preferred-Identity: <sip:dave@example.com>"), 403, ""},
		{"INVITE over an open relay", request(t, msg.INVITE, "sip:4930@elsewhere.example", carol), 403, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := w.ask(tt.m)
			in := o.caller != nil && o.caller.How == tt.how && o.caller.Entry.Subscriber.ID == carol
			if o.status != tt.status || o.status == 0 && !in {
				t.Errorf("%+v", o)
			}
		})
	}
	if here = false; w.ask(elsewhere(request(t, msg.INVITE, "sip:4930@example.com", carol))).status != 403 {
		t.Error("an INVITE of nobody who registered got in")
	}
}
