package integration

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/sallyport/sallyport/sbc/msg"
)

func allScenes() []scene {
	all := basicScenes()
	for _, more := range [][]scene{forkScenes(), refusalScenes(), sessionScenes(), messageScenes(), faultScenes(), hostileScenes(), contentScenes(), transferScenes(), takeoverScenes(), wilfulScenes()} {
		all = append(all, more...)
	}
	return all
}

// hostileHeaders name this side in every header in which devices are known to do it.
func hostileHeaders(p *peer) []string {
	h, ip, tag := p.host, p.addr.String(), "leak"+p.side+"word"
	return []string{
		"Call-Info: <http://" + h("callinfo") + "/photo.png>;purpose=icon, <sip:info@" + ip + ">",
		"Alert-Info: <http://" + h("alert") + "/ring.wav>", "Alert-Info: <urn:alert:source:internal>;appearance=" + tag,
		"Error-Info: <sip:announce@" + ip + ">", "Organization: Leak-" + p.side + " Ltd", "Geolocation: <cid:loc@" + h("geo") + ">",
		"Geolocation-Routing: yes", "P-Charging-Vector: icid-value=" + tag + ";icid-generated-at=" + ip + ";orig-ioi=" + h("ioi"),
		"P-Charging-Function-Addresses: ccf=" + ip, "P-Access-Network-Info: IEEE-802.11;network-provided;i-wlan-node-id=" + tag,
		"P-Asserted-Identity: \"" + h("pai") + "\" <sip:+4930222@" + ip + ";x=" + tag + ">", "P-Asserted-Identity: <tel:+4930222;phone-context=" + h("pc") + ">",
		"P-Preferred-Identity: <sip:+4930222@" + h("ppi") + ">", "P-Visited-Network-ID: \"" + h("visited") + "\"",
		"P-Called-Party-ID: <sip:x@" + h("pcpi") + ">", "P-Associated-URI: <sip:x@" + h("pau") + ">",
		"Remote-Party-ID: <sip:+4930222@" + ip + ">;party=calling", "History-Info: <sip:+4930@" + h("hist") + "?Reason=SIP%3Bcause%3D302>;index=1",
		"Diversion: <sip:+4930333@" + ip + ">;reason=unconditional", "In-Reply-To: " + tag + "@" + h("inreply"),
		"Session-ID: leak" + p.side + "aaaabbbbccccddddeeeeffff00001111;remote=00000000000000000000000000000000",
		"User-to-User: " + h("uui") + ";encoding=ascii", "Date: Sat, 13 Nov 2010 23:29:00 GMT", "Timestamp: 54.7 " + tag,
		"Record-Route: <sip:" + ip + ";lr>", "Record-Route: <sip:" + h("rr") + ";lr;ftag=" + tag + ">", "Path: <sip:" + h("path") + ";lr>",
		"Service-Route: <sip:" + h("sr") + ";lr>", "Reply-To: <sip:x@" + h("replyto") + ">", "Referred-By: <sip:x@" + h("refby") + ">",
		"Reason: Q.850;cause=16;text=\"by " + h("reason") + " " + ip + "\"", "Reason: SIP;cause=200;text=\"" + tag + " at " + h("reason") + "\"",
		"Warning: 399 " + h("warn") + " \"route " + ip + "\"", "Subject: ring " + h("subject") + " at " + ip, "Priority: leak-" + p.side,
		"Privacy: leak-" + p.side + ";none", "Accept-Language: en;x=leak-" + p.side + ", de", "Retry-After: 5 (ask " + h("retry") + ")",
		"Allow: INVITE, UPDATE, LEAK" + p.side, "Supported: leak" + p.side + ", timer", "Accept: application/leak-" + p.side, "Allow-Events: leak-" + p.side,
		"X-Trace: " + h("x") + " " + ip, "X-Asterisk-HangupCause: leak-" + p.side, "X-Leak-" + p.side + ": 1", "P-Leak-" + p.side + ": 1",
		"Authorization: Digest username=\"leak-" + p.side + "\", realm=\"" + h("realm") + "\", nonce=\"1\", uri=\"sip:x\", response=\"00\"",
		"Proxy-Authorization: Digest username=\"leak-" + p.side + "\", realm=\"" + h("realm") + "\"",
		"Authentication-Info: nextnonce=\"leak-" + p.side + "\"", "Identity: leak" + p.side + ";info=<https://" + h("cert") + "/c.pem>;alg=ES256",
		"Content-Language: leak-" + p.side + ", de", "Content-Language: " + h("lang"), "MIME-Version: leak-" + p.side, "Content-Disposition: session;x=leak-" + p.side, "Security-Client: leak-" + p.side,
		"Feature-Caps: *;+leak-" + p.side, "Accept-Contact: *;+leak-" + p.side, "Request-Disposition: leak-" + p.side, "SIP-ETag: " + tag,
	}
}

