package call

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// shows lets the profile of the caller's trunk show one thing and that of the callee's another.
func shows(a, b sbc.ContactView) func(string, sbc.Resource) {
	return func(id string, r sbc.Resource) {
		switch r := r.(type) {
		case *sbc.Trunk:
			r.SignallingProfileID = map[string]string{"trk_a": "sgp_1", "trk_b": "sgp_2"}[id]
		case *sbc.SignallingProfile:
			if r.PingIntervalS = 0; id == "sgp_1" {
				r.ContactView = a
			} else {
				r.ContactView = b
			}
		}
	}
}

// The Contacts of both sides.
const (
	contactA = `Contact: <sip:ada;ext=1@192.0.2.1:5060;transport=udp;x-app=7;ob>;+sip.instance="<urn:uuid:1>";expires=5`
	contactB = `Contact: <sip:bo@198.51.100.10:5060;X-APP=9;maddr=198.51.100.10>;+u.other=1;x-app="of 198.51.100.10"`
)

// shown checks a Contact: user is "" for a word of ours.
func shown(t *testing.T, what string, m *msg.Message, user, uri, params string) {
	t.Helper()
	c, ok := m.Contact()
	if !ok {
		t.Errorf("%s has no Contact: %s", what, m.AppendTo(nil))
		return
	}
	if user == "" && (len(c.URI.User) < 10 || strings.Contains(m.Get("Contact"), "ada")) || user != "" && c.URI.User != user {
		t.Errorf("%s shows the user of %s, want %q", what, m.Get("Contact"), user)
	}
	if _, after, _ := strings.Cut(m.Get("Contact"), ":5060"); after != uri+">"+params {
		t.Errorf("%s shows the parameters %s, want %s>%s", what, after, uri, params)
	}
}

// TestContactShown: what both profiles let show does in every message of both dialogs, and nothing else.
func TestContactShown(t *testing.T) {
	names := []string{"x-App", "+sip.instance", "transport"}
	userShown, idKept, paramsSeen := sbc.ContactView{KeepUserInContact: true}, sbc.ContactView{KeepCallID: true}, sbc.ContactView{ContactParams: names}
	all := sbc.ContactView{KeepUserInContact: true, KeepCallID: true, ContactParams: names}
	const instance = `;+sip.instance="<urn:uuid:1>"`
	for name, c := range map[string]struct {
		a, b                         sbc.ContactView
		userA, uriA, paramsA         string
		userB, uriB                  string
		callID                       bool
		privacy, otherUser, otherURI string
	}{
		"nothing":            {},
		"one side only":      {a: all},
		"the other only":     {b: all},
		"not the same":       {a: userShown, b: idKept},
		"other lists":        {a: paramsSeen, b: userShown},
		"lists of others":    {a: userShown, b: paramsSeen},
		"user":               {a: userShown, b: userShown, userA: "ada;ext=1", userB: "bo", otherUser: "eve"},
		"Call-ID":            {a: idKept, b: idKept, callID: true},
		"parameters":         {a: paramsSeen, b: paramsSeen, uriA: ";x-app=7", paramsA: instance, uriB: ";X-APP=9", otherURI: ";x-app=8"},
		"an unnamed caller":  {a: userShown, b: userShown, privacy: "Privacy: id", userB: "bo", otherUser: ""},
		"an unnamed Call-ID": {a: idKept, b: idKept, privacy: "Privacy: id"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, shows(c.a, c.b), func(w *world) {
				a := w.caller()
				in := a.invite(sdp(callerIP, 4000), contactA, c.privacy)
				out := w.wire.next(msg.INVITE)
				shown(t, "INVITE", out.req, c.userA, c.uriA, c.paramsA)
				if kept := out.req.CallID == a.callID; kept != c.callID {
					t.Errorf("Call-ID %s of %s", out.req.CallID, a.callID)
				}
				out.reply(180, contactB)
				shown(t, "180", in.want(180), c.userB, c.uriB, "")
				out.reply(200, sdp(calleeIP, 5000), contactB)
				shown(t, "200", in.want(200), c.userB, c.uriB, "")
				a.learn(in.want(200))
				a.ack(a.lastInviteNumber, "")
				b := w.callee(out)
				const moved = `Contact: <sip:eve@192.0.2.1:5060;x-app=8>`
				re := a.invite(sdp(callerIP, 4002), moved)
				carried := w.wire.next(msg.INVITE)
				shown(t, "re-INVITE", carried.req, c.otherUser, c.otherURI, "")
				carried.reply(200, sdp(calleeIP, 5000), contactB)
				shown(t, "its 200", re.want(200), c.userB, c.uriB, "")
				a.ack(a.lastInviteNumber, "")
				up := b.send(msg.UPDATE, sdp(calleeIP, 5002), contactB)
				carried = w.wire.next(msg.UPDATE)
				shown(t, "UPDATE", carried.req, c.userB, c.uriB, "")
				carried.reply(200, sdp(callerIP, 4002), moved)
				shown(t, "its 200", up.want(200), c.otherUser, c.otherURI, "")
				bye := b.send(msg.BYE, "") // with a Request-URI that is nobody's
				bye.want(200)
				w.wire.next(msg.BYE).reply(200)
			})
		})
	}
}

