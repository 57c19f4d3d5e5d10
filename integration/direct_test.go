package integration

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// directly makes a media profile with a mode for both trunks of a wiring.
func (b *border) directly(mode string, more rest.Object) wish {
	b.t.Helper()
	id := b.create("/media-profiles", with(rest.Object{"name": mode, "media_mode": mode}, more))
	return wish{westTrunk: rest.Object{"media_profile_id": id}, eastTrunk: rest.Object{"media_profile_id": id}}
}

// ports counts the pairs of ports in use.
func (b *border) ports() (n int) {
	b.t.Helper()
	var page rest.Page[struct {
		Status sbc.PoolStatus `json:"status"`
	}]
	b.do("GET", "/media-pools", nil, &page)
	for _, p := range page.Items {
		n += p.Status.InUse
	}
	return n
}

// theCall gives the only call in progress.
func (b *border) theCall() sbc.CallInfo {
	b.t.Helper()
	var page rest.Page[sbc.CallInfo]
	b.do("GET", "/calls", nil, &page)
	if len(page.Items) != 1 {
		b.t.Fatalf("%d calls", len(page.Items))
	}
	return page.Items[0]
}

// phoned lets two phones talk by a border that has a profile for both, until each hears the other.
func phoned(t *testing.T, w wiring) (caller, callee *phone.Call) {
	t.Helper()
	came := make(chan *phone.Call, 1)
	alice := phones(t, w, func(c *phone.Call) {
		c.Ring()
		if err := c.Answer(); err != nil {
			t.Error(err)
		}
		came <- c
	})
	caller, err := alice.Dial("4930", phoneTarget(w.sides))
	if err != nil {
		t.Fatal(err)
	}
	if code, err := caller.Final(patience(t, 20*time.Second)); err != nil || code != 200 {
		t.Fatalf("final %d, %v", code, err)
	}
	callee = <-came
	waitTone(t, caller, 1000)
	waitTone(t, callee, 800)
	return caller, callee
}

// TestDirectMediaOfPhones: packets go from phone to phone, none through the border, which has no ports for them; for an announcement
// they come to it, and stay.
func TestDirectMediaOfPhones(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), b.directly("direct", nil))
	caller, callee := phoned(t, w)
	if caller.Heard().From.Addr() != w.eastPeer || callee.Heard().From.Addr() != w.westPeer {
		t.Errorf("the caller hears %v, the callee %v", caller.Heard().From, callee.Heard().From)
	}
	i := b.theCall()
	var streams rest.Page[sbc.StreamStats]
	b.do("GET", "/calls/"+i.ID+"/media", nil, &streams)
	if i.MediaMode != sbc.MediaDirect || len(streams.Items) != 0 || b.ports() != 0 || b.metric("sbc_rtp_packets_total") != 0 {
		t.Errorf("%s, %d pairs of ports, streams %+v", i.MediaMode, b.ports(), streams.Items)
	}
	b.do("POST", "/calls/"+i.ID+"/play", rest.Object{"sides": []string{"caller"}, "announcement_id": b.announcement("ping", time.Second)}, nil)
	waitTone(t, caller, playedTone)
	waitTone(t, caller, 1000)
	waitTone(t, callee, 800)
	if caller.Heard().From.Addr() != w.west || callee.Heard().From.Addr() != w.east || b.theCall().MediaMode != sbc.MediaAnchored {
		t.Errorf("the caller hears %v, the callee %v", caller.Heard().From, callee.Heard().From)
	}
	if err := caller.Hangup(patience(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	if r := b.cdrs(1)[0]; r.MediaMode != sbc.MediaAnchored || len(r.Media) != 2 || r.Media[0].RelayedPackets == 0 || r.EndReason != sbc.EndCallerBye {
		t.Errorf("record %+v", r)
	}
	b.quiet()
}

// TestAutoRelaysBetweenRealms: the same phones with `auto`, each in a realm of its own.
func TestAutoRelaysBetweenRealms(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), b.directly("auto", nil))
	caller, callee := phoned(t, w)
	if caller.Heard().From.Addr() != w.west || callee.Heard().From.Addr() != w.east || b.theCall().MediaMode != sbc.MediaRelay || b.ports() != 2 {
		t.Errorf("the caller hears %v, the callee %v", caller.Heard().From, callee.Heard().From)
	}
	if err := callee.Hangup(patience(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	if r := b.cdrs(1)[0]; r.MediaMode != sbc.MediaRelay || len(r.Media) != 2 {
		t.Errorf("record %+v", r)
	}
	b.quiet()
}

// TestDirectLeaks plays scenes with direct media: of the other side only c= and the ports show.
func TestDirectLeaks(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), b.directly("direct", nil))
	eyes := w.watched(t, false)
	eyes.direct = true
	for _, list := range [][]scene{basicScenes(), forkScenes(), sessionScenes(), contentScenes(), transferScenes()} {
		playAll(t, eyes, list)
	}
	b.quiet()
	eyes.finished(t)
	for _, p := range [...]struct{ to, from *peer }{{eyes.west, eyes.east}, {eyes.east, eyes.west}} {
		if !bytes.Contains(p.to.bytes(), []byte("c=IN IP4 "+p.from.addr.Addr().String()+"\r\n")) {
			t.Errorf("%s never learns where %s is: this test shows nothing", p.to.side, p.from.side)
		}
		if bytes.Contains(p.to.bytes(), []byte("a=candidate")) {
			t.Errorf("%s gets candidates", p.to.side)
		}
	}
}