// hostileSDP names this side wherever a description can.
func hostileSDP(p *peer) string {
	ip := p.addr.Addr().String()
	return strings.Join([]string{
		"a=candidate:1 1 UDP 2130706431 " + ip + " 40000 typ host", "a=candidate:2 1 UDP 1 " + ip + " 40000 typ srflx raddr " + ip + " rport 9",
		"a=remote-candidates:1 " + ip + " 40000", "a=ice-ufrag:leak" + p.side, "a=ice-pwd:leak" + p.side + "passwordpassword", "a=ice-options:leak" + p.side,
		"a=rtcp:40001 IN IP4 " + ip, "a=ssrc:1234567 cname:user@" + p.host("cname"), "a=ssrc:1234567 msid:leak" + p.side + " track", "a=msid:leak" + p.side + " track",
		"a=tool:leak-" + p.side + " 1.0", "a=x-where:" + ip, "a=alt:1 1 : leak" + p.side + " x " + ip + " 40000",
		"a=sendrecv", "a=path:msrp://" + ip + ":7000/leak" + p.side + ";tcp", "a=source-filter: incl IN IP4 * " + ip,
		"a=fingerprint:sha-1 00:11:22", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:leak" + p.side, "a=identity:leak" + p.side, "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
		"a=extmap:2 http://" + p.host("extmap") + "/header", "a=extmap:3 urn:" + p.host("urn"), "a=key-mgmt:mikey leak" + p.side,
		"a=label:leak-" + p.side, "a=label:" + p.host("label"), "a=mid:leak" + p.side, "a=sdplang:leak-" + p.side, "a=lang:" + p.host("lang"),
		"a=fmtp:101 0-15;x=" + p.host("fmtp"), "a=fmtp:0 host=" + ip, "a=rtcp-fb:0 nack " + p.host("feedback"), "a=content:" + p.host("content"),
		"b=X-" + p.host("bandwidth") + ":64",
	}, "\r\n") + "\r\n"
}

// hostileDescription has session lines, too.
func hostileDescription(p *peer) string {
	return strings.Replace(p.sdp(hostileSDP(p)), "\r\nc=", "\r\ni=leak-"+p.side+" info\r\nu=http://"+p.host("uri")+"/\r\ne=me@"+p.host("mail")+
		"\r\np=+49 leak-"+p.side+"\r\na=group:LS leak"+p.side+"\r\na=group:leak-"+p.side+" 1\r\na=sdplang:leak-"+p.side+"\r\nc=", 1)
}

func basicScenes() []scene {
	return []scene{
		{"basic, caller hangs up", func(a, b *peer) {
			call, rings := connected(a, b)
			call.hangup(rings)
		}},
		{"basic, callee hangs up", func(a, b *peer) {
			call, rings := connected(a, b)
			rings.hangup(call)
		}},
		{"several provisionals and early media", func(a, b *peer) {
			call := a.dial("4930123456", a.sdp())
			rings := b.ring()
			rings.say(rings.invite, 100, "", "")
			rings.say(rings.invite, 180, "ringing at "+b.host("phrase"), "")
			call.answer(1, 180)
			rings.say(rings.invite, 182, "queued by "+b.addr.String(), "")
			rings.say(rings.invite, 183, "", b.sdp())
			call.answer(1, 183)
			rings.say(rings.invite, 200, "leak-"+b.side, b.sdp())
			call.final(200)
			rings.hear(msg.ACK)
			call.hangup(rings)
		}},
		{"cancel with Reason", func(a, b *peer) {
			call := a.dial("4930123456", a.sdp())
			rings := b.ring()
			rings.say(rings.invite, 180, "", "")
			call.answer(1, 180)
			call.cancel("Reason: SIP;cause=200;text=\"Call completed by " + a.addr.String() + "\"")
			rings.say(rings.hear(msg.CANCEL), 200, "", "")
			rings.say(rings.invite, 487, "gone from "+b.host("phrase"), "")
			call.final(487)
			rings.hear(msg.ACK)
		}},
		{"offerless", func(a, b *peer) {
			call := a.dial("4930123456", "")
			rings := b.ring()
			rings.say(rings.invite, 200, "", hostileDescription(b))
			call.ack(call.answer(1, 200), append([]string{hostileDescription(a)}, hostileHeaders(a)...)...)
			rings.hear(msg.ACK)
			call.hangup(rings)
		}},
	}
}