// TestContactUserIsNoAddress: where a device has its address in place of a user, that does not show; nor does a Call-ID that is none.
func TestContactUserIsNoAddress(t *testing.T) {
	both := sbc.ContactView{KeepUserInContact: true, KeepCallID: true}
	run(t, shows(both, both), func(w *world) {
		for _, user := range []string{callerIP, "10.1.1.1", "ada%40" + callerIP, strings.Repeat("a", 300)} {
			a := w.caller()
			a.callID = "id," + user
			in := a.invite(sdp(callerIP, 4000), "Contact: <sip:"+user+"@192.0.2.1:5060>")
			out := w.wire.next(msg.INVITE)
			if c, _ := out.req.Contact(); c.URI.User == user || out.req.CallID == a.callID {
				t.Errorf("%q shows: %s", user, out.req.AppendTo(nil))
			}
			out.reply(486)
			in.want(486)
		}
	})
}

// TestCallIDOfSeveralAttempts: each attempt has the caller's Call-ID and a tag of its own, and so are the dialogs told apart.
func TestCallIDOfSeveralAttempts(t *testing.T) {
	kept := sbc.ContactView{KeepCallID: true}
	run(t, shows(kept, kept), func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		first := w.wire.next(msg.INVITE)
		first.reply(503)
		second := w.wire.next(msg.INVITE)
		if first.req.CallID != a.callID || second.req.CallID != a.callID || first.req.From.Tag() == second.req.From.Tag() {
			t.Errorf("%s\n%s", first.req.AppendTo(nil), second.req.AppendTo(nil))
		}
		second.reply(200, sdp(calleeIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		b := w.callee(second)
		again := w.caller() // another call with the same Call-ID (RFC 3261 8.1.3.5)
		again.callID = a.callID
		other := again.invite(sdp(callerIP, 4000))
		third := w.wire.next(msg.INVITE)
		if third.req.CallID != a.callID {
			t.Errorf("Call-ID %s", third.req.CallID)
		}
		third.reply(486)
		other.want(486)
		b.send(msg.BYE, "").want(200)
		bye := w.wire.next(msg.BYE)
		if bye.req.CallID != a.callID || bye.target.Host != callerIP {
			t.Errorf("BYE %s", bye.req.AppendTo(nil))
		}
		bye.reply(200)
	})
}

// TestContactShownAfterRestart: a later process shows the same.
func TestContactShownAfterRestart(t *testing.T) {
	all := sbc.ContactView{KeepUserInContact: true, KeepCallID: true, ContactParams: []string{"x-app", "+sip.instance"}}
	runKeeping(t, shows(all, all), nil, func(w *keeping) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000), contactA)
		out := w.wire.next(msg.INVITE)
		out.reply(200, sdp(calleeIP, 5000), contactB)
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		b := w.callee(out)
		time.Sleep(10 * time.Second)
		w.kill()
		w.restart(time.Now())
		up := b.send(msg.UPDATE, "", contactB)
		carried := w.wire.next(msg.UPDATE)
		shown(t, "UPDATE", carried.req, "bo", ";X-APP=9", "")
		carried.reply(200, contactA)
		shown(t, "its 200", up.want(200), "ada;ext=1", ";x-app=7", `;+sip.instance="<urn:uuid:1>"`)
		if carried.req.CallID != a.callID || b.callID != a.callID {
			t.Errorf("Call-IDs %s, %s, %s", carried.req.CallID, a.callID, b.callID)
		}
		w.end(a)
	})
}
