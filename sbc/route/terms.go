package route

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// terms are what must be so for a rule to hold, compiled.
type terms struct {
	timeID     string
	groups     []string
	conditions []condition
}

// condition is a compiled sbc.RuleCondition.
type condition struct {
	row         sbc.RuleCondition
	expressions []*regexp.Regexp
}

// compileTerms fails on an expression that RE2 does not know.
func compileTerms(r *sbc.Rule) (terms, error) {
	t := terms{timeID: r.TimeProfileID, groups: r.RouteGroups}
	for i, row := range r.Conditions {
		c := condition{row: row}
		if row.Match == sbc.MatchRegex {
			for j, v := range row.Values {
				e, err := sbc.Expression(v)
				if err != nil {
					return t, &RuleError{r, sbc.Fault{Pointer: fmt.Sprintf("#/conditions/%d/values/%d", i, j), Code: "pattern",
						Detail: fmt.Sprintf("%q is not an expression of RE2: %v", v, err)}}
				}
				c.expressions = append(c.expressions, e)
			}
		}
		t.conditions = append(t.conditions, c)
	}
	return t, nil
}

// hold tells whether the terms of a rule hold for a call, and if not, why.
func (t *terms) hold(q *Query, ruleID string, times Times) (ok bool, why string) {
	if t.timeID != "" {
		if times == nil || q.At.IsZero() {
			return false, "nobody knows the time"
		}
		if within, reason := times.At(t.timeID, q.At); !within {
			return false, fmt.Sprintf("it is not the time of profile %s: %s", t.timeID, reason)
		}
	}
	if len(t.groups) > 0 && !slices.Contains(t.groups, q.RouteGroup) {
		return false, fmt.Sprintf("the caller's group %q is none of its own", q.RouteGroup)
	}
	for i := range t.conditions {
		c := &t.conditions[i]
		if c.holds(q, ruleID) == c.row.Not {
			return false, fmt.Sprintf("condition %d on the %s does not hold", i+1, c.name())
		}
	}
	return true, ""
}

// name is what the condition looks at, in words.
func (c *condition) name() string {
	switch c.row.Field {
	case sbc.ConditionHeader, sbc.ConditionVariable:
		return string(c.row.Field) + " " + c.row.Name
	case sbc.ConditionPercent:
		return fmt.Sprintf("chance of %d in a hundred", c.row.Percent)
	}
	return strings.ReplaceAll(string(c.row.Field), "_", " ")
}

// holds tells whether a condition is true, whatever Not makes of it.
func (c *condition) holds(q *Query, ruleID string) bool {
	if c.row.Field == sbc.ConditionPercent {
		return q.draw(ruleID) < c.row.Percent
	}
	value := q.value(&c.row)
	if len(c.row.Values) == 0 {
		return value != ""
	}
	switch c.row.Match {
	case sbc.MatchRegex:
		return slices.ContainsFunc(c.expressions, func(e *regexp.Regexp) bool { return e.MatchString(value) })
	case sbc.MatchPrefix:
		return slices.ContainsFunc(c.row.Values, func(v string) bool { return strings.HasPrefix(value, v) })
	}
	return slices.Contains(c.row.Values, value)
}

// value is what a condition looks at, "" where there is none.
func (q *Query) value(c *sbc.RuleCondition) string {
	switch c.Field {
	case sbc.ConditionTrunk:
		return q.TrunkID
	case sbc.ConditionRouteGroup:
		return q.RouteGroup
	case sbc.ConditionCaller:
		return q.Caller
	case sbc.ConditionNumberClass:
		return string(q.Class)
	case sbc.ConditionVariable:
		return q.Variables[c.Name]
	case sbc.ConditionHeader:
		if q.Headers != nil {
			return q.Headers.Get(c.Name)
		}
	}
	return ""
}

// draw gives a number from 0 to 99 for a rule, the same whenever the same call is decided: a decision may be made in several steps, and
// who explains one must come to the same. Calls without an id go by chance.
func (q *Query) draw(ruleID string) int {
	if q.CallID == "" {
		if q.Rand == nil {
			return 0
		}
		return q.Rand(100)
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(q.CallID)) // never fails
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(ruleID))
	return int(mix(h.Sum64()) % 100)
}

// mix spreads the bits of a hash (the finalizer of MurmurHash3): FNV leaves the last characters in the low ones.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
