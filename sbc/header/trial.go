package header

import (
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Trial is a message before and after the rules of a profile.
type Trial struct {
	Before, After string
	// Applied are the numbers, from 0, of the rules that changed something.
	Applied []int
}

// Test applies the rules of one stage to a message, as on live ones but for what depends on the other side of a call: lines that
// would show something of it are not written there. Lines of the message may end in LF. Fields are those that the message does
// not hold itself, by name (see Fields). The error is an *sbc.Error; its pointers begin with "#/profile", "#/message",
// "#/stage".
func Test(p *sbc.HeaderProfile, stage sbc.HeaderStage, message string, fields map[string]string) (Trial, error) {
	faults := p.Validate()
	compiled, more := CompileProfile(p)
	if len(faults) == 0 {
		faults = more
	}
	for i := range faults {
		faults[i].Pointer = "#/profile" + strings.TrimPrefix(faults[i].Pointer, "#")
	}
	m, err := msg.Parse([]byte(lineEnds(message)))
	if err != nil {
		faults = append(faults, sbc.Fault{Pointer: "#/message", Code: "syntax", Detail: err.Error()})
	}
	if stage != sbc.HeaderIn && stage != sbc.HeaderOut {
		faults = append(faults, sbc.Fault{Pointer: "#/stage", Code: "enum", Detail: "must be in or out"})
	}
	if err := sbc.Invalid(faults); err != nil {
		return Trial{}, err
	}
	rules := compiled.in
	if stage == sbc.HeaderOut {
		rules = compiled.out
	}
	after, applied := apply(rules, m, func(name string) string { return fields[name] }, nil)
	if applied == nil {
		applied = []int{}
	}
	return Trial{Before: string(m.AppendTo(nil)), After: string(after.AppendTo(nil)), Applied: applied}, nil
}

// lineEnds makes lines end in CRLF, and the head in an empty line.
func lineEnds(s string) string {
	head, body, _ := strings.Cut(strings.ReplaceAll(s, "\r\n", "\n"), "\n\n")
	return strings.ReplaceAll(strings.TrimRight(head, "\n"), "\n", "\r\n") + "\r\n\r\n" + strings.ReplaceAll(body, "\n", "\r\n")
}
