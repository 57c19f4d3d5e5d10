package call

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

const (
	callerKey = "a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
	calleeKey = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
)

// encrypted makes an edit by which trunks have media encrypted.
func encrypted(mode sbc.SRTPMode, inClear bool, trunks ...string) func(string, sbc.Resource) {
	return mediaProfiled(func(p *sbc.MediaProfile) {
		p.SRTP, p.SRTPKeysInClear, p.SRTPKeying = mode, inClear, []sbc.SRTPKeying{sbc.KeyingSDES}
	}, trunks...)
}

func savp(body string) string { return strings.Replace(body, "RTP/AVP", "RTP/SAVP", 1) }

// The caller is encrypted, the callee is not; what the API shows of it holds no key, and the record names the suite.
func TestEncryptedCaller(t *testing.T) {
	runMedia(t, encrypted(sbc.SRTPRequired, true, "trk_a"), func(w *world, _ func() int) {
		a := w.caller()
		in := a.invite(savp(phoneOffer(callerIP, "4000", callerKey)))
		out := w.wire.next(msg.INVITE)
		if s := string(out.req.Body); !strings.Contains(s, " RTP/AVP 8") || strings.Contains(s, "crypto") {
			t.Errorf("offered:\n%s", s)
		}
		out.reply(200, phoneOffer(calleeIP, "5000"))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		s := string(in.last().Body)
		if !strings.Contains(s, " RTP/SAVP 8") || !strings.Contains(s, "a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:") {
			t.Errorf("answered:\n%s", s)
		}
		for _, m := range w.call().ladder.messages() {
			if strings.Contains(m.Raw, "inline:") && !strings.Contains(m.Raw, "inline:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n") {
				t.Errorf("the ladder shows a key:\n%s", m.Raw)
			}
		}
		for _, body := range []string{phoneOffer(callerIP, "4000", "a=sendonly"), savp(phoneOffer(callerIP, "4000"))} { // CVE-2022-39269
			re := a.send(msg.INVITE, body)
			re.want(488)
			a.ack(int(re.req.CSeq.Seq), "")
		}
		if got := w.events.of(sbc.EventSecurityMedia); len(got) != 2 || got[0].Data["side"] != "caller" || got[0].TrunkID != "trk_a" {
			t.Errorf("%+v", got)
		}
		w.end(a)
		if d := w.cdr(); len(d.Media) != 2 || d.Media[0].SRTP != sbc.SuiteCM128HM80 || d.Media[1].SRTP != "" {
			t.Errorf("%+v", d.Media)
		}
	})
}

// What must be encrypted and is not, or tells its keys in the clear, is no call; nothing is sent to anybody.
func TestNotEncryptedIsRefused(t *testing.T) {
	for what, x := range map[string]struct {
		edit func(string, sbc.Resource)
		body string
	}{
		"plain":        {encrypted(sbc.SRTPRequired, true, "trk_a"), phoneOffer(callerIP, "4000")},
		"keys openly":  {encrypted(sbc.SRTPRequired, false, "trk_a"), savp(phoneOffer(callerIP, "4000", callerKey))},
		"SRTP, is off": {nil, savp(phoneOffer(callerIP, "4000", callerKey))},
	} {
		runMedia(t, x.edit, func(w *world, _ func() int) {
			w.caller().invite(x.body).want(488)
			d := w.cdr()
			if events := w.events.of(sbc.EventSecurityMedia); (len(events) == 1) != (x.edit != nil) || len(d.Attempts) != 1 {
				t.Errorf("%s: %+v, %+v", what, events, d.Attempts)
			}
			if x.edit != nil && (d.FinalReason != "Encrypted Media Required" || d.Attempts[0].Reason != "not encrypted") {
				t.Errorf("%s: %q, %+v", what, d.FinalReason, d.Attempts)
			}
		})
	}
	runMedia(t, encrypted(sbc.SRTPRequired, false, "trk_b", "trk_c"), func(w *world, _ func() int) { // keys would be told in the clear
		w.caller().invite(phoneOffer(callerIP, "4000")).want(488)
		if d := w.cdr(); len(d.Attempts) != 2 || d.Attempts[1].Reason != "not encrypted" {
			t.Errorf("%+v", d.Attempts)
		}
	})
}

// RFC 8643: a callee that refuses an offer for its keys gets it without them, once.
func TestOptionalKeysAreLeftOut(t *testing.T) {
	for _, code := range []int{415, 488, 606} {
		runMedia(t, encrypted(sbc.SRTPOptional, true, "trk_b"), func(w *world, _ func() int) {
			a := w.caller()
			in := a.invite(phoneOffer(callerIP, "4000"))
			out := w.wire.next(msg.INVITE)
			if s := string(out.req.Body); strings.Count(s, "a=crypto:") != 6 || !strings.Contains(s, " RTP/AVP 8") {
				t.Errorf("offered:\n%s", s)
			}
			out.reply(code)
			again := w.wire.next(msg.INVITE)
			if s := string(again.req.Body); strings.Contains(s, "crypto") || again.req.RequestURI.Host != out.req.RequestURI.Host {
				t.Errorf("offered again:\n%s", s)
			}
			again.reply(200, phoneOffer(calleeIP, "5000"))
			a.learn(in.want(200))
			a.ack(a.lastInviteNumber, "")
			w.end(a)
			if d := w.cdr(); len(d.Attempts) != 2 || d.Attempts[0].Code != code || d.Attempts[1].Code != 200 {
				t.Errorf("%+v", d.Attempts)
			}
		})
	}
}

