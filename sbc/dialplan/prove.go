package dialplan

import (
	"fmt"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// Prove runs the tests of a dialplan; each that is broken is a fault. Now is when those calls come that do not say when.
func (p *Plan) Prove(now time.Time) []sbc.Fault {
	var faults []sbc.Fault
	for i := range p.row.Tests {
		test := &p.row.Tests[i]
		at := now
		if test.At != nil {
			at = *test.At
		}
		got := p.Translate(Call{Callee: test.Callee, Caller: test.Caller, At: at}, false)
		if wrong := differs(test, &got); wrong != "" {
			faults = append(faults, sbc.Fault{Pointer: fmt.Sprintf("#/tests/%d", i), Code: "test_failed",
				Detail: fmt.Sprintf("test %q is broken: %s", test.Name, wrong)})
		}
	}
	return faults
}

// differs says in what a result is not what a test wants, "" in nothing.
func differs(test *sbc.DialplanTest, got *Result) string {
	for _, x := range []struct{ what, want, got string }{
		{"the number called", test.WantCallee, got.Callee}, {"the caller", test.WantCaller, got.Caller},
		{"the rule", test.WantRule, got.Rule}, {"the class", string(test.WantClass), string(got.Class)},
	} {
		if x.want != "" && x.want != x.got {
			return fmt.Sprintf("%s is %q, wanted was %q", x.what, x.got, x.want)
		}
	}
	for name, want := range test.WantAttributes {
		if value, ok := got.Attributes[name]; !ok || value != want {
			return fmt.Sprintf("the attribute %q is %q, wanted was %q", name, value, want)
		}
	}
	if test.WantNoMatch && got.Fits {
		return fmt.Sprintf("the rule %q fits, wanted was that none does", got.Rule)
	}
	return ""
}
