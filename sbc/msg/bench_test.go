package msg

import (
	"bufio"
	"bytes"
	"strconv"
	"strings"
	"testing"
)

// bigInvite is an INVITE of 1,245 octets and 19 headers, as a phone behind a PBX sends it (dependencies 2.3).
func bigInvite() []byte {
	body := "v=0\r\no=- 1699912345 1699912345 IN IP4 192.0.2.17\r\ns=-\r\nc=IN IP4 192.0.2.17\r\nt=0 0\r\n" +
		"m=audio 16384 RTP/AVP 9 8 0 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n" +
		"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
	head := "INVITE sip:+4930123456@border.example.net;user=phone SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK8a7d0f3e2b;rport\r\n" +
		"Via: SIP/2.0/TCP 10.0.0.17:5062;branch=z9hG4bK-524287-1;received=10.0.0.17\r\n" +
		"Record-Route: <sip:192.0.2.1;lr>\r\n" +
		"Max-Forwards: 69\r\n" +
		"From: \"Alice Example\" <sip:+4989987654@pbx.example.com>;tag=gK0c1f2a3b\r\n" +
		"To: <sip:+4930123456@border.example.net;user=phone>\r\n" +
		"Call-ID: 1683915_84226514@192.0.2.1\r\n" +
		"CSeq: 27301 INVITE\r\n" +
		"Contact: <sip:+4989987654@192.0.2.1:5060;transport=udp>\r\n" +
		"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK\r\n" +
		"Supported: timer, 100rel, replaces\r\n" +
		"Session-Expires: 1800;refresher=uac\r\n" +
		"Min-SE: 90\r\n" +
		"P-Asserted-Identity: <sip:+4989987654@pbx.example.com>\r\n" +
		"Privacy: none\r\n" +
		"User-Agent: Example-PBX/7.2\r\n" +
		"Accept: application/sdp\r\n" +
		"Content-Type: application/sdp\r\n"
	tail := "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	pad := 1245 - len(head) - len(tail) - len("Subject: \r\n")
	if pad > 0 {
		head = strings.Replace(head, "Accept:", "Subject: "+strings.Repeat("x", pad)+"\r\nAccept:", 1)
	}
	return []byte(head + tail)
}

// TestParseAllocates keeps the parser cheap: the message, its headers, its parameters.
func TestParseAllocates(t *testing.T) {
	raw := bigInvite()
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := Parse(raw); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 4 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkParseInvite(b *testing.B) {
	raw := bigInvite()
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendTo(b *testing.B) {
	m, err := Parse(bigInvite())
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf = m.AppendTo(buf[:0])
	}
}

func BenchmarkNewResponse(b *testing.B) {
	m, err := Parse(bigInvite())
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		res := NewResponse(m, 180, "")
		res.SetToTag("gK0c1f2a3b")
		res.Append("Contact", "<sip:x@192.0.2.9:5060>")
		buf = res.AppendTo(buf[:0])
	}
}

// BenchmarkRefuse10000Headers shows what the worst header bomb of one datagram costs.
func BenchmarkRefuse10000Headers(b *testing.B) {
	raw := []byte(strings.Replace(string(bigInvite()), "Subject:", strings.Repeat("X: 1\r\n", 10000)+"Subject:", 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(raw); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkFramer(b *testing.B) {
	raw := bigInvite()
	f, src := NewFramer(65535), bytes.NewReader(nil)
	r := bufio.NewReader(src)
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(raw)
		if _, _, err := f.Next(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewBranch(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		NewBranch()
	}
}
