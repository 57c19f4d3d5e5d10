package call

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// secretive gives the callee's trunk our credentials.
func secretive(_ string, r sbc.Resource) {
	if t, ok := r.(*sbc.Trunk); ok && t.ID == "trk_b" {
		t.Credentials = sbc.ClientCredentials{Username: "border", Password: "open sesame", Realm: "carrier.example"}
	}
	if p, ok := r.(*sbc.SignallingProfile); ok {
		p.ReferMode, p.PingIntervalS = sbc.ReferPass, 0
	}
	if t, ok := r.(*sbc.Trunk); ok {
		t.SignallingProfileID, t.PassMethods = "sgp_1", []string{"INFO"}
	}
}

// challenge is the header line of a challenge.
func challenge(name, nonce string, stale bool) string {
	c := digest.Challenge{Realm: "carrier.example", Nonce: nonce, Algorithm: digest.MD5, QOP: []digest.QOP{digest.Auth}, Stale: stale}
	return name + ": " + c.String()
}

// proven sees that a request brings the right credentials, for a nonce, with a count.
func proven(t *testing.T, req *msg.Message, name, nonce string, count uint32) {
	t.Helper()
	values := req.GetAll(name)
	if len(values) != 1 {
		t.Fatalf("%d %s in\n%s", len(values), name, req.AppendTo(nil))
	}
	c, err := digest.ParseCredentials(values[0])
	method := string(req.Method)
	if method == "ACK" { // RFC 3261 13.2.2.4: as in the INVITE
		method = "INVITE"
	}
	if err != nil || c.Nonce != nonce || c.Count != count || c.Username != "border" || c.URI != req.RequestURI.String() && method != "INVITE" ||
		!c.Check(digest.HA1(digest.MD5, "border", "carrier.example", "open sesame"), method, req.Body) {
		t.Errorf("%v: %+v in\n%s", err, c, req.AppendTo(nil))
	}
}

// sentAgain sees that a request is another once more.
func sentAgain(t *testing.T, first, again *sent) {
	t.Helper()
	a, b := first.req, again.req
	if a.CallID != b.CallID || a.From.Tag() != b.From.Tag() || a.To.Tag() != b.To.Tag() || b.CSeq.Seq != a.CSeq.Seq+1 ||
		string(a.Body) != string(b.Body) || a.RequestURI.String() != b.RequestURI.String() || len(b.GetAll("Via")) != 1 ||
		len(b.GetAll("Contact")) != len(a.GetAll("Contact")) || a.Via.Branch() == b.Via.Branch() {
		t.Errorf("first\n%s\nagain\n%s", a.AppendTo(nil), b.AppendTo(nil))
	}
	if at := a.Hop.Remote; again.target.Host != at.Addr().String() || again.target.Port != int(at.Port()) {
		t.Errorf("sent again to %+v, not %v", again.target, at)
	}
}

