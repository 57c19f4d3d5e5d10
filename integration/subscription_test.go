package integration

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc/msg"
)

// ask sends a request outside a dialog.
func (p *peer) ask(method msg.Method, number, body string, headers ...string) *line {
	l := &line{
		p: p, callID: "leak" + p.side + msg.NewTag() + "@" + p.host("callid"), seq: 0,
		local:  "\"Ada\" <sip:+4930111@" + p.host("from") + ">;tag=leak" + p.side + msg.NewTag(),
		remote: "<sip:" + number + "@" + p.host("to") + ">", target: "sip:" + number + "@" + p.host("ruri"),
	}
	p.lines[l.callID] = true
	l.request(string(method), body, append(headers, "Contact: "+p.contact())...)
	return l
}

// asked waits for a request outside a dialog.
func (p *peer) asked(method msg.Method) *line {
	p.t.Helper()
	m := p.take("a "+string(method), func(m *msg.Message) bool {
		return m.Method == method && m.IsRequest() && m.To.Tag() == "" && !p.lines[m.CallID]
	})
	p.lines[m.CallID] = true
	l := &line{p: p, callID: m.CallID, remote: m.From.String(), invite: m, seq: 100, local: m.To.WithTag("leak" + p.side + msg.NewTag()).String()}
	if c, err := m.Contacts(); err == nil && len(c) > 0 {
		l.target = c[0].URI.String()
	}
	return l
}

// subscribed sets a subscription up.
func subscribed(a, b *peer, event string, headers ...string) (subscriber, notifier *line) {
	a.t.Helper()
	subscriber = a.ask(msg.SUBSCRIBE, "4930123", "", append(headers, "Event: "+event, "Expires: 600")...)
	notifier = b.asked(msg.SUBSCRIBE)
	if len(headers) > 0 {
		headers = hostileHeaders(b)
	}
	notifier.say(notifier.invite, 202, "", "", append(headers, "Expires: 300", "Contact: "+b.contact())...)
	res := subscriber.answer(1, 0)
	if res.Status != 200 || res.Get("Expires") != "300" || res.Get("Contact") == "" {
		a.t.Fatalf("SUBSCRIBE was answered with\n%s", res.AppendTo(nil))
	}
	return subscriber, notifier
}

// tells lets the notifier send a NOTIFY and gives it as the subscriber sees it.
func tells(notifier, subscriber *line, event, state, body string, headers ...string) *msg.Message {
	notifier.p.t.Helper()
	seq := notifier.request("NOTIFY", body, append(headers, "Event: "+event, "Subscription-State: "+state, "Contact: "+notifier.p.contact())...)
	got := subscriber.hear(msg.NOTIFY)
	subscriber.say(got, 200, "", "", "Contact: "+subscriber.p.contact())
	notifier.answer(seq, 200)
	return got
}

// holds sees that a text has all of some words.
func holds(t testing.TB, what, s string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(s, w) {
			t.Errorf("%s lacks %q:\n%s", what, w, s)
		}
	}
}

// bodies that name the sender's side wherever they can.
func hostileSummary(p *peer) string {
	return "Messages-Waiting: yes\r\nMessage-Account: sip:4930123@" + p.host("account") + "\r\nVoice-Message: 2/8 (0/2)\r\nX-Leak: leak-" + p.side +
		"\r\n\r\nTo: <sip:x@" + p.host("mail") + ">\r\nMessage-ID: leak" + p.side + "\r\n"
}

func hostileDialogInfo(p *peer) string {
	return `<?xml version="1.0"?><dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" xmlns:x="leak-` + p.side + `" version="7" state="full" entity="sip:4930123@` +
		p.host("entity") + `"><!-- leak-` + p.side + ` --><dialog id="leak` + p.side + `id" call-id="leak` + p.side + `call" local-tag="leak` + p.side +
		`lt" remote-tag="leak` + p.side + `rt" direction="recipient"><state event="cancelled" code="487">early</state><duration>14</duration>` +
		`<replaces call-id="leak` + p.side + `" local-tag="x" remote-tag="y"/><local><identity display="` + p.host("display") + `">sip:4930123@` + p.host("id") +
		`</identity><target uri="` + strings.Trim(p.contact(), "<>") + `"><param pname="+sip.leak-` + p.side + `" pval="x"/></target></local><remote>` +
		`<identity display="Ann">sip:4930777@` + p.addr.String() + `</identity><target uri="sip:leak` + p.side + `device@` + p.addr.String() +
		`"/><session-description type="application/sdp">leak-` + p.side + `</session-description></remote></dialog></dialog-info>`
}

