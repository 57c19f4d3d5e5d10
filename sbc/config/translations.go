package config

import (
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/dialplan"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/numberplan"
	"github.com/sallyport/sallyport/sbc/timeprofile"
)

// translations are what numbers are read and changed by, compiled.
type translations struct {
	times       *timeprofile.Table
	dialplans   *dialplan.Table
	numberPlans map[string]*numberplan.Plan
}

// translate compiles time profiles, dialplans with their tests, and number plans; what is compiled already is taken over.
func (b *blames) translate(rows *Rows, before *index) translations {
	var old, t translations
	if before != nil {
		old = before.translations
	}
	times, wrong := timeprofile.NewTable(rows.Times, rows.Calendars, old.times)
	for _, p := range wrong {
		b.faults = append(b.faults, blame{resource: p.Profile, fault: p.Fault})
	}
	t.times = times
	if wrong == nil { // without times nobody can say what the tests come to
		dialplans, broken := dialplan.NewTable(rows.Dialplans, times, old.dialplans)
		for _, p := range broken {
			b.faults = append(b.faults, blame{resource: p.Dialplan, fault: p.Fault})
		}
		t.dialplans = dialplans
	}
	t.numberPlans = make(map[string]*numberplan.Plan, len(rows.NumberPlans))
	for _, row := range rows.NumberPlans {
		if !row.Enabled {
			continue
		}
		if t.numberPlans[row.ID] = old.numberPlans[row.ID]; t.numberPlans[row.ID] == nil || t.numberPlans[row.ID].Row() != row {
			t.numberPlans[row.ID] = numberplan.Compile(row)
		}
	}
	return t
}

// Within tells whether a moment is within a time profile, and by what, in words. Nothing is within one that is disabled or not there.
func (s *Snapshot) Within(timeProfileID string, at time.Time) (within bool, reason string) {
	return s.index.translations.times.At(timeProfileID, at)
}

// Times are the compiled time profiles.
func (s *Snapshot) Times() *timeprofile.Table { return s.index.translations.times }

// Dialplan gives an enabled dialplan, nil if there is none: then numbers stay as they are.
func (s *Snapshot) Dialplan(id string) *dialplan.Plan {
	if id == "" {
		return nil
	}
	return s.index.translations.dialplans.Serving(id)
}

// AnyDialplan gives a dialplan, enabled or not, for trying it; nil if there is none.
func (s *Snapshot) AnyDialplan(id string) *dialplan.Plan {
	return s.index.translations.dialplans.Find(id)
}

// NumberPlan gives an enabled number plan, nil if there is none: then numbers stay as they are.
func (s *Snapshot) NumberPlan(id string) *numberplan.Plan {
	if id == "" {
		return nil
	}
	return s.index.translations.numberPlans[id]
}

// PermittedAs is Permitted for a number that was translated: dialled is as it was dialled, number what became of it, and class, where it is
// not "", what it was sorted as. Prefixes of the groups are compared with the number as it was dialled, then as it became.
func (s *Snapshot) PermittedAs(d *sbc.Domain, sub *sbc.Subscriber, dialled, number string, class sbc.NumberClass) (
	permitted bool, counts sbc.NumberClass, reason string,
) {
	if class == "" {
		class = s.Class(d, dialled)
	}
	return s.permitted(d, sub, dialled, number, class)
}

// Emergency tells whether a source calls for help, by the number plan of its trunk; known is false where there is none that has a class for
// the number.
func (s *Snapshot) Emergency(src identify.Source, dialled string) (emergency, known bool) {
	c, ok := s.Identify.Identify(src, dialled)
	if !ok {
		return false, false
	}
	t := s.Trunk(c.TrunkID)
	if t == nil {
		return false, false
	}
	p := s.NumberPlan(t.NumberPlanID)
	if p == nil {
		return false, false
	}
	class, found := p.Class(c.Number, p.Normal(c.Number))
	return class == sbc.ClassEmergency, found
}
