package integration

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// passing is a signalling profile by which texts and events pass.
func (b *border) passing() rest.Object {
	return rest.Object{"signalling_profile_id": b.create("/signalling-profiles", rest.Object{
		"name": "texts", "pass_messages": true, "pass_events": []string{"message-summary", "presence"},
	})}
}

// TestRegistrantProves: the trunk has no credentials, its registrant has. The carrier challenges INVITE, re-INVITE and BYE, and a MESSAGE
// outside of calls; SIPp checks each digest itself, and the caller knows nothing of it.
func TestRegistrantProves(t *testing.T) {
	t.Parallel()
	needs(t, "sipp", "kamailio")
	b := startBorder(t, app.Options{})
	texts := b.passing()
	w := b.connect(newSides(t), wish{eastTrunk: texts, westTrunk: texts})
	startKamailioAt(t, w.at(3))
	b.registrant(b.registers(w, w.at(3).String(), nil), sbc.RegistrantRegistered)
	ctx := patience(t, 30*time.Second)
	carrier := sippListening(ctx, t, "callee_challenges_all.xml", w.eastPeer, "-m", "1")
	if err := sipp(ctx, t, "caller_reinvite.xml", calling(w.sides, "u1", 1)...); err != nil {
		t.Fatal(err)
	}
	if err := carrier.Wait(); err != nil {
		t.Errorf("the carrier was not content with the call: %v", err)
	}
	if r := b.cdrs(1)[0]; r.EndReason != sbc.EndCallerBye || r.FinalCode != 200 || len(r.Attempts) != 1 {
		t.Errorf("%+v", r)
	}
	taker := sippListening(ctx, t, "taker_challenges.xml", w.eastPeer, "-m", "1")
	west := newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5060), netip.AddrPortFrom(w.west, 5060), false)
	west.ask(msg.MESSAGE, "4930123", "hello", "Content-Type: text/plain").answer(1, 200)
	if err := taker.Wait(); err != nil {
		t.Errorf("the carrier was not content with the text: %v", err)
	}
	b.quiet()
}

// asks is a challenge with marks of the east wherever there is room for one.
func (p *peer) asks(nonce string) []string {
	return append([]string{
		`WWW-Authenticate: Digest realm="carrier.leak-east.example", nonce="leakeast` + nonce + `", opaque="leakeast", algorithm=MD5, qop="auth", domain="sip:` +
			p.host("domain") + `"`,
	}, "Server: leak-east", "Warning: 399 "+p.host("warning")+` "x"`)
}

// proves sees that a request answers a challenge.
func proves(t testing.TB, req *msg.Message, nonce, user, password string) {
	t.Helper()
	c, err := digest.ParseCredentials(req.Get("Authorization"))
	if err != nil || c.Nonce != "leakeast"+nonce || c.URI != req.RequestURI.String() || c.Username != user ||
		!c.Check(digest.HA1(digest.MD5, user, "carrier.leak-east.example", password), string(req.Method), req.Body) {
		t.Errorf("%v: %+v in\n%s", err, c, req.AppendTo(nil))
	}
}

// TestLeaksChallenges: challenges of a carrier to all sorts of requests stay in the east: those that are answered, and those whose answer
// is refused. Numbers rise in each dialog, so that the next request of a subscription is in order.
func TestLeaksChallenges(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	texts := b.passing()
	w := b.connect(newSides(t), wish{westTrunk: texts, eastTrunk: with(rest.Object{
		"credentials": rest.Object{"username": "leakeastuser", "password": "leakeastsecret"},
	}, texts)})
	eyes := w.watched(t, false)
	west, east := eyes.west, eyes.east
	// challenged answers a request with a challenge and gives the one that follows.
	challenged := func(l *line, req *msg.Message, nonce string) *msg.Message {
		t.Helper()
		l.say(req, 401, east.host("phrase"), "", east.asks(nonce)...)
		again := east.take("the "+string(req.Method)+" with credentials", func(m *msg.Message) bool {
			return m.Method == req.Method && m.CallID == req.CallID && m.CSeq.Seq == req.CSeq.Seq+1
		})
		proves(t, again, nonce, "leakeastuser", "leakeastsecret")
		return again
	}
	for _, method := range []msg.Method{msg.MESSAGE, msg.PUBLISH} {
		headers := []string{"Content-Type: text/plain"}
		body := "hello"
		if method == msg.PUBLISH {
			headers, body = []string{"Event: presence", "Expires: 60", "Content-Type: application/pidf+xml"}, hostilePresence(west)
		}
		for _, refused := range []bool{false, true} {
			l := west.ask(method, "4930123", body, headers...)
			far := east.asked(method)
			again := challenged(far, far.invite, "n1")
			if refused {
				far.say(again, 401, east.host("phrase"), "", east.asks("n2")...)
				l.answer(1, 403)
			} else {
				far.say(again, 200, east.host("phrase"), "", "SIP-ETag: leakeast", "Expires: 60")
				l.answer(1, 200)
			}
			eyes.check(t)
		}
	}
	subscriber := west.ask(msg.SUBSCRIBE, "4930123", "", "Event: message-summary", "Expires: 600")
	notifier := east.asked(msg.SUBSCRIBE)
	again := challenged(notifier, notifier.invite, "n3")
	notifier.invite = again
	notifier.say(again, 202, "", "", "Expires: 300", "Contact: "+east.contact())
	subscriber.answer(1, 200)
	for range 2 {
		seq := subscriber.request("SUBSCRIBE", "", "Event: message-summary", "Expires: 600", "Contact: "+west.contact())
		refresh := notifier.hear(msg.SUBSCRIBE)
		if refresh.CSeq.Seq != again.CSeq.Seq+1 {
			t.Errorf("the refresh has number %d after %d", refresh.CSeq.Seq, again.CSeq.Seq)
		}
		again = challenged(notifier, refresh, "n4")
		notifier.say(again, 200, "", "", "Expires: 300", "Contact: "+east.contact())
		subscriber.answer(seq, 200)
	}
	tells(notifier, subscriber, "message-summary", "terminated", "")
	eyes.check(t)
	caller := west.dial("4930123", west.sdp())
	callee := east.ring()
	callee.say(callee.invite, 401, east.host("phrase"), "", east.asks("n5")...)
	callee.hear(msg.ACK)
	invite := callee.hear(msg.INVITE)
	proves(t, invite, "n5", "leakeastuser", "leakeastsecret")
	callee.say(invite, 401, east.host("phrase"), "", east.asks("n6")...)
	if got := caller.answer(1, 403); strings.Contains(string(got.AppendTo(nil)), "uthenticate") {
		t.Errorf("the caller is told\n%s", got.AppendTo(nil))
	}
	eyes.check(t)
	eyes.finished(t)
	b.quiet()
}

