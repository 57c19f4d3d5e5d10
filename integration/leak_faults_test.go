package integration

import (
	"strings"

	"github.com/sallyport/sallyport/sbc/msg"
)

// faultScenes are those in which something is wrong, late, doubled or looped.
func faultScenes() []scene {
	return []scene{
		{"retransmissions", retransmissions}, {"a loop", looped},
		{"wrong tags", func(a, b *peer) {
			call, rings := connected(a, b)
			for _, l := range []*line{call, rings} {
				stray := *l
				stray.remote = strings.Replace(l.remote, ";tag=", ";tag=x", 1)
				for _, method := range []string{"BYE", "INVITE", "UPDATE", "INFO"} {
					if m := stray.answer(stray.request(method, l.p.sdp(), hostileHeaders(l.p)...), 0); m.Status != 481 {
						a.t.Errorf("%s with a wrong tag: %s", method, m.StartLine())
					} else if method == "INVITE" {
						stray.ack(m)
					}
				}
			}
			call.hangup(rings)
		}},
		{"Max-Forwards, Require, scheme, body", func(a, b *peer) {
			for _, c := range []struct {
				old, new string
				want     int
			}{
				{"Max-Forwards: 70", "Max-Forwards: 0", 483}, {"Max-Forwards: 70", "Max-Forwards: 70\r\nRequire: leak" + a.side, 420},
				{"INVITE sip:", "INVITE leak" + a.side + ":", 416}, {"application/sdp", "application/leak" + a.side, 415},
				{" SIP/2.0\r\n", " SIP/3.0\r\n", 505},
			} {
				l := &line{p: a, callID: "leak" + a.side + msg.NewTag(), seq: 1, target: "sip:4930123456@" + a.host("ruri"),
					local: "<sip:+4930111@" + a.host("from") + ">;tag=leak" + a.side + msg.NewTag(), remote: "<sip:4930123456@" + a.host("to") + ">"}
				branch := a.branch()
				l.branch, l.inviteSeq = branch, 1
				raw := text("INVITE "+l.target+" SIP/2.0", append(l.head("INVITE", 1, branch), "Contact: "+a.contact()), a.sdp())
				a.send([]byte(strings.Replace(string(raw), c.old, c.new, 1)), a.border)
				m := l.answer(1, 0)
				if m.Status != c.want {
					a.t.Errorf("%q is answered with %s; %d was expected", c.new, m.StartLine(), c.want)
				}
				l.ack(m)
			}
		}},
		{"both hang up", func(a, b *peer) {
			call, rings := connected(a, b)
			one, two := call.request("BYE", "", hostileHeaders(a)...), rings.request("BYE", "", hostileHeaders(b)...)
			call.answer(one, 200)
			rings.answer(two, 200)
			for _, l := range []*line{call, rings} { // what is gone stays gone, and tells nothing
				if m := l.answer(l.request("INFO", "", hostileHeaders(l.p)...), 0); m.Status != 481 {
					a.t.Errorf("INFO after the end: %s", m.StartLine())
				}
			}
		}},
		{"both offer at once", func(a, b *peer) {
			call, rings := connected(a, b)
			call.request("INVITE", a.sdp(hostileSDP(a)))
			theirs := rings.hear(msg.INVITE)
			rings.request("INVITE", b.sdp(hostileSDP(b)))
			rings.final(491)
			rings.say(theirs, 491, "", "", hostileHeaders(b)...)
			rings.hear(msg.ACK)
			rings.say(rings.hear(msg.INVITE), 200, "", b.sdp(hostileSDP(b))) // the border tries again (RFC 3261 14.1)
			call.final(200)
			rings.hear(msg.ACK)
			call.hangup(rings)
		}},
		{"names that are addresses", func(a, b *peer) {
			for _, from := range []string{
				"\"" + a.host("display") + "\" <sip:+4930111@" + a.host("from") + ">", "\"" + a.addr.Addr().String() + "\" <sip:" + a.addr.Addr().String() + "@" + a.host("from") + ">",
				"<sip:" + a.host("from") + ">", "<sip:+4930111;phone-context=" + a.host("pc") + "@" + a.host("from") + ";user=phone>",
				"<tel:+4930111;phone-context=" + a.host("pc") + ">", "sip:+4930111@" + a.host("from"),
			} {
				l := &line{p: a, callID: "leak" + a.side + msg.NewTag(), seq: 1, target: "sip:4930123456;phone-context=" + a.host("pc") + "@" + a.host("ruri"),
					local: from + ";tag=leak" + a.side + msg.NewTag(), remote: "\"" + a.host("display") + "\" <sip:4930123456@" + a.host("to") + ">"}
				l.start(a.sdp())
				rings := b.ring()
				rings.say(rings.invite, 486, "", "")
				l.final(486)
				rings.hear(msg.ACK)
			}
		}},
		{"a body of several parts", func(a, b *peer) {
			body := "--leak" + a.side + "\r\nContent-Type: application/sdp\r\n\r\n" + a.sdp() + "\r\n--leak" + a.side +
				"\r\nContent-Type: application/pidf+xml\r\nContent-ID: <x@" + a.host("cid") + ">\r\n\r\n<p entity=\"" + a.host("pidf") + "\"/>\r\n--leak" + a.side + "--\r\n"
			call := a.dial("4930123456", body, "Content-Type: multipart/mixed;boundary=leak"+a.side, "MIME-Version: 1.0")
			rings := b.ring()
			rings.say(rings.invite, 200, "", b.sdp())
			call.final(200)
			rings.hear(msg.ACK)
			call.hangup(rings)
		}},
	}
}

