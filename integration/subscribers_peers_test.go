package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/webhook"
)

// TestSIPpSubscribers has SIPp register, and call, with its own answers to challenges.
func TestSIPpSubscribers(t *testing.T) {
	needs(t, "sipp")
	for _, transport := range []struct{ ours, sipp string }{{"udp", "u1"}, {"tcp", "t1"}} {
		t.Run(transport.ours, func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			w := b.connect(newSides(t), wish{transport: transport.ours, westRealm: rest.Object{"trust": "access"}})
			domain := b.create("/domains", rest.Object{"name": "phones.example", "realm_id": w.westRealm, "routing_plan_id": w.plan,
				"digest": rest.Object{"algorithms": []string{"MD5"}, "allow_short_uri": true}}) // what SIPp 3.6 knows, and does
			id := b.create("/subscribers", rest.Object{"domain_id": domain, "username": "alice", "password": "secret"})
			sippServer(t, "callee.xml", w.eastPeer, "-t", transport.sipp)
			addr := w.phoneAddr().String()
			if err := sipp(patience(t, 30*time.Second), t, "subscriber.xml", "-i", addr, "-p", "5060", "-mi", addr, "-s", "4930123456",
				"-m", "3",
				"-r", "5", "-recv_timeout", "10000", "-t", transport.sipp, "-au", "alice", "-ap", "secret", "-key", "domain", "phones.example",
				w.west.String()+":5060"); err != nil {
				t.Fatal(err)
			}
			for _, r := range b.cdrs(3) {
				if r.CallerSubscriberID != id || r.EndReason != sbc.EndCallerBye {
					t.Errorf("record %+v", r)
				}
			}
			b.quiet()
		})
	}
}

// TestKnownByItsAddress has a PBX call without any password, by an access rule.
func TestKnownByItsAddress(t *testing.T) {
	h := newHousehold(t, "udp", nil)
	id := h.subscriber("pbx", "unused-password", rest.Object{"caller_identities": []string{"+4930111"}})
	h.create("/access-rules", rest.Object{
		"name": "pbx", "domain_id": h.domain, "subscriber_id": id, "cidr": h.w.phoneAddr().String() + "/32",
	})
	l := h.line("+4930111", "4930123").start(h.phone.sdp())
	callee := h.east.ring()
	if callee.invite.From.URI.User != "+4930111" {
		t.Errorf("From %s", callee.invite.From)
	}
	callee.say(callee.invite, 486, "", "")
	l.final(486)
	callee.hear(msg.ACK)
	if r := h.cdrs(1)[0]; r.CallerSubscriberID != id || r.FinalCode != 486 {
		t.Errorf("record %+v", r)
	}
	h.line("boss", "4930123").start(h.phone.sdp()).final(403)
}

// TestAuthorizedElsewhere asks another system about each call: it may refuse it, bound it, or stay silent.
func TestAuthorizedElsewhere(t *testing.T) {
	answers := map[string]string{
		"4930001": `{"allow":true,"max_duration_s":77,"variables":{"account":"k7"}}`, "4930002": `{"allow":false,"code":402,"reason":"No Credit"}`,
	}
	release := make(chan struct{})
	asked := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var q struct{ Callee, Username, Type string }
		if err := json.Unmarshal(body, &q); err != nil || q.Username != "alice" || q.Type != "call.authorization" {
			t.Errorf("asked %s: %v", body, err)
		}
		if want := webhook.Signature("whsecret", r.Header.Get(webhook.HeaderID), r.Header.Get(webhook.HeaderTimestamp),
			body); r.Header.Get(webhook.HeaderSignature) != want {
			t.Errorf("signed %s, want %s", r.Header.Get(webhook.HeaderSignature), want)
		}
		asked <- q.Callee
		if answers[q.Callee] == "" {
			<-release
		}
		_, _ = io.WriteString(w, answers[q.Callee])
	}))
	defer other.Close()
	defer close(release)
	h := newHousehold(t, "udp", rest.Object{"authorization": rest.Object{"url": other.URL, "secret": "whsecret", "timeout_ms": 200,
		"fail": "closed"}})
	h.subscriber("alice", "secret", nil)
	l, _ := h.dial("alice", "secret", "4930001", digest.SHA256)
	callee := h.east.ring()
	var live rest.Page[sbc.CallInfo]
	if err := h.Get(t.Context(), "/v1/calls", &live); err != nil || len(live.Items) != 1 || live.Items[0].MaxDurationS != 77 {
		t.Errorf("%+v, %v", live, err)
	}
	callee.say(callee.invite, 486, "", "")
	l.final(486)
	callee.hear(msg.ACK)
	l, _ = h.dial("alice", "secret", "4930002", digest.SHA256)
	if res := l.final(402); res.Reason != "No Credit" {
		t.Errorf("reason %q", res.Reason)
	}
	l, _ = h.dial("alice", "secret", "4930003", digest.SHA256)
	l.final(503)
	for _, r := range h.cdrs(3) {
		if want := map[string]int{"4930001": 486, "4930002": 402, "4930003": 503}[r.Callee]; r.FinalCode != want ||
			r.Callee == "4930001" && r.Variables["account"] != "k7" {
			t.Errorf("record %+v", r)
		}
	}
	if len(asked) != 3 {
		t.Errorf("%d questions", len(asked))
	}
}

