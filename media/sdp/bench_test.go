package sdp

import (
	"net/netip"
	"testing"
)

// usual is a description as phones send it: two lines, 24 lines of text.
const usual = "v=0\r\n" +
	"o=alice 2890844526 2890844526 IN IP4 10.1.1.10\r\n" +
	"s=Phone A\r\n" +
	"c=IN IP4 10.1.1.10\r\n" +
	"t=0 0\r\n" +
	"m=audio 4000 RTP/AVP 9 0 8 18 101\r\n" +
	"a=rtpmap:9 G722/8000\r\n" +
	"a=rtpmap:0 PCMU/8000\r\n" +
	"a=rtpmap:8 PCMA/8000\r\n" +
	"a=rtpmap:18 G729/8000\r\n" +
	"a=fmtp:18 annexb=no\r\n" +
	"a=rtpmap:101 telephone-event/8000\r\n" +
	"a=fmtp:101 0-15\r\n" +
	"a=ptime:20\r\n" +
	"a=rtcp:4001\r\n" +
	"a=sendrecv\r\n" +
	"m=video 4002 RTP/AVP 97\r\n" +
	"b=AS:1024\r\n" +
	"a=rtpmap:97 H264/90000\r\n" +
	"a=fmtp:97 profile-level-id=42801F;packetization-mode=1\r\n" +
	"a=candidate:1 1 UDP 2130706431 10.1.1.10 4002 typ host\r\n" +
	"a=ssrc:12345 cname:alice@10.1.1.10\r\n" +
	"a=rtcp-mux\r\n" +
	"a=sendonly\r\n"

// audio is the commonest description: one line, 13 lines of text.
const audio = "v=0\r\n" +
	"o=alice 2890844526 2890844526 IN IP4 10.1.1.10\r\n" +
	"s=Phone A\r\n" +
	"c=IN IP4 10.1.1.10\r\n" +
	"t=0 0\r\n" +
	"m=audio 4000 RTP/AVP 0 8 101\r\n" +
	"a=rtpmap:0 PCMU/8000\r\n" +
	"a=rtpmap:8 PCMA/8000\r\n" +
	"a=rtpmap:101 telephone-event/8000\r\n" +
	"a=fmtp:101 0-15\r\n" +
	"a=ptime:20\r\n" +
	"a=maxptime:150\r\n" +
	"a=sendrecv\r\n"

func parsed(tb testing.TB, text string) *Description {
	tb.Helper()
	d, err := Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func BenchmarkParse(b *testing.B) {
	for _, c := range [...]struct{ name, text string }{{"audio", audio}, {"audio-video", usual}} {
		b.Run(c.name, func(b *testing.B) {
			body := []byte(c.text)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendTo(b *testing.B) {
	d, buf := parsed(b, usual), make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf = d.AppendTo(buf[:0])
	}
}

// BenchmarkExchange is all of one call's offer and answer: two descriptions read, two written.
func BenchmarkExchange(b *testing.B) {
	body := []byte(audio)
	toB := View{Address: netip.MustParseAddr("192.0.2.1"), Streams: []Stream{{Port: 20000}}}
	toA := View{Address: netip.MustParseAddr("198.51.100.1"), Streams: []Stream{{Port: 30000}}}
	b.ReportAllocs()
	for b.Loop() {
		offer, err := Parse(body)
		if err != nil {
			b.Fatal(err)
		}
		sent, err := Rewrite(offer, toB)
		if err != nil {
			b.Fatal(err)
		}
		NewAuthor(1).Say(sent)
		answer, err := Parse(body)
		if err != nil {
			b.Fatal(err)
		}
		agreed, _, err := Check(sent, answer)
		if err != nil {
			b.Fatal(err)
		}
		back, err := Answer(offer, agreed, toA)
		if err != nil {
			b.Fatal(err)
		}
		NewAuthor(2).Say(back)
		Pair(&sent.Media[0], &agreed.Media[0])
	}
}
