package timeprofile

import (
	"fmt"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// Profile is a compiled time profile. It is immutable.
type Profile struct {
	zone     *time.Location
	windows  []*window
	expr     *expr
	mode     sbc.HolidayMode
	days     map[date]string // reasons
	disabled bool
}

// date is a holiday; Year is 0 for one of every year.
type date struct {
	year  int
	month time.Month
	day   int
}

// window is a span that comes back.
type window struct {
	zone    *time.Location
	start   wall
	lasting wall
	rule    *rule // nil for one that is once
	last    wall  // after it nothing is within, 0 where there is no such bound
	text    string
}

// Compile compiles a profile; calendar finds a holiday calendar, nil if there is none. The profile is nil where there are faults.
func Compile(row *sbc.TimeProfile, calendar func(id string) *sbc.HolidayCalendar) (*Profile, []sbc.Fault) {
	var faults []sbc.Fault
	fault := func(pointer, code string, err error) {
		faults = append(faults, sbc.Fault{Pointer: pointer, Code: code, Detail: err.Error()})
	}
	zone, err := zoneOf(row.TimeZone)
	if err != nil {
		fault("#/time_zone", "time_zone", err)
		return nil, faults
	}
	p := &Profile{zone: zone, mode: row.Holidays, disabled: !row.Enabled}
	for i := range row.Windows {
		w, field, err := compileWindow(&row.Windows[i], zone)
		if err != nil {
			fault(fmt.Sprintf("#/windows/%d/%s", i, field), "recurrence", err)
		}
		p.windows = append(p.windows, w)
	}
	if row.TimeRec != "" {
		if p.expr, err = parseTimeRec(row.TimeRec, zone); err != nil {
			fault("#/timerec", "recurrence", err)
		}
	}
	p.holidays(row, calendar)
	if faults != nil {
		return nil, faults
	}
	return p, nil
}

// zoneOf finds a time zone; "" is UTC.
func zoneOf(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone such as Europe/Berlin", name)
	}
	return zone, nil
}

// compileWindow compiles a window; field is the one that is wrong.
func compileWindow(row *sbc.TimeWindow, zone *time.Location) (w *window, field string, err error) {
	w = &window{zone: zone, lasting: wall(row.DurationS)}
	if w.start, err = reading(startLayout, row.Start); err != nil {
		return nil, "start", err
	}
	w.text = fmt.Sprintf("within the window of %s from %s on", time.Duration(row.DurationS)*time.Second, row.Start)
	if row.RRule == "" {
		return w, "", nil
	}
	w.text += ", " + row.RRule
	if w.rule, err = parseRule(row.RRule, w.start, zone); err != nil {
		return nil, "rrule", err
	}
	return w, "", nil
}

// holidays takes up the days of the calendars. One that is disabled has none.
func (p *Profile) holidays(row *sbc.TimeProfile, calendar func(id string) *sbc.HolidayCalendar) {
	for _, id := range row.HolidayCalendarIDs {
		c := calendar(id)
		if c == nil || !c.Enabled {
			continue
		}
		for _, h := range c.Days {
			year, month, mday, ok := h.When()
			if !ok {
				continue
			}
			if p.days == nil {
				p.days = map[date]string{}
			}
			why := fmt.Sprintf("%s is a holiday of the calendar %s", h.Date, c.Name)
			if h.Name != "" {
				why += ": " + h.Name
			}
			p.days[date{year, month, mday}] = why
		}
	}
}

// holds tells whether a reading of the clock is within a window.
func (w *window) holds(now wall) bool {
	if now < w.start || w.last != 0 && now > w.last {
		return false
	}
	if w.rule == nil {
		return now < w.start+w.lasting
	}
	offset := w.start - w.rule.first.begins() // of every beginning from the midnight before it
	for d := (now - offset).day(); d >= w.rule.first; d-- {
		begins := d.begins() + offset
		if now >= begins+min(w.lasting, maxLasting) {
			return false
		}
		if (w.rule.until == 0 || begins <= w.rule.until) && w.rule.on(d) {
			return true
		}
	}
	return false
}

// At tells whether a moment is within the profile, and by what, in words.
func (p *Profile) At(t time.Time) (within bool, reason string) {
	if p.disabled {
		return false, "the time profile is disabled, so nothing is within it"
	}
	now := wallOf(t, p.zone)
	holiday, why := p.holiday(now)
	switch {
	case holiday && p.mode == sbc.HolidaysExclude:
		return false, why
	case holiday && p.mode == sbc.HolidaysInclude:
		return true, why
	case !holiday && p.mode == sbc.HolidaysOnly:
		return false, "the day is no holiday"
	}
	if p.expr != nil {
		if p.expr.holds(t) {
			return true, "the time recurrence holds"
		}
		return false, "the time recurrence does not hold"
	}
	for _, w := range p.windows {
		if w.holds(now) {
			return true, w.text
		}
	}
	return false, "no window holds"
}

// holiday tells whether a day is one of the calendars, and which.
func (p *Profile) holiday(now wall) (is bool, why string) {
	if len(p.days) == 0 {
		return false, ""
	}
	y, m, d := now.day().date()
	if why, is = p.days[date{y, m, d}]; !is {
		why, is = p.days[date{0, m, d}]
	}
	return is, why
}
