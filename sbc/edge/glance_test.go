package edge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc/msg"
)

// TestRefusalAtAGlance: once the long way has refused somebody for overload, a refusal costs no more than a glance, and says the same;
// strangers hear nothing either way, and the ACK that a refusal brings is dropped.
func TestRefusalAtAGlance(t *testing.T) {
	asked, acks := 0, 0
	virtual(t, func(w *world) {
		w.edge.iface("a").sock.packets.(*memPackets).waiting.Store(behindAt + 1)
		for range lookEvery {
			w.peer.send(request("OPTIONS").String())
		}
		s := w.edge.iface("a").sock
		for range lineLength {
			r := request("INVITE")
			r.uri = "sip:4930123456@192.0.2.1"
			r.branch = fmt.Sprint("z9hG4bKline", len(s.line))
			w.peer.send(r.String())
		}
		for _, method := range []string{"INVITE", "REGISTER", "MESSAGE"} {
			r := request(method)
			r.uri, r.branch, r.callID = "sip:4930123456@192.0.2.1", "z9hG4bK"+method, method
			r.headers = []string{"v: SIP/2.0/TCP proxy.example;branch=z9hG4bKproxy, SIP/2.0/UDP phone.example", "Subject: x"}
			w.peer.send(r.String())
			long, before := w.peer.status(503), asked
			w.peer.send(r.String())
			short := w.peer.status(503)
			if asked != before {
				t.Errorf("%s: read to be refused", method)
			}
			for _, name := range []string{"From", "To", "Call-ID", "CSeq", "Server", "Content-Length"} {
				if a, b := long.Get(name), short.Get(name); a != b {
					t.Errorf("%s: %s is %q, and at a glance %q", method, name, a, b)
				}
			}
			if a, b := long.Values("Via"), short.Values("Via"); strings.Join(a, "|") != strings.Join(b, "|") || len(b) != 3 {
				t.Errorf("%s: Via is %q, and at a glance %q", method, a, b)
			}
			if short.Get("Retry-After") == "" || short.To.Tag() == "" {
				t.Errorf("%s: %s", method, short.Raw)
			}
			w.peer.send(r.ackOf(short))
		}
		if acks != 0 {
			t.Errorf("%d ACKs of refusals are handled", acks)
		}
		stranger := request("INVITE")
		stranger.uri, stranger.from, stranger.branch = "sip:4930123456@192.0.2.1", "<sip:stranger@192.0.2.99>", "z9hG4bKstranger"
		before := asked
		w.edge.iface("a").sock.friends.until = nil
		w.peer.send(stranger.String())
		if m := w.peer.next(); m != nil || asked != before+1 {
			t.Errorf("a stranger hears %v, asked %d times", m, asked-before)
		}
		w.edge.txs.closeAll()
	}, func(o *Options) {
		o.ServerName = "sallyport"
		o.Ack = func(*msg.Message) { acks++ }
		o.Admit = func(m *msg.Message) msg.Decision {
			asked++
			if strings.Contains(m.Get("From"), "stranger") {
				return msg.Decision{Action: msg.Silence}
			}
			return msg.Decision{Action: msg.Serve}
		}
	})
}

// TestWhatAGlanceLeavesToTheParser: anything but the most ordinary request.
func TestWhatAGlanceLeavesToTheParser(t *testing.T) {
	good := request("INVITE").String()
	var g glance
	if !glanceAt([]byte(good), &g) || !g.begins() || g.callID != "call-1" || g.cseq != "1 INVITE" || g.uri != "sip:bob@192.0.2.1" {
		t.Fatalf("%+v", g)
	}
	for name, bad := range map[string]string{
		"folded":       strings.Replace(good, "Call-ID: ", "Call-ID:\r\n ", 1),
		"bare LF":      strings.Replace(good, "\r\nCSeq", "\nCSeq", 1),
		"space":        strings.Replace(good, "Via:", "Via :", 1),
		"twice":        strings.Replace(good, "Call-ID: ", "i: other\r\nCall-ID: ", 1),
		"no CSeq":      strings.Replace(good, "CSeq", "XSeq", 1),
		"NUL":          strings.Replace(good, "call-1", "call\x00-1", 1),
		"no end":       strings.TrimSuffix(good, "\r\n"),
		"SIP/3.0":      strings.Replace(good, " SIP/2.0\r", " SIP/3.0\r", 1),
		"response":     "SIP/2.0 200 OK" + good[strings.Index(good, "\r\n"):],
		"no name":      strings.Replace(good, "Max-Forwards:", ":", 1),
		"many Via":     strings.Replace(good, "Via: ", strings.Repeat("Via: SIP/2.0/UDP a;branch=b\r\n", maxGlanceVias)+"Via: ", 1),
		"leading CRLF": "\r\n" + good,
	} {
		var g glance
		if glanceAt([]byte(bad), &g) {
			t.Errorf("%s: %+v", name, g)
		}
	}
	for to, begins := range map[string]bool{
		"<sip:b@h>": true, "<sip:b@h;tag=x>": true, "sip:b@h": true, `"a;tag=b" <sip:b@h>`: true, "<sip:b@h>;tag=x": false, "sip:b@h;Tag=x": false,
		"<sip:b@h> ; x=y ; tag = x": false, `"a>;tag=b" <sip:b@h>`: false, `"a`: false,
	} {
		if got := (&glance{method: "INVITE", to: to}).begins(); got != begins {
			t.Errorf("%s: %v", to, got)
		}
	}
}
