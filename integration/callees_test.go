package integration

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The secret of everybody in these tests.
const password = "open sesame"

// office is a border with a domain in the west and a trunk in the east. Its phones are alice's and bob's.
type office struct {
	*border
	w            wiring
	domain, name string
	trunk        *peer
}

func newOffice(t *testing.T, more rest.Object) *office {
	t.Helper()
	return newOfficeOf(t, app.Options{}, more)
}

// newOfficeOf is newOffice with options of the node.
func newOfficeOf(t *testing.T, opts app.Options, more rest.Object) *office {
	t.Helper()
	o := &office{border: startBorder(t, opts), name: "phones.example"}
	o.w = o.connect(newSides(t), wish{transport: "udp", westRealm: rest.Object{"trust": "access"}})
	_, o.trunk = o.w.peers(t, false)
	o.domain = o.create("/domains", with(rest.Object{"name": o.name, "realm_id": o.w.westRealm, "routing_plan_id": o.w.plan,
		"digest": rest.Object{"algorithms": []string{"MD5"}}}, more))
	return o
}

// phone opens a phone at an address of its own in the west; its side is what tells its marks from those of others.
func (o *office) phone(side string, host byte) *peer {
	a := o.w.west.As4()
	a[3] = host
	return newPeer(o.t, side, netip.AddrPortFrom(netip.AddrFrom4(a), 5060), netip.AddrPortFrom(o.w.west, 5060), false)
}

// line begins a dialog of a phone in the name of a user.
func (o *office) line(p *peer, user, callee string) *line {
	return &line{
		p: p, callID: "leak" + p.side + msg.NewTag(), seq: 1, local: "<sip:" + user + "@" + o.name + ">;tag=leak" + p.side + msg.NewTag(),
		remote: "<sip:" + callee + "@" + o.name + ">", target: "sip:" + callee + "@" + o.name,
	}
}

// register registers a phone; params are put behind its contact.
func (o *office) register(p *peer, user, params string) *msg.Message {
	o.t.Helper()
	return o.registerAs(p, user, p.contact()+params)
}

// registerAs registers a contact.
func (o *office) registerAs(p *peer, user, uri string) *msg.Message {
	o.t.Helper()
	l := o.line(p, user, user)
	l.target = "sip:" + o.name
	contact := []string{"Contact: " + uri, "Expires: 300", "Supported: gruu, outbound"}
	challenge := l.answer(l.request("REGISTER", "", contact...), 401)
	l.remote = "<sip:" + user + "@" + o.name + ">"
	l.target = "sip:" + o.name
	return l.answer(l.request("REGISTER", "", append(contact,
		answerTo(o.t, challenge, user, password, "REGISTER", l.target, digest.MD5))...), 200)
}

// dial calls with the answer to the challenge.
func (o *office) dial(p *peer, user, callee string) *line {
	o.t.Helper()
	return o.dialURI(p, user, "sip:"+callee+"@"+o.name)
}

func (o *office) dialURI(p *peer, user, uri string) *line {
	o.t.Helper()
	l := o.line(p, user, "x")
	l.target = uri
	challenge := l.start(p.sdp()).final(407)
	again := o.line(p, user, "x")
	again.target = uri
	return again.start(p.sdp(), answerTo(o.t, challenge, user, password, "INVITE", uri, digest.MD5))
}

// person makes a subscriber.
func (o *office) person(user string, more rest.Object) string {
	return o.create("/subscribers", with(rest.Object{"domain_id": o.domain, "username": user, "password": password}, more))
}

// talk answers a call that rings, and ends it.
func talk(caller, callee *line, rings func()) {
	callee.say(callee.invite, 180, "", "")
	caller.answer(caller.inviteSeq, 180)
	if rings != nil {
		rings()
	}
	callee.say(callee.invite, 200, "", callee.p.sdp())
	caller.final(200)
	callee.hear(msg.ACK)
	caller.hangup(callee)
}

