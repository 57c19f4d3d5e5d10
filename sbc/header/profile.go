package header

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// maxWritten bounds a value that a rule writes, in bytes.
const maxWritten = 2048

// Profile is a compiled header profile: what is done to the messages of a trunk as they come and as they go. It is immutable and
// safe for concurrent use. A nil Profile does nothing.
type Profile struct {
	in, out []*change
}

// Fields gives the fields of templates and conditions that a message does not hold itself: caller, callee, call.id, trunk.id,
// trunk.name, source.ip, our.host and var.NAME. What there is not is "".
type Fields func(name string) string

// change is one compiled rule.
type change struct {
	number                 int // in the profile, from 0
	methods                []string
	requests, responses    bool
	conditions             []condition
	action                 sbc.HeaderAction
	header, to             string
	pattern                *regexp.Regexp
	value                  template
	canonical, canonicalTo string
}

type condition struct {
	field   string
	pattern *regexp.Regexp
	not     bool
}

// Plain gives a number or name that may stand in a header; "" for what is neither, such as an address.
func Plain(number string) string {
	if !userPart.MatchString(number) || holdsAddress(number) {
		return ""
	}
	return number
}

// touchable are headers that pass by no list but may be changed by rules: they are the border's own on each side, and no machine
// of the border depends on what was written there after it.
var touchable = []string{
	"Accept", "Accept-Contact", "Accept-Encoding", "Accept-Resource-Priority", "Allow", "Allow-Events", "Feature-Caps", "Flow-Timer",
	"Geolocation-Routing", "In-Reply-To", "P-Associated-Uri", "P-Called-Party-Id", "P-Visited-Network-Id", "Proxy-Require",
	"Recv-Info", "Refer-Sub", "Referred-By", "Reject-Contact", "Reply-To", "Request-Disposition", "Require", "Supported",
	"Timestamp",
	"Unsupported", "Warning",
}

// CompileProfile compiles the rules of a profile. With faults, whose pointers point into the profile, it must not be used.
func CompileProfile(p *sbc.HeaderProfile) (*Profile, []sbc.Fault) {
	out := &Profile{}
	var faults []sbc.Fault
	for i := range p.Rules {
		r := &p.Rules[i]
		c, wrong := compileRule(i, r)
		for _, f := range wrong {
			f.Pointer = fmt.Sprintf("#/rules/%d/%s", i, f.Pointer)
			faults = append(faults, f)
		}
		if r.Stage == sbc.HeaderIn {
			out.in = append(out.in, c)
		} else {
			out.out = append(out.out, c)
		}
	}
	return out, faults
}

