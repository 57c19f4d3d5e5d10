package timeprofile

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// moments is a profile with moments, in its own zone unless they end in Z or an offset, that are within it and that are not.
type moments struct {
	name    string
	zone    string
	windows []sbc.TimeWindow
	rec     string
	in, out string
}

func every(start string, seconds int, rule string) []sbc.TimeWindow {
	return []sbc.TimeWindow{{Start: start, DurationS: seconds, RRule: rule}}
}

const berlin = "Europe/Berlin"

// table has the moments: those of RFC 5545 3.8.5.3, of OpenSIPS' documentation, and of the days on which clocks change.
var table = []moments{
	{name: "once", windows: every("2026-01-05T09:00:00", 3600, ""),
		in: "2026-01-05T09:00:00 2026-01-05T09:59:59", out: "2026-01-05T08:59:59 2026-01-05T10:00:00 2026-01-06T09:30:00"},
	{name: "office hours", zone: berlin, windows: every("2026-01-05T09:00:00", 28800, "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
		in:  "2026-01-05T09:00:00 2026-01-09T16:59:59 2026-07-01T12:00:00 2026-07-01T07:00:00Z 2026-01-07T08:00:00Z",
		out: "2026-01-05T17:00:00 2026-01-10T12:00:00 2026-01-11T12:00:00 2026-07-01T06:59:59Z 2026-01-07T07:59:59Z 2026-01-02T12:00:00"},
	{name: "clocks set forward: 02:00 to 03:00 is left out", zone: berlin, windows: every("2026-01-01T01:30:00", 7200, "FREQ=DAILY"),
		in:  "2026-03-29T00:30:00Z 2026-03-29T00:59:59Z 2026-03-29T01:00:00Z 2026-03-29T01:29:59Z",
		out: "2026-03-29T00:29:59Z 2026-03-29T01:30:00Z 2026-03-28T02:30:00Z"},
	{name: "clocks set back: 02:30 is there twice", zone: berlin, windows: every("2026-01-01T02:30:00", 600, "FREQ=DAILY"),
		in:  "2026-10-25T00:30:00Z 2026-10-25T00:39:59Z 2026-10-25T01:30:00Z 2026-10-25T01:39:59Z",
		out: "2026-10-25T00:29:59Z 2026-10-25T00:40:00Z 2026-10-25T01:00:00Z 2026-10-25T01:40:00Z"},
	{name: "a day of 23 hours is a day", zone: berlin, windows: every("2026-03-29T00:00:00", 86400, ""),
		in: "2026-03-28T23:00:00Z 2026-03-29T21:59:59Z", out: "2026-03-28T22:59:59Z 2026-03-29T22:00:00Z"},
	{name: "a day of 25 hours is a day", zone: berlin, windows: every("2026-10-25T00:00:00", 86400, ""),
		in: "2026-10-24T22:00:00Z 2026-10-25T22:59:59Z", out: "2026-10-24T21:59:59Z 2026-10-25T23:00:00Z"},
	{name: "over midnight", windows: every("2026-01-05T22:00:00", 28800, "FREQ=WEEKLY;BYDAY=MO"),
		in: "2026-01-05T22:00:00 2026-01-06T05:59:59 2026-01-13T03:00:00", out: "2026-01-05T21:59:59 2026-01-06T06:00:00 2026-01-05T03:00:00"},
	{name: "every other week", windows: every("2026-01-06T00:00:00", 86400, "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH"),
		in: "2026-01-06T12:00:00 2026-01-08T12:00:00 2026-01-20T12:00:00", out: "2026-01-13T12:00:00 2026-01-15T12:00:00 2026-01-07T12:00:00"},
	{name: "WKST counts (RFC 5545): MO", windows: every("1997-08-05T09:00:00", 60, "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO"),
		in:  "1997-08-05T09:00:00 1997-08-10T09:00:00 1997-08-19T09:00:00 1997-08-24T09:00:00",
		out: "1997-08-17T09:00:00 1997-08-31T09:00:00 1997-09-02T09:00:00"},
	{name: "WKST counts (RFC 5545): SU", windows: every("1997-08-05T09:00:00", 60, "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU"),
		in:  "1997-08-05T09:00:00 1997-08-17T09:00:00 1997-08-19T09:00:00 1997-08-31T09:00:00",
		out: "1997-08-10T09:00:00 1997-08-24T09:00:00 1997-09-02T09:00:00"},
	{name: "first Friday", windows: every("1997-09-05T09:00:00", 60, "FREQ=MONTHLY;COUNT=10;BYDAY=1FR"),
		in: "1997-09-05T09:00:00 1997-10-03T09:00:00 1998-06-05T09:00:00", out: "1997-09-12T09:00:00 1998-07-03T09:00:00"},
	{name: "second to last Monday", windows: every("1997-09-22T09:00:00", 60, "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO"),
		in: "1997-09-22T09:00:00 1997-10-20T09:00:00 1998-02-16T09:00:00", out: "1997-10-27T09:00:00 1998-03-23T09:00:00"},
	{name: "third day before the end", windows: every("1997-09-28T09:00:00", 60, "FREQ=MONTHLY;BYMONTHDAY=-3"),
		in: "1997-09-28T09:00:00 1997-10-29T09:00:00 1998-02-26T09:00:00", out: "1997-09-29T09:00:00 1998-02-28T09:00:00"},
	{name: "a month day that not all months have", windows: every("2026-01-31T00:00:00", 86400, "FREQ=MONTHLY"),
		in: "2026-01-31T12:00:00 2026-03-31T12:00:00", out: "2026-02-28T12:00:00 2026-04-30T12:00:00"},
	{name: "days of the year", windows: every("1997-01-01T09:00:00", 60, "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200"),
		in:  "1997-01-01T09:00:00 1997-04-10T09:00:00 1997-07-19T09:00:00 2000-04-09T09:00:00 2006-01-01T09:00:00",
		out: "1998-01-01T09:00:00 2006-04-10T09:00:00"},
	{name: "the 20th Monday of the year", windows: every("1997-05-19T09:00:00", 60, "FREQ=YEARLY;BYDAY=20MO"),
		in: "1997-05-19T09:00:00 1998-05-18T09:00:00 1999-05-17T09:00:00", out: "1998-05-25T09:00:00"},
	{name: "week 20", windows: every("1997-05-12T09:00:00", 60, "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO"),
		in: "1997-05-12T09:00:00 1998-05-11T09:00:00 1999-05-17T09:00:00", out: "1999-05-10T09:00:00"},
	{name: "Friday the 13th", windows: every("1997-09-02T09:00:00", 60, "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13"),
		in: "1998-02-13T09:00:00 1998-03-13T09:00:00 2000-10-13T09:00:00", out: "1998-02-20T09:00:00 1998-04-13T09:00:00"},
	{name: "election day", windows: every("1996-11-05T09:00:00", 60,
		"FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8"),
		in: "1996-11-05T09:00:00 2000-11-07T09:00:00 2004-11-02T09:00:00", out: "1998-11-03T09:00:00 2000-11-14T09:00:00"},
	{name: "third of some weekdays", windows: every("1997-09-04T09:00:00", 60, "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3"),
		in: "1997-09-04T09:00:00 1997-10-07T09:00:00 1997-11-06T09:00:00", out: "1997-10-01T09:00:00 1997-12-04T09:00:00"},
	{name: "last work day", windows: every("1997-09-29T09:00:00", 60, "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"),
		in: "1997-09-30T09:00:00 1997-10-31T09:00:00 1998-01-30T09:00:00", out: "1997-09-29T09:00:00 1998-01-31T09:00:00"},
	{name: "leap day", windows: every("2024-02-29T00:00:00", 86400, "FREQ=YEARLY"),
		in: "2024-02-29T10:00:00 2028-02-29T10:00:00", out: "2025-02-28T10:00:00 2025-03-01T10:00:00 2100-03-01T00:00:00"},
	{name: "UNTIL in UTC", zone: berlin, windows: every("2026-01-01T09:00:00", 3600, "FREQ=DAILY;UNTIL=20260105T080000Z"),
		in: "2026-01-05T09:30:00", out: "2026-01-06T09:30:00"},
	{name: "UNTIL a day", windows: every("2026-01-01T09:00:00", 3600, "FREQ=DAILY;UNTIL=20260105"),
		in: "2026-01-05T09:30:00", out: "2026-01-06T09:30:00"},
	{name: "before 1970", windows: every("1969-12-29T00:00:00", 86400, "FREQ=WEEKLY"),
		in: "1969-12-29T10:00:00 1970-01-05T10:00:00 2026-01-05T10:00:00", out: "1969-12-30T10:00:00 1970-01-01T10:00:00"},
	{name: "OpenSIPS: still in 2012", rec: "20120101T000000|20121231T235959",
		in: "2012-01-01T00:00:00 2012-12-31T23:59:58", out: "2011-12-31T23:59:59 2012-12-31T23:59:59"},
	{name: "OpenSIPS: 30 days", rec: "20121101T000000||p30d", in: "2012-11-30T23:59:59", out: "2012-12-01T00:00:00"},
	{name: "OpenSIPS: with a zone", rec: "Europe/Berlin|20201020T070000|20201020T190000||WEEKLY|||MO,TU,WE",
		in: "2026-01-05T06:00:00Z 2026-07-06T05:00:00Z 2026-07-06T16:59:59Z", out: "2026-01-05T05:59:59Z 2026-01-08T12:00:00Z 2026-07-06T17:00:00Z"},
	{name: "OpenSIPS: without a zone", rec: "20040101T083000||10H|weekly|||MO,TU,WE,TH,FR",
		in: "2026-01-05T08:30:00 2026-01-09T18:29:59", out: "2026-01-05T18:30:00 2026-01-10T12:00:00"},
	{name: "OpenSIPS: until bounds the moment", rec: "20260101T000000|||daily|20260110T120000",
		in: "2026-01-10T12:00:00", out: "2026-01-10T12:00:01 2026-01-11T00:00:00"},
	{name: "OpenSIPS: and, not", rec: "20260101T080000|20260101T180000||daily & !20260101T120000|20260101T130000||daily",
		in: "2026-02-01T11:59:59 2026-02-01T13:00:00", out: "2026-02-01T12:30:00 2026-02-01T18:00:00"},
	{name: "OpenSIPS: parentheses", rec: "!(Europe/Berlin|20260101T000000|||weekly|||SA,SU / Europe/Berlin|20260501T000000||P1D)",
		in: "2026-01-05T12:00:00Z 2026-04-30T21:59:59Z", out: "2026-01-04T12:00:00Z 2026-04-30T22:00:00Z 2026-05-02T12:00:00Z"},
	{name: "OpenSIPS: a week from Wednesday lasts to its end", rec: "20260107T000000|||weekly",
		in: "2026-01-07T00:00:00 2026-01-11T23:59:59 2026-01-14T12:00:00", out: "2026-01-12T00:00:00 2026-01-13T12:00:00"},
	{name: "OpenSIPS: the first of months", rec: "20260101T000000||P1D|monthly||2||1",
		in: "2026-01-01T12:00:00 2026-03-01T12:00:00", out: "2026-02-01T12:00:00 2026-03-02T12:00:00"},
}

// moment reads one of the table.
func moment(t *testing.T, s string, zone *time.Location) time.Time {
	t.Helper()
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at
	}
	at, err := time.ParseInLocation(startLayout, s, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func profileOf(row sbc.TimeProfile) *sbc.TimeProfile {
	row.Enabled, row.Name = true, "test"
	if row.Holidays == "" {
		row.Holidays = sbc.HolidaysExclude
	}
	return &row
}

func noCalendar(string) *sbc.HolidayCalendar { return nil }

func TestMomentsOfTheTable(t *testing.T) {
	n := 0
	for _, x := range table {
		p, faults := Compile(profileOf(sbc.TimeProfile{TimeZone: x.zone, Windows: x.windows, TimeRec: x.rec}), noCalendar)
		if faults != nil {
			t.Errorf("%s: %v", x.name, faults)
			continue
		}
		for want, list := range map[bool]string{true: x.in, false: x.out} {
			for _, s := range strings.Fields(list) {
				n++
				if got, why := p.At(moment(t, s, p.zone)); got != want {
					t.Errorf("%s: %s is within: %v, want %v (%s)", x.name, s, got, want, why)
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("the table has %d moments, it should have 100", n)
	}
}

func TestFaultsSayWhatIsWrong(t *testing.T) {
	for _, x := range []struct{ pointer, part, start, rule, rec, zone string }{
		{"#/time_zone", "Mars/Base", "", "", "", "Mars/Base"},
		{"#/time_zone", "Local", "", "", "", "Local"},
		{"#/windows/0/start", "tomorrow", "tomorrow", "", "", ""},
		{"#/windows/0/start", "2026-02-30", "2026-02-30T00:00:00", "", "", ""},
		{"#/windows/0/rrule", "FREQ is missing", "2026-01-01T00:00:00", "BYDAY=MO", "", ""},
		{"#/windows/0/rrule", "HOURLY", "2026-01-01T00:00:00", "FREQ=HOURLY", "", ""},
		{"#/windows/0/rrule", "XX", "2026-01-01T00:00:00", "FREQ=WEEKLY;BYDAY=XX", "", ""},
		{"#/windows/0/rrule", "UNTIL and COUNT", "2026-01-01T00:00:00", "FREQ=DAILY;COUNT=2;UNTIL=20270101", "", ""},
		{"#/windows/0/rrule", "BYHOUR is not known", "2026-01-01T00:00:00", "FREQ=DAILY;BYHOUR=9", "", ""},
		{"#/windows/0/rrule", "needs FREQ=MONTHLY", "2026-01-01T00:00:00", "FREQ=WEEKLY;BYDAY=1MO", "", ""},
		{"#/windows/0/rrule", "twice", "2026-01-01T00:00:00", "FREQ=DAILY;FREQ=WEEKLY", "", ""},
		{"#/timerec", "freq is missing", "", "", "20260101T000000||||20270101T000000", ""},
		{"#/timerec", "cannot be mixed", "", "", "2026|a&b/c|d", ""},
		{"#/timerec", "not closed", "", "", "(20260101T000000||P1D", ""},
		{"#/timerec", "missing", "", "", "20260101T000000||P1D &", ""},
		{"#/timerec", "left over", "", "", "20260101T000000||P1D)", ""},
		{"#/timerec", "no duration", "", "", "20260101T000000||P1X", ""},
		{"#/timerec", "not after", "", "", "20260102T000000|20260101T000000", ""},
		{"#/timerec", "parentheses within", "", "", strings.Repeat("(", 1000), ""},
	} {
		row := sbc.TimeProfile{TimeZone: x.zone, TimeRec: x.rec}
		if x.start != "" {
			row.Windows = every(x.start, 60, x.rule)
		}
		switch _, faults := Compile(profileOf(row), noCalendar); {
		case len(faults) == 0:
			t.Errorf("%+v: no fault", x)
		case x.part == "cannot be mixed":
		case faults[0].Pointer != x.pointer || !strings.Contains(faults[0].Detail, x.part):
			t.Errorf("%+v: %+v", x, faults[0])
		}
	}
}

func TestHolidays(t *testing.T) {
	calendar := &sbc.HolidayCalendar{Meta: sbc.Meta{ID: "c", Name: "Bavaria", Enabled: true}, Days: []sbc.Holiday{
		{Date: "12-25", Name: "Christmas"}, {Date: "2026-04-03"},
	}}
	find := func(string) *sbc.HolidayCalendar { return calendar }
	row := sbc.TimeProfile{TimeZone: berlin, HolidayCalendarIDs: []string{"c"},
		Windows: every("2026-01-05T09:00:00", 28800, "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR")}
	for _, x := range []struct {
		mode sbc.HolidayMode
		at   string
		want bool
		why  string
	}{
		{sbc.HolidaysExclude, "2026-12-25T10:00:00", false, "Christmas"},
		{sbc.HolidaysExclude, "2029-12-25T10:00:00", false, "Christmas"},
		{sbc.HolidaysExclude, "2026-04-03T10:00:00", false, "2026-04-03"},
		{sbc.HolidaysExclude, "2027-04-02T10:00:00", true, "window"},
		{sbc.HolidaysExclude, "2026-12-24T23:30:00Z", false, "Christmas"}, // 00:30 in Berlin
		{sbc.HolidaysExclude, "2026-12-28T10:00:00", true, "window"},
		{sbc.HolidaysInclude, "2026-12-25T03:00:00", true, "Christmas"},
		{sbc.HolidaysInclude, "2026-12-28T03:00:00", false, "no window"},
		{sbc.HolidaysOnly, "2026-12-25T10:00:00", true, "window"},
		{sbc.HolidaysOnly, "2026-12-25T20:00:00", false, "no window"},
		{sbc.HolidaysOnly, "2026-12-28T10:00:00", false, "no holiday"},
	} {
		row.Holidays = x.mode
		p, faults := Compile(profileOf(row), find)
		if faults != nil {
			t.Fatal(faults)
		}
		if got, why := p.At(moment(t, x.at, p.zone)); got != x.want || !strings.Contains(why, x.why) {
			t.Errorf("%s at %s: %v (%s), want %v (%s)", x.mode, x.at, got, why, x.want, x.why)
		}
	}
}

func TestTableTakesOverWhatDidNotChange(t *testing.T) {
	day := &sbc.HolidayCalendar{Meta: sbc.Meta{ID: "c", Enabled: true}}
	rows := []*sbc.TimeProfile{profileOf(sbc.TimeProfile{Meta: sbc.Meta{ID: "a"}, HolidayCalendarIDs: []string{"c"}}),
		profileOf(sbc.TimeProfile{Meta: sbc.Meta{ID: "b"}})}
	first, problems := NewTable(rows, []*sbc.HolidayCalendar{day}, nil)
	if problems != nil {
		t.Fatal(problems)
	}
	other := *day
	second, _ := NewTable(rows, []*sbc.HolidayCalendar{&other}, first)
	if second.Find("a") == first.Find("a") || second.Find("b") != first.Find("b") {
		t.Error("a calendar that changed should compile its profiles anew, and no others")
	}
	if in, why := second.At("x", time.Now()); in || why == "" {
		t.Errorf("a profile that is not there: %v, %q", in, why)
	}
}

func BenchmarkAt(b *testing.B) {
	p, _ := Compile(profileOf(sbc.TimeProfile{TimeZone: berlin,
		Windows: every("2010-01-05T09:00:00", 28800, "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR")}), noCalendar)
	at := time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		p.At(at)
	}
}
