package header

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// TestRules: rules in, the lines they are about before and after.
func TestRules(t *testing.T) {
	rule := func(action sbc.HeaderAction, header, to, pattern, value string, conditions ...sbc.HeaderCondition) sbc.HeaderRule {
		return sbc.HeaderRule{Stage: sbc.HeaderIn, Messages: "requests", Action: action, Header: header, To: to, Pattern: pattern,
			Value: value, Conditions: conditions}
	}
	for _, tt := range []struct {
		name     string
		rules    []sbc.HeaderRule
		in, want []string // lines that begin with X- or are in the compact form s
	}{
		{"add", []sbc.HeaderRule{rule(sbc.HeaderAdd, "X-A", "", "", "2")}, []string{"X-A: 1"}, []string{"X-A: 1", "X-A: 2"}},
		{"add where there is nothing", []sbc.HeaderRule{rule(sbc.HeaderAdd, "X-A", "", "", "{header.X-None}")}, nil, nil},
		{"set", []sbc.HeaderRule{rule(sbc.HeaderSet, "x-a", "", "", "2")}, []string{"X-B: 0", "X-A: 1", "X-A: 3"},
			[]string{"X-B: 0", "x-a: 2"}},
		{"remove", []sbc.HeaderRule{rule(sbc.HeaderRemove, "x-a", "", "", "")}, []string{"X-A: 1", "X-B: 1", "X-A: 2"},
			[]string{"X-B: 1"}},
		{"remove some", []sbc.HeaderRule{rule(sbc.HeaderRemove, "X-A", "", "^1", "")}, []string{"X-A: 10", "X-A: 2"},
			[]string{"X-A: 2"}},
		{"rename", []sbc.HeaderRule{rule(sbc.HeaderRename, "Subject", "X-S", "", "")}, []string{"s: hi"}, []string{"X-S: hi"}},
		{"copy", []sbc.HeaderRule{rule(sbc.HeaderCopy, "X-A", "X-B", "", "")}, []string{"X-A: 1", "X-A: 2"},
			[]string{"X-A: 1", "X-A: 2", "X-B: 1", "X-B: 2"}},
		{"replace", []sbc.HeaderRule{rule(sbc.HeaderReplace, "X-A", "", `(\d+)-(\d+)`, "$2/${{1}:{from.user}")},
			[]string{"X-A: a 12-34 b"},
			[]string{"X-A: a 34/12:4940555 b"}},
		{"a dollar of a field is one", []sbc.HeaderRule{rule(sbc.HeaderReplace, "X-A", "", `z`, "{header.X-B}")}, []string{"X-A: z",
			"X-B: $0$1"},
			[]string{"X-A: $0$1", "X-B: $0$1"}},
		{"replaced by nothing", []sbc.HeaderRule{rule(sbc.HeaderReplace, "X-A", "", `.*`, "")}, []string{"X-A: z"}, nil},
		{"template", []sbc.HeaderRule{rule(sbc.HeaderSet, "X-A", "", "",
			"{{{from.display}} {request.user} {method}{status} {caller} {var.k}{trunk.id}")},
			nil, []string{"X-A: {Alice} 4930123 INVITE <caller> <var.k><trunk.id>"}},
		{"each on what the last one left", []sbc.HeaderRule{rule(sbc.HeaderAdd, "X-A", "", "", "1"), rule(sbc.HeaderRename, "X-A",
			"X-B", "", ""),
			rule(sbc.HeaderCopy, "X-B", "X-C", "", "")}, nil, []string{"X-B: 1", "X-C: 1"}},
		{"conditions", []sbc.HeaderRule{
			rule(sbc.HeaderAdd, "X-1", "", "", "1", sbc.HeaderCondition{Field: "from.user", Pattern: "^4940"}),
			rule(sbc.HeaderAdd, "X-2", "", "", "1", sbc.HeaderCondition{Field: "from.user", Pattern: "^4940", Not: true}),
			rule(sbc.HeaderAdd, "X-3", "", "", "1", sbc.HeaderCondition{Field: "header.X-None", Pattern: "^$"},
				sbc.HeaderCondition{Field: "request.user", Pattern: "^33"})}, nil, []string{"X-1: 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, faults := CompileProfile(&sbc.HeaderProfile{Rules: tt.rules})
			if len(faults) > 0 {
				t.Fatal(faults)
			}
			in := message(t, tt.in...)
			before := len(in.Headers)
			out := p.In(in, func(name string) string { return "<" + name + ">" })
			var got []string
			for _, h := range out.Headers {
				if strings.HasPrefix(strings.ToLower(h.Name), "x-") || h.Name == "s" {
					got = append(got, h.Name+": "+h.Value)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if len(in.Headers) != before || out != in && (out.Original != in || string(out.Raw) != string(in.Raw)) {
				t.Error("the message itself was changed, or is forgotten")
			}
		})
	}
}

// TestRuleScope: stages, methods, requests and responses.
func TestRuleScope(t *testing.T) {
	p := &sbc.HeaderProfile{}
	for _, stage := range []sbc.HeaderStage{sbc.HeaderIn, sbc.HeaderOut} {
		for _, messages := range []string{"requests", "responses", "both"} {
			for _, methods := range [][]string{nil, {"INVITE"}, {"BYE", "INFO"}} {
				p.Rules = append(p.Rules, sbc.HeaderRule{Stage: stage, Methods: methods, Messages: messages, Action: sbc.HeaderAdd,
					Header: "X-A",
					Value:  strings.TrimSpace(string(stage) + " " + messages + " " + strings.Join(methods, ""))})
			}
		}
	}
	c, faults := CompileProfile(p)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	req := message(t)
	res := message(t)
	res.Status, res.Method = 200, ""
	for want, got := range map[string][]string{
		"in requests|in requests INVITE|in both|in both INVITE":       c.In(req, nil).GetAll("X-A"),
		"out responses|out responses INVITE|out both|out both INVITE": c.Out(res, nil, nil).GetAll("X-A"),
		"out requests|out requests INVITE|out both|out both INVITE":   c.Out(req, nil, nil).GetAll("X-A"),
		"in responses|in responses INVITE|in both|in both INVITE":     c.In(res, nil).GetAll("X-A"),
	} {
		if strings.Join(got, "|") != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	none, _ := CompileProfile(&sbc.HeaderProfile{})
	if none.In(req, nil) != req || none.Out(req, nil, nil) != req || (*Profile)(nil).In(req, nil) != req {
		t.Error("no rule, but another message")
	}
}

// TestRuleFaults: what cannot be served is said with the place where it stands.
func TestRuleFaults(t *testing.T) {
	_, faults := CompileProfile(&sbc.HeaderProfile{Rules: []sbc.HeaderRule{
		{Action: sbc.HeaderAdd, Header: "X-A", Value: "{nobody}"},
		{Action: sbc.HeaderAdd, Header: "X-A", Value: "{from.user"},
		{Action: sbc.HeaderReplace, Header: "X-A", Pattern: "(a", Value: "x"},
		{Action: sbc.HeaderReplace, Header: "X-A", Pattern: "(a)", Value: "$1$2"},
		{Action: sbc.HeaderReplace, Header: "X-A", Pattern: "(?P<n>a)", Value: "${{n}${{m}"},
		{Action: sbc.HeaderRename, Header: "replaces", To: "CONTENT-TYPE"},
		{Action: sbc.HeaderAdd, Header: "X-A", Value: "1", Conditions: []sbc.HeaderCondition{{Pattern: "a"}, {Pattern: "["}}},
		{Action: sbc.HeaderRemove, Header: "supported"}, {Action: sbc.HeaderReplace, Header: "X-Z", Pattern: "a", Value: "$$5{{"},
	}})
	var got []string
	for _, f := range faults {
		got = append(got, f.Pointer+" "+f.Code)
	}
	want := []string{"#/rules/0/value template", "#/rules/1/value template", "#/rules/2/pattern pattern", "#/rules/3/value template",
		"#/rules/4/value template", "#/rules/5/header forbidden", "#/rules/5/to forbidden", "#/rules/6/conditions/1/pattern pattern"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestRulesSmuggleNothing: whatever a rule makes of what it found, the other side learns nothing of the side it came from.
func TestRulesSmuggleNothing(t *testing.T) {
	table, flow := world(t, []string{"X-A", "X-B"}, []string{"X-A", "X-B"})
	for _, value := range []string{"{request.host}", "at {source.ip}", "{header.Contact}", "{header.Via}", "{header.Call-ID}",
		"{header.User-Agent}",
		"{header.Organization}", "{our.host}"} {
		p, faults := CompileProfile(&sbc.HeaderProfile{Rules: []sbc.HeaderRule{
			{Stage: sbc.HeaderIn, Action: sbc.HeaderAdd, Header: "X-A", Value: value},
			{Stage: sbc.HeaderIn, Action: sbc.HeaderRename, Header: "Organization", To: "X-B"},
			{Stage: sbc.HeaderIn, Action: sbc.HeaderRename, Header: "Reply-To", To: "X-B"},
		}})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		in := p.In(message(t, "Organization: Megacorp West", "Reply-To: <sip:1@inner.secret.example>"), func(name string) string {
			return map[string]string{"source.ip": "203.0.113.7", "our.host": "198.51.100.1"}[name]
		})
		if got := lines(table.Request(in, flow)); len(got) > 0 {
			t.Errorf("%s: %q leaves", value, got)
		}
	}
	for _, tt := range []struct {
		name, value string
		to          sbc.Trust
		want        bool
	}{
		{"X-A", "42", sbc.TrustPeer, true}, {"X-A", "backup.carrier-a.example", sbc.TrustPeer, false}, {"X-A", "192.0.2.5",
			sbc.TrustPeer, false},
		{"P-Asserted-Identity", "<sip:1@{our-host}>", sbc.TrustPeer, true}, {"P-Asserted-Identity", "<sip:1@{our-host}>",
			sbc.TrustAccess, false},
		{"p-asserted-identity", "<sip:1@{our-host}>", "", false}, {"X-A", "a tagged word", sbc.TrustPeer, false},
	} {
		flow.ToTrust, flow.Also = tt.to, []string{"tagged"}
		if got := table.May(flow, tt.name, tt.value); got != tt.want {
			t.Errorf("%s: %s to %q: %v", tt.name, tt.value, tt.to, got)
		}
	}
}

// TestTrial is what the API shows.
func TestTrial(t *testing.T) {
	p := &sbc.HeaderProfile{Rules: []sbc.HeaderRule{
		{Stage: sbc.HeaderIn, Messages: "both", Action: sbc.HeaderAdd, Header: "X-In", Value: "1"},
		{Stage: sbc.HeaderOut, Messages: "both", Action: sbc.HeaderRemove, Header: "X-None"},
		{Stage: sbc.HeaderOut, Messages: "both", Action: sbc.HeaderAdd, Header: "X-Out", Value: "{caller} of {trunk.name}"},
	}}
	p.Name = "test"
	message := strings.ReplaceAll(inviteHead, "\r\n", "\n")
	got, err := Test(p, sbc.HeaderOut, message, map[string]string{"caller": "5", "trunk.name": "west"})
	if err != nil || strings.Contains(got.Before, "X-") || !strings.Contains(got.After, "\r\nX-Out: 5 of west\r\n") ||
		strings.Contains(got.After, "X-In") || !slices.Equal(got.Applied, []int{2}) {
		t.Errorf("%+v, %v", got, err)
	}
	p.Rules[0].Value, p.Rules[1].Header = "{no}", "via"
	_, err = Test(p, "both", "INVITE", nil)
	var e *sbc.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	var at []string
	for _, f := range e.Faults {
		at = append(at, f.Pointer)
	}
	if !slices.Contains(at, "#/profile/rules/1/header") || !slices.Contains(at, "#/message") || !slices.Contains(at, "#/stage") {
		t.Errorf("faults at %q", at)
	}
}

// TestRulesMoveNoName: a caller who must not be known is not told by what a rule made of an identity.
func TestRulesMoveNoName(t *testing.T) {
	p, faults := CompileProfile(&sbc.HeaderProfile{Rules: []sbc.HeaderRule{
		{Stage: sbc.HeaderIn, Action: sbc.HeaderRename, Header: "P-Asserted-Identity", To: "X-A"},
	}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	table, flow := world(t, []string{"X-A"}, []string{"X-A"})
	in := p.In(message(t, "P-Asserted-Identity: \"Bea\" <tel:+4940777123>", "Privacy: id"), nil)
	flow.ToTrust, flow.Also = sbc.TrustAccess, Names(in)
	if got := lines(table.Request(in, flow)); len(got) > 0 {
		t.Errorf("%q leaves", got)
	}
	if !slices.Contains(flow.Also, "4940777123") || !slices.Contains(flow.Also, "Bea") {
		t.Errorf("names %q", flow.Also)
	}
}

// TestReplacementIsBounded: what a peer sends cannot be multiplied by itself.
func TestReplacementIsBounded(t *testing.T) {
	p, faults := CompileProfile(&sbc.HeaderProfile{Rules: []sbc.HeaderRule{
		{Stage: sbc.HeaderIn, Action: sbc.HeaderReplace, Header: "X-A", Pattern: "a", Value: "{header.X-B}"},
	}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	in := message(t, "X-A: "+strings.Repeat("a", 30_000), "X-B: "+strings.Repeat("b", 30_000))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out := p.In(in, nil)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 || out.Has("X-A") {
		t.Errorf("%d octets for a message of 60,000", n)
	}
}
