package integration

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/media/secure"
	"github.com/sallyport/sallyport/sbc"
)

// sdes is a media profile with keys in SDP, told over signalling in the clear too, of the suites given or all.
func (b *border) sdes(mode string, suites ...secure.Suite) rest.Object {
	o := rest.Object{"name": fmt.Sprintf("srtp %s %v", mode, suites), "srtp": mode, "srtp_keying": []string{"sdes"}, "srtp_keys_in_clear": true}
	if len(suites) > 0 {
		o["srtp_suites"] = suites
	}
	return rest.Object{"media_profile_id": b.create("/media-profiles", o)}
}

// payloads gives the payloads of RTP that a capture holds from one address.
func payloads(t *testing.T, file string, from netip.Addr) (all []byte) {
	t.Helper()
	out, err := exec.Command("tshark", "-r", file, "-o", "rtp.heuristic_rtp:TRUE", "-Y", "rtp && ip.src == "+from.String(),
		"-T", "fields", "-e", "udp.payload").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if raw, err := hex.DecodeString(strings.TrimSpace(line)); err == nil && len(raw) > 12 {
			all = append(all, raw[12:]...)
		}
	}
	return all
}

// noise tells whether octets look like a cipher's: a tone of G.711 is a fraction when packed, a cipher is not.
func noise(t *testing.T, octets []byte) bool {
	t.Helper()
	if len(octets) < 8000 {
		t.Fatalf("%d octets of media were captured", len(octets))
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(octets); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Len() > len(octets)*9/10
}

// TestSRTPBaresip: baresip with srtp-mand calls a plain SIPp, which sends back what it hears. On the wire of baresip there is nothing but
// cipher, on SIPp's G.711, and baresip hears its own tone.
func TestSRTPBaresip(t *testing.T) {
	needs(t, "baresip", "tshark", "sipp")
	west, s := newHost(t), newSides(t)
	b := startBorder(t, app.Options{})
	w := b.connect(sides{west: west.border, westPeer: west.peer, east: s.east, eastPeer: s.eastPeer}, wish{westTrunk: b.sdes("required")})
	westFile, stopWest := capture(t, west.outside)
	eastFile, stopEast := capture(t, "lo")
	sippServer(t, "callee.xml", w.eastPeer, "-mp", "7000", "-rtp_echo")
	account := fmt.Sprintf("<sip:alice@%s>;regint=0;answermode=auto;mediaenc=srtp-mand;outbound=\"sip:%s:5060\"\n", west.peer, west.border)
	folder, _ := startBaresipAs(t, west, "alice", account, 400, "d sip:4930123456@"+west.border.String())
	b.talked(100)
	for _, m := range b.cdrs(1)[0].Media {
		if (m.SRTP != "") != (m.Side == sbc.SideCaller) || m.Discarded > 1 || m.Lost != 0 { // baresip says one thing before it has our key
			t.Errorf("stream %+v", m)
		}
	}
	b.quiet()
	stopWest()
	stopEast()
	if got := heardTone(t, folder, 400, 1000); got != 400 {
		t.Errorf("alice hears %v Hz; her own 400 come back", got)
	}
	for _, from := range []netip.Addr{west.peer, west.border} {
		if !noise(t, payloads(t, westFile, from)) {
			t.Errorf("what %v sends on baresip's wire is not encrypted", from)
		}
	}
	for _, from := range []netip.Addr{s.east, s.eastPeer} {
		if noise(t, payloads(t, eastFile, from)) {
			t.Errorf("what %v sends on SIPp's wire is no G.711", from)
		}
	}
}

// TestSRTPSuites: every suite against every way of the other side, with audio both ways; no key of one leg reaches the other, or the API.
func TestSRTPSuites(t *testing.T) {
	t.Parallel()
	all := secure.Suites()
	for n, suite := range all {
		other := all[(n+3)%len(all)]
		if n == 0 {
			other = ""
		}
		t.Run(string(suite), func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			more := wish{westTrunk: b.sdes("required", suite)}
			if other != "" {
				more.eastTrunk = b.sdes("required")
			}
			w := b.connect(newSides(t), more)
			encryptedCall(t, b, w, suite, other)
		})
	}
}

