package timeprofile

import (
	"fmt"
	"strings"
	"time"
)

// A time recurrence as OpenSIPS writes it (cfgutils, check_time_rec): the fields
// tz|dtstart|dtend|duration|freq|until|interval|byday|bymonthday|byyearday|byweekno|bymonth, of which those at the end may be left out, and
// tz too. Recurrences are joined by & or by /, one of both within one pair of parentheses, and turned round by !. What begins on a day
// lasts beyond its midnight as in RFC 5545, also where BYDAY names the day; weeks are numbered as there.
const timeRecFields = 12

// expr is a compiled expression: a window, or others joined.
type expr struct {
	window *window
	all    bool // joined by &
	of     []*expr
	not    bool
}

// holds tells whether a moment is within an expression.
func (e *expr) holds(t time.Time) bool {
	in := e.all
	switch {
	case e.window != nil:
		in = e.window.holds(wallOf(t, e.window.zone))
	default:
		for _, x := range e.of {
			if x.holds(t) != e.all {
				in = !e.all
				break
			}
		}
	}
	return in != e.not
}

// maxDepth bounds parentheses within each other.
const maxDepth = 16

// recParser reads an expression from left to right.
type recParser struct {
	rest  string
	zone  *time.Location
	depth int
}

// parseTimeRec reads a recurrence; zone counts where it names none.
func parseTimeRec(s string, zone *time.Location) (*expr, error) {
	p := &recParser{rest: s, zone: zone}
	e, err := p.joined()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("%q is left over after the recurrence", p.rest)
	}
	return e, err
}

// joined reads operands up to the end, or to the parenthesis that closes them.
func (p *recParser) joined() (*expr, error) {
	var joint byte
	e := &expr{}
	for {
		x, err := p.operand()
		if err != nil {
			return nil, err
		}
		e.of = append(e.of, x)
		p.space()
		if p.rest == "" || p.rest[0] == ')' {
			break
		}
		switch c := p.rest[0]; {
		case c != '&' && c != '/':
			return nil, fmt.Errorf("& or / must stand before %q", p.rest)
		case joint != 0 && joint != c:
			return nil, fmt.Errorf("& and / cannot be mixed without parentheses")
		default:
			joint = c
		}
		p.rest = p.rest[1:]
	}
	if len(e.of) == 1 {
		return e.of[0], nil
	}
	e.all = joint == '&'
	return e, nil
}

func (p *recParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// operand reads a recurrence, or an expression in parentheses.
func (p *recParser) operand() (*expr, error) {
	not := false
	for p.space(); strings.HasPrefix(p.rest, "!"); p.space() {
		not, p.rest = !not, p.rest[1:]
	}
	var e *expr
	var err error
	if strings.HasPrefix(p.rest, "(") {
		e, err = p.inner()
	} else {
		e, err = p.single()
	}
	if err != nil {
		return nil, err
	}
	e.not = e.not != not
	return e, nil
}

// inner reads what is in parentheses.
func (p *recParser) inner() (*expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("more than %d parentheses within each other", maxDepth)
	}
	p.rest = p.rest[1:]
	e, err := p.joined()
	switch {
	case err != nil:
		return nil, err
	case !strings.HasPrefix(p.rest, ")"):
		return nil, fmt.Errorf("a parenthesis is not closed")
	}
	p.rest, p.depth = p.rest[1:], p.depth-1
	return e, nil
}

// single reads one recurrence. A / before its first | belongs to the name of a zone.
func (p *recParser) single() (*expr, error) {
	end := len(p.rest)
	for i := range p.rest {
		c := p.rest[i]
		if strings.IndexByte("&()! \t\r\n", c) >= 0 || c == '/' && strings.Contains(p.rest[:i], "|") {
			end = i
			break
		}
	}
	text := p.rest[:end]
	if text == "" {
		return nil, fmt.Errorf("a recurrence is missing before %q", p.rest)
	}
	w, err := parseSingle(text, p.zone)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	p.rest = p.rest[end:]
	return &expr{window: w}, nil
}

