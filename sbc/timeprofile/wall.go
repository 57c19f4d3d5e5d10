package timeprofile

import (
	"fmt"
	"time"
	_ "time/tzdata" // zones exist in every image, whatever it is made of
)

const (
	secondsOfDay = 86_400
	stampLayout  = "20060102T150405"
	startLayout  = "2006-01-02T15:04:05"
)

// wall is a reading of the clock on the wall: seconds since 1970-01-01T00:00:00 as if no clock were ever changed.
type wall int64

// wallOf reads the clock on the wall of a zone.
func wallOf(t time.Time, zone *time.Location) wall {
	_, offset := t.In(zone).Zone()
	return wall(t.Unix() + int64(offset))
}

// day is a day, counted from 1970-01-01.
type day int

// day gives the day of a reading.
func (w wall) day() day { return day(floor(int(w), secondsOfDay)) }

// begins is 00:00 of a day.
func (d day) begins() wall { return wall(d) * secondsOfDay }

// weekday is that of a day.
func (d day) weekday() time.Weekday { return time.Weekday((int(d)%7 + 11) % 7) } // 1970-01-01 was a Thursday

// date is the year, month and day of the month of a day.
func (d day) date() (int, time.Month, int) { return time.Unix(int64(d)*secondsOfDay, 0).UTC().Date() }

// dayOf is the day of a date.
func dayOf(year int, month time.Month, mday int) day {
	return day(floor(int(time.Date(year, month, mday, 0, 0, 0, 0, time.UTC).Unix()), secondsOfDay))
}

// floor divides towards the smaller number.
func floor(a, b int) int {
	if a < 0 {
		return -((b - 1 - a) / b)
	}
	return a / b
}

// reading parses a time without a zone.
func reading(layout, s string) (wall, error) {
	t, err := time.ParseInLocation(layout, s, time.UTC)
	if err != nil {
		return 0, fmt.Errorf("%q is no time such as %q", s, layout)
	}
	return wall(t.Unix()), nil
}
