package call

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// reinvite is one re-INVITE of a call that is up.
type reinvite struct {
	name     string
	byCallee bool
	offer    string // descriptions have %h where the host stands
	answer   string
	code     int // 0 is 200
	// offered and answered must stand in what the sides are told; ports is how many pairs are in use afterwards.
	offered, answered string
	ports             int
}

const (
	audioHead = "v=0\r\no=- 7 7 IN IP4 %h\r\ns=-\r\nc=IN IP4 %h\r\nt=0 0\r\n"
	audioPCMA = audioHead + "m=audio 6000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
	audioPCMU = audioHead + "m=audio 6000 RTP/AVP 0\r\n"
	withVideo = audioPCMA + "m=video 6002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
	noVideo   = audioPCMA + "m=video 0 RTP/AVP 96\r\n"
	faxT38    = audioHead + "m=image 6000 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
)

// reinvites are the changes of one call, in this order.
func reinvites() []reinvite {
	return []reinvite{
		{name: "codec", offer: audioPCMU, answer: audioPCMU, offered: "RTP/AVP 0\r\n", answered: "RTP/AVP 0\r\n", ports: 2},
		{name: "codec back, by the callee", byCallee: true, offer: audioPCMA, answer: audioPCMA, offered: "RTP/AVP 8 101", ports: 2},
		{name: "another address and port", byCallee: true, offer: strings.ReplaceAll(strings.ReplaceAll(audioPCMA, "6000", "7000"),
			"c=IN IP4 %h", "c=IN IP4 198.51.100.77"), answer: audioPCMA, offered: "RTP/AVP 8 101", ports: 2},
		{name: "video refused", offer: withVideo, answer: noVideo, offered: "m=video", answered: "m=video 0 ", ports: 2},
		{name: "video", offer: withVideo, answer: withVideo, offered: "m=video", answered: "m=video", ports: 4},
		{name: "video dropped by the callee", byCallee: true, offer: noVideo, answer: noVideo, offered: "m=video 0 ", answered: "m=video 0 ", ports: 2},
		{name: "fax refused", byCallee: true, offer: faxT38, code: 488, offered: "m=image", ports: 2},
		{name: "fax", byCallee: true, offer: faxT38, answer: faxT38, offered: "udptl t38\r\na=T38FaxVersion:0", answered: "T38FaxUdpEC", ports: 2},
		{name: "fax again", byCallee: true, offer: faxT38, answer: faxT38, offered: "udptl t38", answered: "udptl t38", ports: 2},
		{name: "back to audio", offer: audioPCMA, answer: audioPCMA, offered: "RTP/AVP 8 101", answered: "RTP/AVP 8 101", ports: 2},
		{name: "hold", offer: audioPCMA + "a=sendonly\r\n", answer: audioPCMA + "a=recvonly\r\n", offered: "a=sendonly", answered: "a=recvonly", ports: 2},
		{name: "hold by the zero address", offer: strings.ReplaceAll(audioPCMA, "c=IN IP4 %h", "c=IN IP4 0.0.0.0"), answer: audioPCMA,
			offered: "a=sendonly", answered: "a=recvonly", ports: 2},
		{name: "resume", offer: audioPCMA, answer: audioPCMA, offered: "RTP/AVP 8", answered: "RTP/AVP 8", ports: 2},
	}
}

// TestReinviteVariants walks one call through the changes devices make. Whatever is offered passes as it is meant, from our own
// address and port, which stay; what is refused leaves the call and its ports as they were.
func TestReinviteVariants(t *testing.T) {
	runMedia(t, nil, func(w *world, ports func() int) {
		at := func(body, host string) string { return strings.ReplaceAll(body, "%h", host) }
		a := w.caller()
		in := a.invite(at(audioPCMA, callerIP))
		out := w.wire.next(msg.INVITE)
		doorB := mediaDoor(out.req.Body)
		out.reply(200, at(audioPCMA, calleeIP))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		doorA, b := mediaDoor(in.last().Body), w.callee(out)
		for _, s := range reinvites() {
			from, host, far, near, there := a, callerIP, calleeIP, doorA, doorB
			if s.byCallee {
				from, host, far, near, there = b, calleeIP, callerIP, doorB, doorA
			}
			re := from.send(msg.INVITE, at(s.offer, host))
			carried := w.wire.next(msg.INVITE)
			told := string(carried.req.Body)
			if s.code != 0 {
				carried.reply(s.code)
				re.want(s.code)
			} else {
				carried.reply(200, at(s.answer, far))
				back := string(re.want(200).Body)
				if !strings.Contains(back, s.answered) || mediaDoor([]byte(back)) != near || strings.Contains(back, far) {
					t.Errorf("%s: answered\n%s", s.name, back)
				}
				from.ack(from.cseq, "")
			}
			if !strings.Contains(told, s.offered) || mediaDoor([]byte(told)) != there || strings.Contains(told, host) {
				t.Errorf("%s: offered\n%s", s.name, told)
			}
			if n := ports(); n != s.ports {
				t.Errorf("%s: %d pairs of ports, want %d", s.name, n, s.ports)
			}
		}
		w.end(a)
	})
}

