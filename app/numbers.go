package app

import (
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/dialplan"
)

// numbers tries the dialplans and time profiles that are in service.
type numbers struct{ snapshot func() *config.Snapshot }

// Translate tells what a dialplan makes of calls.
func (n numbers) Translate(id string, calls []sbc.DialplanCall) ([]sbc.DialplanResult, error) {
	p := n.snapshot().AnyDialplan(id)
	if p == nil {
		return nil, sbc.Errorf(sbc.CodeNotFound, "there is no dialplan %s", id)
	}
	list := make([]sbc.DialplanResult, len(calls))
	for i, c := range calls {
		at := time.Now()
		if c.At != nil {
			at = *c.At
		}
		got := p.Translate(dialplan.Call{Callee: c.Callee, Caller: c.Caller, At: at}, true)
		list[i] = sbc.DialplanResult{Callee: got.Callee, Caller: got.Caller, NumberClass: got.Class, Attributes: got.Attributes,
			Rule: got.Rule, Rejected: got.Reject, Steps: make([]sbc.DialplanStep, len(got.Steps))}
		for j, s := range got.Steps {
			list[i].Steps[j] = sbc.DialplanStep{Rule: s.Rule, Callee: s.Callee, Caller: s.Caller}
		}
	}
	return list, nil
}

// Within tells whether a moment is within a time profile.
func (n numbers) Within(id string, at time.Time) (sbc.TimeCheck, error) {
	p := n.snapshot().Times().Find(id)
	if p == nil {
		return sbc.TimeCheck{}, sbc.Errorf(sbc.CodeNotFound, "there is no time profile %s", id)
	}
	within, reason := p.At(at)
	return sbc.TimeCheck{Within: within, Reason: reason}, nil
}
