package media

import (
	"bytes"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/sallyport/sallyport/media/ice"
	"github.com/sallyport/sallyport/media/sdp"
	"github.com/sallyport/sallyport/media/secure"
)

// browser is a peer that speaks ICE, if it has a ufrag, and DTLS, with the sockets of a phone: what it hears is sorted as a
// browser does.
type browser struct {
	*phone
	own     *secure.Identity
	ice     [2]string // ufrag and password; "" without ICE
	setup   string    // what it says in its description
	keys    *secure.Association
	ready   chan struct{}
	failed  chan error
	seal    *secure.Context
	open    *secure.Context
	media   chan []byte
	answers chan []byte // of STUN
	border  netip.AddrPort
	shaken  atomic.Int32 // datagrams of DTLS that came
}

func newBrowser(t *testing.T, p *phone, setup string) *browser {
	t.Helper()
	own, err := secure.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return &browser{
		phone: p, own: own, setup: setup, ready: make(chan struct{}), failed: make(chan error, 4), media: make(chan []byte, 64),
		answers: make(chan []byte, 64),
	}
}

// sdp is what a browser says.
func (b *browser) sdp(lines ...string) []byte {
	lines = append([]string{"a=mid:audio-1", "a=rtcp-mux", "a=fingerprint:" + b.own.Fingerprint().String(), "a=setup:" + b.setup}, lines...)
	if b.ice[0] != "" {
		lines = append(lines, "a=ice-ufrag:"+b.ice[0], "a=ice-pwd:"+b.ice[1], "a=ice-options:trickle", "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
			"a=candidate:1 1 udp 2113937151 "+b.ip.String()+" "+itoa(portOf(b.rtp))+" typ host generation 0 network-cost 999")
	}
	text := strings.Replace(string(b.phone.sdp(lines...)), "RTP/AVP", "UDP/TLS/RTP/SAVPF", 1)
	return []byte(strings.Replace(text, "t=0 0\r\n", "t=0 0\r\na=group:BUNDLE audio-1\r\n", 1))
}

// meets reads what the border says, and begins to listen and, if it is to, the handshake.
func (b *browser) meets(body []byte) {
	b.t.Helper()
	b.border = door(b.t, body, 0)
	var peer []secure.Fingerprint
	for _, v := range attributes(b.t, body, "fingerprint") {
		f, err := secure.ParseFingerprint(v)
		if err != nil {
			b.t.Fatal(err)
		}
		peer = append(peer, f)
	}
	setup := attributes(b.t, body, "setup")
	if len(setup) != 1 || len(peer) != 1 {
		b.t.Fatalf("no handshake in\n%s", body)
	}
	active := setup[0] == "passive" || setup[0] == "actpass" && b.setup != "passive"
	b.keys = secure.NewAssociation(secure.AssociationOptions{
		Identity: b.own, Active: active, Peer: peer, Suites: []secure.Suite{secure.CM128HM80, secure.GCM128},
		Send: func(d []byte, _ netip.AddrPort) { b.rtp.WriteToUDPAddrPort(d, b.border) },
		Ready: func(seal, open *secure.Context, _ netip.AddrPort) {
			b.seal, b.open = seal, open
			close(b.ready)
		},
		Failed: func(err error) { b.failed <- err },
	})
	b.t.Cleanup(b.keys.Close)
	go b.listen(b.rtp)
}

func (b *browser) listen(c *net.UDPConn) {
	room := make([]byte, 2048)
	for {
		n, from, err := c.ReadFromUDPAddrPort(room)
		if err != nil {
			return
		}
		d := bytes.Clone(room[:n])
		switch {
		case n > 0 && d[0] < 4:
			b.answers <- d
		case secure.Looks(d):
			b.shaken.Add(1)
			b.keys.Take(d, from, true)
		default:
			b.media <- d
		}
	}
}

