package integration

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestPassMethods: INFO and MESSAGE pass where both trunks list them, and are refused with 405 where not.
func TestPassMethods(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		west, east []string
		passes     string
	}{
		{"both", []string{"INFO", "MESSAGE"}, []string{"INFO", "MESSAGE"}, "INFO MESSAGE"},
		{"the callee's trunk has none", []string{"INFO", "MESSAGE"}, []string{}, ""},
		{"INFO only", []string{"INFO"}, []string{"INFO", "MESSAGE"}, "INFO"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, wish{westTrunk: rest.Object{"pass_methods": c.west}, eastTrunk: rest.Object{"pass_methods": c.east}})
			call, rings, number := s.talk()
			for _, method := range []string{"INFO", "MESSAGE"} {
				kind := map[string]string{"INFO": "application/dtmf-relay", "MESSAGE": "text/plain"}[method]
				for _, l := range [][2]*line{{call, rings}, {rings, call}} {
					seq := l[0].request(method, "Signal=5\r\nDuration=160\r\n", "Content-Type: "+kind)
					if !strings.Contains(c.passes, method) {
						if m := l[0].refusedWith(seq, 405); !strings.Contains(m.Get("Allow"), "BYE") {
							t.Errorf("Allow: %s", m.Get("Allow"))
						}
						continue
					}
					got := l[1].hear(msg.Method(method))
					if string(got.Body) != "Signal=5\r\nDuration=160\r\n" || got.Get("Content-Type") != kind {
						t.Errorf("%s", got.AppendTo(nil))
					}
					l[1].say(got, 200, "", "")
					l[0].answer(seq, 200)
					seq = l[0].request(method, "")
					l[1].say(l[1].hear(msg.Method(method)), 415, "", "")
					l[0].refusedWith(seq, 415)
					l[0].refusedWith(l[0].request(method, "<x/>", "Content-Type: application/pidf+xml"), 415)
				}
			}
			s.settle()
			for _, l := range []*line{call, rings} {
				l.p.nothing("what should not pass", func(m *msg.Message) bool { return m.IsRequest() && (m.Method == msg.INFO || m.Method == msg.MESSAGE) })
			}
			s.over(call, rings, number)
			s.b.quiet()
		})
	}
}

