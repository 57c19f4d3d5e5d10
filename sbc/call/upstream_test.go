package call

import (
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestUpstreamCalls: an upstream registrar calls the contact that was registered there in a phone's place; the phone rings
// under its own name. Nobody else can, and a contact that stands for nobody any more is routed nowhere.
func TestUpstreamCalls(t *testing.T) {
	const token = "c22222222222222222222222"
	guest := "sip:bob@example.com"
	for _, tt := range []struct {
		name, mode string
		edit       func(v *village)
		want       int // 0: the phone rings
	}{
		{"a contact", "mirror", nil, 0},
		{"another registrar's", "mirror", func(v *village) { v.snap.Domain("dom_1").Registration.UpstreamTrunkID = "trk_b" }, 404},
		{"of nobody any more", "mirror", func(v *village) { v.book.guests = "" }, 404},
		{"not reachable", "mirror", func(v *village) { delete(v.book.phones, guest) }, 480},
		{"no contact of ours", "mirror", func(v *village) { v.book.tokens = nil }, 404},
		{"no registrar", "local", nil, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runVillage(t, func(d *sbc.Domain) {
				d.Registration.Mode, d.Registration.UpstreamTrunkID = sbc.RegistrationMode(tt.mode), "trk_a"
			}, func(v *village) {
				v.book.tokens, v.book.guests = map[string]string{token: guest}, "dom_1"
				v.book.phones[guest] = []Contact{phone("reg_1", bobIP, 1)}
				if tt.edit != nil {
					tt.edit(v)
				}
				a := v.caller()
				a.uri = "sip:" + token + "@" + borderA
				in := a.invite(sdp(callerIP, 4000))
				if tt.want != 0 {
					in.want(tt.want)
					return
				}
				s := v.invites(1)[0]
				if s.target.Host != bobIP || s.req.To.URI.User != "bob" {
					t.Errorf("%s to %s", s.req.To, s.target.Host)
				}
				s.reply(486)
				in.want(486)
			})
		})
	}
}

// TestGuestCalls: whose accounts are upstream is not looked up here, neither as a caller nor as a callee, and dials no code
// of ours.
func TestGuestCalls(t *testing.T) {
	runVillage(t, func(d *sbc.Domain) {
		d.Registration.Mode, d.Registration.UpstreamTrunkID = sbc.RegistrationMirror, "trk_a"
	}, func(v *village) {
		d := v.snap.Domain("dom_1")
		v.alice.Domain, v.alice.Entry = d, d.Guest("alice")
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		for _, callee := range []string{"bob", "4930", "*78"} {
			_, in := v.call(callee)
			if callee != "4930" { // the plan has no rule for it
				in.want(404)
				continue
			}
			s := v.wire.next(msg.INVITE)
			if s.target.Host == bobIP {
				t.Errorf("%s went to bob's phone", callee)
			}
			s.reply(486)
			in.want(486)
		}
	})
}