// An answer without encryption where there must be some is no answer: its dialog is released and the caller told.
func TestNotAnsweredEncrypted(t *testing.T) {
	runMedia(t, encrypted(sbc.SRTPRequired, true, "trk_b"), func(w *world, _ func() int) {
		in := w.caller().invite(phoneOffer(callerIP, "4000"))
		out := w.wire.next(msg.INVITE)
		if s := string(out.req.Body); !strings.Contains(s, " RTP/SAVP 8") {
			t.Errorf("offered:\n%s", s)
		}
		out.reply(200, phoneOffer(calleeIP, "5000"))
		w.wire.next(msg.BYE).reply(200)
		in.want(488)
		if got := w.events.of(sbc.EventSecurityMedia); len(got) != 1 || got[0].Data["reason"] != "encryption not answered" {
			t.Errorf("%+v", got)
		}
		a := w.caller()
		in = a.invite(phoneOffer(callerIP, "4000"))
		w.wire.next(msg.INVITE).reply(200, savp(phoneOffer(calleeIP, "5000", calleeKey)))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		w.end(a)
	})
}

func TestSealedTo(t *testing.T) {
	phone := func(flow, transport sbc.Transport) route.Phone {
		p := route.Phone{}
		p.Target.Transport = transport
		if flow != "" {
			p.Target.Flow = &msg.Hop{Transport: flow}
		}
		return p
	}
	callee := func(phones ...route.Phone) *route.Attempt {
		return &route.Attempt{Callee: &route.Callee{Phones: phones}}
	}
	for i, x := range []struct {
		at   *route.Attempt
		want bool
	}{
		{&route.Attempt{Transport: sbc.TransportTLS}, true},
		{&route.Attempt{Transport: sbc.TransportUDP}, false},
		{&route.Attempt{}, false},
		{callee(), false},
		{callee(phone(sbc.TransportWSS, sbc.TransportUDP)), true},
		{callee(phone(sbc.TransportWSS, ""), phone("", sbc.TransportTLS)), true},
		{callee(phone(sbc.TransportWSS, ""), phone("", sbc.TransportTCP)), false},
	} {
		if got := sealedTo(x.at); got != x.want {
			t.Errorf("%d: %v", i, got)
		}
	}
}

// A leg by DTLS: the offer and the answer of each side are its own; a handshake with somebody else ends the call, and is told.
func TestHandshakeWithSomebodyElse(t *testing.T) {
	const print = "a=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF"
	edit := mediaProfiled(func(p *sbc.MediaProfile) {
		p.SRTP, p.ICE, p.SRTPKeying = sbc.SRTPRequired, sbc.ICELite, []sbc.SRTPKeying{sbc.KeyingDTLS}
	}, "trk_a")
	runMedia(t, edit, func(w *world, _ func() int) {
		a := w.caller()
		body := phoneOffer(callerIP, "4000", "a=rtcp-mux", "a=mid:0", "a=setup:actpass", print, "a=ice-ufrag:abcd", "a=ice-pwd:abcdefghijklmnopqrstuv")
		in := a.invite(strings.Replace(body, "RTP/AVP", "UDP/TLS/RTP/SAVPF", 1))
		out := w.wire.next(msg.INVITE)
		if s := string(out.req.Body); !strings.Contains(s, " RTP/AVP 8") || strings.Contains(s, "setup") || strings.Contains(s, "ice") {
			t.Errorf("offered:\n%s", s)
		}
		out.reply(200, phoneOffer(calleeIP, "5000"))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		s := string(in.last().Body)
		for _, line := range []string{"UDP/TLS/RTP/SAVPF 8", "a=setup:passive", "a=fingerprint:sha-256 ", "a=ice-lite", "a=candidate:", "a=rtcp-mux", "a=mid:0"} {
			if !strings.Contains(s, line) {
				t.Errorf("no %q in\n%s", line, s)
			}
		}
		re := a.send(msg.INVITE, phoneOffer(callerIP, "4000", "a=sendonly")) // in the clear
		re.want(488)
		a.ack(int(re.req.CSeq.Seq), "")
		c := w.call()
		c.post(job{kind: jobBroken, party: c.a.party, err: media.ErrFingerprint})
		w.wire.next(msg.BYE).reply(200, "")
		w.wire.next(msg.BYE).reply(200, "")
		if got := w.events.of(sbc.EventSecurityMedia); len(got) != 2 || got[1].Data["reason"] != "another certificate" || got[1].Data["side"] != "caller" {
			t.Errorf("%+v", got)
		}
		if d := w.cdr(); d.EndReason != sbc.EndError {
			t.Errorf("%+v", d)
		}
	})
}

// An explanation shows whether media of an attempt would be encrypted, and where no keys can be told.
func TestExplainedSRTP(t *testing.T) {
	for want, edit := range map[sbc.SRTPMode]func(string, sbc.Resource){
		sbc.SRTPOff: nil, sbc.SRTPNoKeys: encrypted(sbc.SRTPRequired, false, "trk_b"), sbc.SRTPOptional: encrypted(sbc.SRTPOptional, true, "trk_b"),
	} {
		run(t, edit, func(w *world) {
			e, err := w.m.Explain(sbc.ExplainRequest{
				SourceAddress: callerIP, SourcePort: 5060, SIPInterfaceID: "sif_a", Caller: "+441234", Callee: "4930123",
			})
			if err != nil || len(e.Attempts) == 0 || e.Attempts[0].SRTP != want {
				t.Errorf("%+v, %v, want %s", e.Attempts, err, want)
			}
		})
	}
}
