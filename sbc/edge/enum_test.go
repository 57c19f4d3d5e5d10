package edge

import (
	"strings"
	"testing"
)

// TestENUM: the SIP addresses of a number, by order and preference, and nothing else.
func TestENUM(t *testing.T) {
	z := newZone(t)
	z.add(
		`4.3.2.1.0.3.9.4.e164.test. 60 IN NAPTR 20 10 "u" "E2U+sip" "!^.*$!sip:later@b.test!" .`,
		`4.3.2.1.0.3.9.4.e164.test. 60 IN NAPTR 10 20 "u" "E2U+sip" "!^\\+49(.*)$!sip:0\\1@a.test:5070;transport=tcp!" .`,
		`4.3.2.1.0.3.9.4.e164.test. 60 IN NAPTR 10 10 "u" "E2U+voice:tel+sip" "!^\\+4930(.)(.*)$!sip:\\2-\\1@first.test!i" .`,
		`4.3.2.1.0.3.9.4.e164.test. 60 IN NAPTR 1 1 "u" "E2U+email:mailto" "!^.*$!mailto:x@b.test!" .`,
		`4.3.2.1.0.3.9.4.e164.test. 60 IN NAPTR 1 2 "" "E2U+sip" "" other.test.`,
		`4.3.2.1.0.3.9.4.e164.test. 60 IN NAPTR 1 3 "u" "E2U+sip" "!^\\+1!sip:elsewhere@b.test!" .`,
		`4.3.2.1.0.3.9.4.e164.test. 60 IN NAPTR 1 4 "u" "E2U+sip" "!(!sip:broken@b.test!" .`,
	)
	d := z.resolver(t)
	for number, want := range map[string]string{
		"+49301234": "sip:234-1@first.test sip:0301234@a.test:5070;transport=tcp sip:later@b.test",
		"49301234":  "sip:234-1@first.test sip:0301234@a.test:5070;transport=tcp sip:later@b.test",
		"+49301235": "", "alice": "", "": "", "+": "", "+1234567890123456": "",
	} {
		got, err := d.ENUM(t.Context(), number, "e164.test")
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %v %v, want %s", number, got, err, want)
		}
	}
	z.silent.Store(true)
	if got, err := d.ENUM(t.Context(), "+1", "e164.test"); err == nil {
		t.Errorf("nobody answers: %v", got)
	}
}

// FuzzSubstitute: no expression of a zone does any harm.
func FuzzSubstitute(f *testing.F) {
	f.Add(`!^\+49(.*)$!sip:0\1@a.test!`, "+4930")
	f.Add("!!!", "")
	f.Fuzz(func(_ *testing.T, expression, on string) { substitute(unescaped(expression), on) })
}
