package call

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// directly lets the profile of both trunks have a media mode.
func directly(mode sbc.MediaMode, more ...func(id string, r sbc.Resource)) func(string, sbc.Resource) {
	edit := mediaProfiled(func(p *sbc.MediaProfile) { p.MediaMode = mode }, "trk_a", "trk_b")
	return func(id string, r sbc.Resource) {
		edit(id, r)
		for _, also := range more {
			also(id, r)
		}
	}
}

// names sees that a description is ours but for where media go: at host and port.
func names(t *testing.T, body []byte, host, port string, others ...string) {
	t.Helper()
	s := string(body)
	if !strings.Contains(s, "c=IN IP4 "+host+"\r\n") || !strings.Contains(s, " "+port) {
		t.Errorf("want %s:%s:\n%s", host, port, s)
	}
	for _, line := range strings.Split(s, "\r\n") {
		if !strings.HasPrefix(line, "c=") && (strings.Contains(line, callerIP) || strings.Contains(line, calleeIP)) {
			t.Errorf("%s is not for the other side", line)
		}
	}
	for _, o := range others {
		if strings.Contains(s, o) {
			t.Errorf("%s in\n%s", o, s)
		}
	}
}

// media gives the mode that the API shows of the only call.
func (w *world) media() sbc.MediaMode {
	w.t.Helper()
	synctest.Wait()
	i, _ := w.m.Get(w.call().id)
	return i.MediaMode
}

// Media go directly where both profiles say so: each side is told the other's address in c= and m=, in all that follows too, nothing is
// reserved, and nobody misses packets.
func TestDirectMedia(t *testing.T) {
	runMedia(t, directly(sbc.MediaDirect), func(w *world, ports func() int) {
		a := w.caller()
		in := a.invite(phoneOffer(callerIP, "4000", "a=rtcp:4009 IN IP4 "+callerIP, "a=candidate:1 1 UDP 1 "+callerIP+" 4000 typ host"))
		out := w.wire.next(msg.INVITE)
		names(t, out.req.Body, callerIP, "4000", "candidate")
		if !strings.Contains(string(out.req.Body), "a=rtcp:4009\r\n") {
			t.Errorf("RTCP: %s", out.req.Body)
		}
		answer := strings.ReplaceAll(phoneOffer(calleeIP, "5000"), "101", "96")
		out.reply(183, answer)
		names(t, in.want(183).Body, calleeIP, "5000")
		out.reply(200, answer)
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		names(t, in.last().Body, calleeIP, "5000")
		if s := string(in.last().Body); !strings.Contains(s, "a=rtpmap:96 telephone-event/8000") { // nobody translates on the way
			t.Errorf("the callee's numbers are not those it wants:\n%s", s)
		}
		if w.media() != sbc.MediaDirect || ports() != 0 {
			t.Errorf("%s with %d pairs of ports", w.media(), ports())
		}
		b := w.callee(out)
		for _, change := range []struct {
			method     msg.Method
			offer, own string
			held       int
		}{
			{msg.INVITE, phoneOffer(callerIP, "4002", "a=sendonly"), phoneOffer(calleeIP, "5000", "a=recvonly"), 1},
			{msg.UPDATE, phoneOffer(callerIP, "4004"), phoneOffer(calleeIP, "5004"), 0},
			{msg.INVITE, fax(callerIP, "4006"), fax(calleeIP, "5006"), 0},
		} {
			re := a.send(change.method, change.offer)
			onward := w.wire.next(change.method)
			names(t, onward.req.Body, callerIP, change.offer[strings.Index(change.offer, "m=")+8:][:4])
			onward.reply(200, change.own)
			names(t, re.want(200).Body, calleeIP, change.own[strings.Index(change.own, "m=")+8:][:4])
			if change.method == msg.INVITE {
				a.ack(a.cseq, "")
			}
			if i, _ := w.m.Get(w.call().id); len(i.Held) != change.held {
				t.Errorf("held %v", i.Held)
			}
		}
		re := b.send(msg.INVITE, "") // without an offer
		onward := w.wire.next(msg.INVITE)
		onward.reply(200, phoneOffer(callerIP, "4008"))
		names(t, re.want(200).Body, callerIP, "4008")
		b.ack(int(re.req.CSeq.Seq), phoneOffer(calleeIP, "5008"))
		synctest.Wait()
		names(t, w.wire.acks[len(w.wire.acks)-1].Body, calleeIP, "5008")
		time.Sleep(2 * time.Hour)
		if ports() != 0 {
			t.Errorf("%d pairs of ports", ports())
		}
		w.end(a)
		if d := w.cdr(); d.MediaMode != sbc.MediaDirect || len(d.Media) != 0 || d.EndReason != sbc.EndCallerBye || d.BillableMS < 7_200_000 {
			t.Errorf("%+v", d)
		}
	})
}

