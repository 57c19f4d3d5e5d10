package timeprofile

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxCount bounds COUNT.
const maxCount = 10_000

var weekdays = map[string]time.Weekday{
	"SU": time.Sunday, "MO": time.Monday, "TU": time.Tuesday, "WE": time.Wednesday, "TH": time.Thursday, "FR": time.Friday,
	"SA": time.Saturday,
}

var frequencies = map[string]frequency{"DAILY": daily, "WEEKLY": weekly, "MONTHLY": monthly, "YEARLY": yearly}

// parseRule reads an RRULE; start is the first beginning.
func parseRule(s string, start wall, zone *time.Location) (*rule, error) {
	r := &rule{interval: 1, first: start.day(), weekStart: time.Monday, freq: -1}
	seen := map[string]bool{}
	for _, part := range strings.Split(strings.TrimPrefix(strings.ToUpper(s), "RRULE:"), ";") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return nil, fmt.Errorf("%q is no part such as FREQ=DAILY", part)
		}
		if seen[name] {
			return nil, fmt.Errorf("%s is there twice", name)
		}
		seen[name] = true
		if err := r.part(name, value, zone); err != nil {
			return nil, err
		}
	}
	switch {
	case r.freq < 0:
		return nil, fmt.Errorf("FREQ is missing")
	case r.count > 0 && r.until != 0:
		return nil, fmt.Errorf("UNTIL and COUNT cannot both be given")
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	r.defaults()
	r.counted(start)
	return r, nil
}

// part takes up one part of an RRULE.
func (r *rule) part(name, value string, zone *time.Location) (err error) {
	switch name {
	case "FREQ":
		f, ok := frequencies[value]
		if !ok {
			return fmt.Errorf("FREQ=%s is none of DAILY, WEEKLY, MONTHLY and YEARLY", value)
		}
		r.freq = f
	case "INTERVAL":
		r.interval, err = number(name, value, 1, 1000)
	case "COUNT":
		r.count, err = number(name, value, 1, maxCount)
	case "UNTIL":
		r.until, err = parseUntil(value, zone)
	case "WKST":
		d, ok := weekdays[value]
		if !ok {
			return fmt.Errorf("WKST=%s is no weekday such as MO", value)
		}
		r.weekStart = d
	case "BYDAY":
		r.byDay, err = parseDays(value)
	case "BYMONTHDAY":
		r.byMonthDay, err = numbers(name, value, 31, true)
	case "BYYEARDAY":
		r.byYearDay, err = numbers(name, value, 366, true)
	case "BYWEEKNO":
		r.byWeekNo, err = numbers(name, value, 53, true)
	case "BYMONTH":
		r.byMonth, err = numbers(name, value, 12, false)
	case "BYSETPOS":
		r.bySetPos, err = numbers(name, value, 366, true)
	default:
		err = fmt.Errorf("%s is not known here", name)
	}
	return err
}

// check refuses what RFC 5545 3.3.10 says must not be together.
func (r *rule) check() error {
	ordinal := false
	for _, d := range r.byDay {
		ordinal = ordinal || d.n != 0
	}
	by := len(r.byDay) + len(r.byMonthDay) + len(r.byYearDay) + len(r.byWeekNo) + len(r.byMonth)
	switch {
	case ordinal && (r.freq == daily || r.freq == weekly || len(r.byWeekNo) > 0):
		return fmt.Errorf("BYDAY with a number needs FREQ=MONTHLY or YEARLY, without BYWEEKNO")
	case len(r.byWeekNo) > 0 && r.freq != yearly:
		return fmt.Errorf("BYWEEKNO needs FREQ=YEARLY")
	case len(r.byYearDay) > 0 && r.freq != yearly:
		return fmt.Errorf("BYYEARDAY needs FREQ=YEARLY")
	case len(r.byMonthDay) > 0 && r.freq == weekly:
		return fmt.Errorf("BYMONTHDAY cannot be with FREQ=WEEKLY")
	case len(r.bySetPos) > 0 && by == 0:
		return fmt.Errorf("BYSETPOS needs another BY part to pick from")
	}
	return nil
}

// parseUntil reads UNTIL: a date, a time on the wall, or one of UTC.
func parseUntil(s string, zone *time.Location) (wall, error) {
	if len(s) == len("20060102") {
		w, err := reading("20060102", s)
		return w + secondsOfDay - 1, err // the day counts wholly
	}
	if utc, ok := strings.CutSuffix(s, "Z"); ok {
		w, err := reading(stampLayout, utc)
		return wallOf(time.Unix(int64(w), 0), zone), err
	}
	return reading(stampLayout, s)
}

// parseDays reads BYDAY: "MO", "1MO", "-1FR".
func parseDays(s string) ([]nthDay, error) {
	var list []nthDay
	for _, x := range strings.Split(s, ",") {
		x = strings.ToUpper(strings.TrimSpace(x))
		if len(x) < 2 {
			return nil, fmt.Errorf("%q is no weekday such as MO, 1MO or -1FR", x)
		}
		d, ok := weekdays[x[len(x)-2:]]
		n := 0
		if nth := x[:len(x)-2]; ok && nth != "" {
			var err error
			n, err = strconv.Atoi(nth)
			ok = err == nil && n != 0 && n >= -53 && n <= 53
		}
		if !ok {
			return nil, fmt.Errorf("%q is no weekday such as MO, 1MO or -1FR", x)
		}
		list = append(list, nthDay{n, d})
	}
	return list, nil
}

// numbers reads a list of numbers from 1 to most, from -1 to -most too where it may be counted from the end.
func numbers(name, s string, most int, fromEnd bool) ([]int, error) {
	var list []int
	for _, x := range strings.Split(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(x))
		if err != nil || n == 0 || n > most || n < 0 && !fromEnd || n < -most {
			return nil, fmt.Errorf("%s=%s: %q is not between 1 and %d", name, s, x, most)
		}
		list = append(list, n)
	}
	return list, nil
}

func number(name, s string, least, most int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s=%s is not between %d and %d", name, s, least, most)
	}
	return n, nil
}
