package admit

import (
	"fmt"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// TestRestore: a place of an earlier process is counted whatever the limits say, everywhere where it was, and given back once.
func TestRestore(t *testing.T) {
	p := profile("lmp_1", func(p *sbc.LimitProfile) { p.MaxCalls = 1 })
	tr := trunk("trk", 1, 1)
	before := New(Options{})
	c := claim("call_1", In, Bound{Profile: p, Key: "k"})
	c.Trunk = tr
	place, v := before.Take(c)
	if !v.OK {
		t.Fatal(v)
	}
	s := place.State()
	place.Release()
	if place.State() != nil || (*Place)(nil).State() != nil || New(Options{}).Restore("x", nil) != nil {
		t.Error("nothing is something")
	}
	after := New(Options{})
	one, two := after.Restore("call_1", s), after.Restore("call_2", s)
	if u := after.OfTrunk("trk"); u.In != 2 || u.Out != 0 {
		t.Errorf("%+v", u)
	}
	if u := after.Usage("lmp_1"); len(u) != 1 || u[0].Key != "k" || u[0].CallsIn != 2 || u[0].RateIn != 0 {
		t.Errorf("%+v", u)
	}
	c.Call = "call_3"
	if _, v := after.Take(c); v.OK {
		t.Error("a restored call leaves room where there is none")
	}
	one.Release()
	one.Release()
	two.Release()
	if u := after.OfTrunk("trk"); u.In != 0 || len(after.Usage("lmp_1")) != 0 {
		t.Errorf("%+v %+v", u, after.Usage("lmp_1"))
	}
	if _, v := after.Take(c); !v.OK {
		t.Error("what was given back is not there")
	}
}

// TestHolders: the calls on a trunk or endpoint, each once, also where a leg of an earlier process holds the place.
func TestHolders(t *testing.T) {
	tally := New(Options{})
	for call, p := range map[string]*PlaceState{
		"call_1": {Trunk: "trk_1", Direction: In}, "call_2": {Trunk: "trk_2", Direction: Out, Endpoint: "end_1"}, "call_3": {Trunk: "trk_3", Direction: Out},
	} {
		tally.Restore(call, p)
		tally.Restore(call, &PlaceState{Trunk: p.Trunk, Direction: Out})
	}
	for id, want := range map[string]string{"trk_1": "[call_1]", "end_1": "[call_2]", "trk_3": "[call_3]", "trk_4": "[]"} {
		if got := fmt.Sprint(tally.Holders(map[string]string{id: "over"})); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}
