package media_test

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/sallyport/sallyport/media"
)

// One call: the caller's offer goes to the callee with our address in it, the callee's answer comes back the same way.
func Example() {
	engine, err := media.New(media.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	change, err := engine.Prepare([]media.Pool{
		{ID: "outside", Address: netip.MustParseAddr("127.0.0.1"), PortMin: 18000, PortMax: 18099},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	change.Commit()

	call := engine.Open(media.SessionOptions{})
	defer call.Close()
	pools := []string{"outside"}
	caller := call.Party(media.PartyOptions{Pools: pools, Signalling: netip.MustParseAddr("127.0.0.2")})
	callee := call.Party(media.PartyOptions{Pools: pools, Signalling: netip.MustParseAddr("127.0.0.3")})

	describe := func(host string) []byte {
		return []byte("v=0\r\no=- 1 1 IN IP4 " + host + "\r\ns=-\r\nc=IN IP4 " + host + "\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n")
	}
	exchange, err := call.Offer(caller, callee, describe("127.0.0.2"))
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := exchange.Answer(describe("127.0.0.3"))
	if err != nil {
		fmt.Println(err)
		return
	}
	call.Answered()
	fmt.Println("the callee sees the caller:", strings.Contains(string(exchange.Offer()), "127.0.0.2"))
	fmt.Println("the caller sees the callee:", strings.Contains(string(answer), "127.0.0.3"))
	status, _ := engine.PoolStatus("outside")
	fmt.Println("pairs in use:", status.InUse)
	// Output:
	// the callee sees the caller: false
	// the caller sees the callee: false
	// pairs in use: 2
}