// A direct call whose peer is gone is found by the pings; no packet says when it went, so all of it is billed.
func TestDirectPing(t *testing.T) {
	runMedia(t, directly(sbc.MediaDirect, pinged()), func(w *world, _ func() int) {
		w.directCall()
		for range 2 {
			time.Sleep(30 * time.Second)
			w.wire.next(msg.OPTIONS).reply(200)
			w.wire.next(msg.OPTIONS).failed(msg.ErrTimeout)
		}
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.BYE).failed(msg.ErrTimeout)
		if d := w.cdr(); d.EndReason != sbc.EndPeerDead || d.DurationMS != 60_000 || d.BillableMS != 60_000 {
			t.Errorf("%s after %d ms, billed %d", d.EndReason, d.DurationMS, d.BillableMS)
		}
	})
}

// fax is what a fax machine says.
func fax(host, port string) string {
	return "v=0\r\no=- 1 2 IN IP4 " + host + "\r\ns=-\r\nc=IN IP4 " + host + "\r\nt=0 0\r\nm=image " + port + " udptl t38\r\na=T38FaxVersion:0\r\n"
}

// An INVITE without an offer: the callee's offer decides.
func TestDirectLateOffer(t *testing.T) {
	runMedia(t, directly(sbc.MediaDirect), func(w *world, ports func() int) {
		a := w.caller()
		in := a.invite("")
		out := w.wire.next(msg.INVITE)
		out.reply(200, phoneOffer(calleeIP, "5000"))
		a.learn(in.want(200))
		names(t, in.last().Body, calleeIP, "5000")
		a.ack(a.lastInviteNumber, phoneOffer(callerIP, "4000"))
		synctest.Wait()
		names(t, w.wire.acks[len(w.wire.acks)-1].Body, callerIP, "4000")
		if w.media() != sbc.MediaDirect || ports() != 0 {
			t.Errorf("%s with %d pairs of ports", w.media(), ports())
		}
		w.end(a)
	})
}

// One profile that says relay, that wants digits, or an offer with a name: relayed.
func TestDirectNeedsBoth(t *testing.T) {
	offer := phoneOffer(callerIP, "4000")
	one := mediaProfiled(func(p *sbc.MediaProfile) { p.MediaMode = sbc.MediaDirect }, "trk_a")
	digits := directly(sbc.MediaDirect, func(_ string, r sbc.Resource) {
		if p, ok := r.(*sbc.MediaProfile); ok {
			p.DTMFEvents = sbc.DiscloseMasked
		}
	})
	for name, c := range map[string]struct {
		edit  func(string, sbc.Resource)
		offer string
	}{
		"one profile": {one, offer}, "digits": {digits, offer}, "two realms": {directly(sbc.MediaAuto), offer},
		"a name":   {directly(sbc.MediaDirect), phoneOffer("phone.example.net", "4000")},
		"loopback": {directly(sbc.MediaDirect), phoneOffer("127.0.0.1", "4000")},
	} {
		t.Run(name, func(t *testing.T) {
			runMedia(t, c.edit, func(w *world, ports func() int) {
				a := w.caller()
				in := a.invite(c.offer)
				out := w.wire.next(msg.INVITE)
				names(t, out.req.Body, "127.0.0.1", "191")
				out.reply(200, phoneOffer(calleeIP, "5000"))
				a.learn(in.want(200))
				a.ack(a.lastInviteNumber, "")
				if w.media() != sbc.MediaRelay || ports() != 2 {
					t.Errorf("%s with %d pairs of ports", w.media(), ports())
				}
				w.end(a)
				if d := w.cdr(); d.MediaMode != sbc.MediaRelay || len(d.Media) != 2 {
					t.Errorf("%+v", d)
				}
			})
		})
	}
}

