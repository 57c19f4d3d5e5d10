package sbc

import "fmt"

// TimeProfile is a set of times: when a rule holds. It is made of Windows, or of a time recurrence as OpenSIPS writes it.
type TimeProfile struct {
	Meta
	// TimeZone is the IANA zone in which Windows and days are meant, "Europe/Berlin" for example; "" is UTC.
	TimeZone string       `json:"time_zone,omitempty"`
	Windows  []TimeWindow `json:"windows"`
	// TimeRec is a recurrence as OpenSIPS writes it, in place of Windows:
	// "tz|dtstart|dtend|duration|freq|until|interval|byday|bymonthday|byyearday|byweekno|bymonth", joined by & and /, with ! and
	// parentheses.
	TimeRec string `json:"timerec,omitempty"`
	// HolidayCalendarIDs name calendars; Holidays says what their days are.
	HolidayCalendarIDs []string    `json:"holiday_calendar_ids"`
	Holidays           HolidayMode `json:"holidays"`
}

// HolidayMode says what the days of the calendars are to a time profile.
type HolidayMode string

// The modes.
const (
	HolidaysExclude HolidayMode = "exclude" // never within the profile
	HolidaysInclude HolidayMode = "include" // wholly within it, besides Windows
	HolidaysOnly    HolidayMode = "only"    // Windows count on those days alone
)

// TimeWindow is a span that comes back (RFC 5545 3.8.5.3). Without RRule it is once.
type TimeWindow struct {
	// Start is the first beginning, as "2026-01-05T09:00:00" in the profile's zone.
	Start string `json:"start"`
	// DurationS is how long it lasts, in seconds of the clock on the wall: 09:00 to 17:00 is 28800 on every day, whatever clocks change.
	DurationS int `json:"duration_s"`
	// RRule is a rule such as "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR" with FREQ of DAILY, WEEKLY, MONTHLY or YEARLY, INTERVAL, UNTIL or COUNT,
	// BYDAY, BYMONTHDAY, BYYEARDAY, BYWEEKNO, BYMONTH, BYSETPOS and WKST.
	RRule string `json:"rrule,omitempty"`
}

// Kind names the kind.
func (*TimeProfile) Kind() Kind { return KindTimeProfile }

// Base gives the common fields.
func (p *TimeProfile) Base() *Meta { return &p.Meta }

// Defaults are no window, and holidays left out.
func (p *TimeProfile) Defaults() {
	p.Windows, p.HolidayCalendarIDs, p.Holidays = []TimeWindow{}, []string{}, HolidaysExclude
}

// Validate checks what needs no compiling; sbc/timeprofile compiles zones, windows and recurrences.
func (p *TimeProfile) Validate() []Fault {
	f := faults(p.Meta.validate())
	f.text("#/time_zone", p.TimeZone, 0, 64)
	f.text("#/timerec", p.TimeRec, 0, 1024)
	f.entries("#/windows", len(p.Windows))
	f.entries("#/holiday_calendar_ids", len(p.HolidayCalendarIDs))
	oneOf(&f, "#/holidays", p.Holidays, HolidaysExclude, HolidaysInclude, HolidaysOnly)
	if p.TimeRec != "" && len(p.Windows) > 0 {
		f.add("#/timerec", "conflict", "stands in place of windows: give one of both")
	}
	for i, w := range p.Windows {
		at := fmt.Sprintf("#/windows/%d", i)
		f.text(at+"/start", w.Start, 1, 32)
		f.between(at+"/duration_s", w.DurationS, 1, 366*86_400)
		f.text(at+"/rrule", w.RRule, 0, 512)
	}
	return f
}

// References lists the resources it needs.
func (p *TimeProfile) References() []Reference {
	list := []Reference{{Pointer: "#/tenant_id", Kind: KindTenant, ID: p.TenantID}}
	for i, id := range p.HolidayCalendarIDs {
		list = append(list, Reference{Pointer: fmt.Sprintf("#/holiday_calendar_ids/%d", i), Kind: KindHolidayCalendar, ID: id})
	}
	return refs(list...)
}

// TimeCheck says whether a moment is within a time profile.
type TimeCheck struct {
	Within bool `json:"within"`
	// Reason says by what, in a sentence.
	Reason string `json:"reason"`
}

// HolidayCalendar is a list of days that time profiles treat in a way of their own.
type HolidayCalendar struct {
	Meta
	Days []Holiday `json:"days"`
}

// Holiday is one day: Date is "2026-12-25", or "12-25" for every year.
type Holiday struct {
	Date string `json:"date"`
	Name string `json:"name,omitempty"`
}

// Kind names the kind.
func (*HolidayCalendar) Kind() Kind { return KindHolidayCalendar }

// Base gives the common fields.
func (c *HolidayCalendar) Base() *Meta { return &c.Meta }

// Defaults is no day.
func (c *HolidayCalendar) Defaults() { c.Days = []Holiday{} }

// Validate checks the dates.
func (c *HolidayCalendar) Validate() []Fault {
	f := faults(c.Meta.validate())
	f.atMost("#/days", len(c.Days), 1000)
	for i, d := range c.Days {
		at := fmt.Sprintf("#/days/%d", i)
		if _, _, _, ok := d.When(); !ok {
			f.add(at+"/date", "date", fmt.Sprintf(`%q is neither a date such as "2026-12-25" nor a day of every year such as "12-25"`, d.Date))
		}
		f.text(at+"/name", d.Name, 0, maxName)
	}
	return f
}

// References lists the resources it needs.
func (c *HolidayCalendar) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: c.TenantID})
}
