package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
)

// TestDTLSAfterAKill: keys of a handshake end with the process that made it. The next one offers the peer its call anew, with
// another certificate, and until there are keys nothing passes. (This baresip makes no second handshake in a dialog: its call
// would end when the time for it is over. That peers who do are heard again shows TestRestoreOfDTLS of package media.)
func TestDTLSAfterAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	needs(t, "baresip")
	bin := buildBinary(t)
	for _, x := range []struct {
		name, account, more string
		profile             rest.Object
	}{
		{"DTLS", ";mediaenc=dtls_srtp", "", nil},
		{"DTLS and ICE", ";mediaenc=dtls_srtp;medianat=ice", "module ice.so\n", rest.Object{"ice": "lite"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			west, s := newHost(t), newSides(t)
			m := newMortal(t, bin, "-call-persistence", "write_through")
			profile := m.create("/media-profiles", with(rest.Object{
				"name": "DTLS", "srtp": "required", "srtp_keying": []string{"dtls"},
			}, x.profile))
			w := m.connect(sides{west: west.border, westPeer: west.peer, east: s.east, eastPeer: s.eastPeer},
				wish{westTrunk: rest.Object{"media_profile_id": profile}})
			east := make(chan *phone.Call, 1)
			bob, err := phone.New(phone.Options{
				Address: w.eastPeer, Port: 5060, Name: "bob", UserAgent: "e", Tone: 1000,
				Incoming: func(c *phone.Call) {
					if err := c.Answer(); err != nil {
						t.Error(err)
					}
					east <- c
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(bob.Close)
			account := fmt.Sprintf("<sip:alice@%s>;regint=0;answermode=auto;outbound=\"sip:%s:5060\"%s\n",
				west.peer, west.border, x.account)
			_, output := startBaresipWith(t, west, "alice", account, "module dtls_srtp.so\nrtcp_mux yes\n"+x.more, 400,
				"d sip:4930123456@"+west.border.String())
			call := <-east
			if !soon(func() bool { return call.Heard().Tone == 400 }) {
				t.Fatalf("before: %+v", call.Heard())
			}
			before := strings.Count(output.String(), "starting mediaenc 'dtls_srtp'")
			m.killed()
			m.calls(1)
			if !soon(func() bool { return strings.Count(output.String(), "starting mediaenc 'dtls_srtp'") > before }) {
				t.Error("it was not offered anew")
			}
			heard := call.Heard().Packets
			if soonIn(500*time.Millisecond, func() bool { return call.Heard().Packets > heard }) {
				t.Errorf("heard without keys: %+v", call.Heard())
			}
			m.do("DELETE", "/calls/"+m.calls(1)[0].ID, nil, nil)
			<-call.Ended()
		})
	}
}