func forkScenes() []scene {
	return []scene{
		{"forks ring and one answers", func(a, b *peer) {
			call := a.dial("4930123456", a.sdp())
			one := b.ring()
			two, three := one.fork(), one.fork()
			one.say(one.invite, 180, "", "")
			two.say(one.invite, 183, "", b.sdp())
			call.answer(1, 183)
			three.say(one.invite, 200, "", b.sdp())
			call.final(200)
			three.hear(msg.ACK)
			call.hangup(three)
		}},
		{"two forks answer", func(a, b *peer) {
			call := a.dial("4930123456", a.sdp())
			one := b.ring()
			two := one.fork()
			one.say(one.invite, 200, "", b.sdp())
			call.final(200)
			one.hear(msg.ACK)
			two.say(one.invite, 200, "", b.sdp())
			two.say(two.hear(msg.BYE), 200, "", "", hostileHeaders(b)...)
			call.hangup(one)
		}},
		{"answer after cancel", func(a, b *peer) {
			call := a.dial("4930123456", a.sdp())
			rings := b.ring()
			rings.say(rings.invite, 180, "", "")
			call.answer(1, 180)
			call.cancel()
			rings.say(rings.hear(msg.CANCEL), 481, "", "", hostileHeaders(b)...)
			rings.say(rings.invite, 200, "", b.sdp(), hostileHeaders(b)...)
			call.final(487)
			rings.hear(msg.ACK)
			rings.say(rings.hear(msg.BYE), 200, "", "", hostileHeaders(b)...)
		}},
	}
}

// refused is a call that the callee refuses with a status.
func refused(status, want int, headers func(p *peer) []string) func(a, b *peer) {
	return func(a, b *peer) {
		call := a.dial("4930123456", a.sdp())
		rings := b.ring()
		rings.say(rings.invite, status, "no, says "+b.host("phrase"), "", headers(b)...)
		call.final(want)
		rings.hear(msg.ACK)
	}
}

func refusalScenes() []scene {
	contact := func(p *peer) []string {
		return append(hostileHeaders(p), "Contact: <sip:moved@"+p.host("moved")+">, <sip:leak"+p.side+"@"+p.addr.String()+">;q=0.5")
	}
	challenge := func(p *peer) []string {
		return []string{
			"WWW-Authenticate: Digest realm=\"" + p.host("realm") + "\", nonce=\"leak-" + p.side + "\", algorithm=MD5",
			"Proxy-Authenticate: Digest realm=\"" + p.host("realm") + "\", nonce=\"leak-" + p.side + "\", algorithm=MD5",
		}
	}
	list := []scene{}
	for _, c := range []struct {
		status, want int
		headers      func(p *peer) []string
	}{
		{486, 486, contact}, {404, 404, contact}, {600, 600, contact}, {603, 603, hostileHeaders}, {302, 480, contact}, {300, 480, contact},
		{503, 503, hostileHeaders}, {422, 500, hostileHeaders}, {488, 488, hostileHeaders}, {484, 484, contact},
	} {
		list = append(list, scene{fmt.Sprintf("refused with %d", c.status), refused(c.status, c.want, c.headers)})
	}
	for _, status := range []int{401, 407} {
		list = append(list, scene{fmt.Sprintf("challenged with %d", status), func(a, b *peer) {
			call := a.dial("4930123456", a.sdp())
			rings := b.ring()
			rings.say(rings.invite, status, "", "", challenge(b)...)
			if m := call.answer(1, 0); m.Status == 401 || m.Status == 407 || m.Has("WWW-Authenticate") || m.Has("Proxy-Authenticate") {
				a.t.Errorf("a challenge came through: %s", m.StartLine())
			} else {
				call.ack(m)
			}
			rings.hear(msg.ACK)
		}})
	}
	return list
}

// changed offers a new description within the call, which the other side accepts.
func changed(from, to *line, method msg.Method, sdp func(p *peer) string) {
	seq := from.request(string(method), sdp(from.p), hostileHeaders(from.p)...)
	to.say(to.hear(method), 200, "", sdp(to.p), hostileHeaders(to.p)...)
	m := from.answer(seq, 200)
	if method == msg.INVITE {
		from.ack(m)
		to.hear(msg.ACK)
		from.p.sync(from.p.border) // what the other side sends next must not overtake the ACK
	}
}