// TestSIPpFaxDirect: TestSIPpFax with direct media: in audio, T.38 and audio again both machines are told where the other one is.
func TestSIPpFaxDirect(t *testing.T) {
	t.Parallel()
	needs(t, "sipp")
	b := startBorder(t, app.Options{})
	o := b.directly("direct", rest.Object{"codecs_deny": []string{"PCMA", "G729"}, "ptime_ms": 30})
	w := b.connect(newSides(t), o)
	machine := sippListening(patience(t, 30*time.Second), t, "callee_faxes.xml", w.eastPeer, "-t", "u1", "-m", "2")
	err := sipp(patience(t, 30*time.Second), t, "caller_faxed.xml", calling(w.sides, "u1", 2)...)
	if err = errors.Join(err, machine.Wait()); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.cdrs(2) {
		if r.EndReason != sbc.EndCallerBye || r.FinalCode != 200 || len(r.Media) != 0 || r.MediaMode != sbc.MediaDirect {
			t.Errorf("record %+v", r)
		}
		b.toldWhere(r.CallID, w, 6)
	}
	b.quiet()
}

// toldWhere sees that so many descriptions went out in a call, each with the other side's address and not ours.
func (b *border) toldWhere(callID string, w wiring, n int) {
	b.t.Helper()
	var page rest.Page[sbc.TraceMessage]
	b.do("GET", "/calls/"+callID+"/messages", nil, &page)
	told := 0
	for _, m := range page.Items {
		other := w.eastPeer
		if m.Side == sbc.SideCallee {
			other = w.westPeer
		}
		if m.Direction != "out" || !bytes.Contains([]byte(m.Raw), []byte("\r\nm=")) {
			continue
		}
		if told++; !bytes.Contains([]byte(m.Raw), []byte("\r\nc=IN IP4 "+other.String()+"\r\n")) {
			b.t.Errorf("to the %s:\n%s", m.Side, m.Raw)
		}
	}
	if told != n {
		b.t.Errorf("%d descriptions, want %d", told, n)
	}
}

// TestHoldDirect: hold and resume by re-INVITE of either side, in direct mode.
func TestHoldDirect(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	s := &stage{t: t, b: b, w: b.connect(newSides(t), b.directly("direct", nil))}
	s.west, s.east = s.w.peers(t, false)
	caller, callee, number := s.talk()
	for _, by := range []struct{ from, to *line }{{caller, callee}, {callee, caller}} {
		for _, words := range [][2]string{{"a=sendonly\r\n", "a=recvonly\r\n"}, {"", ""}} {
			re := by.from.request("INVITE", by.from.p.sdp(words[0]))
			got := by.to.hear(msg.INVITE)
			by.to.say(got, 200, "", by.to.p.sdp(words[1]))
			by.from.ack(by.from.answer(re, 200))
			by.to.hear(msg.ACK)
			by.from.p.sync(by.from.p.border) // the border has the other ACK, too
			i := b.theCall()
			if (len(i.Held) == 1) != (words[0] != "") || i.MediaMode != sbc.MediaDirect || b.ports() != 0 {
				t.Errorf("%s, held %v, %d pairs of ports", i.MediaMode, i.Held, b.ports())
			}
		}
	}
	r := s.over(caller, callee, number)
	b.toldWhere(r.CallID, s.w, 10)
	b.quiet()
}