// TestProtocolAnswers are the answers RFC 3261 8.2 wants before anybody thinks about a request.
func TestProtocolAnswers(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	outside := func(method, body string, headers ...string) (*line, *msg.Message) {
		l := &line{p: s.west, callID: "leakwest" + msg.NewTag(), seq: 1, branch: s.west.branch(), inviteSeq: 1, target: "sip:4930@" + s.w.west.String(),
			local: "<sip:1@" + s.west.host("from") + ">;tag=leakwest" + msg.NewTag(), remote: "<sip:4930@" + s.w.west.String() + ">"}
		hs := append(l.head(method, 1, l.branch), "Contact: "+s.west.contact())
		for _, h := range headers {
			if name, _, _ := strings.Cut(h, ":"); name == "Max-Forwards" || name == "To" {
				for i := range hs {
					if strings.HasPrefix(hs[i], name+":") {
						hs[i] = h
					}
				}
				continue
			}
			hs = append(hs, h)
		}
		s.west.send(text(method+" "+l.target+" SIP/2.0", hs, body), s.west.border)
		m := l.answer(1, 0)
		if method == "INVITE" {
			l.ack(m)
		}
		return l, m
	}
	for _, c := range []struct {
		name, method string
		headers      []string
		want         int
		header       string // that must be there, with the value it must hold
		value        string
	}{
		{"OPTIONS outside a dialog", "OPTIONS", nil, 200, "Allow", "INVITE"},
		{"OPTIONS at its last hop", "OPTIONS", []string{"Max-Forwards: 0"}, 200, "Accept", "application/sdp"},
		{"OPTIONS demands", "OPTIONS", []string{"Require: foo"}, 420, "Unsupported", "foo"},
		{"unknown method", "FROBNICATE", nil, 405, "Allow", "INVITE"},
		{"REGISTER", "REGISTER", nil, 405, "Allow", "INVITE"},
		{"SUBSCRIBE", "SUBSCRIBE", nil, 405, "Allow", "INVITE"},
		{"INFO outside a dialog", "INFO", nil, 405, "Allow", "INVITE"},
		{"INVITE demands", "INVITE", []string{"Require: 100rel, foo"}, 420, "Unsupported", "foo"},
		{"INVITE at its last hop", "INVITE", []string{"Max-Forwards: 0"}, 483, "", ""},
		{"BYE of an unknown dialog", "BYE", []string{"To: <sip:x@y>;tag=nobody"}, 481, "", ""},
		{"INVITE of an unknown dialog", "INVITE", []string{"To: <sip:x@y>;tag=nobody"}, 481, "", ""},
		{"UPDATE of an unknown dialog", "UPDATE", []string{"To: <sip:x@y>;tag=nobody"}, 481, "", ""},
		{"OPTIONS of an unknown dialog", "OPTIONS", []string{"To: <sip:x@y>;tag=nobody"}, 481, "", ""},
	} {
		s.run(t, c.name, func(t *testing.T) {
			body := ""
			if c.method == "INVITE" {
				body = s.west.sdp()
			}
			_, m := outside(c.method, body, c.headers...)
			if m.Status != c.want || !strings.Contains(m.Get(c.header), c.value) || m.To.Tag() == "" {
				t.Errorf("answered with\n%s", m.AppendTo(nil))
			}
		})
	}
	s.run(t, "within a dialog", func(t *testing.T) {
		call, rings, number := s.talk()
		for _, l := range []*line{call, rings} {
			if m := l.answer(l.request("OPTIONS", ""), 200); !strings.Contains(m.Get("Allow"), "UPDATE") {
				t.Errorf("Allow: %s", m.Get("Allow"))
			}
			if m := l.refusedWith(l.request("FROBNICATE", ""), 405); !strings.Contains(m.Get("Allow"), "BYE") {
				t.Errorf("Allow: %s", m.Get("Allow"))
			}
			l.refusedWith(l.request("REFER", ""), 400) // RFC 3515 2.4.2: exactly one Refer-To
			l.refusedWith(l.request("PRACK", "", "RAck: 1 1 INVITE"), 481)
			for _, method := range []string{"INVITE", "INFO", "UPDATE"} {
				if m := l.refusedWith(l.request(method, "", "Require: foo"), 420); m.Get("Unsupported") != "foo" {
					t.Errorf("Unsupported: %q", m.Get("Unsupported"))
				}
			}
			old := *l
			old.seq = 0 // below what was used
			old.refusedWith(old.request("INFO", ""), 500)
			for _, wrong := range []func(*line){
				func(x *line) { x.local = strings.Replace(x.local, ";tag=", ";tag=x", 1) },
				func(x *line) { x.remote = strings.Replace(x.remote, ";tag=", ";tag=x", 1) },
				func(x *line) { x.local, _, _ = strings.Cut(x.local, ";tag=") },
			} {
				stray := *l
				stray.seq += 100
				wrong(&stray)
				stray.refusedWith(stray.request("BYE", ""), 481)
				stray.refusedWith(stray.request("INVITE", l.p.sdp()), 481)
			}
		}
		s.settle()
		s.east.nothing("a BYE", rings.ofCall(msg.BYE))
		s.west.nothing("a BYE", call.ofCall(msg.BYE))
		change(call, rings, msg.INVITE, s.west.sdp(), s.east.sdp())
		change(rings, call, msg.INVITE, s.east.sdp(), s.west.sdp())
		s.over(call, rings, number)
	})
	s.run(t, "BYE with a demand ends the call", func(t *testing.T) {
		call, rings, number := s.talk()
		call.answer(call.request("BYE", "", "Require: foo"), 200)
		rings.say(rings.hear(msg.BYE), 200, "", "")
		wantEnd(t, s.record(number), sbc.EndCallerBye, sbc.SideCaller, 200)
	})
	s.b.quiet()
}

