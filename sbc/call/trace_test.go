package call

import (
	"fmt"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestLadderBounds: a dialog that never stops talking does not eat the memory.
func TestLadderBounds(t *testing.T) {
	var l ladder
	for range 10 * maxTraceMessages {
		l.add(sbc.SideCaller, false, 0, make([]byte, 2000), msg.Hop{})
	}
	if n := len(l.messages()); n > maxTraceMessages || l.size() > maxTraceBytes+maxTraceMessages*entryCost {
		t.Errorf("%d messages, %d bytes", n, l.size())
	}
	l.add(sbc.SideCaller, false, 0, nil, msg.Hop{})
}

// TestPastBounds: the oldest ended calls fall out when the bytes are used up; a limit below one call keeps none.
func TestPastBounds(t *testing.T) {
	p := newPast(10 * 1000)
	for i := range 100 {
		l := &ladder{}
		l.add(sbc.SideCaller, true, 1, make([]byte, 500), msg.Hop{})
		p.add(fmt.Sprint(i), l, nil)
		if p.bytes > p.limit {
			t.Fatalf("%d bytes of %d", p.bytes, p.limit)
		}
	}
	if _, ok := p.get("0"); ok {
		t.Error("the oldest is still there")
	}
	if _, ok := p.get("99"); !ok {
		t.Error("the newest is gone")
	}
	if n := len(p.byID); n < 5 || n > 20 {
		t.Errorf("%d calls kept", n)
	}
	none := newPast(-1)
	none.add("x", &ladder{}, nil)
	if _, ok := none.get("x"); ok {
		t.Error("kept although nothing may be")
	}
}

// TestNumbers reads what was dialled out of URIs.
func TestNumbers(t *testing.T) {
	for in, want := range map[string]string{
		"sip:+4930123@h":                  "+4930123",
		"sip:4930123;npdi=yes@h;user=x":   "4930123",
		"sip:%2A21%23@h":                  "*21#",
		"sips:alice@h":                    "alice",
		"sip:h":                           "",
		"tel:+49-(30)-123;phone-context=": "+4930123",
		"urn:service:sos":                 "",
	} {
		u, err := msg.ParseURI(in)
		if err != nil {
			t.Logf("%s: %v", in, err)
			continue
		}
		if got := number(u); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"+4930": "+4930", "*21#": "*21%23", "a b@c": "a%20b%40c"} {
		if got := escape(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// TestDisplayNames: a name passes, an address does not.
func TestDisplayNames(t *testing.T) {
	for in, want := range map[string]bool{
		"Alice": true, "Dr. Smith": true, "J. S. Bach": true, "pbx.example": false, "10.0.0.1": false, "a@b": false, "sip:x": false,
		"at host9": false, "": true,
	} {
		if got := harmless(in, "host9"); got != want {
			t.Errorf("%q: %v", in, got)
		}
	}
}

// TestCauses spot-checks RFC 3398 8.2.6.1 and reads Reason headers (RFC 3326).
func TestCauses(t *testing.T) {
	for code, want := range map[int]int{404: 1, 486: 17, 480: 18, 603: 21, 503: 41, 484: 28, 499: 127, 599: 41, 699: 21, 200: 16} {
		if got := causeOf(code); got != want {
			t.Errorf("%d: %d, want %d", code, got, want)
		}
	}
	m := msg.NewRequest(msg.BYE, msg.URI{})
	m.Append("Reason", `SIP;cause=200;text="x", Q.850 ;cause=34;text="a, b"`)
	if got := q850(m); got != 34 {
		t.Errorf("cause %d", got)
	}
	if h := reasonHeader(16, "a\"\r\nX: y"); h.Value != `Q.850;cause=16;text="a  X: y"` {
		t.Errorf("%q", h.Value)
	}
}

// TestBetter is RFC 3261 16.7 step 6 within reason.
func TestBetter(t *testing.T) {
	for _, tt := range []struct {
		code, best int
		want       bool
	}{{404, 0, true}, {404, 503, true}, {503, 404, false}, {603, 404, true}, {486, 603, false}, {486, 404, true}, {500, 503,
		true}, {480, 408, true}} {
		if got := better(tt.code, tt.best); got != tt.want {
			t.Errorf("%d against %d: %v", tt.code, tt.best, got)
		}
	}
}
