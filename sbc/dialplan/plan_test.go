package dialplan

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/timeprofile"
)

// never is a Times in which only one profile holds.
type never string

func (n never) At(id string, _ time.Time) (bool, string) { return id == string(n), "" }

func compile(t testing.TB, row *sbc.Dialplan) *Plan {
	t.Helper()
	p, faults := Compile(row, never("now"))
	if faults != nil {
		t.Fatal(faults)
	}
	return p
}

func plan(rules ...sbc.DialplanRule) *sbc.Dialplan {
	for i := range rules {
		if rules[i].Name == "" {
			rules[i].Name = fmt.Sprintf("r%d", i)
		}
		if rules[i].Field == "" {
			rules[i].Field = sbc.DialplanCallee
		}
	}
	return &sbc.Dialplan{Meta: sbc.Meta{ID: "d", Enabled: true}, Rules: rules, NoMatch: sbc.NoMatchPass}
}

func TestRulesTranslate(t *testing.T) {
	p := compile(t, plan(
		sbc.DialplanRule{Name: "emergency", Match: sbc.MatchExact, Pattern: "110", NumberClass: sbc.ClassEmergency},
		sbc.DialplanRule{Name: "front desk", Match: sbc.MatchExact, Pattern: "Desk", IgnoreCase: true, SetCallee: "100"},
		sbc.DialplanRule{Name: "night", Match: sbc.MatchPrefix, Pattern: "5", TimeProfileID: "later", SetCallee: "never"},
		sbc.DialplanRule{Name: "day", Match: sbc.MatchPrefix, Pattern: "5", TimeProfileID: "now", SetCallee: "+4930$1"},
		sbc.DialplanRule{Name: "block", Match: sbc.MatchRange, Pattern: "2000", RangeEnd: "2999", SetCallee: "+49301$0", SetCaller: "$0"},
		sbc.DialplanRule{Name: "swap", Match: sbc.MatchRegex, Pattern: `^(\d{3})-(\d{4})$`, SetCallee: "$2$$$1"},
		sbc.DialplanRule{Name: "mark", Match: sbc.MatchPrefix, Pattern: "00", Continue: true, SetCallee: "+$1",
			Attributes: map[string]string{"kind": "abroad", "from": "mark"}},
		sbc.DialplanRule{Name: "off", Match: sbc.MatchPrefix, Pattern: "+", Disabled: true, SetCallee: "never"},
		sbc.DialplanRule{Name: "caller", Field: sbc.DialplanCaller, Match: sbc.MatchRegex, Pattern: `^X(\d+)`, IgnoreCase: true, SetCaller: "$1",
			Attributes: map[string]string{"from": "caller"}},
		sbc.DialplanRule{Name: "early", Priority: 0, Match: sbc.MatchExact, Pattern: "110", SetCallee: "never"},
		sbc.DialplanRule{Name: "late", Priority: 9, Match: sbc.MatchPrefix, Pattern: "", SetCallee: "any"},
	))
	for _, x := range []struct {
		callee, caller, wantCallee, wantCaller, rule string
		class                                        sbc.NumberClass
		attributes                                   map[string]string
	}{
		{"110", "1", "110", "1", "emergency", sbc.ClassEmergency, nil},
		{"DESK", "1", "100", "1", "front desk", "", nil},
		{"511", "1", "+493011", "1", "day", "", nil},
		{"2000", "1", "+493012000", "2000", "block", "", nil},
		{"2999", "1", "+493012999", "2999", "block", "", nil},
		{"3000", "1", "any", "1", "late", "", nil},
		{"29990", "1", "any", "1", "late", "", nil},
		{"123-4567", "1", "4567$123", "1", "swap", "", nil},
		{"0044123", "x77", "+44123", "77", "caller", "", map[string]string{"kind": "abroad", "from": "caller"}},
		{"0044123", "1", "any", "1", "late", "", map[string]string{"kind": "abroad", "from": "mark"}},
		{"", "", "any", "", "late", "", nil},
	} {
		got := p.Translate(Call{Callee: x.callee, Caller: x.caller}, false)
		if got.Callee != x.wantCallee || got.Caller != x.wantCaller || got.Rule != x.rule || got.Class != x.class ||
			!maps.Equal(got.Attributes, x.attributes) {
			t.Errorf("%q from %q: %+v, want %+v", x.callee, x.caller, got, x)
		}
	}
}