// TestLenientBye: a BYE is matched by its tags, whatever else it says.
func TestLenientBye(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	for _, c := range []struct{ name, target, more string }{
		{"wrong user", "sip:nobody@%s", ""},
		{"other host", "sip:4930@nowhere.example:7777", ""},
		{"number dialled", "sip:4930111222@%s;user=phone", ""},
		{"tel URI", "tel:+4930111222", ""},
		{"no user", "sip:%s", ""},
		{"foreign Route", "sip:x@%s", "Route: <sip:192.0.2.77:5099;lr>, <sip:core.example;lr>"},
		{"strict Route", "sip:x@%s", "Route: <sip:strict.example>"},
		{"other transport", "sip:x@%s;transport=tcp", ""},
	} {
		for _, by := range []string{"caller", "callee"} {
			s.run(t, c.name+" by the "+by, func(t *testing.T) {
				call, rings, number := s.talk()
				from, to, end, side := call, rings, sbc.EndCallerBye, sbc.SideCaller
				if by == "callee" {
					from, to, end, side = rings, call, sbc.EndCalleeBye, sbc.SideCallee
				}
				from.target = strings.Replace(c.target, "%s", from.p.border.String(), 1)
				var more []string
				if c.more != "" {
					more = append(more, c.more)
				}
				from.hangup(to, more...)
				wantEnd(t, s.record(number), end, side, 200)
			})
		}
	}
	s.b.quiet()
}

// TestStrangerInDialog: tags alone are no pass; who is not the leg's peer or of its trunk changes nothing.
func TestStrangerInDialog(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{westRealm: rest.Object{"unknown_source": "reject"}})
	stranger := newPeer(t, "west", netip.AddrPortFrom(newSides(t).westPeer, 5060), s.west.border, false)
	other := newSides(t).westPeer // of another trunk
	trunk := s.b.create("/trunks", rest.Object{"name": "other", "realm_id": s.w.westRealm, "routing_plan_id": s.w.plan})
	s.b.create("/trunks/"+trunk+"/identities", rest.Object{"name": "other", "cidr": other.String() + "/32"})
	neighbour := newPeer(t, "west", netip.AddrPortFrom(other, 5060), s.west.border, false)
	call, rings, number := s.talk()
	for _, c := range []struct {
		p    *peer
		want int
	}{{stranger, 403}, {neighbour, 481}} {
		for _, method := range []string{"INFO", "UPDATE", "INVITE", "BYE"} {
			l := *call
			l.p = c.p
			l.refusedWith(l.request(method, ""), c.want)
		}
		l := *call
		l.p = c.p
		l.cancelStray()
	}
	s.settle()
	s.east.nothing("what a stranger sent", func(m *msg.Message) bool { return m.IsRequest() })
	call.seq += 10
	wantEnd(t, s.over(call, rings, number), sbc.EndCallerBye, sbc.SideCaller, 200)
	s.b.quiet()
}

// cancelStray sends a CANCEL with the branch of an INVITE that came from elsewhere; whatever it is answered with is left alone.
func (l *line) cancelStray() {
	l.p.send(text("CANCEL "+l.target+" SIP/2.0", l.head("CANCEL", l.inviteSeq, l.branch), ""), l.p.border)
}

// TestLargeMessages: what is larger than a packet of an Ethernet arrives over UDP, requests and responses (RFC 3261 18.1.1).
func TestLargeMessages(t *testing.T) {
	t.Parallel()
	s := newStage(t, wish{})
	var big strings.Builder
	for i := range 120 {
		fmt.Fprintf(&big, "a=x-filler-%03d:0123456789012345678901234567890123456789\r\n", i)
	}
	number := s.number()
	call := s.west.dial(number, s.west.sdp(big.String()))
	rings := s.east.ring()
	if n := len(rings.invite.Body); n < 5000 {
		t.Errorf("the offer arrived with %d octets", n)
	}
	rings.say(rings.invite, 183, "", s.east.sdp(big.String()))
	if n := len(call.answer(1, 183).Body); n < 5000 {
		t.Errorf("the 183's answer arrived with %d octets", n)
	}
	rings.say(rings.invite, 200, "", s.east.sdp(big.String()))
	if n := len(call.final(200).Body); n < 5000 {
		t.Errorf("the answer arrived with %d octets", n)
	}
	rings.hear(msg.ACK)
	s.settle()
	asked, got := change(rings, call, msg.INVITE, s.east.sdp(big.String()), s.west.sdp(big.String()))
	if len(asked.Body) < 5000 || len(got.Body) < 5000 {
		t.Errorf("re-INVITE with %d, its 200 with %d octets", len(asked.Body), len(got.Body))
	}
	s.over(call, rings, number)
	s.b.quiet()
}