// Each attempt has its own mode: the first goes to an address of the same network, the second nobody knows where.
func TestModeOfEachAttempt(t *testing.T) {
	runMedia(t, directly(sbc.MediaAuto, func(id string, r sbc.Resource) {
		switch r := r.(type) {
		case *sbc.Trunk:
			r.RealmID = "rlm_b"
		case *sbc.SIPInterface:
			r.RealmID = "rlm_b"
		case *sbc.MediaPool:
			r.RealmID = "rlm_b"
		case *sbc.Endpoint:
			if id == "end_2" {
				r.Address = "gw.example.net"
			}
		}
	}), func(w *world, ports func() int) {
		a := w.caller()
		in := a.invite(phoneOffer(callerIP, "4000"))
		first := w.wire.next(msg.INVITE)
		names(t, first.req.Body, callerIP, "4000")
		first.reply(183, phoneOffer(calleeIP, "5000"))
		names(t, in.want(183).Body, calleeIP, "5000")
		if w.media() != sbc.MediaDirect || ports() != 0 {
			t.Errorf("%s with %d pairs of ports", w.media(), ports())
		}
		first.reply(503)
		second := w.wire.next(msg.INVITE)
		if s := string(second.req.Body); strings.Contains(s, callerIP) || ports() != 2 {
			t.Errorf("%d pairs of ports:\n%s", ports(), s)
		}
		second.reply(200, phoneOffer("198.51.100.77", "5000"))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		w.end(a)
		if d := w.cdr(); d.MediaMode != sbc.MediaRelay {
			t.Errorf("%+v", d)
		}
	})
}

// What reaches what, see mode.go.
func TestReach(t *testing.T) {
	at := func(realm, signalling, named string) stand {
		return stand{realm: realm, signalling: literal(signalling), named: []netip.Addr{literal(named)}}
	}
	for _, c := range []struct {
		a, b stand
		want bool
		why  string
	}{
		{at("r", "203.0.113.1", "203.0.113.1"), at("r", "203.0.113.2", "203.0.113.2"), true, "no NAT"},
		{at("r", "10.0.0.1", "10.0.0.1"), at("r", "10.9.0.2", "10.9.0.2"), true, "no NAT, a private network that is the realm"},
		{at("r", "203.0.113.1", "192.168.1.5"), at("r", "203.0.113.1", "192.168.1.6"), true, "one NAT"},
		{at("r", "2001:db8::1", "2001:db8::1"), at("r", "2001:db8:1::2", "2001:db8:1::2"), true, "IPv6"},
		{at("r", "203.0.113.1", "203.0.113.1"), at("s", "203.0.113.2", "203.0.113.2"), false, "two realms"},
		{at("", "203.0.113.1", "203.0.113.1"), at("", "203.0.113.2", "203.0.113.2"), false, "no realm"},
		{at("r", "203.0.113.1", "192.168.1.5"), at("r", "203.0.113.2", "192.168.1.6"), false, "two NATs"},
		{at("r", "203.0.113.1", "192.168.1.5"), at("r", "203.0.113.1", "192.168.1.5"), false, "two sites with the same addresses"},
		{at("r", "203.0.113.1", "192.168.1.5"), at("r", "203.0.113.1", "192.168.2.6"), false, "two networks"},
		{at("r", "203.0.113.1", "192.168.1.5"), at("r", "203.0.113.1", "203.0.113.1"), false, "one behind it, one with STUN"},
		{at("r", "203.0.113.1", "203.0.113.1"), at("r", "203.0.113.1", "203.0.113.1"), false, "both with STUN, or one machine"},
		{at("r", "203.0.113.1", "203.0.113.1"), at("r", "203.0.113.2", "192.168.1.5"), false, "one NAT, and one outside"},
		{at("r", "203.0.113.1", "198.51.100.9"), at("r", "203.0.113.2", "203.0.113.2"), false, "media elsewhere"},
		{at("r", "203.0.113.1", "203.0.113.1"), at("r", "2001:db8::1", "2001:db8::1"), false, "two families"},
		{at("r", "203.0.113.1", "203.0.113.1"), at("r", "gw.example", "gw.example"), false, "a name"},
		{at("r", "203.0.113.1", "203.0.113.1"), stand{realm: "r", signalling: literal("203.0.113.2")}, false, "behind a proxy"},
	} {
		if reach(&c.a, &c.b) != c.want || reach(&c.b, &c.a) != c.want {
			t.Errorf("%s: not %v", c.why, c.want)
		}
	}
}