// diagnosis is what the API finds of a trunk, by check.
func (b *border) diagnosis(trunk string) map[string]sbc.DiagnosisCheck {
	b.t.Helper()
	var d sbc.Diagnosis
	b.do("POST", "/trunks/"+trunk+"/diagnose", nil, &d)
	found := map[string]sbc.DiagnosisCheck{}
	for _, c := range d.Checks {
		found[c.Check] = c
	}
	return found
}

// TestDiagnose: a carrier by name that challenges OPTIONS: the words say where the name leads, and whether the password is right; SIPp
// checks it. Then the name has no address, and then nobody answers for it.
func TestDiagnose(t *testing.T) {
	t.Parallel()
	needs(t, "sipp", "dnsmasq")
	s := newSides(t)
	server, kill := zoneServer(t, "--host-record=one.example,"+s.at(1).String(),
		"--srv-host=_sip._udp.carrier.example,proxy.example,5060,1,1", "--host-record=proxy.example,"+s.eastPeer.String())
	b := startBorder(t, app.Options{DNSServers: []string{server}})
	w := b.connect(s, wish{noEndpoint: true, eastTrunk: rest.Object{"probe": rest.Object{"enabled": false}}})
	end := b.create("/trunks/"+w.eastTrunk+"/endpoints", rest.Object{"name": "carrier", "address": "carrier.example"})
	sippServer(t, "options_challenged.xml", s.eastPeer)
	says := func(check, verdict, words string) {
		t.Helper()
		if c := b.diagnosis(w.eastTrunk)[check]; string(c.Verdict) != verdict || !strings.Contains(c.Detail, words) {
			t.Errorf("%s is %+v, want %s: %s", check, c, verdict, words)
		}
	}
	says("dns", "ok", "carrier.example leads to "+s.eastPeer.String()+":5060 by udp")
	says("authentication", "failed", "it asks for credentials, and neither the trunk nor a registrant of it has any")
	b.do("PATCH", "/trunks/"+w.eastTrunk, rest.Object{"credentials": rest.Object{"username": "border", "password": "wrong"}}, nil)
	says("authentication", "failed", "the credentials of border are refused with 403: the name or the password is wrong")
	says("options", "ok", "answered 401")
	b.do("PATCH", "/trunks/"+w.eastTrunk, rest.Object{"credentials": rest.Object{"username": "border", "password": "right"}}, nil)
	says("authentication", "ok", "the credentials of border are accepted")
	b.do("PATCH", "/trunks/"+w.eastTrunk, rest.Object{"credentials": rest.Object{"username": "border", "password": "right", "realm": "other.example"}}, nil)
	says("authentication", "failed", "its challenge cannot be answered")
	b.do("PATCH", "/trunks/"+w.eastTrunk+"/endpoints/"+end, rest.Object{"address": "nowhere.example"}, nil)
	says("dns", "failed", "nowhere.example has no address that could be used")
	kill()
	b.do("PATCH", "/trunks/"+w.eastTrunk+"/endpoints/"+end, rest.Object{"address": "unasked.example"}, nil)
	says("dns", "failed", "unasked.example could not be looked up: no DNS server gave an answer")
}
