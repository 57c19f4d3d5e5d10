package integration

import (
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc/msg"
)

func hostileConference(p *peer) string {
	ip := p.addr.String()
	return `<?xml version="1.0"?><conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="sips:leak` + p.side + `room@` + p.host("entity") +
		`" state="full" version="3"><conference-description><subject>Budget</subject><display-text>see ` + p.host("text") + `</display-text><conf-uris><entry><uri>tel:leak` +
		p.side + `</uri></entry></conf-uris></conference-description><host-info><display-text>` + p.host("hostinfo") + `</display-text></host-info>` +
		`<conference-state><user-count>2</user-count></conference-state><users><user entity="sip:4930123@` + ip + `" state="full"><display-text>Ann</display-text>` +
		`<associated-aors><entry><uri>mailto:` + p.host("mail") + `</uri></entry></associated-aors><endpoint entity="sip:leak` + p.side + `device@` + ip +
		`"><display-text>leak-` + p.side + `</display-text><status>connected</status><joining-method>dialed-in</joining-method><media id="leak` + p.side +
		`m"><type>audio</type><label>leak-` + p.side + `</label><src-id>432424</src-id></media><call-info><sip><display-text>leak-` + p.side +
		`</display-text><call-id>leak` + p.side + `</call-id></sip></call-info></endpoint></user></users></conference-info>`
}

// watchScenes are subscriptions within a call.
func watchScenes() []scene {
	bodies := map[string][2]string{
		"dialog": {"application/dialog-info+xml", ">early<"}, "message-summary": {"application/simple-message-summary", "Voice-Message: 2/8 (0/2)"},
		"conference": {"application/conference-info+xml", "<status>connected<"}, "presence": {"application/pidf+xml", "<basic>open<"},
	}
	hostile := map[string]func(*peer) string{
		"dialog": hostileDialogInfo, "message-summary": hostileSummary, "conference": hostileConference, "presence": hostilePresence,
	}
	var all []scene
	for name, kind := range bodies {
		play := func(call, from, to *line) {
			p, q := from.p, to.p
			subscribe := func(expires string) {
				seq := from.request("SUBSCRIBE", "", append(hostileHeaders(p), "Event: "+name+";id=leak"+p.side, "Expires: "+expires, "Contact: "+p.contact(),
					"Accept: "+kind[0]+", application/leak-"+p.side)...)
				got := to.hear(msg.SUBSCRIBE)
				to.say(got, 200, "fine at "+q.host("phrase"), "", append(hostileHeaders(q), "Expires: "+expires, "Contact: "+q.contact())...)
				if res := from.answer(seq, 200); res.Get("Expires") != expires || !res.Has("Contact") {
					p.t.Errorf("%s", res.AppendTo(nil))
				}
				seq = to.request("NOTIFY", hostile[name](q), append(hostileHeaders(q), "Event: "+got.Get("Event"), "Subscription-State: active;expires="+expires+";x=leak-"+q.side,
					"Contact: "+q.contact(), "Content-Type: "+kind[0]+";x=leak-"+q.side)...)
				notify := from.hear(msg.NOTIFY)
				if notify.Get("Event") != name+";id=leak"+p.side {
					p.t.Errorf("Event: %s", notify.Get("Event"))
				}
				holds(p.t, name, string(notify.Body), kind[1])
				from.say(notify, 200, "fine at "+p.host("phrase"), "", hostileHeaders(p)...)
				to.answer(seq, 200)
			}
			subscribe("600")
			subscribe("300")
			subscribe("0")
		}
		all = append(all, scene{name + " within a call", func(a, b *peer) {
			call, rings := connected(a, b)
			a.sync(a.border) // the border has the ACK
			play(call, call, rings)
			play(call, rings, call)
			rings.refusedWith(rings.request("PUBLISH", hostileSummary(b), append(hostileHeaders(b), "Event: "+name, "Contact: "+b.contact())...), 405)
			call.hangup(rings)
		}})
	}
	return append(all, scene{"SUBSCRIBE within a call, refused", func(a, b *peer) {
		call, rings := connected(a, b)
		a.sync(a.border)
		for _, c := range []struct{ answer, want int }{{404, 404}, {489, 489}, {423, 423}, {302, 480}, {401, 403}, {481, 500}, {603, 603}} {
			seq := call.request("SUBSCRIBE", "", append(hostileHeaders(a), "Event: dialog", "Contact: "+a.contact())...)
			rings.say(rings.hear(msg.SUBSCRIBE), c.answer, "leak-"+b.side, "", append(hostileHeaders(b), "Min-Expires: 1800", "Contact: "+b.contact())...)
			call.refusedWith(seq, c.want)
		}
		call.refusedWith(call.request("SUBSCRIBE", "", append(hostileHeaders(a), "Event: leak"+a.side, "Contact: "+a.contact())...), 489)
		rings.refusedWith(rings.request("NOTIFY", hostileDialogInfo(b), append(hostileHeaders(b), "Event: dialog", "Subscription-State: active",
			"Contact: "+b.contact(), "Content-Type: application/dialog-info+xml")...), 481)
		call.hangup(rings)
	}})
}

// TestLeaksWatch plays those scenes in both directions, over UDP and TCP, and searches all octets of both sides.
func TestLeaksWatch(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			id := b.create("/signalling-profiles", rest.Object{
				"name": "events", "pass_events": []string{"message-summary", "dialog", "presence", "conference"},
			})
			both := rest.Object{"signalling_profile_id": id}
			w := b.connect(newSides(t), wish{transport: transport, westTrunk: both, eastTrunk: both})
			eyes := w.watched(t, transport == "tcp")
			playAll(t, eyes, watchScenes())
			b.quiet()
			eyes.finished(t)
		})
	}
}
