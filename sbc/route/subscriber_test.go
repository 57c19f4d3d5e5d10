package route

import (
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config/rowtext"
)

// TestRuleCallsASubscriber: the plan says whose subscriber is called by which number, and what the caller gets if there is none.
func TestRuleCallsASubscriber(t *testing.T) {
	all, err := rowtext.Rows(`
plan rpl_1
rule rul_1 plan=rpl_1 prefix=49301 action=subscriber domain_id=dom_1 strip=4 add=x
rule rul_2 plan=rpl_1 prefix=4930 action=reject domain_id=dom_1
`)
	if err != nil {
		t.Fatal(err)
	}
	table := compile(t, Rows{Plans: rowtext.Of[*sbc.RoutingPlan](all), Rules: rowtext.Of[*sbc.Rule](all)})
	p := table.Plan(Query{PlanID: "rpl_1", Number: "493011", Trace: true})
	if p.RuleID != "rul_1" || p.DomainID != "dom_1" || p.Number != "x11" || p.Reject == nil || p.Reject.Code != 404 ||
		p.Reject.Cause != CauseNobody {
		t.Errorf("%+v %+v", p, p.Reject)
	}
	if p := table.Plan(Query{PlanID: "rpl_1", Number: "49302"}); p.DomainID != "" || p.Reject == nil || p.Reject.Cause != CauseRule {
		t.Errorf("a rule that rejects calls somebody: %+v", p)
	}
}
