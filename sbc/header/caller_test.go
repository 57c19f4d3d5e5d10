package header

import (
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// TestCallerPolicy: what a message says of its caller, who is believed, and what the other trunk is written.
func TestCallerPolicy(t *testing.T) {
	const (
		pai  = "P-Asserted-Identity: \"Al\" <sip:+4940777@pbx.a.example>"
		ppi  = "P-Preferred-Identity: <sip:+4940888@pbx.a.example>"
		rpid = "Remote-Party-ID: \"Rp\" <sip:+4940999@pbx.a.example>;party=calling;privacy=full"
		out  = "P-Asserted-Identity: \"Al\" <sip:+4940777@{our-host}>"
	)
	type fields = []sbc.IdentityField
	for _, tt := range []struct {
		name     string
		from, to sbc.Trust
		a, b     func(c *sbc.CallerIdentity)
		in, want []string
	}{
		{name: "the defaults pass what was asserted", in: []string{pai, "Privacy: id"}, want: []string{out, "Privacy: id"}},
		{name: "and assert no From", in: nil, want: nil},
		{name: "from a stranger nothing is believed", from: sbc.TrustAccess, in: []string{pai, ppi, rpid}, want: nil},
		{name: "to a stranger nothing is told", to: sbc.TrustAccess, in: []string{pai, "Privacy: id"}, want: nil},
		{name: "a stranger may be told that nothing is wished", to: sbc.TrustAccess, in: []string{pai, "Privacy: none"},
			want: []string{"Privacy: none"}},
		{name: "nothing but From is sent", b: func(c *sbc.CallerIdentity) { c.Send = fields{} }, in: []string{pai, ppi}, want: nil},
		{name: "what is not accepted does not pass", a: func(c *sbc.CallerIdentity) { c.Accept = fields{sbc.IdentityFrom} },
			in: []string{"Remote-Party-ID: <sip:1234@x>", pai}, want: []string{"P-Asserted-Identity: \"Alice\" <sip:4940555@{our-host}>"}},
		{name: "RPID becomes PAI", a: func(c *sbc.CallerIdentity) { c.Accept = fields{sbc.IdentityRPID, sbc.IdentityFrom} },
			in: []string{rpid}, want: []string{"P-Asserted-Identity: \"Rp\" <sip:+4940999@{our-host}>"}},
		{name: "PAI becomes RPID", b: func(c *sbc.CallerIdentity) { c.Send = fields{sbc.IdentityRPID} },
			in: []string{pai, "Privacy: id"}, want: []string{"Privacy: id",
				"Remote-Party-ID: \"Al\" <sip:+4940777@{our-host}>;party=calling;screen=yes;privacy=full"}},
		{name: "From becomes RPID unscreened", from: sbc.TrustAccess,
			b:  func(c *sbc.CallerIdentity) { c.Send = fields{sbc.IdentityRPID} },
			in: []string{pai}, want: []string{
				"Remote-Party-ID: \"Alice\" <sip:4940555@{our-host}>;party=calling;screen=no;privacy=off"}},
		{name: "From becomes PPI", from: sbc.TrustAccess, b: func(c *sbc.CallerIdentity) { c.Send = fields{sbc.IdentityPPI} },
			want: []string{"P-Preferred-Identity: \"Alice\" <sip:4940555@{our-host}>"}},
		{name: "PPI is accepted", a: func(c *sbc.CallerIdentity) { c.Accept = fields{sbc.IdentityPPI} },
			in: []string{ppi}, want: []string{"P-Preferred-Identity: <sip:+4940888@{our-host}>",
				"P-Asserted-Identity: <sip:+4940888@{our-host}>"}},
		{name: "a From of ours needs the number elsewhere", b: func(c *sbc.CallerIdentity) { c.FromUser = "acct7" },
			want: []string{"P-Asserted-Identity: \"Alice\" <sip:4940555@{our-host}>"}},
		{name: "but not a stranger's", from: sbc.TrustAccess, b: func(c *sbc.CallerIdentity) { c.FromUser = "acct7" }, want: nil},
		{name: "format and user=phone", b: func(c *sbc.CallerIdentity) { c.Format, c.UserPhone = sbc.NumberDigits, true },
			in: []string{pai + ", <tel:+4940777>"}, want: []string{
				"P-Asserted-Identity: \"Al\" <sip:4940777@{our-host};user=phone>", "P-Asserted-Identity: <tel:4940777>"}},
		{name: "enforced", b: func(c *sbc.CallerIdentity) { c.Privacy = sbc.PrivacyEnforce },
			in: []string{pai, "Privacy: user;header;critical"}, want: []string{out, "Privacy: id"}},
		{name: "ignored", b: func(c *sbc.CallerIdentity) { c.Privacy = sbc.PrivacyIgnore }, in: []string{pai, "Privacy: id;critical"},
			want: []string{out}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table, flow := world(t, nil, nil)
			for i, edit := range []func(c *sbc.CallerIdentity){tt.a, tt.b} {
				trunk := []*sbc.Trunk{flow.FromTrunk, flow.ToTrunk}[i]
				trunk.CallerIdentity = usual
				if edit != nil {
					edit(&trunk.CallerIdentity)
				}
			}
			if tt.from != "" {
				flow.FromTrust = tt.from
			}
			if tt.to != "" {
				flow.ToTrust = tt.to
			}
			if got := lines(table.Request(message(t, tt.in...), flow)); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// TestWithheld: whose wish is heard, and by whom it is carried out.
func TestWithheld(t *testing.T) {
	for _, tt := range []struct {
		privacy string
		to      sbc.Trust
		mode    sbc.PrivacyMode
		want    bool
	}{
		{"", sbc.TrustAccess, "", false}, {"none", sbc.TrustAccess, "", false}, {"header", sbc.TrustAccess, "", false},
		{"id", sbc.TrustAccess, "", true}, {"user;critical", sbc.TrustAccess, sbc.PrivacyPass, true},
		{"id", sbc.TrustPeer, sbc.PrivacyPass, false}, {"id", sbc.TrustCore, sbc.PrivacyEnforce, true},
		{"ID", "", sbc.PrivacyPass, true}, {"id", sbc.TrustAccess, sbc.PrivacyIgnore, false},
	} {
		_, flow := world(t, nil, nil)
		flow.ToTrust, flow.ToTrunk.CallerIdentity.Privacy = tt.to, tt.mode
		if got := Withheld(message(t, "Privacy: "+tt.privacy), flow); got != tt.want {
			t.Errorf("Privacy %q to %q by %q: %v", tt.privacy, tt.to, tt.mode, got)
		}
	}
	in := message(t, "Remote-Party-ID: <sip:1@x>;privacy=full")
	_, flow := world(t, nil, nil)
	flow.ToTrust = sbc.TrustAccess
	if Withheld(in, flow) {
		t.Error("a wish in a header that is not read")
	}
	flow.FromTrunk.CallerIdentity.Accept = []sbc.IdentityField{sbc.IdentityRPID}
	if !Withheld(in, flow) {
		t.Error("the wish of a Remote-Party-ID is not heard")
	}
}

// TestNames are all by which a caller may be known.
func TestNames(t *testing.T) {
	in := message(t, "P-Asserted-Identity: \"Boss\" <sip:+4940777@a>, <tel:+4940778>", "Remote-Party-ID: <sip:99@a>")
	if got := strings.Join(Names(in), " "); got != "4940555 Alice +4940777 4940777 Boss +4940778 4940778 99" {
		t.Error(got)
	}
}
