package sdp_test

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/sallyport/sallyport/media/sdp"
)

// One offer and answer through the border: what B is shown of A, and A of B.
func Example() {
	crlf := strings.NewReplacer("\n", "\r\n")
	offer, err := sdp.Parse([]byte(crlf.Replace(`v=0
o=alice 1 1 IN IP4 10.1.1.10
s=Phone A
c=IN IP4 10.1.1.10
t=0 0
m=audio 4000 RTP/AVP 0 101
a=rtpmap:101 telephone-event/8000
a=candidate:1 1 UDP 2130706431 10.1.1.10 4000 typ host
`)))
	if err != nil {
		fmt.Println(err)
		return
	}
	sent, err := sdp.Rewrite(offer, sdp.View{
		Address: netip.MustParseAddr("192.0.2.1"), Streams: []sdp.Stream{{Port: 20000}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(strings.ReplaceAll(string(sdp.NewAuthor(7).Say(sent)), "\r", ""))

	answer, err := sdp.Parse([]byte("v=0\r\nc=IN IP4 10.2.2.20\r\n" +
		"m=audio 5000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	agreed, _, err := sdp.Check(sent, answer)
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := sdp.Answer(offer, agreed, sdp.View{
		Address: netip.MustParseAddr("198.51.100.1"), Streams: []sdp.Stream{{Port: 30000}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	maps := sdp.Pair(&sent.Media[0], &agreed.Media[0])
	fmt.Println(agreed.Media[0].Destination(), back.Media[0].Formats, maps.ToAnswerer[101])
	// Output:
	// v=0
	// o=- 7 1 IN IP4 192.0.2.1
	// s=-
	// c=IN IP4 192.0.2.1
	// t=0 0
	// m=audio 20000 RTP/AVP 0 101
	// a=rtpmap:101 telephone-event/8000
	// 10.2.2.20:5000 [0 101] 96
}