func sessionScenes() []scene {
	hold := func(p *peer) string { return p.sdp("a=sendonly\r\n") }
	old := func(p *peer) string {
		return strings.Replace(p.sdp(), p.addr.Addr().String()+"\r\nt=", "0.0.0.0\r\nt=", 1)
	}
	return []scene{
		{"re-INVITE from both", func(a, b *peer) {
			call, rings := connected(a, b)
			changed(call, rings, msg.INVITE, hostileDescription)
			changed(rings, call, msg.INVITE, hostileDescription)
			call.hangup(rings)
		}},
		{"UPDATE from both", func(a, b *peer) {
			call, rings := connected(a, b)
			changed(call, rings, msg.UPDATE, hostileDescription)
			changed(rings, call, msg.UPDATE, hostileDescription)
			call.hangup(rings)
		}},
		{"UPDATE without a body", func(a, b *peer) {
			call, rings := connected(a, b)
			seq := call.request("UPDATE", "", hostileHeaders(a)...)
			rings.say(rings.hear(msg.UPDATE), 200, "", "", hostileHeaders(b)...)
			call.answer(seq, 200)
			call.hangup(rings)
		}},
		{"session timers", func(a, b *peer) {
			timer := func(p *peer, seconds string) []string {
				mark := ";x=" + p.host("timer") + ";leak-" + p.side
				return append(hostileHeaders(p), "Session-Expires: "+seconds+";refresher=uac"+mark, "Min-SE: 90"+mark, "Supported: timer")
			}
			a.dial("4930123456", a.sdp(), timer(a, "60")...).final(422)
			call, rings := connected(a, b, timer(a, "600")...)
			if rings.invite.Has("Session-Expires") {
				b.t.Errorf("the caller's timer passed: %s", rings.invite.AppendTo(nil))
			}
			call.answer(call.request("UPDATE", "", timer(a, "600")...), 200) // the border's own affair
			seq := call.request("INVITE", a.sdp(), timer(a, "600")...)
			rings.say(rings.hear(msg.INVITE), 200, "", b.sdp(), timer(b, "700")...)
			call.ack(call.answer(seq, 200))
			rings.hear(msg.ACK)
			call.hangup(rings)
		}},
		{"hold and resume", func(a, b *peer) {
			call, rings := connected(a, b)
			changed(call, rings, msg.INVITE, hold)
			changed(call, rings, msg.INVITE, old)
			changed(call, rings, msg.INVITE, func(p *peer) string { return p.sdp() })
			rings.hangup(call)
		}},
		{"re-INVITE refused", func(a, b *peer) {
			call, rings := connected(a, b)
			call.request("INVITE", a.sdp(hostileSDP(a)))
			rings.say(rings.hear(msg.INVITE), 488, "not at "+b.host("phrase"), "", hostileHeaders(b)...)
			call.final(488)
			rings.hear(msg.ACK)
			call.hangup(rings)
		}},
		{"offerless re-INVITE", func(a, b *peer) {
			call, rings := connected(a, b)
			call.request("INVITE", "")
			rings.say(rings.hear(msg.INVITE), 200, "", hostileDescription(b))
			call.ack(call.answer(call.inviteSeq, 200), hostileDescription(a))
			rings.hear(msg.ACK)
			call.hangup(rings)
		}},
	}
}

