package integration

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
)

// TestBaresipWithDTLS lets a baresip with DTLS-SRTP, with and without ICE, talk with one in the clear, calling and called. Each
// hears the other's tone; on the network of the first no packet of speech can be read.
func TestBaresipWithDTLS(t *testing.T) {
	needs(t, "baresip", "tshark")
	for _, x := range []struct {
		name, account, more string
		profile             rest.Object
		called              bool
	}{
		{"calls", ";mediaenc=dtls_srtp", "rtcp_mux yes\n", rest.Object{}, false},
		{"is called", ";mediaenc=dtls_srtp", "rtcp_mux yes\n", rest.Object{}, true},
		{"calls without mux", ";mediaenc=dtls_srtp", "rtcp_mux no\n", rest.Object{}, false},
		{"calls with ICE", ";mediaenc=dtls_srtp;medianat=ice", "rtcp_mux yes\nmodule ice.so\n", rest.Object{"ice": "lite"}, false},
		{"is called with ICE", ";mediaenc=dtls_srtp;medianat=ice", "rtcp_mux yes\nmodule ice.so\n", rest.Object{"ice": "lite"}, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			west, east := newHost(t), newHost(t)
			b := startBorder(t, app.Options{})
			profile := b.create("/media-profiles", with(rest.Object{
				"name": "DTLS", "srtp": "required", "srtp_keying": []string{"dtls"},
			}, x.profile))
			w := b.connect(sides{west: west.border, westPeer: west.peer, east: east.border, eastPeer: east.peer},
				wish{westTrunk: rest.Object{"media_profile_id": profile}})
			file, stop := capture(t, west.outside)
			account := fmt.Sprintf("<sip:alice@%s>;regint=0;answermode=auto;outbound=\"sip:%s:5060\"%s\n",
				west.peer, west.border, x.account)
			dial, answer := []string{"d sip:4930123456@" + west.border.String()}, []string(nil)
			if x.called {
				answer, dial = []string{"d sip:alice@" + east.border.String()}, nil
			}
			more := "module dtls_srtp.so\n" + x.more
			if x.called { // who is called must be there first
				westFolder, _ := startBaresipWith(t, west, "alice", account, more, 400)
				eastFolder, _ := startBaresip(t, east, "4930123456", 1000, answer...)
				bothHear(t, b, w, westFolder, eastFolder)
			} else {
				eastFolder, _ := startBaresip(t, east, "4930123456", 1000)
				westFolder, _ := startBaresipWith(t, west, "alice", account, more, 400, dial...)
				bothHear(t, b, w, westFolder, eastFolder)
			}
			stop()
			unreadable(t, file, east.peer.String(), east.border.String())
		})
	}
}

// bothHear waits for a call between two baresips, of which the one in the west is encrypted, ends it and looks what they heard.
func bothHear(t *testing.T, b *border, w wiring, westFolder, eastFolder string) {
	t.Helper()
	b.talked(80)
	for _, s := range b.cdrs(1)[0].Media {
		if encrypted := s.LocalAddress != "" && strings.HasPrefix(s.LocalAddress, w.west.String()); encrypted != (s.SRTP != "") || s.Lost != 0 {
			t.Errorf("stream %+v", s)
		}
	}
	b.quiet()
	if got := heardTone(t, westFolder, 400, 1000); got != 1000 {
		t.Errorf("alice hears %v Hz; bob sends 1000", got)
	}
	if got := heardTone(t, eastFolder, 400, 1000); got != 400 {
		t.Errorf("bob hears %v Hz; alice sends 400", got)
	}
}

// unreadable reads what tshark saw: speech there must look like noise. A tone in G.711 has some dozens of different octets, a
// cipher all.
func unreadable(t *testing.T, file string, forbidden ...string) {
	t.Helper()
	out, err := exec.Command("tshark", "-r", file, "-Y", "udp", "-T", "fields", "-e", "udp.payload").Output()
	if err != nil {
		t.Fatal("tshark:", err)
	}
	seen, packets := map[byte]int{}, 0
	for line := range strings.FieldsSeq(string(out)) {
		payload, err := hex.DecodeString(strings.ReplaceAll(line, ":", ""))
		if err != nil || len(payload) < 172 || payload[0] != 0x80 { // not RTP of 20 ms
			continue
		}
		packets++
		for _, octet := range payload[12:172] {
			seen[octet]++
		}
	}
	if packets < 100 || len(seen) < 250 {
		t.Errorf("%d packets of speech with %d different octets", packets, len(seen))
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range forbidden {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("%s of the other network stands in a packet", secret)
		}
	}
}