// TestMessagesOfSubscribers: what is no call comes in through the same door, and shows the same identity.
func TestMessagesOfSubscribers(t *testing.T) {
	h := newHousehold(t, "udp", nil)
	profile := h.create("/signalling-profiles", rest.Object{"name": "texts", "pass_messages": true})
	for _, path := range []string{"/v1/domains/" + h.domain, "/v1/trunks/" + h.w.eastTrunk} {
		if err := h.Do(t.Context(), http.MethodPatch, path, rest.Object{"signalling_profile_id": profile}, nil); err != nil {
			t.Fatal(err)
		}
	}
	h.subscriber("alice", "leak-west-password", rest.Object{"caller_id": "+4930111"})
	send := func(headers ...string) (*line, int) {
		l := h.line("alice", "4930123")
		return l, l.request("MESSAGE", "hello", append(headers, "Content-Type: text/plain")...)
	}
	l, seq := send()
	res := l.answer(seq, 407)
	l, seq = send(answerTo(t, res, "alice", "leak-west-password", "MESSAGE", "sip:4930123@"+h.name, digest.SHA256))
	got := h.east.asked(msg.MESSAGE)
	if got.invite.From.URI.User != "+4930111" || string(got.invite.Body) != "hello" || strings.Contains(string(got.invite.Raw),
		"leakwest") {
		t.Errorf("the other side got\n%s", got.invite.Raw)
	}
	got.say(got.invite, 200, "", "")
	l.answer(seq, 200)
}

// TestBaresipRegisters has baresip register and call with its own answers to challenges, from a network of its own. The version
// that Debian has knows MD5 only, and gives up (ENOSYS) where any challenge is offered that it does not know, though RFC 7616
// 3.3 has it ignore those.
func TestBaresipRegisters(t *testing.T) {
	needs(t, "baresip")
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			west, s := newHost(t), newSides(t)
			b := startBorder(t, app.Options{})
			w := b.connect(sides{west: west.border, westPeer: s.westPeer, east: s.east, eastPeer: s.eastPeer},
				wish{transport: transport, westRealm: rest.Object{"trust": "access"}})
			domain := b.create("/domains", rest.Object{"name": "phones.example", "realm_id": w.westRealm, "routing_plan_id": w.plan,
				"digest": rest.Object{"algorithms": []string{"MD5"}}})
			id := b.create("/subscribers", rest.Object{"domain_id": domain, "username": "alice", "password": "secret"})
			east := newPeer(t, "east", netip.AddrPortFrom(s.eastPeer, 5060), netip.AddrPortFrom(s.east, 5060), transport == "tcp")
			account := fmt.Sprintf("<sip:alice@phones.example;transport=%s>;auth_pass=secret;regint=60;outbound=\"sip:%s:5060;transport=%s\"\n",
				transport, west.border, transport)
			_, out := startBaresipAs(t, west, "alice", account, 400)
			type event struct {
				Data map[string]string `json:"data"`
			}
			ctx := patience(t, 20*time.Second)
			if _, err := rest.Until(ctx, b.Client, "/v1/events?type=registration.new", func(p rest.Page[event]) bool {
				return len(p.Items) == 1 && p.Items[0].Data["aor"] == "alice@phones.example"
			}); err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			tell(t, west, "dial", "sip:4930123@phones.example")
			callee := east.ring()
			callee.say(callee.invite, 486, "", "")
			callee.hear(msg.ACK)
			if r := b.cdrs(1)[0]; r.CallerSubscriberID != id || r.FinalCode != 486 {
				t.Errorf("record %+v", r)
			}
		})
	}
}
