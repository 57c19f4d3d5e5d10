package header

import (
	"slices"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// TestRetargeted: what came of earlier destinations, and what the other side is told in each form.
func TestRetargeted(t *testing.T) {
	diversion := []string{"Diversion: <sip:200@a.example>;reason=user-busy;privacy=full;counter=1, " +
		"\"First\" <tel:+49100>;reason=unconditional"}
	history := []string{"History-Info: <sip:100@a.example>;index=1", "History-Info: <sip:300@10.9.8.7;cause=486>;index=1.1.1;mp=1.1",
		"History-Info: <sip:200@a.example;cause=302?Privacy=history>;index=1.1;mp=1"}
	asDiversion := []string{"Diversion: <sip:200@{our-host}>;reason=user-busy;counter=1;privacy=full",
		"Diversion: \"First\" <sip:+49100@{our-host}>;reason=unconditional;counter=1;privacy=off"}
	asHistory := []string{"History-Info: \"First\" <sip:+49100@{our-host}>;index=1",
		"History-Info: <sip:200@{our-host};cause=302?Privacy=history>;index=1.1;mp=1",
		"History-Info: <sip:777@{our-host};cause=486>;index=1.1.1;mp=1.1"}
	for _, tt := range []struct {
		name     string
		mode     sbc.Retargeting
		from, to sbc.Trust
		in, want []string
		own      []Detour
	}{
		{name: "dropped", mode: sbc.RetargetDrop, in: diversion},
		{name: "passed", mode: sbc.RetargetPass, in: diversion, want: asDiversion},
		{name: "Diversion as History-Info", mode: sbc.RetargetHistory, in: diversion, want: asHistory},
		{name: "History-Info as Diversion", mode: sbc.RetargetDiversion, in: history,
			want: []string{"Diversion: <sip:200@{our-host}>;reason=user-busy;counter=1;privacy=full",
				"Diversion: <sip:100@{our-host}>;reason=unconditional;counter=1;privacy=off"}},
		{name: "History-Info passed", mode: sbc.RetargetPass, in: history,
			want: []string{"History-Info: <sip:100@{our-host}>;index=1",
				"History-Info: <sip:200@{our-host};cause=302?Privacy=history>;index=1.1;mp=1",
				"History-Info: <sip:777@{our-host};cause=486>;index=1.1.1;mp=1.1"}},
		{name: "strangers are not believed", mode: sbc.RetargetPass, from: sbc.TrustAccess, in: diversion},
		{name: "our own are", mode: sbc.RetargetPass, from: sbc.TrustAccess, in: diversion, own: []Detour{{Number: "5", Cause: 302}},
			want: []string{"Diversion: <sip:5@{our-host}>;reason=unconditional;counter=1;privacy=off"}},
		{name: "private ones are not for strangers", mode: sbc.RetargetDiversion, to: sbc.TrustAccess, in: diversion,
			want: asDiversion[1:]},
		{name: "no address in a number's place", mode: sbc.RetargetDiversion,
			in: []string{"Diversion: <sip:10.9.8.7@a.example>", "Diversion: <sip:callidA77@a.example>", "Diversion: <sip:x y@@>"}},
		{name: "a reason nobody knows", mode: sbc.RetargetDiversion,
			in:   []string{"Diversion: <sip:9@a>;reason=\"pbx.a.example\";counter=10.9"},
			want: []string{"Diversion: <sip:9@{our-host}>;reason=unknown;counter=1;privacy=off"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table, flow := world(t, nil, nil)
			if tt.from != "" {
				flow.FromTrust = tt.from
			}
			if tt.to != "" {
				flow.ToTrust = tt.to
			}
			if got := lines(table.Retargeted(message(t, tt.in...), flow, tt.mode, tt.own, "777")); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
