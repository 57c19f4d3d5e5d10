package sbc

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"
)

// What is wrong with an order to a call by itself, before anybody looks at the call. Pointers name the fields as the API does.

var (
	variableName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	contentType  = regexp.MustCompile(`^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$`) // RFC 6838 4.2
	dtmfDigits   = regexp.MustCompile(`^[0-9*#A-D]+$`)
)

// Bounds of orders.
const (
	MaxDTMFDigits = 64
	MaxRepeat     = 1000
	// MaxInfoBody is in bytes: more than a device takes, and less than the largest UDP datagram.
	MaxInfoBody, maxContentType = 4096, 128
	// A digit shorter than 40 ms, or a gap shorter than 30 ms, is not heard by every receiver (ITU-T Q.24).
	// The longest is what the duration of an RFC 4733 event can tell at 8 kHz.
	MinDTMFDuration, MaxDTMFDuration = 40 * time.Millisecond, 8 * time.Second
	MinDTMFGap, MaxDTMFGap           = 30 * time.Millisecond, 8 * time.Second
)

// Validate lists what is wrong with the change.
func (c *CallChange) Validate() []Fault {
	var f faults
	if c.MaxDurationS != nil {
		f.between("#/max_duration_s", *c.MaxDurationS, 1, 86_400)
	}
	f.variables("#/variables", c.Variables)
	return f
}

// attributes checks variables that are all set.
func (f *faults) attributes(at string, all map[string]string) {
	if len(all) == 0 {
		return
	}
	set := make(map[string]*string, len(all))
	for name, value := range all {
		set[name] = &value
	}
	f.variables(at, set)
}

// variables checks names and values; nil takes a variable away.
func (f *faults) variables(at string, all map[string]*string) {
	if len(all) > MaxVariables {
		f.add(at, "too_many", fmt.Sprintf("names %d variables; at most %d are allowed", len(all), MaxVariables))
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if len(name) > MaxVariableName || !variableName.MatchString(name) {
			f.add(at, "pattern", fmt.Sprintf("variable %.80q: a name has 1 to %d letters, digits, '_', '.' or '-'", name,
				MaxVariableName))
			continue
		}
		if value := all[name]; value != nil {
			f.text(at+"/"+name, *value, 0, MaxVariableLength)
		}
	}
}

// Validate lists what is wrong with the order.
func (o *HoldOrder) Validate() []Fault {
	var f faults
	f.side("#/side", o.Side)
	return f
}

// Validate lists what is wrong with the order.
func (o *ReinviteOrder) Validate() []Fault {
	var f faults
	f.sides("#/side", o.Sides)
	return f
}

// Validate lists what is wrong with the order. Session descriptions, and bodies that carry others, are none for INFO: they name
// hosts, and what they mean we would have to know.
func (o *InfoOrder) Validate() []Fault {
	var f faults
	f.side("#/side", o.Side)
	main, _, _ := strings.Cut(strings.ToLower(o.ContentType), "/")
	switch {
	case o.Body == "" && o.ContentType == "":
	case o.Body == "":
		f.add("#/content_type", "conflict", "must be left out where there is no body")
	case o.ContentType == "":
		f.add("#/content_type", "required", "must say what the body is")
	case len(o.ContentType) > maxContentType || !contentType.MatchString(o.ContentType):
		f.add("#/content_type", "pattern", "must be a type and a subtype as text/plain, without parameters")
	case main == "multipart", main == "message", strings.EqualFold(o.ContentType, "application/sdp"):
		f.add("#/content_type", "not_allowed", "must not be a session description, multipart or message")
	}
	if len(o.Body) > MaxInfoBody || !utf8.ValidString(o.Body) {
		f.add("#/body", "too_long", fmt.Sprintf("has %d bytes; at most %d of text are allowed", len(o.Body), MaxInfoBody))
	}
	return f
}

// side checks that it is one of a call's two sides.
func (f *faults) side(pointer string, s Side) { oneOf(f, pointer, s, SideCaller, SideCallee) }

// Validate lists what is wrong with the order: it needs a target, or another call and which side of it.
func (o *TransferOrder) Validate() []Fault {
	var f faults
	f.side("#/keep", o.Keep)
	switch {
	case o.Target != "" && o.CallID != "":
		f.add("#/call_id", "conflict", "must be left out where target is given")
	case o.Target != "":
		f.number("#/target", o.Target)
	case o.CallID != "":
		f.side("#/with", o.With)
	default:
		f.add("#/target", "required", "must be given, or call_id in its place")
	}
	f.text("#/reason", o.Reason, 0, 128)
	return f
}

// Validate lists what is wrong with the order.
func (o *DTMFOrder) Validate() []Fault {
	var f faults
	f.side("#/side", o.Side)
	switch {
	case !dtmfDigits.MatchString(o.Digits):
		f.add("#/digits", "pattern", "must hold 0-9, *, #, A-D, and at least one of them")
	case len(o.Digits) > MaxDTMFDigits:
		f.add("#/digits", "too_long", fmt.Sprintf("has %d digits; at most %d are allowed", len(o.Digits), MaxDTMFDigits))
	}
	f.span("#/duration_ms", o.Duration, MinDTMFDuration, MaxDTMFDuration)
	f.span("#/gap_ms", o.Gap, MinDTMFGap, MaxDTMFGap)
	return f
}

// span checks a length of time; zero is the usual one.
func (f *faults) span(pointer string, d, least, most time.Duration) {
	if d != 0 {
		f.between(pointer, int(d.Milliseconds()), int(least.Milliseconds()), int(most.Milliseconds()))
	}
}

// Validate lists what is wrong with the order.
func (o *PlayOrder) Validate() []Fault {
	var f faults
	f.sides("#/sides", o.Sides)
	if len(o.Sides) == 0 {
		f.add("#/sides", "required", "must hold at least one side")
	}
	f.need("#/announcement_id", o.AnnouncementID)
	f.between("#/repeat", o.Repeat, 0, MaxRepeat)
	return f
}

// sides checks a list of sides.
func (f *faults) sides(pointer string, all []Side) {
	for i, s := range all {
		at := fmt.Sprintf("%s/%d", pointer, i)
		f.side(at, s)
		if slices.Contains(all[:i], s) {
			f.add(at, "repeated", "is there more than once")
		}
	}
}

// Validate lists what is wrong with the order.
func (o *OriginateOrder) Validate() []Fault {
	var f faults
	f.need("#/trunk_id", o.TrunkID)
	for _, n := range []struct {
		pointer, number string
		needed          bool
	}{{"#/from", o.From, true}, {"#/to", o.To, true}, {"#/caller", o.Caller, false}} {
		if n.needed && n.number == "" {
			f.add(n.pointer, "required", "must be a number")
			continue
		}
		f.number(n.pointer, n.number)
	}
	if !utf8.ValidString(o.AnnouncementID) || len(o.AnnouncementID) > 64 {
		f.add("#/announcement_id", "pattern", "is not an id")
	}
	f.between("#/max_duration_s", o.MaxDurationS, 0, 86_400)
	set := make(map[string]*string, len(o.Variables))
	for name, value := range o.Variables {
		set[name] = &value
	}
	f.variables("#/variables", set)
	return f
}