func TestNoRuleFits(t *testing.T) {
	row := plan(sbc.DialplanRule{Match: sbc.MatchExact, Pattern: "1"})
	if got := compile(t, row).Translate(Call{Callee: "2"}, true); got.Reject || got.Fits || got.Callee != "2" || got.Steps != nil {
		t.Errorf("pass: %+v", got)
	}
	row.NoMatch = sbc.NoMatchReject
	if got := compile(t, row).Translate(Call{Callee: "2"}, true); !got.Reject {
		t.Errorf("reject: %+v", got)
	}
	if got := compile(t, row).Translate(Call{Callee: "1"}, true); got.Reject || len(got.Steps) != 1 {
		t.Errorf("a rule that fits: %+v", got)
	}
}

func TestFoldingKeepsLengths(t *testing.T) {
	p := compile(t, plan(sbc.DialplanRule{Match: sbc.MatchPrefix, Pattern: "ⱥ", IgnoreCase: true, SetCallee: "$1"}))
	if got := p.Translate(Call{Callee: "Ⱥ"}, false); got.Fits {
		t.Errorf("%+v", got)
	}
}

func TestFaultsOfRules(t *testing.T) {
	for _, x := range []struct {
		rule          sbc.DialplanRule
		pointer, part string
	}{
		{sbc.DialplanRule{Match: sbc.MatchRegex, Pattern: `(?=1)`}, "#/rules/0/pattern", "look-around"},
		{sbc.DialplanRule{Match: sbc.MatchRegex, Pattern: `(1)\1`}, "#/rules/0/pattern", "back references"},
		{sbc.DialplanRule{Match: sbc.MatchRegex, Pattern: strings.Repeat("(1)", 10)}, "#/rules/0/pattern", "nine"},
		{sbc.DialplanRule{Match: sbc.MatchRegex, Pattern: `(1)`, SetCallee: "$2"}, "#/rules/0/set_callee", "up to $1"},
		{sbc.DialplanRule{Match: sbc.MatchExact, Pattern: `1`, SetCaller: "$1"}, "#/rules/0/set_caller", "up to $0"},
		{sbc.DialplanRule{Match: sbc.MatchExact, Pattern: `1`, SetCallee: "$"}, "#/rules/0/set_callee", "at the end"},
		{sbc.DialplanRule{Match: sbc.MatchExact, Pattern: `1`, SetCallee: "$x"}, "#/rules/0/set_callee", "neither"},
		{sbc.DialplanRule{Match: sbc.MatchRange, Pattern: `1`, RangeEnd: "22"}, "#/rules/0/range_end", "same length"},
		{sbc.DialplanRule{Match: sbc.MatchRange, Pattern: `2`, RangeEnd: "1"}, "#/rules/0/range_end", "not less"},
	} {
		_, faults := Compile(plan(x.rule), never(""))
		if len(faults) != 1 || faults[0].Pointer != x.pointer || !strings.Contains(faults[0].Detail, x.part) {
			t.Errorf("%+v: %+v", x.rule, faults)
		}
	}
}

func TestBrokenTestsAreNamed(t *testing.T) {
	at := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	row := plan(
		sbc.DialplanRule{Name: "day", Match: sbc.MatchPrefix, Pattern: "5", TimeProfileID: "p", SetCallee: "$1", NumberClass: sbc.ClassLocal},
		sbc.DialplanRule{Name: "rest", Match: sbc.MatchPrefix, Pattern: "6", SetCallee: "$1", Attributes: map[string]string{"a": "b"}},
	)
	row.Tests = []sbc.DialplanTest{
		{Name: "right", Callee: "51", At: &at, WantCallee: "1", WantRule: "day", WantClass: sbc.ClassLocal},
		{Name: "number", Callee: "61", WantCallee: "61"},
		{Name: "attribute", Callee: "61", WantAttributes: map[string]string{"a": "c"}},
		{Name: "none", Callee: "71", WantNoMatch: true},
		{Name: "some", Callee: "61", WantNoMatch: true},
		{Name: "rule", Callee: "71", WantRule: "rest"},
		{Name: "class", Callee: "61", WantClass: sbc.ClassLocal},
	}
	profile := &sbc.TimeProfile{Meta: sbc.Meta{ID: "p", Enabled: true}, Holidays: sbc.HolidaysExclude,
		Windows: []sbc.TimeWindow{{Start: "2026-01-05T09:00:00", DurationS: 28800, RRule: "FREQ=WEEKLY"}}}
	times, _ := timeprofile.NewTable([]*sbc.TimeProfile{profile}, nil, nil)
	_, problems := NewTable([]*sbc.Dialplan{row}, times, nil)
	var got []string
	for _, p := range problems {
		got = append(got, p.Fault.Pointer+" "+strings.Split(p.Fault.Detail, `"`)[1])
	}
	want := []string{"#/tests/1 number", "#/tests/2 attribute", "#/tests/4 some", "#/tests/5 rule", "#/tests/6 class"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}

	row.Tests = row.Tests[:1]
	first, problems := NewTable([]*sbc.Dialplan{row}, times, nil)
	if problems != nil {
		t.Fatal(problems)
	}
	if second, _ := NewTable([]*sbc.Dialplan{row}, times, first); second.Find("d") != first.Find("d") {
		t.Error("what did not change was compiled anew")
	}
	late := *profile
	late.Windows = []sbc.TimeWindow{{Start: "2026-01-05T13:00:00", DurationS: 28800, RRule: "FREQ=WEEKLY"}}
	times, _ = timeprofile.NewTable([]*sbc.TimeProfile{&late}, nil, times)
	if _, problems = NewTable([]*sbc.Dialplan{row}, times, first); len(problems) != 1 || problems[0].Fault.Pointer != "#/tests/0" {
		t.Errorf("a time profile that breaks a test: %+v", problems)
	}
}

