package call

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// edits makes one edit of several.
func edits(all ...func(id string, r sbc.Resource)) func(id string, r sbc.Resource) {
	return func(id string, r sbc.Resource) {
		for _, e := range all {
			if e != nil {
				e(id, r)
			}
		}
	}
}

// ofTrunk edits one trunk.
func ofTrunk(id string, f func(t *sbc.Trunk)) func(string, sbc.Resource) {
	return func(got string, r sbc.Resource) {
		if t, ok := r.(*sbc.Trunk); ok && got == id {
			f(t)
		}
	}
}

// strange makes the callee's realm one that is not trusted.
func strange(id string, r sbc.Resource) {
	if realm, ok := r.(*sbc.Realm); ok && id == "rlm_b" {
		realm.Trust = sbc.TrustAccess
	}
}

// TestFromOfTheTrunk: what the callee's trunk is told as From.
func TestFromOfTheTrunk(t *testing.T) {
	const pai = "P-Asserted-Identity: \"Desk\" <sip:+4940777@pbx.example>"
	identity := func(f func(c *sbc.CallerIdentity)) func(string, sbc.Resource) {
		return ofTrunk("trk_b", func(t *sbc.Trunk) { f(&t.CallerIdentity) })
	}
	for _, tt := range []struct {
		name  string
		edit  func(id string, r sbc.Resource)
		extra []string
		want  string
	}{
		{"as it came", nil, nil, `"Alice" <sip:+441234@` + borderB + `>`},
		{"asserted or not", trusted, []string{pai}, `"Alice" <sip:+441234@` + borderB + `>`},
		{"the only place for the number", edits(trusted, identity(func(c *sbc.CallerIdentity) { c.Send = []sbc.IdentityField{} })),
			[]string{pai}, `"Desk" <sip:+4940777@` + borderB + `>`},
		{"account and host", identity(func(c *sbc.CallerIdentity) { c.FromUser, c.FromHost = "acct7", "carrier.example" }), nil,
			`"Alice" <sip:acct7@carrier.example>`},
		{"digits", identity(func(c *sbc.CallerIdentity) { c.Format, c.UserPhone = sbc.NumberDigits, true }), nil,
			`"Alice" <sip:441234@` + borderB + `;user=phone>`},
		{"withheld from strangers", strange, []string{pai, "Privacy: id"}, `"Anonymous" <sip:anonymous@anonymous.invalid>`},
		{"not from trusted realms", trusted, []string{pai, "Privacy: id"}, `"Alice" <sip:+441234@` + borderB + `>`},
		{"unless we shall", edits(trusted, identity(func(c *sbc.CallerIdentity) { c.Privacy = sbc.PrivacyEnforce })),
			[]string{pai, "Privacy: user"}, `"Anonymous" <sip:anonymous@anonymous.invalid>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, tt.edit, func(w *world) {
				a := w.caller()
				in := a.invite(sdp(callerIP, 4000), tt.extra...)
				out := w.wire.next(msg.INVITE)
				if got := out.req.From.WithTag("").String(); got != tt.want {
					t.Errorf("From %s, want %s", got, tt.want)
				}
				if phone := strings.Contains(out.req.RequestURI.String(), "user=phone"); phone != strings.Contains(tt.want, "user=phone") {
					t.Errorf("Request-URI %s", out.req.RequestURI)
				}
				out.reply(486)
				in.want(486)
			})
		})
	}
}

// TestWithheldEverywhere: in no message of the whole call does a stranger read the number of a caller who wishes so, or its name,
// wherever the caller put them.
func TestWithheldEverywhere(t *testing.T) {
	pass := func(_ string, r sbc.Resource) {
		if t, ok := r.(*sbc.Trunk); ok {
			t.PassHeaders = []string{"X-Note", "Remote-Party-ID", "Diversion"}
		}
		strange(r.Base().ID, r)
	}
	extra := []string{"P-Asserted-Identity: \"Desk of A\" <sip:+4940777@pbx.example>", "Privacy: id", "Subject: Alice calls",
		"X-Note: call back +4940777 now", "Remote-Party-ID: <sip:+441234@x>;privacy=off", "Diversion: <sip:4940777@x>"}
	run(t, pass, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000), extra...)
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		tx := a.send(msg.UPDATE, "", extra...)
		w.wire.next(msg.UPDATE).reply(200)
		tx.want(200)
		a.send(msg.BYE, "", append(extra, "Reason: SIP;cause=200;text=\"+441234 left\"")...).want(200)
		w.wire.next(msg.BYE).reply(200)
		for _, s := range w.wire.sent {
			raw := string(s.req.AppendTo(nil))
			for _, secret := range []string{"441234", "4940777", "Alice", "Desk"} {
				if strings.Contains(raw, secret) {
					t.Errorf("%q shows:\n%s", secret, raw)
				}
			}
		}
		if d := w.cdr(); d.Caller != "+4940777" {
			t.Errorf("the record has caller %q", d.Caller)
		}
	})
}
