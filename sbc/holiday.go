package sbc

import "time"

// When reads the date; year is 0 for a day of every year. ok is false for a date that does not exist.
func (h Holiday) When() (year int, month time.Month, day int, ok bool) {
	if t, err := time.Parse(time.DateOnly, h.Date); err == nil {
		return t.Year(), t.Month(), t.Day(), true
	}
	t, err := time.Parse(time.DateOnly, "2024-"+h.Date) // a leap year, so that 02-29 exists
	if err != nil {
		return 0, 0, 0, false
	}
	return 0, t.Month(), t.Day(), true
}