// parseSingle reads the fields of one recurrence.
func parseSingle(s string, zone *time.Location) (*window, error) {
	fields := strings.Split(s, "|")
	if f := fields[0]; f != "" && (f[0] < 'A' || f[0] > 'Z') { // without a zone
		fields = append([]string{""}, fields...)
	}
	if len(fields) > timeRecFields {
		return nil, fmt.Errorf("it has %d fields; at most %d are known", len(fields), timeRecFields)
	}
	fields = append(fields, make([]string, timeRecFields-len(fields))...)
	if fields[0] != "" {
		var err error
		if zone, err = zoneOf(fields[0]); err != nil {
			return nil, err
		}
	}
	w := &window{zone: zone, text: s}
	err := w.times(fields)
	if err == nil {
		err = w.recurs(fields)
	}
	if err == nil {
		err = w.lasts(fields)
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

// times reads dtstart and until.
func (w *window) times(fields []string) (err error) {
	if fields[1] != "" { // else it is 1970-01-01T00:00:00
		if w.start, err = reading(stampLayout, strings.ToUpper(fields[1])); err != nil {
			return err
		}
	}
	if fields[5] != "" {
		w.last, err = reading(stampLayout, strings.ToUpper(fields[5]))
	}
	return err
}

// recurs reads freq, interval and the BY fields.
func (w *window) recurs(fields []string) error {
	if fields[4] == "" {
		if strings.Join(fields[5:], "") != "" {
			return fmt.Errorf("freq is missing")
		}
		return nil
	}
	r := &rule{interval: 1, first: w.start.day(), weekStart: time.Monday}
	for i, name := range []string{"FREQ", "", "INTERVAL", "BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH"} {
		if value := fields[4+i]; name != "" && value != "" {
			if err := r.part(name, strings.ToUpper(value), w.zone); err != nil {
				return err
			}
		}
	}
	if len(r.byWeekNo) > 0 && r.freq != yearly {
		return fmt.Errorf("byweekno needs freq yearly")
	}
	r.defaults()
	w.rule = r
	return nil
}

// lasts reads dtend or duration; without both it is the end of the day, week, month or year, or never where nothing recurs.
func (w *window) lasts(fields []string) error {
	switch {
	case fields[3] != "":
		d, err := parseDuration(fields[3])
		w.lasting = d
		return err
	case fields[2] != "":
		end, err := reading(stampLayout, strings.ToUpper(fields[2]))
		if w.lasting = end - w.start; err == nil && w.lasting <= 0 {
			err = fmt.Errorf("dtend is not after dtstart")
		}
		return err
	case w.rule == nil:
		w.lasting = 4000 * 366 * secondsOfDay
		return nil
	}
	end := w.start.day() + 1
	y, m, _ := w.start.day().date()
	by := strings.Join(fields[7:10], "") != ""
	switch {
	case by || w.rule.freq == daily:
	case w.rule.freq == weekly || fields[10] != "":
		end = w.rule.week(w.start.day()) + 7
	case w.rule.freq == monthly || fields[11] != "":
		end = dayOf(y, m+1, 1)
	default:
		end = dayOf(y+1, time.January, 1)
	}
	w.lasting = end.begins() - w.start
	return nil
}

// maxLasting bounds a duration that comes back.
const maxLasting = 366 * secondsOfDay

// parseDuration reads "PT8H", "P1D", or without its P as OpenSIPS takes it: "10H30M".
func parseDuration(s string) (wall, error) {
	bad := fmt.Errorf("%q is no duration such as PT8H30M or P1D", s)
	rest, dated := strings.CutPrefix(strings.ToUpper(s), "P")
	total, n, digits := 0, 0, false
	for _, c := range rest {
		unit := 0
		switch {
		case c >= '0' && c <= '9' && n < 1_000_000:
			n, digits = n*10+int(c-'0'), true
			continue
		case c == 'T' && dated && !digits:
			dated = false
			continue
		case c == 'W' && dated:
			unit = 7 * secondsOfDay
		case c == 'D' && dated:
			unit = secondsOfDay
		case c == 'H' && !dated:
			unit = 3600
		case c == 'M' && !dated:
			unit = 60
		case c == 'S' && !dated:
			unit = 1
		}
		if unit == 0 || !digits {
			return 0, bad
		}
		total, n, digits = total+n*unit, 0, false
	}
	if total <= 0 || digits {
		return 0, bad
	}
	return wall(total), nil
}
