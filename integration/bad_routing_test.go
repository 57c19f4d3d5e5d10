package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
)

// refused makes a write that must be refused by the API, and looks for words in the answer.
func (b *border) refused(what, method, path string, body rest.Object, words ...string) {
	b.t.Helper()
	err := b.Do(b.t.Context(), method, "/v1"+path, body, nil)
	if err == nil {
		b.t.Errorf("%s: taken", what)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			b.t.Errorf("%s: %q is not said in %v", what, w, err)
		}
	}
}

// TestBadRouting: what contradicts itself is refused by the API with the place and the name of the other, and nothing of it counts.
func TestBadRouting(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	names := 0
	list := func(more rest.Object) rest.Object {
		names++
		return with(rest.Object{"name": fmt.Sprint(names), "route_list_id": w.list}, more)
	}

	range1 := b.create("/numbers", list(rest.Object{"number": "+493010", "range_end": "+493019"}))
	single := b.create("/numbers", list(rest.Object{"number": "+493015"})) // within the range: it goes before
	b.create("/numbers", list(rest.Object{"number": "+493012", "range_end": "+493014"}))
	b.create("/numbers", list(rest.Object{"number": "493015"}))
	b.refused("a range from + to digits", "POST", "/numbers", list(rest.Object{"number": "+4930", "range_end": "49309"}), "422", "#/range_end")
	b.refused("a range backwards", "POST", "/numbers", list(rest.Object{"number": "4930", "range_end": "4929"}), "422", "#/range_end")
	b.refused("a number twice", "POST", "/numbers", list(rest.Object{"number": "+493015"}), "409", "#/number", single)
	b.refused("a range twice", "POST", "/numbers", list(rest.Object{"number": "+493010", "range_end": "+493019"}), "409", "#/range_end", range1)
	b.refused("a range partly within", "POST", "/numbers", list(rest.Object{"number": "+493018", "range_end": "+493022"}), "409", range1)
	off := b.create("/numbers", list(rest.Object{"number": "+493015", "enabled": false}))
	b.refused("a number twice, enabled", "PATCH", "/numbers/"+off, rest.Object{"enabled": true}, "409", single)
	other := b.create("/tenants", rest.Object{"name": "other"})
	theirs := b.create("/route-lists", rest.Object{"name": "theirs", "tenant_id": other})
	b.create("/numbers", list(rest.Object{"number": "+493015", "tenant_id": other, "route_list_id": theirs}))

	b.refused("an identity of two trunks", "POST", "/trunks/"+w.eastTrunk+"/identities",
		rest.Object{"name": "x", "cidr": w.eastPeer.String() + "/32", "tech_prefix": "", "sip_interface_id": w.westInterface}, "sip_interface_id")
	third := b.create("/trunks", rest.Object{"name": "third", "realm_id": w.westRealm})
	b.refused("an identity of another trunk", "POST", "/trunks/"+third+"/identities", rest.Object{"name": "x", "cidr": w.westPeer.String()}, "409", "#/cidr",
		w.westTrunk)

	b.refused("a circle", "POST", "/routing-plans/"+w.plan+"/rules", rest.Object{"name": "x", "prefix": "9", "action": "jump", "jump_plan_id": w.plan},
		"#/jump_plan_id", "circle")
	large := strings.Repeat("[0-9]{1000}", 20)
	for what, pattern := range map[string]string{"large": large, "nested": "((((1{5}){5}){5}){5}){5}", "Unicode": strings.Repeat(`\pL{900}`, 30)} {
		b.refused(what, "POST", "/dialplans", rest.Object{"name": "x", "rules": []rest.Object{{"name": "r", "field": "callee", "match": "regex", "pattern": pattern}}},
			"422", "#/rules/0/pattern")
		b.refused(what, "POST", "/routing-plans/"+w.plan+"/rules", rest.Object{"name": "x", "prefix": "9", "action": "route", "route_list_id": w.list,
			"conditions": []rest.Object{{"field": "caller", "match": "regex", "values": []string{"1", pattern}}}}, "422", "#/conditions/0/values/1")
	}
	deck := b.create("/rate-decks", rest.Object{"name": "d", "currency": "EUR"})
	b.rates(deck, "prefix,per_minute\n41,0.1\n")
	if code, said := b.rates(deck, "prefix,per_minute\n43,1\n4x,1\n44,free\n"); code != 422 || !strings.Contains(said, "#/2/prefix") ||
		!strings.Contains(said, "#/3/per_minute") {
		t.Errorf("a bad deck: %d %s", code, said)
	}
	b.do(http.MethodGet, "/rate-decks/"+deck+"/lookup?number=41", nil, nil)
	b.refused("half of a bad deck", "GET", "/rate-decks/"+deck+"/lookup?number=43", nil, "404")
}

// TestWorstDialplan: 500 rules that each are as large as they may be, and almost fit, are written, tried and taken away in time.
func TestWorstDialplan(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	var rules []rest.Object
	for i := range 500 {
		rules = append(rules, rest.Object{"name": fmt.Sprint(i), "field": "callee", "match": "regex", "pattern": fmt.Sprintf("^(([0-9]{1,20})*){1,12}x%d$", i), "set_callee": "$1"})
	}
	began := time.Now()
	id := b.create("/dialplans", rest.Object{"name": "worst", "rules": rules})
	if took := time.Since(began); took > 5*time.Second && !raceEnabled {
		t.Errorf("written in %v", took)
	}
	began = time.Now()
	b.do(http.MethodPost, "/dialplans/"+id+"/test", rest.Object{"calls": []rest.Object{{"callee": strings.Repeat("1", 32)}}}, nil)
	took := time.Since(began)
	t.Log("500 of the largest rules in", took)
	if took > time.Second && !raceEnabled {
		t.Errorf("one number takes %v", took)
	}
}