func hostilePresence(p *peer) string {
	return `<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" entity="pres:4930123@` +
		p.host("entity") + `"><tuple id="leak` + p.side + `tuple"><status><basic>open</basic><x>leak-` + p.side + `</x></status><contact priority="0.8">sip:4930123@` +
		p.addr.String() + `</contact><note xml:lang="leak-` + p.side + `">in a meeting</note><note>at ` + p.host("note") +
		`</note><timestamp>2026-11-22T09:00:00Z</timestamp></tuple><dm:person id="leak` + p.side + `"/></presence>`
}

// subscriptionScenes are plays with what is no call.
func subscriptionScenes() []scene {
	return []scene{
		{"message-summary, refreshed and ended", messageSummary},
		{"dialog and presence", func(a, b *peer) {
			subscriber, notifier := subscribed(a, b, "dialog;id=7", hostileHeaders(a)...)
			got := tells(notifier, subscriber, "dialog", "active;expires=300", hostileDialogInfo(b), append(hostileHeaders(b), "Content-Type: application/dialog-info+xml")...)
			holds(a.t, "dialog information", string(got.Body), `version="7"`, `state="full"`, "sip:4930123@"+got.Hop.Remote.Addr().String(), `direction="recipient"`,
				`event="cancelled"`, `code="487"`, ">early<", "<duration>14<", `display="Ann"`, "sip:4930777@")
			if got.Get("Event") != "dialog;id=7" {
				a.t.Errorf("Event: %s", got.Get("Event"))
			}
			tells(notifier, subscriber, "dialog", "terminated;reason=noresource", "")
			subscriber, notifier = subscribed(a, b, "presence")
			got = tells(notifier, subscriber, "presence", "active", hostilePresence(b), "Content-Type: application/pidf+xml")
			holds(a.t, "presence", string(got.Body), "<basic>open<", `priority="0.8"`, "in a meeting", "2026-11-22T09:00:00Z", "sip:4930123@"+got.Hop.Remote.Addr().String())
			tells(notifier, subscriber, "presence", "terminated;reason=timeout;x=leak-"+b.side, "")
		}},
		{"a NOTIFY that cannot pass", func(a, b *peer) {
			subscriber, notifier := subscribed(a, b, "refer")
			for _, bad := range []struct {
				want    int
				body    string
				headers []string
			}{
				{415, "leak-" + b.side, []string{"Event: refer", "Subscription-State: active", "Content-Type: text/leak-" + b.side}},
				{415, "{}", []string{"Event: refer", "Subscription-State: active", "Content-Type: application/pidf+xml"}},
				{489, "", []string{"Event: presence", "Subscription-State: active"}}, {400, "", []string{"Event: refer"}},
			} {
				notifier.refusedWith(notifier.request("NOTIFY", bad.body, append(bad.headers, "Contact: "+b.contact())...), bad.want)
			}
			got := tells(notifier, subscriber, "refer", "active", "SIP/2.0 180 Ringing at "+b.host("sipfrag")+"\r\nVia: leak-"+b.side+"\r\n", "Content-Type: message/sipfrag;version=2.0")
			if string(got.Body) != "SIP/2.0 180 Ringing\r\n" {
				a.t.Errorf("sipfrag %q", got.Body)
			}
			seq := notifier.request("NOTIFY", "", "Event: refer", "Subscription-State: active", "Contact: "+b.contact())
			subscriber.say(subscriber.hear(msg.NOTIFY), 481, "leak-"+a.side, "", hostileHeaders(a)...) // it knows nothing of it any more
			notifier.answer(seq, 481)
			subscriber.refusedWith(subscriber.request("SUBSCRIBE", "", "Event: refer", "Contact: "+a.contact()), 481)
		}},
		{"NOTIFY before the answer", func(a, b *peer) {
			subscriber := a.ask(msg.SUBSCRIBE, "4930123", "", "Event: presence")
			notifier := b.asked(msg.SUBSCRIBE)
			tells(notifier, subscriber, "presence", "pending", "")
			notifier.say(notifier.invite, 200, "", "", "Expires: 0", "Contact: "+b.contact())
			subscriber.answer(1, 200)
			tells(notifier, subscriber, "presence", "terminated", "")
		}},
		{"SUBSCRIBE refused", func(a, b *peer) {
			for _, c := range []struct{ answer, want int }{{404, 404}, {489, 489}, {423, 423}, {302, 480}, {401, 403}, {481, 500}, {603, 603}} {
				l := a.ask(msg.SUBSCRIBE, "4930123", "", "Event: presence")
				got := b.asked(msg.SUBSCRIBE)
				got.say(got.invite, c.answer, "leak-"+b.side, "", append(hostileHeaders(b), "Min-Expires: 1800", "Contact: "+b.contact())...)
				if res := l.answer(1, c.want); c.want == 423 && res.Get("Min-Expires") != "1800" {
					a.t.Errorf("423 without Min-Expires:\n%s", res.AppendTo(nil))
				}
			}
			if res := a.ask(msg.SUBSCRIBE, "4930123", "", "Event: conference").answer(1, 489); !strings.Contains(res.Get("Allow-Events"), "presence") {
				a.t.Errorf("489 with Allow-Events %q", res.Get("Allow-Events"))
			}
			a.ask(msg.SUBSCRIBE, "4930123", "").answer(1, 489)
			a.ask(msg.SUBSCRIBE, "4930123", "", "Event: presence", "Require: eventlist").answer(1, 420)
		}},
		{"PUBLISH and its tags", publication},
		{"MESSAGE", func(a, b *peer) {
			l := a.ask(msg.MESSAGE, "4930123", "hello", append(hostileHeaders(a), "Content-Type: text/plain;charset=utf-8;x=leak-"+a.side)...)
			got := b.asked(msg.MESSAGE)
			if string(got.invite.Body) != "hello" || got.invite.Get("Content-Type") != "text/plain;charset=utf-8" || got.invite.From.URI.User != "+4930222" {
				b.t.Errorf("%s", got.invite.AppendTo(nil))
			}
			got.say(got.invite, 202, "leak-"+b.side, "", hostileHeaders(b)...)
			l.answer(1, 200)
			l = a.ask(msg.MESSAGE, "4930123", "hello", "Content-Type: text/plain")
			got = b.asked(msg.MESSAGE)
			got.say(got.invite, 480, "leak-"+b.side, "", hostileHeaders(b)...)
			l.answer(1, 480)
			a.ask(msg.MESSAGE, "4930123", "x", "Content-Type: application/leak-"+a.side).answer(1, 415)
		}},
	}
}

