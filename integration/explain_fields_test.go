package integration

import (
	"fmt"
	"net/http"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// TestExplainLooksAtTheCallAsItIsTold: each of the fields at, call_id, headers and variables leads where the live decision would.
func TestExplainLooksAtTheCallAsItIsTold(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	day := b.create("/time-profiles", rest.Object{"name": "day", "time_zone": "Europe/Berlin",
		"windows": []rest.Object{{"start": "2020-01-01T08:00:00", "duration_s": 36000, "rrule": "FREQ=DAILY"}}})
	for prefix, more := range map[string]rest.Object{
		"41": {"time_profile_id": day},
		"42": {"conditions": []rest.Object{{"field": "header", "name": "X-Class", "match": "exact", "values": []string{"gold"}}}},
		"43": {"conditions": []rest.Object{{"field": "variable", "name": "deal", "match": "exact", "values": []string{"7"}}}},
		"44": {"conditions": []rest.Object{{"field": "percent", "percent": 50}}},
	} {
		b.create("/routing-plans/"+w.plan+"/rules", with(rest.Object{"name": prefix, "prefix": prefix, "action": "reject", "reject_code": 480}, more))
	}
	code := func(callee string, more rest.Object) int {
		t.Helper()
		var e sbc.Explanation
		b.do(http.MethodPost, "/routing/explain", with(rest.Object{"source_address": w.westPeer.String(), "sip_interface_id": w.westInterface,
			"caller": "1", "callee": callee}, more), &e)
		return e.RejectCode
	}
	for _, c := range []struct {
		callee string
		more   rest.Object
		want   int
	}{
		{"41", rest.Object{"at": "2026-07-01T12:00:00Z"}, 480}, {"41", rest.Object{"at": "2026-07-01T22:00:00Z"}, 0},
		{"42", rest.Object{"headers": rest.Object{"x-class": "gold"}}, 480}, {"42", rest.Object{"headers": rest.Object{"X-Class": "lead"}}, 0}, {"42", nil, 0},
		{"43", rest.Object{"variables": rest.Object{"deal": "7"}}, 480}, {"43", rest.Object{"variables": rest.Object{"deal": "8"}}, 0}, {"43", nil, 0},
	} {
		if got := code(c.callee, c.more); got != c.want {
			t.Errorf("%s with %v: %d, want %d", c.callee, c.more, got, c.want)
		}
	}
	refused := 0
	for i := range 100 {
		id := rest.Object{"call_id": fmt.Sprint("call-", i)}
		first := code("44", id)
		if first == 480 {
			refused++
		}
		if again := code("44", id); again != first {
			t.Errorf("the same Call-ID is decided otherwise: %d, then %d", first, again)
		}
	}
	if refused < 30 || refused > 70 {
		t.Errorf("%d of 100 Call-IDs are within 50 percent", refused)
	}
	b.refused("a header of the dialog", "POST", "/routing/explain", rest.Object{"source_address": w.westPeer.String(), "sip_interface_id": w.westInterface,
		"caller": "1", "callee": "42", "headers": rest.Object{"Via": "x"}}, "422", "#/headers")
}

// TestDecisionOutlivesARestart: why a call that is over went where it went is known after a restart, word by word.
func TestDecisionOutlivesARestart(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	dir := t.TempDir()
	o := app.Options{DataDir: dir, Database: "sqlite://" + filepath.Join(dir, "s.db")}
	b := startBorder(t, o)
	w := b.connect(newSides(t), wish{})
	sippServer(t, "callee.xml", w.eastPeer, "-t", "u1")
	if err := sipp(patience(t, 20*time.Second), t, "caller.xml", calling(w.sides, "u1", 1, "-d", "10")...); err != nil {
		t.Fatal(err)
	}
	at := "/cdrs/" + b.cdrs(1)[0].ID + "/decision"
	var before, after sbc.Explanation
	b.do(http.MethodGet, at, nil, &before)
	if len(before.Steps) < 5 || len(before.Attempts) != 1 {
		t.Errorf("%+v", before)
	}
	if err := b.app.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	b = startBorder(t, o)
	b.do(http.MethodGet, at, nil, &after)
	if !reflect.DeepEqual(before, after) {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
}