// slow finds the first rule that fits by trying them all.
func slow(p *Plan, c Call) string {
	for i := range p.rules {
		r := p.rules[i].row
		number, pattern := c.Callee, r.Pattern
		if r.Field == sbc.DialplanCaller {
			number = c.Caller
		}
		if r.IgnoreCase {
			number, pattern = strings.ToLower(number), strings.ToLower(pattern)
		}
		fits := false
		switch r.Match {
		case sbc.MatchExact:
			fits = number == pattern
		case sbc.MatchPrefix:
			fits = strings.HasPrefix(number, pattern)
		case sbc.MatchRange:
			fits = len(number) == len(pattern) && number >= pattern && number <= r.RangeEnd
		case sbc.MatchRegex:
			fits = p.rules[i].expr.MatchString(number)
		}
		if fits && (r.TimeProfileID == "" || r.TimeProfileID == "now") {
			return r.Name
		}
	}
	return ""
}

// corpus makes a dialplan of many rules and calls for it.
func corpus(rules int) (*sbc.Dialplan, []Call) {
	rnd := rand.New(rand.NewPCG(5, 7))
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "0123456789"[rnd.IntN(10)]
		}
		return string(b)
	}
	row := plan()
	for i := range rules {
		r := sbc.DialplanRule{Name: fmt.Sprintf("r%d", i), Priority: rnd.IntN(4), Field: sbc.DialplanCallee,
			Pattern: digits(1 + rnd.IntN(4)), IgnoreCase: rnd.IntN(4) == 0}
		if rnd.IntN(4) == 0 {
			r.Field = sbc.DialplanCaller
		}
		switch rnd.IntN(10) {
		case 0, 1:
			r.Match, r.Pattern = sbc.MatchRange, digits(3)
			r.RangeEnd = max(r.Pattern, digits(3))
		case 2, 3:
			r.Match, r.Pattern = sbc.MatchRegex, "^"+digits(2)+`(\d{2,5})$`
		case 4, 5, 6:
			r.Match = sbc.MatchExact
		default:
			r.Match = sbc.MatchPrefix
		}
		r.TimeProfileID = []string{"", "", "now", "later"}[rnd.IntN(4)]
		row.Rules = append(row.Rules, r)
	}
	calls := make([]Call, 2000)
	for i := range calls {
		calls[i] = Call{Callee: digits(1 + rnd.IntN(8)), Caller: digits(1 + rnd.IntN(6))}
	}
	return row, calls
}

func TestTheIndexFindsWhatTryingFinds(t *testing.T) {
	for _, n := range []int{0, 1, 20, 500} {
		row, calls := corpus(n)
		p := compile(t, row)
		for _, c := range calls {
			if got, want := p.Translate(c, false).Rule, slow(p, c); got != want {
				t.Fatalf("%d rules, %+v: %q, want %q", n, c, got, want)
			}
		}
	}
}

func BenchmarkTranslate500(b *testing.B) {
	row, calls := corpus(500)
	p := compile(b, row)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.Translate(calls[i%len(calls)], false)
	}
}