// directCall brings a direct call up.
func (w *world) directCall() (a *peer, b *peer) {
	w.t.Helper()
	a = w.caller()
	in := a.invite(phoneOffer(callerIP, "4000"))
	out := w.wire.next(msg.INVITE)
	out.reply(200, phoneOffer(calleeIP, "5000"))
	a.learn(in.want(200))
	a.ack(a.lastInviteNumber, "")
	if w.media() != sbc.MediaDirect {
		w.t.Fatalf("it is %s", w.media())
	}
	return a, w.callee(out)
}

// anchors answers both re-INVITEs by which a call comes here.
func (w *world) anchors(lines ...string) {
	w.t.Helper()
	re := w.wire.next(msg.INVITE)
	if s := string(re.req.Body); re.target.Host != calleeIP || !strings.Contains(s, "127.0.0.1") || strings.Contains(s, callerIP) {
		w.t.Errorf("to %s:\n%s", re.target.Host, s)
	}
	re.reply(200, phoneOffer(calleeIP, "5000", lines...))
	re = w.wire.next(msg.INVITE)
	if s := string(re.req.Body); re.target.Host != callerIP || !strings.Contains(s, "127.0.0.1") || strings.Contains(s, calleeIP) {
		w.t.Errorf("to %s:\n%s", re.target.Host, s)
	}
	re.reply(200, phoneOffer(callerIP, "4000", lines...))
}

// What the API plays needs the media here: they come, and stay. New ports cannot be had before.
func TestPlayAnchors(t *testing.T) {
	runMedia(t, directly(sbc.MediaDirect), func(w *world, ports func() int) {
		a, _ := w.directCall()
		id, done := w.call().id, make(chan error, 2)
		order := sbc.PlayOrder{Sides: []sbc.Side{sbc.SideCallee}, AnnouncementID: "ann_1", Repeat: 1}
		if err := w.m.Reinvite(background(), id, sbc.ReinviteOrder{NewPort: true}); sbc.CodeOf(err) != sbc.CodeConflict {
			t.Errorf("other ports: %v", err)
		}
		for range 2 {
			go func() { done <- w.m.Play(background(), id, order) }()
		}
		w.anchors()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if w.media() != sbc.MediaAnchored || ports() != 2 {
			t.Errorf("%s with %d pairs of ports", w.media(), ports())
		}
		re := a.send(msg.INVITE, phoneOffer(callerIP, "4002"))
		onward := w.wire.next(msg.INVITE)
		names(t, onward.req.Body, "127.0.0.1", "191")
		onward.reply(200, phoneOffer(calleeIP, "5000"))
		re.want(200)
		a.ack(a.cseq, "")
		w.end(a)
		if d := w.cdr(); d.MediaMode != sbc.MediaAnchored || len(d.Media) != 2 {
			t.Errorf("%+v", d)
		}
	})
}

// A side that refuses: the order gets 409, and the call goes on as it was.
func TestAnchorRefused(t *testing.T) {
	runMedia(t, directly(sbc.MediaDirect), func(w *world, ports func() int) {
		a, _ := w.directCall()
		id, done := w.call().id, make(chan error)
		play := func() { done <- w.m.SendDTMF(background(), id, sbc.DTMFOrder{Side: sbc.SideCallee, Digits: "1"}) }
		go play()
		w.wire.next(msg.INVITE).reply(488)
		if err := <-done; sbc.CodeOf(err) != sbc.CodeConflict || !strings.Contains(err.Error(), "488") {
			t.Error(err)
		}
		if w.media() != sbc.MediaDirect || ports() != 0 {
			t.Errorf("%s with %d pairs of ports", w.media(), ports())
		}
		go play()
		w.wire.next(msg.INVITE).reply(200, phoneOffer(calleeIP, "5000"))
		w.wire.next(msg.INVITE).reply(488)
		back := w.wire.next(msg.INVITE)
		names(t, back.req.Body, callerIP, "4000")
		back.reply(200, phoneOffer(calleeIP, "5000"))
		if err := <-done; sbc.CodeOf(err) != sbc.CodeConflict {
			t.Error(err)
		}
		synctest.Wait()
		if ports() != 0 {
			t.Errorf("%d pairs of ports", ports())
		}
		w.end(a)
	})
}

