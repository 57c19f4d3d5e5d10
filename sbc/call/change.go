package call

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/sbc"
)

// longestCall is the most that a call may last, in seconds, as with trunks.
const longestCall = 86_400

// Change sets what may be changed in a running call. Errors: CodeNotFound, CodeInvalid, CodeConflict if there would be too many
// variables.
func (m *Manager) Change(_ context.Context, id string, o sbc.CallChange) (sbc.CallInfo, error) {
	if err := sbc.Invalid(changeFaults(o)); err != nil {
		return sbc.CallInfo{}, err
	}
	var info sbc.CallInfo
	err := error(sbc.Errorf(sbc.CodeNotFound, "there is no call %s in progress", id))
	c := m.calls.call(id)
	if c == nil {
		return info, err
	}
	c.order(func() {
		if c.st.ended {
			return
		}
		if err = c.setVariables(o.Variables); err != nil {
			return
		}
		if o.MaxDurationS != nil {
			c.longest = *o.MaxDurationS
			c.limitDuration()
		}
		info = c.shows()
	})
	return info, err
}

// changeFaults checks a change by itself.
func changeFaults(o sbc.CallChange) (faults []sbc.Fault) {
	if d := o.MaxDurationS; d != nil && (*d < 1 || *d > longestCall) {
		faults = append(faults, sbc.Fault{
			Pointer: "#/max_duration_s", Code: "out_of_range", Detail: fmt.Sprintf("is %d; must be from 1 to %d", *d, longestCall),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(o.Variables)) {
		pointer := "#/variables/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		if name == "" || utf8.RuneCountInString(name) > sbc.MaxVariableName || !plain(name) {
			faults = append(faults, sbc.Fault{
				Pointer: pointer, Code: "pattern", Detail: fmt.Sprintf("a name has 1 to %d characters and no control characters", sbc.MaxVariableName),
			})
		}
		if v := o.Variables[name]; v != nil && (utf8.RuneCountInString(*v) > sbc.MaxVariableLength || !plain(*v)) {
			faults = append(faults, sbc.Fault{
				Pointer: pointer, Code: "pattern",
				Detail: fmt.Sprintf("a value has at most %d characters and no control characters", sbc.MaxVariableLength),
			})
		}
	}
	return faults
}

// plain tells text without control characters and broken encoding.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 })
}

// setVariables sets or takes away variables of the call: all of them or none.
func (c *Call) setVariables(change map[string]*string) error {
	if len(change) == 0 {
		return nil
	}
	vars := maps.Clone(c.rec.variables)
	if vars == nil {
		vars = map[string]string{}
	}
	for name, v := range change {
		if v == nil {
			delete(vars, name)
		} else {
			vars[name] = *v
		}
	}
	if len(vars) > sbc.MaxVariables {
		return sbc.Errorf(sbc.CodeConflict, "the call would have %d variables; at most %d are allowed", len(vars), sbc.MaxVariables)
	}
	c.rec.variables = vars // never changed in place: records and answers share it
	return nil
}

// maxDuration is what the API said, else the shorter of what both trunks allow.
func (c *Call) maxDuration() time.Duration {
	longest := c.longest
	if longest == 0 {
		if c.a.trunk != nil {
			longest = c.a.trunk.MaxCallDurationS
		}
		if c.b != nil && c.b.trunk != nil {
			longest = shortest(longest, c.b.trunk.MaxCallDurationS)
		}
	}
	return time.Duration(longest) * time.Second
}

// limitDuration arms the end of an answered call; one that has lasted longer ends at once.
func (c *Call) limitDuration() {
	if up := c.visible(); up != sbc.CallAnswered && up != sbc.CallConfirmed {
		return
	}
	if d := c.maxDuration(); d > 0 {
		c.arm(timerMax, max(0, c.rec.answeredAt.Add(d).Sub(now())))
	}
}