func encryptedCall(t *testing.T, b *border, w wiring, suite, other secure.Suite) {
	t.Helper()
	calls := make(chan *phone.Call, 1)
	bob := newSounding(t, phone.Options{Address: w.eastPeer, Port: 5060, Name: "bob", UserAgent: "b", Tone: 1000, SRTP: other, Incoming: func(c *phone.Call) {
		if err := c.Answer(); err != nil {
			t.Error(err)
		}
		calls <- c
	}})
	alice := newSounding(t, phone.Options{Address: w.westPeer, Port: 5060, Name: "alice", UserAgent: "a", Tone: 400, SRTP: suite})
	ctx := patience(t, 10*time.Second)
	c, err := alice.Dial("4930123456", netip.AddrPortFrom(w.west, 5060))
	if err != nil {
		t.Fatal(err)
	}
	if code, err := c.Final(ctx); err != nil || code != 200 {
		t.Fatalf("%d, %v", code, err)
	}
	d := <-calls
	within(t, 5*time.Second, "both are heard", func() bool { return c.Heard().Tone == 1000 && d.Heard().Tone == 400 })
	heldAndResumed(t, b, c, d)
	live, messages := rest.Page[sbc.CallInfo]{}, rest.Page[sbc.TraceMessage]{}
	if err := b.Get(ctx, "/v1/calls", &live); err != nil || len(live.Items) != 1 {
		t.Fatal(err, live)
	}
	if err := b.Get(ctx, "/v1/calls/"+live.Items[0].ID+"/messages", &messages); err != nil {
		t.Fatal(err)
	}
	var ladder strings.Builder
	for _, m := range messages.Items {
		ladder.WriteString(m.Raw)
	}
	mine, theirs := keysIn(alice.Received()), keysIn(bob.Received())
	for _, k := range mine {
		if bytes.Contains(bob.Received(), []byte(k)) || strings.Contains(ladder.String(), k) {
			t.Errorf("a key told to alice is seen elsewhere")
		}
	}
	for _, k := range theirs {
		if bytes.Contains(alice.Received(), []byte(k)) || strings.Contains(ladder.String(), k) {
			t.Errorf("a key told to bob is seen elsewhere")
		}
	}
	if len(mine) < 2 || !strings.Contains(ladder.String(), "inline:xxxx") || (len(theirs) == 0) != (other == "") {
		t.Errorf("%d keys told to alice, %d to bob", len(mine), len(theirs))
	}
	if err := c.Hangup(ctx); err != nil {
		t.Error(err)
	}
	for _, m := range b.cdrs(1)[0].Media {
		want := suite
		if m.Side == sbc.SideCallee {
			want = other
		}
		if string(m.SRTP) != string(want) || m.Discarded > 5 {
			t.Errorf("stream %+v, want %q", m, want)
		}
	}
}

// heldAndResumed lets the API hold the caller and resume it: with new keys each time, the two hear each other again.
func heldAndResumed(t *testing.T, b *border, caller, callee *phone.Call) {
	t.Helper()
	var live rest.Page[sbc.CallInfo]
	b.do("GET", "/calls", nil, &live)
	for _, order := range []string{"/hold", "/resume"} {
		b.do("POST", "/calls/"+live.Items[0].ID+order, rest.Object{"side": "caller"}, nil)
	}
	flows(t, caller, callee, 1000, 400)
}