// TestChallenges: a carrier that challenges INVITE, re-INVITE, INFO, REFER and BYE gets its answers in the same attempt, and the
// caller hears nothing of it.
func TestChallenges(t *testing.T) {
	run(t, secretive, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		first := w.wire.next(msg.INVITE)
		first.reply(100)
		first.reply(407, challenge("Proxy-Authenticate", "n1", false))
		out := w.wire.next(msg.INVITE)
		sentAgain(t, first, out)
		proven(t, out.req, "Proxy-Authorization", "n1", 1)
		out.reply(180)
		out.reply(200, sdp(calleeIP, 5000))
		ok := in.want(200)
		a.learn(ok)
		a.ack(a.lastInviteNumber, "")
		ack := w.wire.acks[w.wire.ackCount()-1]
		proven(t, ack, "Proxy-Authorization", "n1", 1)
		if ack.CSeq.Seq != out.req.CSeq.Seq {
			t.Errorf("ACK of %d", ack.CSeq.Seq)
		}

		re := a.send(msg.INVITE, sdp(callerIP, 4002))
		far := w.wire.next(msg.INVITE)
		proven(t, far.req, "Proxy-Authorization", "n1", 2) // unasked
		far.reply(407, challenge("Proxy-Authenticate", "n2", true))
		again := w.wire.next(msg.INVITE)
		sentAgain(t, far, again)
		proven(t, again.req, "Proxy-Authorization", "n2", 1)
		again.reply(200, sdp(calleeIP, 5002))
		re.want(200)
		a.ack(a.cseq, "")
		proven(t, w.wire.acks[w.wire.ackCount()-1], "Proxy-Authorization", "n2", 1)

		info := a.send(msg.INFO, "", "Info-Package: x")
		i1 := w.wire.next(msg.INFO)
		i1.reply(407, challenge("Proxy-Authenticate", "n3", false)) // a new nonce, without a word
		i2 := w.wire.next(msg.INFO)
		sentAgain(t, i1, i2)
		proven(t, i2.req, "Proxy-Authorization", "n3", 1)
		i2.reply(200)
		info.want(200)

		refer := a.send(msg.REFER, "", "Refer-To: <sip:4977@x>", "Contact: <sip:alice@"+callerIP+">")
		r1 := w.wire.next(msg.REFER)
		r1.reply(401, challenge("WWW-Authenticate", "m1", false)) // the server behind the proxy
		r2 := w.wire.next(msg.REFER)
		sentAgain(t, r1, r2)
		proven(t, r2.req, "Proxy-Authorization", "n3", 3)
		proven(t, r2.req, "Authorization", "m1", 1)
		r2.reply(202)
		refer.want(202)
		b := w.callee(out)
		told := b.send(msg.NOTIFY, "", "Event: refer;id="+strconv.Itoa(int(r2.req.CSeq.Seq)), "Subscription-State: active;expires=60")
		w.wire.next(msg.NOTIFY).reply(200)
		told.want(200)

		a.send(msg.BYE, "").want(200)
		bye := w.wire.next(msg.BYE)
		bye.reply(407, challenge("Proxy-Authenticate", "n4", false))
		last := w.wire.next(msg.BYE)
		sentAgain(t, bye, last)
		proven(t, last.req, "Proxy-Authorization", "n4", 1)
		last.reply(200)
		if d := w.cdr(); len(d.Attempts) != 1 || d.Attempts[0].Code != 200 || d.FinalCode != 200 {
			t.Errorf("%+v", d)
		}
		for _, res := range []*msg.Message{ok} {
			if text := string(res.AppendTo(nil)); strings.Contains(text, "uthenticate") || strings.Contains(text, "carrier.example") {
				t.Errorf("the caller is told\n%s", text)
			}
		}
	})
}

// TestChallengeRefused: wrong credentials, another realm and endless challenges are failures, after which the next endpoint is tried; the
// caller gets no challenge.
func TestChallengeRefused(t *testing.T) {
	for name, challenges := range map[string][]string{
		"wrong":   {challenge("Proxy-Authenticate", "n1", false), challenge("Proxy-Authenticate", "n2", false)},
		"foreign": {`Proxy-Authenticate: Digest realm="other", nonce="n"`},
		"endless": {
			challenge("WWW-Authenticate", "n1", true), challenge("WWW-Authenticate", "n2", true),
			challenge("WWW-Authenticate", "n3", true), challenge("WWW-Authenticate", "n4", true),
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, secretive, func(w *world) {
				in := w.caller().invite(sdp(callerIP, 4000))
				for _, c := range challenges {
					code := 407
					if strings.HasPrefix(c, "WWW") {
						code = 401
					}
					w.wire.next(msg.INVITE).reply(code, c)
				}
				w.wire.none(msg.INVITE)
				if text := string(in.want(403).AppendTo(nil)); strings.Contains(text, "uthenticate") {
					t.Errorf("the caller is challenged\n%s", text)
				}
				if d := w.cdr(); len(d.Attempts) != 1 || d.Attempts[0].Code/100 != 4 {
					t.Errorf("%+v", d.Attempts)
				}
			})
		})
	}
}

// TestChallengeTooLate: a challenge of an INVITE that was cancelled meanwhile is not answered.
func TestChallengeTooLate(t *testing.T) {
	run(t, secretive, func(w *world) {
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		in.onCancel(a.build(msg.CANCEL, a.cseq, ""))
		out.reply(407, challenge("Proxy-Authenticate", "n1", false))
		w.wire.none(msg.INVITE)
		in.want(487)
	})
	run(t, secretive, func(w *world) { // and CANCEL ends what was sent again
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(407, challenge("Proxy-Authenticate", "n1", false))
		out := w.wire.next(msg.INVITE)
		out.reply(100)
		in.onCancel(a.build(msg.CANCEL, a.cseq, ""))
		if !out.isCancelled() {
			t.Error("not cancelled")
		}
		out.reply(487)
		in.want(487)
		time.Sleep(time.Minute)
	})
}