// mediaDoor is the port of the first m= line and the address of the c= line.
func mediaDoor(body []byte) string {
	_, c, _ := strings.Cut(string(body), "c=IN IP4 ")
	c, _, _ = strings.Cut(c, "\r\n")
	_, m, _ := strings.Cut(string(body), "m=")
	f := strings.Fields(m)
	if len(f) < 2 {
		return c
	}
	return c + ":" + f[1]
}

// TestPortsAreNotLeaked: every way a call, an attempt or a change can fail gives its ports back (pitfalls: RTP ports leaked on
// failures). runMedia counts them at the end.
func TestPortsAreNotLeaked(t *testing.T) {
	at := func(body, host string) string { return strings.ReplaceAll(body, "%h", host) }
	for name, play := range map[string]func(w *world, in *server, out *sent, a *peer){
		"refused by all": func(w *world, in *server, out *sent, _ *peer) {
			out.reply(503)
			w.wire.next(msg.INVITE).reply(503)
			in.want(503)
		},
		"no answer to the INVITE": func(w *world, in *server, out *sent, _ *peer) {
			out.failed(msg.ErrTimeout)
			w.wire.next(msg.INVITE).failed(msg.ErrTransport)
			in.want(408)
		},
		"early media, then refused": func(_ *world, in *server, out *sent, _ *peer) {
			out.reply(183, at(audioPCMA, calleeIP))
			out.reply(486)
			in.want(486)
		},
		"answer that does not fit": func(w *world, in *server, out *sent, _ *peer) {
			out.reply(200, at(faxT38, calleeIP))
			w.wire.next(msg.BYE).reply(200)
			in.want(488)
		},
		"caller cancels": func(_ *world, in *server, out *sent, _ *peer) {
			out.reply(183, at(audioPCMA, calleeIP))
			in.onCancel(in.req)
			out.reply(487)
			in.want(487)
		},
		"no ACK": func(w *world, in *server, out *sent, _ *peer) {
			out.reply(200, at(audioPCMA, calleeIP))
			in.want(200)
			in.onFailed(msg.ErrNoAck)
			w.wire.next(msg.BYE).reply(200)
			w.wire.next(msg.BYE).reply(200)
		},
		"BYE during a change that adds a stream": func(w *world, in *server, out *sent, a *peer) {
			out.reply(200, at(audioPCMA, calleeIP))
			a.learn(in.want(200))
			a.ack(a.lastInviteNumber, "")
			re := a.send(msg.INVITE, at(withVideo, callerIP))
			w.wire.next(msg.INVITE).reply(100)
			w.callee(out).send(msg.BYE, "").want(200)
			re.want(487)
			w.wire.next(msg.BYE).reply(200)
		},
		"silence after a change that adds a stream": func(w *world, in *server, out *sent, a *peer) {
			out.reply(200, at(audioPCMA, calleeIP))
			a.learn(in.want(200))
			a.ack(a.lastInviteNumber, "")
			a.send(msg.INVITE, at(withVideo, callerIP))
			w.wire.next(msg.INVITE).failed(msg.ErrTimeout)
			w.wire.next(msg.BYE).failed(msg.ErrTimeout)
			w.wire.next(msg.BYE).failed(msg.ErrTimeout)
		},
	} {
		t.Run(name, func(t *testing.T) {
			runMedia(t, nil, func(w *world, ports func() int) {
				a := w.caller()
				in := a.invite(at(audioPCMA, callerIP))
				out := w.wire.next(msg.INVITE)
				if n := ports(); n != 2 {
					t.Errorf("%d pairs of ports for the INVITE", n)
				}
				play(w, in, out, a)
				w.cdr()
			})
		})
	}
}

// TestNothingFitsThePolicy: an INVITE of which the profiles leave nothing is refused and takes no port.
func TestNothingFitsThePolicy(t *testing.T) {
	runMedia(t, mediaProfiled(func(p *sbc.MediaProfile) { p.CodecsAllow = []string{"opus"} }, "trk_a"), func(w *world, ports func() int) {
		in := w.caller().invite(sdp(callerIP, 4000))
		in.want(488)
		w.wire.none(msg.INVITE)
		if n := ports(); n != 0 {
			t.Errorf("%d pairs of ports", n)
		}
		if d := w.cdr(); d.FinalCode != 488 {
			t.Errorf("record %+v", d)
		}
	})
}
