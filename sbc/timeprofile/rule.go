package timeprofile

import (
	"slices"
	"time"
)

// frequency is the FREQ of a rule.
type frequency int

// The frequencies.
const (
	daily frequency = iota
	weekly
	monthly
	yearly
)

// nthDay is an entry of BYDAY: every such weekday where n is 0, else the nth of the month or year, from its end where n is negative.
type nthDay struct {
	n       int
	weekday time.Weekday
}

// rule is a recurrence (RFC 5545 3.3.10): it says of each day whether something begins on it.
type rule struct {
	freq       frequency
	interval   int
	first      day
	until      wall // the last beginning that counts, 0 where there is none
	count      int
	byDay      []nthDay
	byMonthDay []int
	byYearDay  []int
	byWeekNo   []int
	byMonth    []int
	bySetPos   []int
	weekStart  time.Weekday
}

// defaults completes a rule by the date of its first beginning (RFC 5545 3.3.10: what is not said is taken from DTSTART).
func (r *rule) defaults() {
	_, month, mday := r.first.date()
	none := len(r.byDay) == 0 && len(r.byMonthDay) == 0 && len(r.byYearDay) == 0
	switch {
	case !none || r.freq == daily:
	case r.freq == weekly || len(r.byWeekNo) > 0:
		r.byDay = []nthDay{{weekday: r.first.weekday()}}
	case r.freq == monthly || len(r.byMonth) > 0:
		r.byMonthDay = []int{mday}
	default:
		r.byMonth, r.byMonthDay = []int{int(month)}, []int{mday}
	}
}

// on tells whether a day has a beginning, but for UNTIL.
func (r *rule) on(d day) bool {
	if d < r.first || !r.turn(d) || !r.fits(d) {
		return false
	}
	return len(r.bySetPos) == 0 || r.position(d)
}

// turn tells whether it is the turn of the period of a day.
func (r *rule) turn(d day) bool {
	if r.interval <= 1 {
		return true
	}
	n := 0
	switch r.freq {
	case daily:
		n = int(d - r.first)
	case weekly:
		n = int(r.week(d)-r.week(r.first)) / 7
	case monthly:
		y, m, _ := d.date()
		y0, m0, _ := r.first.date()
		n = (y-y0)*12 + int(m-m0)
	case yearly:
		y, _, _ := d.date()
		y0, _, _ := r.first.date()
		n = y - y0
	}
	return n%r.interval == 0
}

// week is the first day of the week that a day lies in.
func (r *rule) week(d day) day { return d - day((d.weekday()-r.weekStart+7)%7) }

// fits tells whether a day fits all the BY parts.
func (r *rule) fits(d day) bool {
	y, month, mday := d.date()
	if len(r.byMonth) > 0 && !slices.Contains(r.byMonth, int(month)) {
		return false
	}
	if len(r.byMonthDay) > 0 && !within(r.byMonthDay, mday, daysIn(y, month)) {
		return false
	}
	if len(r.byYearDay) > 0 {
		start := dayOf(y, time.January, 1)
		if !within(r.byYearDay, int(d-start)+1, int(dayOf(y+1, time.January, 1)-start)) {
			return false
		}
	}
	if len(r.byWeekNo) > 0 && !r.inWeeks(d, y) {
		return false
	}
	return len(r.byDay) == 0 || r.onWeekday(d, y, month, mday)
}

// within tells whether a list has a place of so many, counted from the front or, where it is negative, from the end.
func within(list []int, place, of int) bool {
	return slices.Contains(list, place) || slices.Contains(list, place-of-1)
}

// onWeekday tells whether a day fits BYDAY.
func (r *rule) onWeekday(d day, y int, month time.Month, mday int) bool {
	weekday := d.weekday()
	for _, want := range r.byDay {
		if want.weekday != weekday {
			continue
		}
		place, of := mday, daysIn(y, month)
		if r.freq == yearly && len(r.byMonth) == 0 {
			start := dayOf(y, time.January, 1)
			place, of = int(d-start)+1, int(dayOf(y+1, time.January, 1)-start)
		}
		switch {
		case want.n == 0, want.n > 0 && (place-1)/7+1 == want.n, want.n < 0 && (of-place)/7+1 == -want.n:
			return true
		}
	}
	return false
}

// inWeeks tells whether a day lies in one of the weeks of BYWEEKNO: the first of a year is the one that has four days of it.
func (r *rule) inWeeks(d day, y int) bool {
	for _, year := range []int{y, y - 1, y + 1} {
		first := r.weekOne(year)
		next := r.weekOne(year + 1)
		if d >= first && d < next {
			return within(r.byWeekNo, int(d-first)/7+1, int(next-first)/7)
		}
	}
	return false
}

// weekOne is the first day of the first week of a year.
func (r *rule) weekOne(year int) day { return r.week(dayOf(year, time.January, 4)) }

// position tells whether a day that fits is one of those that BYSETPOS picks out of its period.
func (r *rule) position(d day) bool {
	from, to := r.period(d)
	place, of := 0, 0
	for x := from; x < to; x++ {
		if !r.fits(x) {
			continue
		}
		of++
		if x <= d {
			place++
		}
	}
	return within(r.bySetPos, place, of)
}

// period is the day, week, month or year that a day lies in, without its end.
func (r *rule) period(d day) (from, to day) {
	y, m, _ := d.date()
	switch r.freq {
	case weekly:
		return r.week(d), r.week(d) + 7
	case monthly:
		return dayOf(y, m, 1), dayOf(y, m+1, 1)
	case yearly:
		return dayOf(y, time.January, 1), dayOf(y+1, time.January, 1)
	default:
		return d, d + 1
	}
}

// daysIn is how many days a month has.
func daysIn(y int, m time.Month) int { return int(dayOf(y, m+1, 1) - dayOf(y, m, 1)) }

// most is how far a COUNT is followed: so many years after the first beginning.
const most = 100 * 366

// counted turns COUNT into UNTIL: the beginning at which it is reached.
func (r *rule) counted(start wall) {
	if r.count == 0 {
		return
	}
	left := r.count
	for d := r.first; d < r.first+most; d++ {
		if !r.on(d) {
			continue
		}
		if left--; left == 0 {
			r.until = d.begins() + start - r.first.begins()
			return
		}
	}
}