// newSounding opens a phone for the time of a test.
func newSounding(t *testing.T, o phone.Options) *phone.Phone {
	t.Helper()
	p, err := phone.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// TestSRTPSurvivesARestart: kill -9 with an encrypted call up. Both sides are offered what they were told before, the encrypted one with
// another key, and hear each other again.
func TestSRTPSurvivesARestart(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Parallel()
	m := newMortal(t, buildBinary(t))
	w := m.connect(newSides(t), wish{westTrunk: m.sdes("required", secure.CM128HM80)})
	calls := make(chan *phone.Call, 1)
	newSounding(t, phone.Options{Address: w.eastPeer, Port: 5060, Name: "bob", UserAgent: "b", Tone: 1000, Incoming: func(c *phone.Call) {
		if err := c.Answer(); err != nil {
			t.Error(err)
		}
		calls <- c
	}})
	alice := newSounding(t, phone.Options{Address: w.westPeer, Port: 5060, Name: "alice", UserAgent: "a", Tone: 400, SRTP: secure.CM128HM80})
	c, err := alice.Dial("4930123456", netip.AddrPortFrom(w.west, 5060))
	if err != nil {
		t.Fatal(err)
	}
	if code, err := c.Final(patience(t, 10*time.Second)); err != nil || code != 200 {
		t.Fatalf("%d, %v", code, err)
	}
	d := <-calls
	flows(t, c, d, 1000, 400)
	m.saved()
	m.killed()
	m.calls(1)
	flows(t, c, d, 1000, 400)
	if keys := keysIn(alice.Received()); len(keys) < 2 || keys[0] == keys[len(keys)-1] {
		t.Errorf("%d keys were told", len(keys))
	}
	if err := c.Hangup(patience(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
	m.calls(0)
}

// keysIn finds the keys in what a phone was told.
func keysIn(b []byte) (keys []string) {
	for line := range strings.Lines(string(b)) {
		if _, k, ok := strings.Cut(strings.TrimSpace(line), " inline:"); ok {
			keys = append(keys, k)
		}
	}
	return keys
}

// TestSRTPAttacks: a thousand packets that are not authentic, from a stranger and from the party's own address and port's neighbour, and
// each packet of the party once more, change nothing (CVE-2021-41105): 0 are heard on the other side, 0 come back.
func TestSRTPAttacks(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{westTrunk: b.sdes("required", secure.GCM128)})
	west, east := w.peers(t, false)
	socket := func(a netip.Addr, port uint16) *net.UDPConn {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, port)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	a, z, neighbour, thief := socket(w.westPeer, 40000), socket(w.eastPeer, 40000), socket(w.westPeer, 40002), socket(w.stranger(), 40000)
	keys, err := secure.Random(secure.GCM128)
	if err != nil {
		t.Fatal(err)
	}
	seal, err := secure.New(keys)
	if err != nil {
		t.Fatal(err)
	}
	line := secure.Crypto{Tag: "3", Keys: keys}
	call := west.dial("4930123456", strings.Replace(west.sdp("a=crypto:"+line.Value()+"\r\n"), "RTP/AVP", "RTP/SAVP", 1))
	rings := east.ring()
	if bytes.Contains(rings.invite.Body, []byte("crypto")) {
		t.Errorf("the callee is told\n%s", rings.invite.Body)
	}
	rings.say(rings.invite, 200, "", east.sdp())
	ok := call.final(200)
	rings.hear("ACK")
	theirs, err := secure.ParseCrypto(strings.TrimSpace(strings.SplitN(string(bytes.SplitN(ok.Body, []byte("a=crypto:"), 2)[1]), "\r\n", 2)[0]))
	if err != nil || theirs.Tag != "3" {
		t.Fatalf("%v, %v", theirs, err)
	}
	toA := mediaPort(t, ok.Body, w.west)
	toZ := mediaPort(t, rings.invite.Body, w.east)
	send := func(c *net.UDPConn, to netip.AddrPort, b []byte) {
		if _, err := c.WriteToUDPAddrPort(b, to); err != nil {
			t.Error(err)
		}
	}
	forger, err := secure.Random(secure.GCM128)
	if err != nil {
		t.Fatal(err)
	}
	forges, err := secure.New(forger)
	if err != nil {
		t.Fatal(err)
	}
	sealed := func(c *secure.Context, seq uint16, ssrc uint32) []byte {
		out, err := c.SealRTP(append(make([]byte, 0, 256), rtp(seq, ssrc)...))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for seq := range uint16(50) {
		for n := range uint16(10) {
			forged := sealed(forges, seq*10+n, 1)
			send(a, toA, forged) // whoever can write a source address
			send(neighbour, toA, rtp(seq, 1))
			send(thief, toA, forged)
		}
		b := sealed(seal, seq, 1)
		send(a, toA, b)
		send(a, toA, b) // and again
		send(z, toZ, rtp(seq, 2))
		expectRTP(t, z, 1, 1)
		buf := make([]byte, 2000)
		if err := a.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, _, err := a.ReadFromUDPAddrPort(buf); err != nil || n != 172+16 || bytes.Contains(buf[:n], make([]byte, 100)) {
			t.Fatalf("alice gets %d octets: %v", n, err)
		}
	}
	for who, c := range map[string]*net.UDPConn{"the stranger": thief, "the neighbour": neighbour, "the callee": z} {
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, _, err := c.ReadFromUDPAddrPort(make([]byte, 2000)); err == nil {
			t.Errorf("%s got %d octets", who, n)
		}
	}
	for reason, least := range map[string]float64{"srtp_auth": 500, "srtp_replay": 50, "wrong_source": 500} {
		if got := b.metric("sbc_rtp_dropped_total", reason); got < least {
			t.Errorf("%v dropped with %s, at least %v were sent", got, reason, least)
		}
	}
	call.hangup(rings)
	if m := b.cdrs(1)[0].Media[0]; m.Packets != 50 || m.RelayedPackets != 50 || m.Discarded < 1500 {
		t.Errorf("stream %+v", m)
	}
}