func messageSummary(a, b *peer) {
	subscriber, notifier := subscribed(a, b, "message-summary", hostileHeaders(a)...)
	if got := notifier.invite; got.Get("Event") != "message-summary" || got.Get("Expires") != "600" || got.From.URI.User != "+4930222" {
		b.t.Errorf("%s", got.AppendTo(nil))
	}
	got := tells(notifier, subscriber, "message-summary", "active;expires=299;x=leak-"+b.side, hostileSummary(b),
		append(hostileHeaders(b), "Content-Type: application/simple-message-summary")...)
	want := fmt.Sprintf("Messages-Waiting: yes\r\nMessage-Account: sip:4930123@%s\r\nVoice-Message: 2/8 (0/2)\r\n", got.Hop.Remote.Addr())
	if string(got.Body) != want || got.Get("Subscription-State") != "active;expires=299" {
		a.t.Errorf("%s", got.AppendTo(nil))
	}
	for _, expires := range []string{"200", "0"} { // refresh, then the end
		seq := subscriber.request("SUBSCRIBE", "", append(hostileHeaders(a), "Event: message-summary", "Expires: "+expires, "Contact: "+a.contact())...)
		again := notifier.hear(msg.SUBSCRIBE)
		if again.Get("Expires") != expires || again.Get("Event") != "message-summary" {
			b.t.Errorf("%s", again.AppendTo(nil))
		}
		notifier.say(again, 200, "", "", append(hostileHeaders(b), "Expires: "+expires, "Contact: "+b.contact())...)
		if res := subscriber.answer(seq, 200); res.Get("Expires") != expires {
			a.t.Errorf("%s", res.AppendTo(nil))
		}
	}
	tells(notifier, subscriber, "message-summary", "terminated;reason=timeout", "")
	notifier.refusedWith(notifier.request("NOTIFY", "", "Event: message-summary", "Subscription-State: active", "Contact: "+b.contact()), 481)
}