func messageScenes() []scene {
	return []scene{
		{"INFO both ways", func(a, b *peer) {
			call, rings := connected(a, b)
			for _, fromTo := range [][2]*line{{call, rings}, {rings, call}} {
				from, to := fromTo[0], fromTo[1]
				seq := from.request("INFO", "Signal=5\r\nDuration=160\r\n", append(hostileHeaders(from.p), "Content-Type: application/dtmf-relay")...)
				to.say(to.hear(msg.INFO), 200, "fine at "+to.p.host("phrase"), "", hostileHeaders(to.p)...)
				from.answer(seq, 200)
			}
			call.hangup(rings)
		}},
		{"MESSAGE, refused and taken", func(a, b *peer) {
			call, rings := connected(a, b)
			for _, status := range []int{200, 415, 403} {
				seq := call.request("MESSAGE", "hello", append(hostileHeaders(a), "Content-Type: text/plain")...)
				rings.say(rings.hear(msg.MESSAGE), status, "", "", hostileHeaders(b)...)
				call.answer(seq, status)
			}
			call.hangup(rings)
		}},
		{"methods that do not pass", func(a, b *peer) {
			call, rings := connected(a, b)
			for _, method := range []string{"REFER", "SUBSCRIBE", "NOTIFY", "PUBLISH", "PRACK", "LEAK" + a.side, "OPTIONS"} {
				call.answer(call.request(method, "", append(hostileHeaders(a), "Refer-To: <sip:"+a.addr.String()+">", "Event: leak"+a.side)...), 0)
			}
			call.hangup(rings)
		}},
		{"OPTIONS", func(a, b *peer) {
			call := &line{p: a, callID: "leak" + a.side + msg.NewTag(), seq: 1, target: "sip:" + a.host("ruri"),
				local: "<sip:" + a.host("from") + ">;tag=leak" + a.side + msg.NewTag(), remote: "<sip:" + a.host("to") + ">"}
			call.answer(call.request("OPTIONS", "", hostileHeaders(a)...), 0)
		}},
		{"compact headers", func(a, b *peer) {
			l := a.dial("4930123456", "") // its words
			rings := b.ring()
			rings.say(rings.invite, 486, "", "")
			l.final(486)
			rings.hear(msg.ACK)
			body := a.sdp()
			id, branch := "leak"+a.side+msg.NewTag(), a.branch()
			a.send(text("INVITE sip:4930123456@"+a.host("ruri")+" SIP/2.0", []string{
				"v: " + a.via(branch), "f: " + l.local, "t: <sip:4930123456@" + a.host("to") + ">", "i: " + id, "CSeq: 1 INVITE", "Max-Forwards: 9",
				"m: " + a.contact(), "s: see " + a.host("via"), "k: leak" + a.side, "c: application/sdp", "b: <sip:x@" + a.host("refby") + ">",
				"r: <sip:x@" + a.host("referto") + ">", "u: leak-" + a.side, "o: leak-" + a.side, "a: *;leak=" + a.side, "y: leak" + a.side,
			}, body), a.border)
			compact := &line{p: a, callID: id, local: l.local, branch: branch, inviteSeq: 1, target: "sip:4930123456@" + a.host("ruri")}
			rings = b.ring()
			rings.say(rings.invite, 486, "", "")
			compact.final(486)
			rings.hear(msg.ACK)
		}},
		{"folded headers", func(a, b *peer) {
			call, rings := connected(a, b, "Subject: first\r\n second "+a.host("via"), "Call-Info:\r\n\t<http://"+a.host("info")+">",
				"X-Folded: a\r\n b\r\n\tleak-"+a.side, "P-Asserted-Identity:\r\n  <sip:+4930222@"+a.addr.String()+">")
			call.hangup(rings, "Reason: Q.850\r\n ;cause=16;text=\""+a.host("via")+"\"")
		}},
	}
}

// contentScenes hide words where a body is described, and in a body.
func contentScenes() []scene {
	return []scene{
		{"parameters of Content-Type", func(a, b *peer) {
			call, rings := connected(a, b)
			for _, method := range []string{"MESSAGE", "INFO"} {
				seq := call.request(method, "hello", "Content-Type: text/plain;charset=utf-8;x=\""+a.host("type")+"\"")
				m := rings.hear(msg.Method(method))
				if kind := m.Get("Content-Type"); kind != "text/plain;charset=utf-8" {
					a.t.Errorf("Content-Type became %q", kind)
				}
				rings.say(m, 200, "", "")
				call.answer(seq, 200)
			}
			call.hangup(rings)
		}},
		{"unknown attributes that hold host names", func(a, b *peer) {
			named := func(p *peer) string {
				return p.sdp("a=x-host:"+p.host("via")+"\r\na=x-mail:me@"+p.host("from")+"\r\na=x-url:http://"+p.host("via")+"/a\r\n",
					"a=fmtp:101 0-15;"+p.host("fmtp")+"\r\na=ptime:20\r\n")
			}
			call := a.dial("4930123456", named(a))
			rings := b.ring()
			rings.say(rings.invite, 200, "", named(b))
			for _, body := range [][]byte{rings.invite.Body, call.final(200).Body} {
				if !bytes.Contains(body, []byte("\r\na=fmtp:101 0-15\r\na=ptime:20\r\n")) {
					a.t.Errorf("lost what codecs need:\n%s", body)
				}
			}
			rings.hear(msg.ACK)
			call.hangup(rings)
		}},
	}
}

// passedHeaders are named by both trunks in one of the runs.
func passedHeaders() []string {
	return []string{"X-Trace", "X-Pass", "User-to-User", "Diversion", "History-Info", "Call-Info", "Organization", "Error-Info"}
}
