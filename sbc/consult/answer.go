package consult

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/route"
)

// question is the body of a request.
type question struct {
	Type          string            `json:"type"`
	At            time.Time         `json:"at"`
	TenantID      string            `json:"tenant_id"`
	RoutingPlanID string            `json:"routing_plan_id"`
	RuleID        string            `json:"rule_id"`
	TrunkID       string            `json:"trunk_id"`
	Caller        string            `json:"caller"`
	Callee        string            `json:"callee"`
	Variables     map[string]string `json:"variables,omitempty"`
	SIPCallID     string            `json:"sip_call_id,omitempty"`
	Source        string            `json:"source,omitempty"`
}

// said is the body of an answer. Action must be there.
type said struct {
	Action      string            `json:"action"`
	RouteListID string            `json:"route_list_id"`
	Number      string            `json:"number"`
	Code        int               `json:"code"`
	Reason      string            `json:"reason"`
	Variables   map[string]string `json:"variables"`
}

var dialled = regexp.MustCompile(`^[+0-9A-Za-z*#._-]{0,32}$`)

// fault tells what is wrong with an answer.
func (s *said) fault() error {
	switch {
	case s.Action != "route" && s.Action != "reject" && s.Action != "next":
		return fmt.Errorf("the answer's action is %.20q: route, reject and next are known", s.Action)
	case s.Action == "reject" && s.Code != 0 && (s.Code < 400 || s.Code > 699):
		return fmt.Errorf("the answer refuses with code %d", s.Code)
	case len(s.Reason) > 64 || strings.ContainsFunc(s.Reason, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the answer's reason is longer than 64 octets, or no text")
	case !dialled.MatchString(s.Number):
		return fmt.Errorf("the answer's number is %.40q", s.Number)
	}
	order := sbc.CallChange{Variables: make(map[string]*string, len(s.Variables))}
	for name, value := range s.Variables {
		order.Variables[name] = &value
	}
	return sbc.Invalid(order.Validate())
}

// answer is what was said, as routing wants it.
func (s *said) answer(q *route.Ask) *route.Answer {
	a := &route.Answer{RouteListID: s.RouteListID, Number: s.Number, Variables: s.Variables}
	switch s.Action {
	case "route":
		a.Action = sbc.ActionRoute
		a.Why = "the system asked says where the call goes"
	case "reject":
		a.Action, a.Code, a.Reason = sbc.ActionReject, s.Code, s.Reason
		if a.Code == 0 {
			a.Code = 403
		}
		a.Why = "the system asked refuses the call"
	default:
		a.Why = "the system asked leaves it to the next rule"
	}
	return a
}