// publication goes through a published state's life (RFC 3903 table 1).
func publication(a, b *peer) {
	l := a.ask(msg.PUBLISH, "4930123", hostilePresence(a), append(hostileHeaders(a), "Event: presence", "Expires: 600", "Content-Type: application/pidf+xml")...)
	kept := b.asked(msg.PUBLISH)
	holds(b.t, "presence", string(kept.invite.Body), "<basic>open<", "sip:4930123@"+kept.invite.Hop.Remote.Addr().String())
	if kept.invite.Get("Contact") != "" || kept.invite.Get("SIP-If-Match") != "" {
		b.t.Errorf("%s", kept.invite.AppendTo(nil))
	}
	kept.say(kept.invite, 200, "", "", "Expires: 500", "SIP-ETag: leak"+b.side+"one")
	tag := l.answer(1, 200).Get("SIP-ETag")
	for i, next := range []struct{ expires, etag string }{{"400", "two"}, {"0", "three"}} {
		l = a.ask(msg.PUBLISH, "4930123", "", "Event: presence", "Expires: "+next.expires, "SIP-If-Match: "+tag)
		kept = b.asked(msg.PUBLISH)
		if want := "leak" + b.side + []string{"one", "two"}[i]; kept.invite.Get("SIP-If-Match") != want {
			b.t.Errorf("SIP-If-Match: %s, want %s", kept.invite.Get("SIP-If-Match"), want)
		}
		kept.say(kept.invite, 200, "", "", "Expires: "+next.expires, "SIP-ETag: leak"+b.side+next.etag)
		res := l.answer(1, 200)
		if res.Get("Expires") != next.expires || res.Get("SIP-ETag") == tag || res.Get("SIP-ETag") == "" {
			a.t.Errorf("%s", res.AppendTo(nil))
		}
		tag = res.Get("SIP-ETag")
	}
	a.ask(msg.PUBLISH, "4930123", "", "Event: presence", "SIP-If-Match: "+tag).answer(1, 412) // removed
	a.ask(msg.PUBLISH, "4930123", "", "Event: presence", "SIP-If-Match: leak"+a.side).answer(1, 412)
	a.ask(msg.PUBLISH, "4930123", "", "Event: presence").answer(1, 400)
	a.ask(msg.PUBLISH, "4930123", "{}", "Event: presence", "Content-Type: application/json").answer(1, 415)
}

// TestSubscriptions plays every scene in both directions, over UDP and TCP, and searches all octets of both sides.
func TestSubscriptions(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			id := b.create("/signalling-profiles", rest.Object{
				"name": "events", "pass_messages": true, "pass_events": []string{"message-summary", "dialog", "presence", "refer"},
			})
			both := rest.Object{"signalling_profile_id": id}
			w := b.connect(newSides(t), wish{transport: transport, westTrunk: both, eastTrunk: both})
			eyes := w.watched(t, transport == "tcp")
			playAll(t, eyes, subscriptionScenes())
			eyes.finished(t)
			if n := b.metric("sbc_subscriptions"); n != 2 { // the one that ended with its expiry, from both sides, waits for a late refresh
				t.Logf("%v subscriptions are left", n)
			}
		})
	}
}

// TestSubscriptionIntruders: who knows both tags and sends from elsewhere moves nothing and is told nothing.
func TestSubscriptionIntruders(t *testing.T) {
	t.Parallel()
	s := stageWith(t, "/signalling-profiles", rest.Object{"pass_events": []string{"presence"}}, func(id string) wish {
		return wish{westTrunk: rest.Object{"signalling_profile_id": id}, eastTrunk: rest.Object{"signalling_profile_id": id}}
	})
	subscriber, notifier := subscribed(s.west, s.east, "presence")
	elsewhere := s.w.eastPeer.As4()
	elsewhere[3] = 77
	stranger := newPeer(t, "east", netip.AddrPortFrom(netip.AddrFrom4(elsewhere), 5060), s.east.border, false)
	for name, p := range map[string]*peer{"a stranger": stranger, "the subscriber": s.west} {
		stolen := *notifier
		stolen.p, stolen.seq = p, 500
		stolen.request("NOTIFY", hostilePresence(p), "Event: presence", "Subscription-State: terminated", "Contact: "+p.contact(), "Content-Type: application/pidf+xml")
		s.settle()
		s.west.nothing("a NOTIFY of "+name, func(m *msg.Message) bool { return m.IsRequest() })
	}
	if n := stranger.count(); n != 0 {
		t.Errorf("the stranger got %d answers", n)
	}
	if n := s.b.metric("sbc_subscription_intrusions_total"); n != 2 {
		t.Errorf("%v intrusions were counted", n)
	}
	tells(notifier, subscriber, "presence", "terminated;reason=timeout", "")
}
