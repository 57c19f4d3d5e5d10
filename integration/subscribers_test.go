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

// household is a border whose west is a realm of phones: a domain, and one phone at an address that is no trunk's.
type household struct {
	*border
	w            wiring
	name, domain string
	phone        *peer
	east         *peer
}

// newHousehold opens a household; more changes the domain.
func newHousehold(t *testing.T, transport string, more rest.Object) *household {
	t.Helper()
	return furnish(startBorder(t, app.Options{AllowLocalWebhooks: true}), transport, more)
}

// furnish makes a household of a border.
func furnish(b *border, transport string, more rest.Object) *household {
	b.t.Helper()
	return furnishAt(b, newSides(b.t), transport, more)
}

// furnishAt is furnish with addresses that were taken before.
func furnishAt(b *border, s sides, transport string, more rest.Object) *household {
	t := b.t
	t.Helper()
	h := &household{border: b, name: "phones.leak-west.example"}
	h.w = h.connect(s, wish{transport: transport, westRealm: rest.Object{"trust": "access"}, eastTrunk: rest.Object{
		"caller_identity": rest.Object{"send": []string{"pai"}},
	}})
	h.domain = h.create("/domains", with(rest.Object{"name": h.name, "realm_id": h.w.westRealm, "routing_plan_id": h.w.plan}, more))
	_, h.east = h.w.peers(t, transport == "tcp")
	h.phone = newPeer(t, "west", netip.AddrPortFrom(h.w.phoneAddr(), 5060), netip.AddrPortFrom(h.w.west, 5060), transport == "tcp")
	return h
}

// phoneAddr is an address in the west that is no trunk's.
func (s sides) phoneAddr() netip.Addr {
	a := s.west.As4()
	a[3] = 5
	return netip.AddrFrom4(a)
}

// subscriber makes one with a password.
func (h *household) subscriber(username, password string, more rest.Object) string {
	h.t.Helper()
	return h.create("/subscribers", with(rest.Object{"domain_id": h.domain, "username": username, "password": password}, more))
}

// line begins a request of the phone in the name of a user of the domain.
func (h *household) line(user, number string) *line {
	p := h.phone
	return &line{
		p: p, callID: "leakwest" + msg.NewTag(), seq: 1, local: "<sip:" + user + "@" + h.name + ">;tag=leakwest" + msg.NewTag(),
		remote: "<sip:" + number + "@" + h.name + ">", target: "sip:" + number + "@" + h.name,
	}
}

// dial calls a number with the answer to a challenge that is asked for before; with no password it does not answer it.
func (h *household) dial(user, password, number string, alg digest.Algorithm, headers ...string) (l *line,
	challenged *msg.Message) {
	h.t.Helper()
	l = h.line(user, number).start(h.phone.sdp(), headers...)
	challenged = l.final(407)
	if password == "" {
		return l, challenged
	}
	l = h.line(user, number)
	return l.start(h.phone.sdp(), append(headers, answerTo(h.t, challenged, user, password, "INVITE", l.target, alg))...), challenged
}

// answerTo makes the header that answers a challenge.
func answerTo(t testing.TB, res *msg.Message, user, password, method, uri string, alg digest.Algorithm) string {
	t.Helper()
	for _, name := range []string{"Proxy-Authenticate", "WWW-Authenticate"} {
		for _, v := range res.GetAll(name) {
			c, err := digest.ParseChallenge(v)
			if err != nil {
				t.Fatalf("%s: %v", v, err)
			}
			if c.Algorithm != alg {
				continue
			}
			a := c.Answer(digest.Request{
				Username: user, HA1: digest.HA1(alg, user, c.Realm, password), Method: method, URI: uri, CNonce: "leakwestcnonce", Count: 1,
			})
			return strings.TrimPrefix(strings.Replace(name, "enticate", "orization", 1), "WWW-") + ": " + a.String()
		}
	}
	t.Fatalf("no challenge in %s:\n%s", alg, res.Raw)
	return ""
}

