package route

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config/rowtext"
)

func rulesOf(t testing.TB, text string) Rows {
	t.Helper()
	rows, err := rowtext.Rows(text)
	if err != nil {
		t.Fatal(err)
	}
	return rowsOf(rows)
}

// TestCirclesAreRefused: rules that always lead back are not compiled, neither at once nor by a change; the rule is named.
func TestCirclesAreRefused(t *testing.T) {
	const plans = "plan rpl_1\nplan rpl_2\nplan rpl_3\nlist rls_1\n"
	for name, text := range map[string]string{
		"to itself":           "rule rul_1 plan=rpl_1 prefix=4 action=jump jump_plan_id=rpl_1",
		"by another":          "rule rul_1 plan=rpl_1 prefix= action=jump jump_plan_id=rpl_2\nrule rul_2 plan=rpl_2 prefix=49 action=jump jump_plan_id=rpl_1",
		"a number that grows": "rule rul_1 plan=rpl_1 prefix= action=jump jump_plan_id=rpl_2 add=1\nrule rul_2 plan=rpl_2 prefix=1 action=jump jump_plan_id=rpl_1",
	} {
		_, err := Compile(rulesOf(t, plans+text))
		var fault *RuleError
		if !errors.As(err, &fault) || fault.Fault.Pointer != "#/jump_plan_id" || fault.Fault.Code != "loop" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"a longer prefix ends it": "rule rul_1 plan=rpl_1 prefix=4 action=jump jump_plan_id=rpl_2\nrule rul_2 plan=rpl_2 prefix=4 action=jump " +
			"jump_plan_id=rpl_1 strip=1",
		"only for some": "rule rul_1 plan=rpl_1 prefix=4 action=jump jump_plan_id=rpl_1 conditions=[{\"field\":\"caller\"}]",
		"disabled":      "rule rul_1 plan=rpl_1 prefix=4 action=jump jump_plan_id=rpl_1 disabled",
	} {
		if _, err := Compile(rulesOf(t, plans+text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	rows := rulesOf(t, plans+"rule rul_1 plan=rpl_1 prefix=4 action=jump jump_plan_id=rpl_2\nrule rul_2 plan=rpl_2 prefix=4 action=jump "+
		"jump_plan_id=rpl_1\nrule rul_0 plan=rpl_2 prefix=4 list=rls_1")
	table := compile(t, rows) // rul_0 comes first
	for _, r := range rows.Rules {
		if r.ID == "rul_0" {
			if _, err := table.WithRules([]RuleChange{{Old: r}}); err == nil {
				t.Error("the rule that kept others from going in a circle was deleted")
			}
		}
	}
}

// TestWrongExpressionsAreNamed: the fault points to the value.
func TestWrongExpressionsAreNamed(t *testing.T) {
	rows := rulesOf(t, `rule rul_1 plan=rpl_1 list=rls_1 conditions=[{"field":"trunk"},{"field":"caller","match":"regex","values":["1","(?=2)"]}]`)
	_, err := Compile(rows)
	var fault *RuleError
	if !errors.As(err, &fault) || fault.Fault.Pointer != "#/conditions/1/values/1" || fault.Rule.ID != "rul_1" {
		t.Errorf("%v", err)
	}
	if _, err := (&Table{}).WithRules([]RuleChange{{New: rows.Rules[0]}}); !errors.As(err, &fault) {
		t.Errorf("%v", err)
	}
}

// TestTermsAreExplained: each rule that was not taken says which of its terms does not hold.
func TestTermsAreExplained(t *testing.T) {
	table := compile(t, rowsOf(load(t, "testdata/rules.txt").Rows))
	for line, want := range map[string]string{
		"call rpl_1 1 hour=11":   `rul_1day skipped prefix "1" matches, but it is not the time of profile tim_day: it is 11:00`,
		"call rpl_1 22 group=x":  `rul_2grp skipped prefix "22" matches, but condition 1 on the route group does not hold`,
		"call rpl_1 25":          `rul_2hdr skipped prefix "25" matches, but condition 1 on the header X-Way does not hold`,
		"call rpl_1 26 var.a=1":  `rul_2var skipped prefix "26" matches, but condition 2 on the caller does not hold`,
		"call rpl_1 29 rand=99":  `rul_2half skipped prefix "29" matches, but condition 1 on the chance of 50 in a hundred does not hold`,
		"call rpl_1 1 hour=12":   `rul_1any skipped prefix "1" matches, but rule rul_1day comes before it`,
		"call rpl_1 12 hour=11":  `rul_1grp skipped prefix "1" matches, but the caller's group "" is none of its own`,
		"call rpl_1 31":          `rul_31 skipped the rule leads to nobody: the next one that fits decides`,
		"call rpl_1 427":         `rpl_off skipped the routing plan is disabled`,
		"call rpl_1 471":         `rul_4 taken the rule goes on in plan rpl_2 with "71"`,
		"call rpl_1 44 caller=1": `rul_44 refused the rules have led to another plan 16 times: that is a circle`,
		"call rpl_1 5":           `rul_5 refused the rule redirects with 302`,
		"call rpl_1 63":          `rls_b taken nobody can be called: the route list for that takes over`,
		"call rpl_1 65":          `rul_6 refused "65" is no number of ours`,
		"call rpl_1 34":          `rls_one skipped the targets left are beyond the bound of 1 attempts`,
		"call rpl_1 601":         `tgt_5 taken subscriber sub_1, priority 1, weight 1`,
	} {
		var got []string
		for _, s := range table.Plan(ask(t, line)).Steps {
			got = append(got, fmt.Sprintf("%s %s %s", s.Subject, s.Verdict, s.Detail))
		}
		if all := strings.Join(got, "\n"); !strings.Contains(all, want) {
			t.Errorf("%s: no step %q in\n%s", line, want, all)
		}
	}
}

// TestMaxSetupIsOfTheList: the plan says for how long attempts of its list are begun.
func TestMaxSetupIsOfTheList(t *testing.T) {
	table := compile(t, rowsOf(load(t, "testdata/rules.txt").Rows))
	if p := table.Plan(ask(t, "call rpl_1 34")); p.MaxSetupS != 7 || len(p.Attempts) != 1 {
		t.Errorf("%d s, %d attempts", p.MaxSetupS, len(p.Attempts))
	}
	if p := table.Plan(ask(t, "call rpl_1 1")); p.MaxSetupS != 0 {
		t.Errorf("%d s", p.MaxSetupS)
	}
}

// TestAnswersDecide: what another system said is done; the next rule that fits decides where it said nothing.
func TestAnswersDecide(t *testing.T) {
	table := compile(t, rowsOf(load(t, "testdata/rules.txt").Rows))
	for _, tt := range []struct {
		rule, number string
		answer       Answer
		want         string
	}{
		{"rul_7", "79", Answer{Action: sbc.ActionRoute, RouteListID: "rls_b"}, "rule rul_7|try end_b 9 192.0.2.2:5080/udp"},
		{"rul_7", "79", Answer{Action: sbc.ActionRoute, RouteListID: "rls_b", Number: "5", Variables: map[string]string{"v": "1"}},
			"rule rul_7|try end_b 5 192.0.2.2:5080/udp|set v 1"},
		{"rul_7", "79", Answer{Action: sbc.ActionReject, Code: 486, Reason: "Later"}, "rule rul_7|reject 486 rule Later"},
		{"rul_7", "79", Answer{Action: sbc.ActionRoute}, "rule rul_7|reject 503 no_target"},
		{"rul_7", "79", Answer{}, "rule rul_7|reject 404 no_rule"},
		{"rul_71", "719", Answer{}, "rule rul_7|ask http 19|reject 503 ask"},
		{"rul_71", "719", Answer{Action: sbc.ActionRoute, Hosts: []Host{{"719", "sip.example", 0, ""}, {"8", "192.0.2.7", 5070, "tcp"}}},
			"rule rul_71|try  719 sip.example:0/|try  8 192.0.2.7:5070/tcp"},
	} {
		q := ask(t, "call rpl_1 "+tt.number)
		q.Answers = map[string]*Answer{tt.rule: &tt.answer}
		if got := strings.Join(tell(table.Plan(q)), "|"); got != tt.want {
			t.Errorf("%s answers %+v: %s, want %s", tt.rule, tt.answer, got, tt.want)
		}
	}
}

// TestPercentIsOfTheCall: a call is decided alike however often, another rule draws anew, and the share is as said.
func TestPercentIsOfTheCall(t *testing.T) {
	const calls = 20_000
	first, both := 0, 0
	for i := range calls {
		q := Query{CallID: fmt.Sprintf("%d-1234@127.0.0.1", i)}
		if q.draw("rul_1") != q.draw("rul_1") {
			t.Fatal("a call was decided differently")
		}
		if q.draw("rul_1") < 30 {
			first++
			if q.draw("rul_2") < 30 {
				both++
			}
		}
	}
	if share := float64(first) / calls; share < 0.28 || share > 0.32 {
		t.Errorf("30 %% are %.1f %%", share*100)
	}
	if share := float64(both) / float64(first); share < 0.27 || share > 0.33 {
		t.Errorf("of those, another rule takes %.1f %%, want 30", share*100)
	}
}

// TestCirclesAmongMany: a rule that closes a circle is refused however many rules lead elsewhere.
func TestCirclesAmongMany(t *testing.T) {
	text := &strings.Builder{}
	text.WriteString("plan rpl_1\nplan rpl_2\nlist rls_1\n")
	for i := range maxChecked + 500 {
		fmt.Fprintf(text, "rule rul_%d plan=rpl_1 prefix=%d action=jump jump_plan_id=rpl_2\n", i, 10_000+i)
	}
	rows := rulesOf(t, text.String())
	table := compile(t, rows)
	last := *rows.Rules[len(rows.Rules)-1]
	last.JumpPlanID = "rpl_1"
	if _, err := table.WithRules([]RuleChange{{Old: rows.Rules[len(rows.Rules)-1], New: &last}}); err == nil {
		t.Error("a change closes a circle")
	}
	rows.Rules[0] = &last
	if _, err := Compile(rows); err == nil {
		t.Error("a circle is compiled")
	}
}