// TestDirectSurvivesARestart: kill -9; the call goes on, still directly, and its description is still that of the peer.
func TestDirectSurvivesARestart(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Parallel()
	m := newMortal(t, buildBinary(t))
	w := m.connect(newSides(t), m.directly("direct", nil))
	caller, callee := phoned(t, w)
	m.saved()
	m.killed()
	i := m.calls(1)[0]
	if i.MediaMode != sbc.MediaDirect || m.ports() != 0 {
		t.Errorf("after the restart %s, %d pairs of ports", i.MediaMode, m.ports())
	}
	for _, side := range []string{"caller", "callee"} {
		m.do("POST", "/calls/"+i.ID+"/reinvite", rest.Object{"side": side, "media": "refresh"}, nil)
	}
	flows(t, caller, callee, 1000, 800)
	if caller.Heard().From.Addr() != w.eastPeer || callee.Heard().From.Addr() != w.westPeer {
		t.Errorf("the caller hears %v, the callee %v", caller.Heard().From, callee.Heard().From)
	}
	if err := caller.Hangup(patience(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	if r := m.cdrs(1)[0]; r.MediaMode != sbc.MediaDirect || len(r.Media) != 0 || r.EndReason != sbc.EndCallerBye || r.BillableMS != r.DurationMS {
		t.Errorf("record %+v", r)
	}
	m.quiet()
}

// TestAutoBehindNAT: a phone calls another one behind the same NAT, and packets stay there; one behind another NAT, with the private
// address that the first one has, and they come by the border.
func TestAutoBehindNAT(t *testing.T) {
	t.Parallel()
	h := newHomes(t, false, "udp", 0)
	profile := h.b.create("/media-profiles", rest.Object{"name": "auto", "media_mode": "auto"})
	domain := h.phones("home.example", "490", rest.Object{"media_profile_id": profile})
	space, known := h.lab.home(portRestricted, 16)
	const flatmate = "192.168.77.3"
	h.lab.ip("-n", space, "addr", "add", flatmate+"/24", "dev", "eth0")
	elsewhere, _ := h.lab.home(portRestricted, 17)
	bob, carol := h.openAt(space, flatmate, "bob"), h.openAt(elsewhere, insidePhone, "carol")
	for name, p := range map[string]*natPhone{"bob": bob, "carol": carol} {
		h.user(domain, name, map[string]string{"bob": "4901", "carol": "4902"}[name])
		h.register(p, "home.example", name)
	}
	trunk := h.b.create("/trunks", rest.Object{"name": "alice", "realm_id": h.w.westRealm, "routing_plan_id": h.w.westPlan, "media_profile_id": profile})
	h.b.create("/trunks/"+trunk+"/identities", rest.Object{"name": "home", "cidr": known.String() + "/32"})
	alice := h.openAt(space, insidePhone, "alice")
	for i, c := range []struct {
		number, user string
		callee       *natPhone
		from         netip.Addr
		mode         sbc.MediaMode
		ports        int
	}{
		{"4901", "bob", bob, netip.MustParseAddr(flatmate), sbc.MediaDirect, 0},
		{"4902", "carol", carol, h.lab.seen[0], sbc.MediaRelay, 2},
	} {
		var call *phone.Call
		h.lab.inside(space, func() {
			var err error
			if call, err = alice.Dial(c.number, h.border(0)); err != nil {
				t.Fatal(err)
			}
		})
		if code, err := call.Final(patience(t, 20*time.Second)); err != nil || code != 200 {
			t.Fatalf("%s: %d %v", c.user, code, err)
		}
		waitFor(t, func() bool { return c.callee.incoming(c.user) != nil }, "the call")
		other := c.callee.incoming(c.user)
		waitFor(t, func() bool { return call.Heard().Packets > 20 && other.Heard().Packets > 20 }, "audio")
		if got := call.Heard().From.Addr(); got != c.from || h.b.theCall().MediaMode != c.mode || h.b.ports() != c.ports {
			t.Errorf("%s is heard from %v, %s, %d pairs of ports", c.user, got, h.b.theCall().MediaMode, h.b.ports())
		}
		if err := call.Hangup(patience(t, 5*time.Second)); err != nil {
			t.Error(err)
		}
		if r := h.b.cdrs(i + 1)[i]; r.MediaMode != c.mode || len(r.Media) != c.ports {
			t.Errorf("record %+v", r)
		}
		h.b.quiet()
	}
}

// openAt opens a phone at an address in a home.
func (h *homes) openAt(space, address, name string) *natPhone {
	h.t.Helper()
	p := &natPhone{space: space, tone: 400, calls: map[string]*phone.Call{}}
	h.lab.inside(space, func() {
		var err error
		p.Phone, err = phone.New(phone.Options{
			Address: netip.MustParseAddr(address), Port: 5060, Name: name, UserAgent: name, Tone: p.tone,
			Incoming: func(c *phone.Call) { h.answer(p, c) },
		})
		if err != nil {
			h.t.Fatal(err)
		}
	})
	h.t.Cleanup(p.Close)
	return p
}