// encrypted waits for the keys.
func (b *browser) encrypted() {
	b.t.Helper()
	b.keys.Start()
	select {
	case <-b.ready:
	case err := <-b.failed:
		b.t.Fatal("handshake:", err)
	case <-time.After(5 * time.Second):
		b.t.Fatal("no keys")
	}
}

// says sends a packet until somebody hears it: the border may still wait for the last flight.
func (b *browser) says(to *phone) {
	b.t.Helper()
	clear := packetOf(b.phone)
	for range 50 {
		sealed, err := b.seal.SealRTP(append(make([]byte, 0, 256), clear...))
		if err != nil {
			b.t.Fatal(err)
		}
		b.send(b.rtp, b.border, sealed)
		if got := to.maybe(to.rtp, 100*time.Millisecond); got != nil {
			if !bytes.Equal(got[12:], clear[12:]) {
				b.t.Errorf("heard %x", got)
			}
			return
		}
		clear = packetOf(b.phone)
	}
	b.t.Error("the browser is not heard")
}

// hears sends a packet to the border and expects it at the browser, sealed.
func (b *browser) hears(from *phone, door netip.AddrPort) {
	b.t.Helper()
	for range 50 {
		clear := packetOf(from)
		from.send(from.rtp, door, clear)
		select {
		case got := <-b.media:
			if bytes.Contains(got, clear[12:60]) {
				b.t.Error("in the clear")
			}
			if got, err := b.open.OpenRTP(got); err != nil || !bytes.Equal(got[12:], clear[12:]) {
				b.t.Errorf("hears %x: %v", got, err)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	b.t.Error("the browser hears nothing")
}

// maybe hears a datagram, nil if none comes.
func (p *phone) maybe(c *net.UDPConn, d time.Duration) []byte {
	p.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		p.t.Fatal(err)
	}
	b := make([]byte, 2048)
	n, err := c.Read(b)
	if err != nil {
		return nil
	}
	return b[:n]
}

func itoa(n int) string { return strconv.Itoa(n) }

// attributes gives those of the first m-line of a body, or of its session.
func attributes(t *testing.T, body []byte, name string) []string {
	t.Helper()
	d, err := sdp.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	return d.Inherited(0, name)
}

type flag stun.AttrType

func (f flag) AddTo(m *stun.Message) error { m.Add(stun.AttrType(f), nil); return nil }

// check asks the border, as it is told to by body, with a password, and gives the answer; nil if none comes.
func (b *browser) check(body []byte, password string, more ...stun.Setter) *stun.Message {
	b.t.Helper()
	user := attributes(b.t, body, "ice-ufrag")[0] + ":" + b.ice[0]
	set := []stun.Setter{stun.TransactionID, stun.BindingRequest, stun.NewUsername(user), raw{stun.AttrPriority, []byte{1, 2, 3, 4}}}
	m, err := stun.Build(append(append(set, more...), stun.NewShortTermIntegrity(password), stun.Fingerprint)...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.send(b.rtp, door(b.t, body, 0), m.Raw)
	select {
	case d := <-b.answers:
		got := &stun.Message{Raw: d}
		if err := got.Decode(); err != nil {
			b.t.Fatal(err)
		}
		return got
	case <-time.After(300 * time.Millisecond):
		return nil
	}
}

type raw struct {
	t stun.AttrType
	v []byte
}

func (r raw) AddTo(m *stun.Message) error { m.Add(r.t, r.v); return nil }

// nominates makes the pair of its first socket that of the media.
func (b *browser) nominates(body []byte) {
	b.t.Helper()
	if m := b.check(body, attributes(b.t, body, "ice-pwd")[0], flag(stun.AttrUseCandidate)); m == nil || m.Type != stun.BindingSuccess {
		b.t.Fatal("not answered:", m)
	}
}

var dtlsFirst = Secure{Mode: SRTPRequired, Suites: secure.Suites(), Keying: []Keying{DTLS, SDES}, Keys: true}

// browserRig is a call of a browser (A) with a phone in the clear (B), or the other way round.
func browserRig(t *testing.T) (*rig, *browser) {
	t.Helper()
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.a.o.Secure, r.a.o.ICE = dtlsFirst, true
	b := newBrowser(t, r.A, "actpass")
	b.ice = [2]string{"brow", "apasswordofthebrowsers00"}
	return r, b
}

func TestBrowserCalls(t *testing.T) {
	r, b := browserRig(t)
	video := "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=rtpmap:96 VP8/90000\r\n"
	offer := strings.Replace(string(b.sdp()), "a=group:BUNDLE audio-1", "a=group:BUNDLE audio-1 v", 1) + video
	offer = strings.Replace(offer, "c=IN IP4 127.0.0.2", "c=IN IP4 0.0.0.0", 1) // as without a default candidate: no hold
	x := r.offer(r.a, r.b, []byte(offer))
	told := string(x.Offer())
	for _, word := range []string{"ice", "candidate", "fingerprint", "setup", "mid", "BUNDLE", "extmap", "mux", "AVPF 8", "127.0.0.2", "a=sendonly", "a=inactive"} {
		if strings.Contains(told, word) {
			t.Errorf("the phone is told %q:\n%s", word, told)
		}
	}
	if !strings.Contains(told, "m=video 0 ") {
		t.Errorf("video is offered\n%s", told)
	}
	doorB := door(t, x.Offer(), 0)
	back := r.answer(x, r.B.sdp())
	for _, word := range []string{
		"a=ice-lite\r\n", "a=group:BUNDLE audio-1\r\n", "a=mid:audio-1\r\n", "a=rtcp-mux\r\n", "a=setup:passive\r\n", "a=fingerprint:sha-256 ",
		"UDP/TLS/RTP/SAVPF 8", "a=ice-ufrag:", "a=ice-pwd:", "a=candidate:1 1 udp 2130706431 127.0.0.1 " + itoa(int(door(t, back, 0).Port())) + " typ host\r\n",
		"m=video 0 UDP/TLS/RTP/SAVPF 96\r\n",
	} {
		if !strings.Contains(string(back), word) {
			t.Errorf("no %q in\n%s", word, back)
		}
	}
	if strings.Contains(string(back), "ice-options") || strings.Contains(string(back), " 1 2 udp") || strings.Contains(string(back), "127.0.0.3") {
		t.Errorf("answered\n%s", back)
	}
	b.meets(back)
	r.B.send(r.B.rtp, doorB, packetOf(r.B))
	r.A.send(r.A.rtp, b.border, packetOf(r.A)) // right but for ICE and keys
	if got := r.B.maybe(r.B.rtp, 50*time.Millisecond); got != nil {
		t.Error("heard in the clear")
	}
	if m := b.check(back, "not the password, not at all", flag(stun.AttrUseCandidate)); m != nil {
		t.Error("answered to a stranger:", m)
	}
	b.nominates(back)
	b.encrypted()
	b.says(r.B)
	b.hears(r.B, doorB)
	if st := r.s.Stats(); st[0].SRTP != string(secure.CM128HM80) && st[0].SRTP != string(secure.GCM128) || st[1].SRTP != "" {
		t.Errorf("figures %+v", st)
	}
	suite := b.seal.Suite()
	if n, m := r.e.shaken.Load(), r.e.census.Count(suite); n != 1 || m != 1 {
		t.Errorf("%d handshakes, %d streams of %s", n, m, suite)
	}
	if r.s.Close(); r.e.census.Count(suite) != 0 {
		t.Error("still counted")
	}
}

func TestBrowserIsCalled(t *testing.T) {
	r, b := browserRig(t)
	x := r.offer(r.b, r.a, r.B.sdp("a=extmap:2 urn:x", "a=rtcp-fb:8 nack"))
	offer := x.Offer()
	for _, word := range []string{
		"a=ice-lite\r\n", "a=group:BUNDLE 0\r\n", "a=mid:0\r\n", "a=rtcp-mux\r\n", "a=setup:actpass\r\n", "a=fingerprint:sha-256 ",
		"m=audio " + itoa(int(door(t, offer, 0).Port())) + " UDP/TLS/RTP/SAVPF 8", "a=ice-ufrag:", "a=ice-pwd:", "a=candidate:1 1 udp ", "a=msid:",
	} {
		if !strings.Contains(string(offer), word) {
			t.Errorf("no %q in\n%s", word, offer)
		}
	}
	if strings.Contains(string(offer), "extmap") || strings.Contains(string(offer), "rtcp-fb") || strings.Contains(string(offer), "crypto") {
		t.Errorf("offered\n%s", offer)
	}
	b.setup = "active"
	back := r.answer(x, b.sdp())
	if text := string(back); strings.Contains(text, "ice") || strings.Contains(text, "finger") || strings.Contains(text, "mid:") {
		t.Errorf("the phone is told\n%s", text)
	}
	b.meets(offer)
	b.nominates(offer)
	b.encrypted()
	b.says(r.B)
	b.hears(r.B, door(t, back, 0))
	// RTCP goes by the one port of the browser, and by the second one of the phone.
	report := []byte{0x80, 201, 0, 1, 0, 0, 0, 42}
	r.B.send(r.B.rtcp, next(door(t, back, 0)), report)
	if got, err := b.open.OpenRTCP(<-b.media); err != nil || !bytes.Equal(got, report) {
		t.Errorf("RTCP %x: %v", got, err)
	}
	sealed, err := b.seal.SealRTCP(append(make([]byte, 0, 128), report...))
	if err != nil {
		t.Fatal(err)
	}
	b.send(b.rtp, b.border, sealed)
	if got, _ := r.B.hear(r.B.rtcp); !bytes.Equal(got, report) {
		t.Errorf("RTCP %x", got)
	}
}

// Only the pair that was chosen: an attacker who sees everything but the password gets nothing, moves nothing and ends nothing.
func TestStrangersAndTheBrowser(t *testing.T) {
	r, b := browserRig(t)
	x := r.offer(r.a, r.b, b.sdp())
	doorB := door(t, x.Offer(), 0)
	back := r.answer(x, r.B.sdp())
	b.meets(back)
	mallory := newBrowser(t, newPhone(t, "127.0.0.9"), "active")
	mallory.ice = b.ice
	mallory.meets(back)
	flood := func() {
		mallory.keys.Start() // a ClientHello
		for n := range 300 {
			mallory.send(mallory.rtp, b.border, packetOf(mallory.phone))
			mallory.send(mallory.rtp, b.border, bytes.Repeat([]byte{byte(n)}, n))
		}
		if m := mallory.check(back, "not the password, not at all", flag(stun.AttrUseCandidate)); m != nil {
			t.Error("answered:", m)
		}
	}
	flood()
	b.nominates(back)
	flood()
	b.encrypted()
	flood()
	b.says(r.B)
	b.hears(r.B, doorB)
	select {
	case <-mallory.ready:
		t.Error("a handshake with a stranger")
	case d := <-mallory.media:
		t.Errorf("the stranger gets %x", d)
	default:
	}
	if n := mallory.shaken.Load(); n != 0 {
		t.Errorf("the stranger's ClientHello is answered: %d datagrams", n)
	}
}

// Without consent nothing goes to the browser, and what it sends is not media any more; who asks again is served again.
func TestConsentLost(t *testing.T) {
	r, b := browserRig(t)
	x := r.offer(r.a, r.b, b.sdp())
	doorB := door(t, x.Offer(), 0)
	back := r.answer(x, r.B.sdp())
	b.meets(back)
	b.nominates(back)
	b.encrypted()
	b.hears(r.B, doorB)
	r.a.ends[0].gate.Lost(ice.RTP) // what ice.Agent tells after 30 s, see there
	r.B.send(r.B.rtp, doorB, packetOf(r.B))
	select {
	case <-b.media:
		t.Error("media without consent")
	case <-time.After(50 * time.Millisecond):
	}
	if r.a.ends[0].stream.Destination(false).IsValid() {
		t.Error("there is still a way")
	}
}