// TestSubscribersCall has a phone call through the domain's plan, in each algorithm and over each transport. What it proved
// itself by, and everything else of its side, stays there; the record names it.
func TestSubscribersCall(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			h := newHousehold(t, transport, rest.Object{"digest": rest.Object{"algorithms": []string{"SHA-512-256", "SHA-256", "MD5"}}})
			id := h.subscriber("alice", "leak-west-password", rest.Object{"caller_id": "+4930111", "display_name": "Ada"})
			w := &watch{west: h.phone, east: h.east, addresses: map[string][]string{
				"west": {h.w.west.String() + ":", h.w.phoneAddr().String()}, "east": {h.w.east.String() + ":", h.w.eastPeer.String()},
			}}
			for i, alg := range []digest.Algorithm{digest.MD5, digest.SHA256, digest.SHA512256} {
				l, challenged := h.dial("alice", "leak-west-password", "4930123", alg)
				if got := challenged.GetAll("Proxy-Authenticate"); len(got) != 3 || !strings.Contains(got[0], "SHA-512-256") {
					t.Errorf("the strongest is not offered first: %v", got)
				}
				callee := h.east.ring()
				if from := callee.invite.From.URI.User; from != "+4930111" || callee.invite.From.Display != "Ada" {
					t.Errorf("From %s", callee.invite.From)
				}
				if pai := callee.invite.Get("P-Asserted-Identity"); !strings.Contains(pai, "+4930111@"+h.w.east.String()) {
					t.Errorf("P-Asserted-Identity %q", pai)
				}
				callee.say(callee.invite, 200, "", h.east.sdp())
				l.final(200)
				callee.hear(msg.ACK)
				l.hangup(callee)
				r := h.cdrs(i + 1)[i]
				if r.CallerSubscriberID != id || r.IngressTrunkID != h.domain || r.Caller != "+4930111" || r.EndReason != sbc.EndCallerBye {
					t.Errorf("record %+v", r)
				}
			}
			w.finished(t)
			h.quiet()
		})
	}
}

// TestSubscribersRefused: what is refused at the door makes no call; what is refused to a subscriber has a record.
func TestSubscribersRefused(t *testing.T) {
	h := newHousehold(t, "udp", rest.Object{
		"number_classes": []rest.Object{{"prefix": "00",
			"class": "international"}}, "digest": rest.Object{"algorithms": []string{"MD5"}},
	})
	local := h.create("/groups", rest.Object{"name": "local", "classes": []string{"local"}})
	h.subscriber("alice", "secret", rest.Object{"group_ids": []string{local}})
	l, _ := h.dial("alice", "secret", "0044123", digest.MD5)
	l.final(403)
	if r := h.cdrs(1)[0]; r.EndReason != sbc.EndRejected || r.FinalCode != 403 || r.CallerSubscriberID == "" {
		t.Errorf("record %+v", r)
	}
	wrong, _ := h.dial("alice", "wrong", "123", digest.MD5)
	a := wrong.answer(wrong.inviteSeq, 407)
	nobody, _ := h.dial("nobody", "wrong", "123", digest.MD5)
	b := nobody.answer(nobody.inviteSeq, 407)
	if len(a.Raw) != len(b.Raw)-len("nobody")+len("alice") {
		t.Errorf("a wrong password and an unknown user are told apart:\n%s\n%s", a.Raw, b.Raw)
	}
	spoof := h.line("alice", "123")
	spoof.local = strings.Replace(spoof.local, "alice", "boss", 1)
	spoof.start(h.phone.sdp())
	m := spoof.final(407)
	again := h.line("boss", "123")
	again.start(h.phone.sdp(), answerTo(t, m, "alice", "secret", "INVITE", again.target, digest.MD5))
	again.final(403)
	type event struct {
		Type sbc.EventType `json:"type"`
	}
	ctx := patience(t, 5*time.Second)
	for _, kind := range []sbc.EventType{sbc.EventSecurityIdentity, sbc.EventSecurityAuth} {
		if _, err := rest.Until(ctx, h.Client, "/v1/events?type="+string(kind),
			func(p rest.Page[event]) bool { return len(p.Items) > 0 }); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for uri, want := range map[string]int{"sip:1@elsewhere.example": 403, "sip:123@" + h.name: 407} {
		x := h.line("alice", "1")
		x.target = uri
		x.start(h.phone.sdp()).final(want)
	}
	if n := len(h.cdrs(1)); n != 1 {
		t.Errorf("%d records", n)
	}
	h.quiet()
}
