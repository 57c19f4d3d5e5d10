package integration

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// eachTwo watches each two of the peers: none may learn anything of another.
func eachTwo(peers ...*peer) (all []*watch) {
	for i, a := range peers {
		for _, b := range peers[i+1:] {
			all = append(all, &watch{west: a, east: b, addresses: map[string][]string{
				a.side: {a.addr.Addr().String()}, b.side: {b.addr.Addr().String()},
			}})
		}
	}
	return all
}

// loud calls with the answer to the challenge, in the most talkative way.
func (o *office) loud(p *peer, user, callee string) *line {
	o.t.Helper()
	l := o.line(p, user, callee)
	loud := slices.DeleteFunc(hostileHeaders(p), func(h string) bool { // half an answer is none: 400
		return strings.HasPrefix(h, "Proxy-Authorization")
	})
	challenge := l.start(hostileDescription(p), loud...).final(407)
	again := o.line(p, user, callee)
	return again.start(hostileDescription(p), append(loud,
		answerTo(o.t, challenge, user, password, "INVITE", again.target, digest.MD5))...)
}

// forwarded has the phone refuse a call, which somebody else then takes; both sides inform each other, and the API has both
// negotiate anew.
func (o *office) forwarded(caller *line, bob, taker *peer, status int) {
	o.t.Helper()
	ring := bob.ring()
	ring.say(ring.invite, 180, "ringing at "+bob.host("phrase"), "", hostileHeaders(bob)...)
	no := ring.response(ring.invite, status, "no, says "+bob.host("phrase"), "", append(hostileHeaders(bob),
		"Contact: <sip:4930999@"+bob.host("elsewhere")+":99;x=leak"+bob.side+">")...)
	bob.answerTo(ring.invite, bytes.Replace(no, []byte("Contact: "+bob.contact()+"\r\n"), nil, 1)) // not itself
	ring.hear(msg.ACK)
	callee := taker.ring()
	callee.say(callee.invite, 200, "", hostileDescription(taker), hostileHeaders(taker)...)
	caller.final(200)
	callee.hear(msg.ACK)
	for _, pair := range [][2]*line{{caller, callee}, {callee, caller}} {
		seq := pair[0].request("INFO", "", hostileHeaders(pair[0].p)...)
		pair[1].say(pair[1].hear(msg.INFO), 200, "fine at "+pair[1].p.host("phrase"), "", hostileHeaders(pair[1].p)...)
		pair[0].answer(seq, 200)
	}
	o.negotiated(caller, callee)
	caller.hangup(callee, hostileHeaders(caller.p)...)
	o.quiet()
}

// negotiated has the API make both sides of the only call say anew where they are.
func (o *office) negotiated(lines ...*line) {
	o.t.Helper()
	for _, l := range lines {
		l.p.sync(l.p.border) // the border has the ACK
	}
	id := o.theCall().ID
	done := make(chan error, 1)
	go func() {
		done <- o.Do(context.Background(), http.MethodPost, "/v1/calls/"+id+"/reinvite", rest.Object{}, nil)
	}()
	for _, l := range lines {
		l.say(l.hear(msg.INVITE), 200, "", hostileDescription(l.p), hostileHeaders(l.p)...)
		l.hear(msg.ACK)
	}
	if err := <-done; err != nil {
		o.t.Error(err)
	}
}

// TestLeaksOfSubscribers plays what forwards, redirections, push wake-ups and mailboxes do to calls, with devices that name
// themselves wherever they can: the caller, the phone that did not take the call, and who took it learn nothing of each other.
func TestLeaksOfSubscribers(t *testing.T) {
	t.Parallel()
	pushes := make(chan struct{}, 10)
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { pushes <- struct{}{} }))
	defer other.Close()
	o := newOfficeOf(t, app.Options{AllowLocalWebhooks: true}, rest.Object{
		"allow_foreign_identity": true, "push": rest.Object{"url": other.URL, "wait_s": 30},
	})
	profile := o.create("/signalling-profiles", rest.Object{"name": "follows", "retargeting": "diversion", "redirects": "follow"})
	o.do("PATCH", "/domains/"+o.domain, rest.Object{"signalling_profile_id": profile}, nil)
	alice, bob, carol, dora := o.phone("alice", 5), o.phone("bob", 6), o.phone("carol", 7), o.phone("dora", 8)
	o.trunk.side = "trunk"
	o.person("alice", nil)
	bobID := o.person("bob", rest.Object{
		"voicemail_enabled": true, "forwarding": rest.Object{"busy": rest.Object{"target": "carol"}},
	})
	o.person("carol", nil)
	o.person("dora", nil)
	o.register(bob, "bob", "")
	o.register(carol, "carol", "")
	eyes := eachTwo(alice, bob, carol, dora, o.trunk)
	check := func(scene string) {
		t.Helper()
		for _, w := range eyes {
			if w.finished(t); t.Failed() {
				t.Fatalf("in the scene %s", scene)
			}
		}
	}

	o.forwarded(o.loud(alice, "alice", "bob"), bob, carol, 486)
	check("forwarded within the domain")
	busy := func(target rest.Object) {
		o.do("PATCH", "/subscribers/"+bobID, rest.Object{"forwarding": rest.Object{"busy": target}}, nil)
	}
	busy(rest.Object{"target": "4930555"})
	o.forwarded(o.loud(alice, "alice", "bob"), bob, o.trunk, 486)
	check("forwarded to a trunk")
	o.forwarded(o.loud(alice, "alice", "bob"), bob, o.trunk, 302)
	check("redirected by the phone")

	pushed := strings.Replace(dora.contact(), ">", ";pn-provider=fcm;pn-prid=leakdoratoken;pn-param=leakdoraparam>", 1)
	o.registerAs(dora, "dora", pushed)
	call := o.loud(alice, "alice", "dora")
	select {
	case <-pushes:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was asked to wake the phone")
	}
	o.registerAs(dora, "dora", pushed)
	rings := dora.ring()
	rings.say(rings.invite, 200, "", hostileDescription(dora), hostileHeaders(dora)...)
	call.final(200)
	rings.hear(msg.ACK)
	o.negotiated(call, rings)
	rings.hangup(call, hostileHeaders(dora)...)
	check("woken")

	busy(rest.Object{"target": nil, "voicemail": true})
	call = o.loud(alice, "alice", "bob")
	rings = bob.ring()
	rings.say(rings.invite, 486, "busy at "+bob.host("phrase"), "", hostileHeaders(bob)...)
	rings.hear(msg.ACK)
	call.final(200)
	seq := call.request("INFO", "", hostileHeaders(alice)...)
	call.p.take("an answer to INFO", func(m *msg.Message) bool { return !m.IsRequest() && m.CSeq.Seq == uint32(seq) })
	call.answer(call.request("BYE", "", hostileHeaders(alice)...), 200)
	check("the mailbox")
	for _, r := range o.cdrs(5) {
		if r.EndReason != sbc.EndCallerBye && r.EndReason != sbc.EndCalleeBye {
			t.Errorf("record %+v", r)
		}
	}
	o.quiet()
}