// retransmissions sends everything more than once.
func retransmissions(a, b *peer) {
	call := a.dial("4930123456", a.sdp())
	rings := b.ring()
	if !a.tcp {
		a.send(call.inviteBytes, a.border)
	}
	rings.say(rings.invite, 180, "", "")
	rings.say(rings.invite, 180, "", "")
	call.answer(1, 180)
	ok := rings.response(rings.invite, 200, "", b.sdp())
	b.answerTo(rings.invite, ok)
	m := call.final(200)
	rings.hear(msg.ACK)
	b.answerTo(rings.invite, ok)
	rings.hear(msg.ACK)
	call.ack(m)
	a.send(call.inviteBytes, a.border)
	a.sync(a.border)
	call.hangup(rings)
	b.answerTo(rings.invite, ok)
	b.sync(b.border)
}

// looped sends back to the border, from the side it went out to, what it sent.
func looped(a, b *peer) {
	call := a.dial("4930123456", a.sdp())
	rings := b.ring()
	loop := rings.invite.Clone()
	top := b.branch()
	loop.Prepend("Via", b.via(top))
	b.send(loop.AppendTo(nil), b.border)
	back := &line{p: b, callID: loop.CallID, local: loop.From.String(), branch: top, inviteSeq: int(loop.CSeq.Seq), target: "sip:x@" + b.host("x")}
	back.final(482)
	rings.say(rings.invite, 486, "", "", hostileHeaders(b)...)
	call.final(486)
	rings.hear(msg.ACK)
}

// hostileScenes have peers that write themselves into everything.
func hostileScenes() []scene {
	return []scene{
		{"hostile headers and descriptions", func(a, b *peer) {
			call := a.dial("4930123456", hostileDescription(a), append(hostileHeaders(a), "Route: <sip:"+a.border.String()+";lr>, <sip:"+a.host("route")+";lr>")...)
			rings := b.ring()
			rings.say(rings.invite, 180, "", "", hostileHeaders(b)...)
			call.answer(1, 180)
			rings.say(rings.invite, 183, "", hostileDescription(b), hostileHeaders(b)...)
			call.answer(1, 183)
			rings.say(rings.invite, 200, "", hostileDescription(b), hostileHeaders(b)...)
			call.ack(call.answer(1, 200), append([]string{""}, hostileHeaders(a)...)...)
			rings.hear(msg.ACK)
			changed(call, rings, msg.INVITE, hostileDescription)
			changed(rings, call, msg.UPDATE, hostileDescription)
			rings.hangup(call, hostileHeaders(b)...)
		}},
		{"headers of both lists hold what is the sender's", func(a, b *peer) {
			call := a.dial("4930123456", a.sdp(), "X-Pass: harmless")
			rings := b.ring()
			if got := rings.invite.Get("X-Pass"); got != "" && got != "harmless" {
				a.t.Errorf("X-Pass became %q", got)
			}
			for _, l := range []*line{call, rings} {
				id, tag, _ := strings.Cut(l.local, ";tag=")
				for _, secret := range []string{
					l.p.addr.Addr().String(), l.p.addr.String(), l.callID, strings.ToUpper(l.callID), tag, l.p.host("via"), "sip:x@" + l.p.addr.String(),
					"leak" + l.p.side + "contact", id, l.p.border.Addr().String(), "Leak" + l.p.side + "Phone/9.1",
				} {
					if l == call {
						a.dialSecret(b, secret)
					}
				}
			}
			rings.say(rings.invite, 486, "", "", "X-Pass: "+b.addr.String(), "X-Trace: of "+rings.local, "User-to-User: leak"+b.side+"contact", "Call-Info: <sip:"+b.addr.String()+">")
			call.final(486)
			rings.hear(msg.ACK)
		}},
	}
}

// dialSecret makes a call that is refused, with a secret of the caller in every header both trunks may name.
func (p *peer) dialSecret(b *peer, secret string) {
	var headers []string
	for _, name := range passedHeaders() {
		headers = append(headers, name+": a "+secret+" z")
	}
	call := p.dial("4930123456", p.sdp(), headers...)
	rings := b.ring()
	rings.say(rings.invite, 486, "", "")
	call.final(486)
	rings.hear(msg.ACK)
}
