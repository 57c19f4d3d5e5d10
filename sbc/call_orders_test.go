package sbc

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOrdersAreChecked(t *testing.T) {
	text := func(s string) *string { return &s }
	number := func(n int) *int { return &n }
	many := map[string]*string{}
	for i := range MaxVariables + 1 {
		many[fmt.Sprint("v", i)] = nil
	}
	for _, c := range []struct {
		order interface{ Validate() []Fault }
		want  []string
	}{
		{&CallChange{MaxDurationS: number(60), Variables: map[string]*string{"a.b": text("ü"), "c": nil}}, nil},
		{&CallChange{MaxDurationS: number(0)}, []string{"#/max_duration_s"}},
		{&CallChange{Variables: map[string]*string{"a b": nil, strings.Repeat("n", 65): nil}}, []string{"#/variables", "#/variables"}},
		{&CallChange{Variables: map[string]*string{"a": text(strings.Repeat("x", 257)), "b": text("x\r\ny")}},
			[]string{"#/variables/a", "#/variables/b"}},
		{&CallChange{Variables: many}, []string{"#/variables"}},
		{&HoldOrder{Side: SideCallee}, nil},
		{&HoldOrder{Side: SideSBC}, []string{"#/side"}},
		{&TransferOrder{Keep: SideCaller, Target: "+4989333"}, nil},
		{&TransferOrder{Keep: SideCaller, CallID: "call_2", With: SideCallee}, nil},
		{&TransferOrder{Keep: SideCaller, CallID: "call_2"}, []string{"#/with"}},
		{&TransferOrder{Keep: SideCaller, CallID: "call_2", Target: "1"}, []string{"#/call_id"}},
		{&TransferOrder{}, []string{"#/keep", "#/target"}},
		{&TransferOrder{Keep: SideCaller, Target: "sip:x@y", Reason: "a\nb"}, []string{"#/target", "#/reason"}},
		{&DTMFOrder{Side: SideCaller, Digits: "1234#*AD"}, nil},
		{&DTMFOrder{Side: SideCaller, Digits: "12a", Duration: time.Millisecond, Gap: 9 * time.Second},
			[]string{"#/digits", "#/duration_ms", "#/gap_ms"}},
		{&DTMFOrder{Side: SideCaller, Digits: strings.Repeat("1", 65)}, []string{"#/digits"}},
		{&PlayOrder{Sides: []Side{SideCaller, SideCallee}, AnnouncementID: "ann_1"}, nil},
		{&PlayOrder{Sides: []Side{SideCaller, SideCaller}, Repeat: 1001}, []string{"#/sides/1", "#/announcement_id", "#/repeat"}},
		{&PlayOrder{AnnouncementID: "ann_1"}, []string{"#/sides"}},
		{&OriginateOrder{TrunkID: "trk_1", From: "100", To: "+4989222", Variables: map[string]string{"a": "b"}}, nil},
		{&OriginateOrder{From: "1 0", Caller: "x y", MaxDurationS: -1, Variables: map[string]string{"": "b"}},
			[]string{"#/trunk_id", "#/from", "#/to", "#/caller", "#/max_duration_s", "#/variables"}},
	} {
		var got []string
		for _, f := range c.order.Validate() {
			got = append(got, f.Pointer)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.order, got, c.want)
		}
	}
}
