package call

import (
	"context"
	"maps"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// Change sets what may be changed in a running call. Errors: CodeNotFound, CodeInvalid, CodeConflict if there would be too many
// variables.
func (m *Manager) Change(_ context.Context, id string, o sbc.CallChange) (sbc.CallInfo, error) {
	if err := sbc.Invalid(o.Validate()); err != nil {
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

// maxDuration is what the API said, else the shorter of what both trunks allow: from the answer, or for who came later from then on.
func (c *Call) maxDuration() time.Duration {
	longest := time.Duration(c.longest) * time.Second
	if longest > 0 {
		return longest
	}
	for _, l := range [...]*leg{c.a, c.b} {
		if l == nil || l.trunk == nil || l.trunk.MaxCallDurationS == 0 {
			continue
		}
		d := time.Duration(l.trunk.MaxCallDurationS) * time.Second
		if l.joined.After(c.rec.answeredAt) && !c.rec.answeredAt.IsZero() {
			d += l.joined.Sub(c.rec.answeredAt)
		}
		if l.who != nil && l.who.MaxDurationS > 0 {
			d = min(d, time.Duration(l.who.MaxDurationS)*time.Second)
		}
		if longest == 0 || d < longest {
			longest = d
		}
	}
	return longest
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
