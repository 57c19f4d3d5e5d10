package timeprofile

import (
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// Table are the time profiles of a configuration, compiled. It is immutable; nil has none.
type Table struct {
	profiles map[string]entry
	// calendars are those that it was compiled with, to see whether they changed.
	calendars map[string]*sbc.HolidayCalendar
}

type entry struct {
	row     *sbc.TimeProfile
	profile *Profile
}

// Problem is a profile that cannot be compiled.
type Problem struct {
	Profile *sbc.TimeProfile
	Fault   sbc.Fault
}

// NewTable compiles profiles; what the table before it (nil where there is none) has of the same rows is taken over.
func NewTable(rows []*sbc.TimeProfile, calendars []*sbc.HolidayCalendar, before *Table) (*Table, []Problem) {
	t := &Table{profiles: make(map[string]entry, len(rows)), calendars: make(map[string]*sbc.HolidayCalendar, len(calendars))}
	for _, c := range calendars {
		t.calendars[c.ID] = c
	}
	var problems []Problem
	for _, row := range rows {
		if before.has(row, t.calendars) {
			t.profiles[row.ID] = before.profiles[row.ID]
			continue
		}
		p, faults := Compile(row, func(id string) *sbc.HolidayCalendar { return t.calendars[id] })
		for _, f := range faults {
			problems = append(problems, Problem{row, f})
		}
		if p != nil {
			t.profiles[row.ID] = entry{row, p}
		}
	}
	return t, problems
}

// has tells whether a table compiled the same row with the same calendars.
func (t *Table) has(row *sbc.TimeProfile, calendars map[string]*sbc.HolidayCalendar) bool {
	if t == nil || t.profiles[row.ID].row != row {
		return false
	}
	for _, id := range row.HolidayCalendarIDs {
		if t.calendars[id] != calendars[id] {
			return false
		}
	}
	return true
}

// Find gives a profile, nil if there is none.
func (t *Table) Find(id string) *Profile {
	if t == nil {
		return nil
	}
	return t.profiles[id].profile
}

// At tells whether a moment is within a profile, and why, in words. Nothing is within one that is not there.
func (t *Table) At(id string, at time.Time) (within bool, reason string) {
	p := t.Find(id)
	if p == nil {
		return false, "there is no time profile " + id
	}
	return p.At(at)
}

// Written is when a profile, or a calendar of it, was last written; zero where there is none.
func (t *Table) Written(id string) (last time.Time) {
	if t == nil || t.profiles[id].row == nil {
		return last
	}
	row := t.profiles[id].row
	last = row.UpdatedAt
	for _, c := range row.HolidayCalendarIDs {
		if calendar := t.calendars[c]; calendar != nil && calendar.UpdatedAt.After(last) {
			last = calendar.UpdatedAt
		}
	}
	return last
}
