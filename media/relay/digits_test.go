package relay

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// listening is a call whose caller's digits are written down.
func listening(change func(a *Path)) (*call, *strings.Builder) {
	var heard strings.Builder
	c := newCall(func(a, _ *Path) {
		a.Digits = NewDigits(func(digit byte, d time.Duration) { fmt.Fprintf(&heard, "%c%d ", digit, d.Milliseconds()) })
		if change != nil {
			change(a)
		}
	})
	return c, &heard
}

func TestDigitsAreHeardOnce(t *testing.T) {
	c, heard := listening(nil)
	seq, ts := uint16(0), uint32(0)
	audio := func(n int) {
		for range n {
			seq++
			ts += 160
			c.in(c.aRTP, mediaA, rtpPacket(8, seq, ts, 7))
		}
	}
	event := func(code byte, duration int, end bool) {
		seq++
		c.in(c.aRTP, mediaA, eventPacket(101, seq, ts, code, uint16(duration), end))
	}
	audio(3)
	for n := 1; n <= 5; n++ {
		event(1, 160*n, false)
	}
	for range 3 { // RFC 4733 2.5.1.4: the end comes three times
		event(1, 880, true)
	}
	audio(2)
	event(10, 400, true) // "*", of which only the end arrived
	audio(5)
	event(11, 160, false) // "#", whose end was lost
	event(11, 320, false)
	audio(15)
	ts += 1000
	event(15, 800, true) // "D"
	ts += 1000
	event(16, 800, true) // flash is no digit
	ts += 1000
	event(2, 0xffff, false) // 2.5.1.3: longer than a segment
	ts += 0xffff
	event(2, 16001, true)
	if want := "1110 *50 #40 D100 210192 "; heard.String() != want {
		t.Errorf("heard %q, want %q", heard, want)
	}
	if got := len(c.toB.to); got != int(seq) {
		t.Errorf("%d packets passed of %d", got, seq)
	}
}

// Digits that the other side gets in another way do not pass, and are heard all the same.
func TestDigitsAreKeptBack(t *testing.T) {
	c, heard := listening(func(a *Path) { a.NoEvents = true })
	c.in(c.aRTP, mediaA, rtpPacket(8, 1, 160, 7))
	c.toB.to = nil
	c.in(c.aRTP, mediaA, eventPacket(101, 2, 320, 4, 160, false))
	c.in(c.aRTP, mediaA, eventPacket(101, 3, 320, 4, 800, true))
	c.toB.sent(t, "a digit")
	c.in(c.aRTP, mediaA, rtpPacket(8, 4, 1280, 7))
	c.toB.sent(t, "speech", mediaB)
	if heard.String() != "4100 " {
		t.Errorf("heard %q", heard)
	}
}

// A flood of events is not a flood of reports.
func TestDigitsOfAFlood(t *testing.T) {
	c, heard := listening(nil)
	for n := range 1000 {
		c.now -= 20*ms - ms/10
		c.in(c.aRTP, mediaA, eventPacket(101, uint16(n), uint32(n*8000), 4, 160, true))
	}
	if n := strings.Count(heard.String(), " "); n > 10 {
		t.Errorf("%d digits in 0.1 s", n)
	}
}

func TestEventCode(t *testing.T) {
	for code, digit := range "0123456789*#ABCD" {
		if got, ok := EventCode(byte(digit)); !ok || int(got) != code {
			t.Errorf("%c is %d, %v", digit, got, ok)
		}
	}
	if _, ok := EventCode('E'); ok {
		t.Error("E is no digit")
	}
}