// TestPhonesCallEachOther: alice and bob call each other by name, alias and GRUU, and neither learns where the other one is. Calls from
// the trunk reach bob by an alias, and his calls there show his number.
func TestPhonesCallEachOther(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	alice, bob := o.phone("west", 5), o.phone("east", 6)
	aliceID, bobID := o.person("alice", rest.Object{"display_name": "Alice"}), o.person("bob", rest.Object{"caller_id": "+4930222"})
	o.create("/aliases", rest.Object{"name": "4930222", "domain_id": o.domain, "subscriber_id": bobID})
	o.create("/routing-plans/"+o.w.westPlan+"/rules", rest.Object{"name": "did", "prefix": "4930222", "action": "subscriber", "domain_id": o.domain})
	eyes := &watch{west: alice, east: bob, addresses: map[string][]string{
		"west": {alice.addr.Addr().String()}, "east": {bob.addr.Addr().String()},
	}}
	o.register(alice, "alice", "")
	ok := o.register(bob, "bob", `;+sip.instance="<urn:uuid:leak-east-instance>"`)
	gruu := "sip:bob@" + o.name + ";" + between(ok.Get("Contact"), `pub-gruu="sip:bob@`+o.name+";", `"`)
	for i, uri := range []string{"sip:bob@" + o.name, "sip:4930222@" + o.name, gruu} {
		caller := o.dialURI(alice, "alice", uri)
		callee := bob.ring()
		if from := callee.invite.From; from.URI.String() != "sip:alice@"+o.name || from.Display != "Alice" {
			t.Errorf("From %s", from)
		}
		if u := callee.invite.RequestURI; u.User != "leakeastcontact" {
			t.Errorf("Request-URI %s", u)
		}
		talk(caller, callee, nil)
		r := o.cdrs(i + 1)[i]
		if r.CallerSubscriberID != aliceID || r.CalleeSubscriberID != bobID || r.EgressTrunkID != o.domain ||
			r.Attempts[0].RegistrationID == "" || r.Disposition != sbc.DispositionAnswered {
			t.Errorf("record %+v", r)
		}
		eyes.check(t)
	}
	talk(o.dial(bob, "bob", "alice"), alice.ring(), nil)
	eyes.finished(t)

	// The trunk is the east now, the phone the west.
	phone := o.phone("west", 7)
	o.unregister(bob, "bob") // who registers hears of all contacts of its own
	o.register(phone, "bob", "")
	eyes = &watch{west: phone, east: o.trunk, addresses: map[string][]string{
		"west": {o.w.west.String() + ":", phone.addr.Addr().String()}, "east": {o.w.east.String() + ":", o.w.eastPeer.String()},
	}}
	talk(o.trunk.dial("4930222", o.trunk.sdp()), phone.ring(), nil)
	out := o.dial(phone, "bob", "4930999")
	callee := o.trunk.ring()
	if callee.invite.From.URI.User != "+4930222" {
		t.Errorf("outside bob is %s", callee.invite.From)
	}
	talk(out, callee, nil)
	eyes.finished(t)
	o.quiet()
}

// unregister takes a phone's contact away.
func (o *office) unregister(p *peer, user string) {
	o.t.Helper()
	o.register(p, user, `;+sip.instance="<urn:uuid:leak-east-instance>";expires=0`)
}

// between is what stands between two texts.
func between(s, a, b string) string {
	_, s, _ = strings.Cut(s, a)
	s, _, _ = strings.Cut(s, b)
	return s
}

// TestPhonesRing: bob's two phones ring at once, the one of a lower q when they do not answer; the one that answers has the call, the
// others stop and learn that it was answered. Nobody rings who is not there.
func TestPhonesRing(t *testing.T) {
	t.Parallel()
	o := newOffice(t, rest.Object{"ring_timeout_s": 1})
	alice, desk, mobile, home := o.phone("west", 5), o.phone("desk", 6), o.phone("mobile", 7), o.phone("home", 8)
	o.person("alice", nil)
	o.person("bob", nil)
	o.dial(alice, "alice", "bob").final(480)
	o.register(alice, "alice", "")
	o.register(desk, "bob", ";q=0.9")
	o.register(mobile, "bob", ";q=0.9")
	o.register(home, "bob", ";q=0.2")

	caller := o.dial(alice, "alice", "bob")
	one, two := desk.ring(), mobile.ring()
	talk(caller, one, func() { two.say(two.invite, 180, "", "") })
	c := two.hear(msg.CANCEL)
	if !strings.Contains(c.Get("Reason"), "cause=200") {
		t.Errorf("Reason %q", c.Get("Reason"))
	}
	two.say(c, 200, "", "")
	two.say(two.invite, 487, "", "")
	two.hear(msg.ACK)

	caller = o.dial(alice, "alice", "bob")
	one, two = desk.ring(), mobile.ring()
	one.say(one.invite, 486, "", "")
	one.hear(msg.ACK)
	two.say(two.invite, 180, "", "")
	two.say(two.hear(msg.CANCEL), 200, "", "")
	two.say(two.invite, 487, "", "")
	two.hear(msg.ACK)
	talk(caller, home.ring(), nil)
	r := o.cdrs(3)[2]
	if len(r.Attempts) != 3 || r.Attempts[2].Code != 200 {
		t.Errorf("attempts %+v", r.Attempts)
	}
	o.quiet()
}