// Music on hold needs the media here, whoever holds; what is on hold stays so on the way.
func TestHoldAnchors(t *testing.T) {
	music := directly(sbc.MediaDirect, func(_ string, r sbc.Resource) {
		if p, ok := r.(*sbc.MediaProfile); ok {
			p.Hold, p.MusicAnnouncementID = sbc.HoldMusic, "ann_1"
		}
	})
	t.Run("by a peer", func(t *testing.T) {
		runMedia(t, music, func(w *world, ports func() int) {
			a, _ := w.directCall()
			re := a.send(msg.INVITE, phoneOffer(callerIP, "4000", "a=sendonly"))
			w.wire.next(msg.INVITE).reply(200, phoneOffer(calleeIP, "5000", "a=recvonly"))
			re.want(200)
			a.ack(a.cseq, "")
			toB := w.wire.next(msg.INVITE)
			if s := string(toB.req.Body); !strings.Contains(s, "a=sendonly") || !strings.Contains(s, "127.0.0.1") {
				t.Errorf("to the callee:\n%s", s)
			}
			toB.reply(200, phoneOffer(calleeIP, "5000", "a=recvonly"))
			toA := w.wire.next(msg.INVITE)
			if s := string(toA.req.Body); !strings.Contains(s, "a=recvonly") || !strings.Contains(s, "127.0.0.1") {
				t.Errorf("to the caller:\n%s", s)
			}
			toA.reply(200, phoneOffer(callerIP, "4000", "a=sendonly"))
			if i, _ := w.m.Get(w.call().id); len(i.Held) != 1 || i.Held[0] != sbc.SideCallee || w.holding() != "callee true" || ports() != 2 {
				t.Errorf("held %v, events %s, %d pairs of ports", i.Held, w.holding(), ports())
			}
			w.end(a)
		})
	})
	t.Run("by the API", func(t *testing.T) {
		runMedia(t, music, func(w *world, ports func() int) {
			a, _ := w.directCall()
			done := w.hold(sbc.SideCallee, true)
			w.anchors()
			re := w.wire.next(msg.INVITE)
			if !strings.Contains(string(re.req.Body), "a=sendonly") {
				t.Errorf("held with %s", re.req.Body)
			}
			re.reply(200, phoneOffer(calleeIP, "5000", "a=recvonly"))
			if err := <-done; err != nil || ports() != 2 {
				t.Errorf("%v with %d pairs of ports", err, ports())
			}
			w.end(a)
		})
	})
}

// A hold by the API in which nothing is heard needs no media; brought here for something else, the side stays on hold.
func TestHeldStaysDirect(t *testing.T) {
	runMedia(t, directly(sbc.MediaDirect), func(w *world, ports func() int) {
		a, _ := w.directCall()
		done := w.hold(sbc.SideCallee, true)
		re := w.wire.next(msg.INVITE)
		names(t, re.req.Body, callerIP, "4000")
		re.reply(200, phoneOffer(calleeIP, "5002", "a=inactive"))
		if err := <-done; err != nil || ports() != 0 {
			t.Errorf("%v with %d pairs of ports", err, ports())
		}
		moved := w.wire.next(msg.INVITE) // the callee wants its media elsewhere: who sends them has to know
		names(t, moved.req.Body, calleeIP, "5002", "inactive")
		moved.reply(200, phoneOffer(callerIP, "4000"))
		if i, _ := w.m.Get(w.call().id); len(i.Held) != 1 || i.Held[0] != sbc.SideCallee {
			t.Errorf("held %v", i.Held)
		}
		played := make(chan error)
		go func() {
			played <- w.m.Play(background(), w.call().id, sbc.PlayOrder{Sides: []sbc.Side{sbc.SideCaller}, AnnouncementID: "ann_1", Repeat: 1})
		}()
		toB := w.wire.next(msg.INVITE)
		if !strings.Contains(string(toB.req.Body), "a=inactive") {
			t.Errorf("not on hold any more:\n%s", toB.req.Body)
		}
		toB.reply(200, phoneOffer(calleeIP, "5002", "a=inactive"))
		toA := w.wire.next(msg.INVITE)
		if strings.Contains(string(toA.req.Body), "a=inactive") {
			t.Errorf("the other one hears of it:\n%s", toA.req.Body)
		}
		toA.reply(200, phoneOffer(callerIP, "4000"))
		if err := <-played; err != nil {
			t.Error(err)
		}
		if i, _ := w.m.Get(w.call().id); len(i.Held) != 1 || i.Held[0] != sbc.SideCallee {
			t.Errorf("held %v", i.Held)
		}
		w.end(a)
	})
}
