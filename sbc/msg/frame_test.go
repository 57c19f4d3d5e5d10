package msg

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
)

// framed cuts a stream to its end and spells what came: a message by its Call-ID and body, "ping", "-" for padding, or the error.
func framed(max int, r io.Reader) (out []string) {
	f, br := NewFramer(max), bufio.NewReaderSize(r, 64)
	for {
		raw, ping, err := f.Next(br)
		var pe *ParseError
		switch {
		case errors.As(err, &pe):
			return append(out, fmt.Sprintf("%d %s %v", pe.Status, pe.Reason, pe.Partial != nil))
		case errors.Is(err, io.EOF):
			return append(out, "EOF")
		case err != nil:
			return append(out, err.Error())
		case ping:
			out = append(out, "ping")
		case raw == nil:
			out = append(out, "-")
		default:
			m, err := Parse(raw)
			if err != nil {
				return append(out, err.Error())
			}
			out = append(out, m.CallID+":"+string(m.Body))
		}
	}
}

func message(id, body, length string) string {
	s := strings.Replace(string(plain()), "Call-ID: c1", "Call-ID: "+id, 1)
	return strings.Replace(s, "Content-Length: 0", length, 1) + body
}

func TestFramer(t *testing.T) {
	one, two := message("1", "hello", "Content-Length: 5"), message("2", "", "l : 0")
	tests := []struct{ name, in, want string }{
		{"two messages", one + two, "1:hello 2: EOF"},
		{"ping", "\r\n\r\n" + one, "ping 1:hello EOF"},
		{"padding", "\r\n" + one + "\r\n" + two, "1:hello 2: EOF"},
		{"three CRLF", "\r\n\r\n\r\n" + two, "ping 2: EOF"},
		{"nothing", "", "EOF"},
		{"folded length", message("3", "ab", "Content-Length:\r\n 2"), "3:ab EOF"},
		{"body that looks like a message", message("4", two, fmt.Sprintf("Content-Length: %d", len(two))), "4:" + two + " EOF"},
		{"cut in the head", one[:80], "unexpected EOF"},
		{"cut in the body", one[:len(one)-1], "unexpected EOF"},
		{"no length", message("5", "", "X: 0"), "400 Missing Content-Length true"},
		{"two lengths", message("5", "hello", "Content-Length: 5\r\nContent-Length: 0"), "400 Duplicate Content-Length true"},
		{"two equal lengths, one compact", message("5", "hello", "Content-Length: 5\r\nl: 5"), "400 Duplicate Content-Length true"},
		{"negative", message("5", "", "Content-Length: -1"), "400 Malformed Content-Length true"},
		{"list", message("5", "", "Content-Length: 0, 5"), "400 Malformed Content-Length true"},
		{"overflow", message("5", "", "Content-Length: 18446744073709551617"), "400 Malformed Content-Length true"},
		{"huge", message("5", "", "Content-Length: 2000000000"), "513 Message Too Large true"},
		{"just too large", message("5", "", "Content-Length: 4000"), "513 Message Too Large true"},
		{"endless line", message("5", "", "X: "+strings.Repeat("x", 5000)), "513 Message Too Large true"},
		{"many headers", message("5", "", strings.Repeat("X:\r\n", 600)+"l: 0"), "513 Too Many Headers true"},
		{"bare LF", message("5", "", "X: 1\nContent-Length: 0"), "400 Bare CR, LF or NUL true"},
		{"bare LF empty line", message("5", "", "X: 1\n\nContent-Length: 0"), "400 Bare CR, LF or NUL true"},
		{"bare CR", message("5", "", "X: 1\rY: 2\r\nl: 0"), "400 Bare CR, LF or NUL true"},
		{"NUL", message("5", "", "X: 1\x00\r\nl: 0"), "400 Bare CR, LF or NUL true"},
		{"length behind a NUL", message("5", "", "Content-Length\x00: 0"), "400 Malformed Header true"},
		{"HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 Not SIP false"},
		{"LF first", "\n\n", "400 Bare CR, LF or NUL false"},
		{"ACK gets no answer", strings.ReplaceAll(message("5", "", "X: 0"), "INVITE", "ACK"), "400 Missing Content-Length false"},
		{"unparsable is framed all the same", message("5", "", "Bad Name: 0\r\nl: 0"), "400 Malformed Header true"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			equal(t, strings.Join(framed(4096, strings.NewReader(test.in)), " "), test.want)
			// However the octets arrive, the answer is the same; only padding may show.
			slow := framed(4096, iotest.OneByteReader(strings.NewReader(test.in)))
			equal(t, strings.ReplaceAll(strings.Join(slow, " "), "- ", ""), test.want)
		})
	}
}

// TestFramerLonePing: the halves of a ping may come apart, and a lone CRLF gives control back, so that no message's time limit
// runs while none has begun.
func TestFramerLonePing(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	f, r := NewFramer(4096), bufio.NewReader(here)
	for _, wantPing := range []bool{false, true, false} {
		done := make(chan error, 1)
		go func() {
			_, err := there.Write([]byte("\r\n"))
			done <- err
		}()
		raw, ping, err := f.Next(r)
		equal(t, err, nil)
		equal(t, ping, wantPing)
		equal(t, raw == nil, true)
		equal(t, <-done, nil)
	}
}

// TestFramerAllocatesWhatCame: a promise of 60,000 octets costs nothing until they come.
func TestFramerAllocatesWhatCame(t *testing.T) {
	in := message("1", "abc", "Content-Length: 60000")
	f := NewFramer(65535)
	allocated := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, _, err := f.Next(bufio.NewReaderSize(strings.NewReader(in), 16)); !errors.Is(err, io.ErrUnexpectedEOF) {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if allocated > 8192 {
		t.Errorf("%d octets allocated for a body that never came", allocated)
	}
}

func TestFramerReaderErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, in := range []string{"", "\r", "INVITE", message("1", "ab", "Content-Length: 5")} {
		_, _, err := NewFramer(4096).Next(bufio.NewReader(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken))))
		equal(t, errors.Is(err, broken), true)
	}
}