// compileRule compiles one rule; the pointers of its faults are within it.
func compileRule(number int, r *sbc.HeaderRule) (*change, []sbc.Fault) {
	var faults []sbc.Fault
	fault := func(pointer, code, format string, args ...any) {
		faults = append(faults, sbc.Fault{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
	}
	expression := func(pointer, s string) *regexp.Regexp {
		re, err := sbc.Expression(s)
		if err != nil {
			fault(pointer, "pattern", "%v", err)
		}
		return re
	}
	c := &change{
		number: number, methods: r.Methods, requests: r.Messages != "responses", responses: r.Messages == "responses" ||
			r.Messages == "both",
		action: r.Action, header: r.Header, to: r.To, canonical: msg.Canonical(r.Header), canonicalTo: msg.Canonical(r.To),
	}
	for _, x := range [][2]string{{"header", r.Header}, {"to", r.To}} {
		if name := x[1]; name != "" && Forbidden(name) && !slices.Contains(touchable, capitals(name)) {
			fault(x[0], "forbidden", "%q is written by the border itself: no rule may touch it", name)
		}
	}
	if r.Pattern != "" {
		c.pattern = expression("pattern", r.Pattern)
	}
	for i, cond := range r.Conditions {
		c.conditions = append(c.conditions, condition{
			field: cond.Field, not: cond.Not, pattern: expression(fmt.Sprintf("conditions/%d/pattern", i), cond.Pattern),
		})
	}
	var err error
	if c.value, err = parseTemplate(r.Value); err != nil {
		fault("value", "template", "%v", err)
	}
	if r.Action == sbc.HeaderReplace && c.pattern != nil {
		if group := unknownGroup(c.pattern, c.value); group != "" {
			fault("value", "template", "the pattern has no group %s", group)
		}
	}
	return c, faults
}

// capitals spells a name as the lists do.
func capitals(name string) string {
	b := []byte(strings.ToLower(msg.Canonical(name)))
	for i := range b {
		if (i == 0 || b[i-1] == '-') && b[i] >= 'a' && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

// In applies the rules for messages as they come. The message itself stays as it is: where a rule changes something, the answer
// is a copy, which remembers it (msg.Message.Original).
func (p *Profile) In(m *msg.Message, f Fields) *msg.Message {
	if p == nil || len(p.in) == 0 {
		return m
	}
	out, _ := apply(p.in, m, f, nil)
	if out != m {
		out.Original, out.Raw = m, m.Raw
	}
	return out
}

// Out applies the rules for messages as they go. A line that may does not allow is not written. The message itself stays as it
// is.
func (p *Profile) Out(m *msg.Message, f Fields, may func(name, value string) bool) *msg.Message {
	if p == nil || len(p.out) == 0 {
		return m
	}
	out, _ := apply(p.out, m, f, may)
	return out
}

// apply applies rules in their order and gives the numbers of those that changed something.
func apply(rules []*change, m *msg.Message, f Fields, may func(name, value string) bool) (*msg.Message, []int) {
	w := &work{m: m, fields: f, may: may}
	var applied []int
	for _, c := range rules {
		if !c.fits(w) {
			continue
		}
		before := w.changes
		c.do(w)
		if w.changes != before {
			applied = append(applied, c.number)
		}
	}
	return w.m, applied
}

// work is a message being changed.
type work struct {
	m       *msg.Message
	own     bool // m is a copy of ours
	changes int
	fields  Fields
	may     func(name, value string) bool
}

// method is that of the request, or of the request that the response answers.
func (w *work) method() string {
	if w.m.IsRequest() {
		return string(w.m.Method)
	}
	return string(w.m.CSeq.Method)
}

// field gives the value of a field.
func (w *work) field(name string) string {
	if h, ok := strings.CutPrefix(name, "header."); ok {
		return strings.Join(w.m.GetAll(h), ", ")
	}
	switch name {
	case "method":
		return w.method()
	case "status":
		if w.m.IsRequest() {
			return ""
		}
		return fmt.Sprint(w.m.Status)
	case "request.user":
		return w.m.RequestURI.Number()
	case "request.host":
		return w.m.RequestURI.Host
	case "from.user":
		return w.m.From.URI.Number()
	case "from.display":
		return w.m.From.Display
	case "to.user":
		return w.m.To.URI.Number()
	}
	if w.fields == nil {
		return ""
	}
	return w.fields(name)
}

// fits tells whether a rule is for this message.
func (c *change) fits(w *work) bool {
	if w.m.IsRequest() && !c.requests || !w.m.IsRequest() && !c.responses {
		return false
	}
	if len(c.methods) > 0 && !slices.Contains(c.methods, w.method()) {
		return false
	}
	for _, x := range c.conditions {
		if x.pattern.MatchString(w.field(x.field)) == x.not {
			return false
		}
	}
	return true
}

// do does what the rule says.
func (c *change) do(w *work) {
	switch c.action {
	case sbc.HeaderAdd:
		w.add(c.header, c.value.fill(w, false))
	case sbc.HeaderSet:
		w.set(c.header, c.value.fill(w, false))
	case sbc.HeaderRemove:
		w.edit(c, func(h msg.Header) (msg.Header, bool) { return h, false })
	case sbc.HeaderRename:
		w.edit(c, func(h msg.Header) (msg.Header, bool) {
			if !w.allowed(c.to, h.Value) {
				return h, false
			}
			return msg.Header{Name: c.to, Value: h.Value}, true
		})
	case sbc.HeaderCopy:
		for _, v := range w.m.GetAll(c.header) {
			if c.pattern == nil || c.pattern.MatchString(v) {
				w.add(c.to, v)
			}
		}
	case sbc.HeaderReplace:
		with := c.value.fill(w, true)
		w.edit(c, func(h msg.Header) (msg.Header, bool) {
			if len(h.Value) > maxWritten || len(with) > maxWritten { // what comes of it could be beyond all bounds
				return h, false
			}
			v := c.pattern.ReplaceAllString(h.Value, with)
			if v == h.Value {
				return h, true
			}
			return msg.Header{Name: h.Name, Value: v}, w.allowed(h.Name, v)
		})
	}
}

// allowed tells whether a line may be written.
func (w *work) allowed(name, value string) bool {
	return value != "" && len(value) <= maxWritten && printable(value) && (w.may == nil || w.may(name, value))
}

// copy makes the message ours to change.
func (w *work) copy() {
	if !w.own {
		w.m, w.own = w.m.Clone(), true
	}
	w.changes++
}

func (w *work) add(name, value string) {
	if !w.allowed(name, value) || len(w.m.Headers) >= maxLines {
		return
	}
	w.copy()
	w.m.Append(name, value)
}

// maxLines bounds the headers of a message that rules add to.
const maxLines = 512

func (w *work) set(name, value string) {
	if !w.allowed(name, value) {
		return
	}
	w.copy()
	w.m.Set(name, value)
}

// edit gives each line of the rule's header, or those that its pattern fits, to f, which says what stands in its place; false is
// nothing.
func (w *work) edit(c *change, f func(msg.Header) (msg.Header, bool)) {
	for i := 0; i < len(w.m.Headers); {
		h := w.m.Headers[i]
		if !strings.EqualFold(msg.Canonical(h.Name), c.canonical) || c.pattern != nil && !c.pattern.MatchString(h.Value) {
			i++
			continue
		}
		now, keep := f(h)
		switch {
		case !keep:
			w.copy()
			w.m.Headers = slices.Delete(w.m.Headers, i, i+1)
			continue
		case now != h:
			w.copy()
			w.m.Headers[i] = now
		}
		i++
	}
}
