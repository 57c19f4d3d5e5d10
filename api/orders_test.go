package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// orders are the operations on one call: what follows its path, a good body, what is then carried out, and a bad one with what is
// wrong with it.
func orders(f *fixture) []struct{ method, path, body, done, bad, wrong string } {
	announcement := f.ids[sbc.KindAnnouncement]
	return []struct{ method, path, body, done, bad, wrong string }{
		{"POST", "/hold", `{"side":"callee"}`, "sbc.HoldOrder{Side:callee Held:true}", `{"side":"sbc"}`, "#/side"},
		{"POST", "/resume", `{"side":"caller"}`, "sbc.HoldOrder{Side:caller Held:false}", `{}`, "#/side"},
		{"POST", "/reinvite", `{"side":"callee"}`, "sbc.ReinviteOrder{Sides:[callee] NewPort:false}", `{"side":"sbc"}`, "#/side"},
		{"POST", "/transfer", `{"keep":"caller","target":"+4989333","reason":"x"}`,
			"sbc.TransferOrder{Keep:caller Target:+4989333 CallID: With: Reason:x}", `{"keep":"caller"}`, "#/target"},
		{"POST", "/dtmf", `{"side":"callee","digits":"12#","duration_ms":200}`,
			"sbc.DTMFOrder{Side:callee Digits:12# Duration:200ms Gap:0s}", `{"side":"callee","digits":"x"}`, "#/digits"},
		{"POST", "/play", fmt.Sprintf(`{"sides":["caller","callee"],"announcement_id":%q}`, announcement),
			"sbc.PlayOrder{Sides:[caller callee] AnnouncementID:" + announcement + " Repeat:1}",
			`{"sides":["caller"],"announcement_id":"ann_none"}`, "#/announcement_id"},
		{"DELETE", "/play?side=caller", "", "struct { Stop []sbc.Side }{Stop:[caller]}", "", ""},
		{"DELETE", "/play", "", "struct { Stop []sbc.Side }{Stop:[caller callee]}", "", ""},
	}
}

func TestOrdersAreCarriedOut(t *testing.T) {
	t.Parallel()
	f := start(t)
	id := f.calls.calls[0].ID
	for _, o := range orders(f) {
		t.Run(o.method+o.path, func(t *testing.T) {
			f.t = t
			f.calls.orders = nil
			at := "/v1/calls/" + id + o.path
			dry, more, _ := strings.Cut(at, "?")
			f.do(o.method, dry+"?dry_run=true&"+more, o.body).is(204)
			f.as(tenantKey, o.method, at, o.body).problem(404, "not_found")
			f.as(readerKey, o.method, at, o.body).problem(403, "forbidden")
			if o.bad != "" {
				r := f.do(o.method, at, o.bad)
				r.problem(422, "invalid")
				equal(t, r.pointers(), []string{o.wrong})
			}
			if len(f.calls.orders) != 0 {
				t.Fatalf("%v was carried out", f.calls.orders)
			}
			f.do(o.method, at, o.body, "Idempotency-Key", "k"+o.path).is(204)
			if o.method == "POST" {
				again := f.do(o.method, at, o.body, "Idempotency-Key", "k"+o.path).is(204)
				if again.header.Get("Idempotency-Replayed") != "true" {
					t.Error("a repetition was not recognised")
				}
			}
			equal(t, f.calls.orders, []string{id + " " + o.done})
			f.calls.refuse = sbc.Errorf(sbc.CodeConflict, "the call is not answered")
			f.do(o.method, at, o.body).problem(409, "conflict")
			f.calls.refuse = nil
		})
	}
}

func TestInfoIsSent(t *testing.T) {
	t.Parallel()
	f := start(t)
	id := f.calls.calls[0].ID
	at, body := "/v1/calls/"+id+"/info", `{"side":"callee","content_type":"text/plain","body":"secret"}`
	if got := string(f.do("POST", at+"?dry_run=true", body).is(200).body); strings.TrimSpace(got) != "{}" || len(f.calls.orders) != 0 {
		t.Errorf("a dry run gave %s and did %v", got, f.calls.orders)
	}
	f.as(tenantKey, "POST", at, body).problem(404, "not_found")
	f.as(readerKey, "POST", at, body).problem(403, "forbidden")
	for range 2 { // the second is a repetition
		r := f.do("POST", at, body, "Idempotency-Key", "k").is(200)
		if got := r.json(); got["status"] != 415.0 || got["reason"] != "Not that" || got["body"] != "x" {
			t.Errorf("%s", r.body)
		}
	}
	equal(t, f.calls.orders, []string{id + " sbc.InfoOrder{Side:callee ContentType:text/plain Body:secret}"})
	if e := f.event("sendInfo"); e["bytes"] != 6.0 || strings.Contains(fmt.Sprint(e), "secret") {
		t.Errorf("%v", e)
	}
	for bad, wrong := range map[string]string{
		`{}`: "#/side", `{"side":"caller","content_type":"text/plain"}`: "#/content_type", `{"side":"caller","body":"x"}`: "#/content_type",
		`{"side":"caller","content_type":"text/plain\r\nVia: x","body":"x"}`:                       "#/content_type",
		`{"side":"caller","content_type":"Application/SDP","body":"x"}`:                            "#/content_type",
		`{"side":"caller","content_type":"multipart/mixed","body":"x"}`:                            "#/content_type",
		`{"side":"caller","content_type":"text/plain","body":"` + strings.Repeat("x", 4097) + `"}`: "#/body",
		`{"side":"caller","content_type":"text/plain","body":"` + strings.Repeat("ä", 2049) + `"}`: "#/body",
		`{"side":"caller","content_type":"` + strings.Repeat("x", 128) + `/x","body":"x"}`:         "#/content_type",
	} {
		r := f.do("POST", at, bad)
		r.problem(422, "invalid")
		equal(t, r.pointers(), []string{wrong})
	}
	f.calls.refuse = sbc.Errorf(sbc.CodeConflict, "the callee did not answer")
	f.do("POST", at, body).problem(409, "conflict")
}

func TestDigitsAreNotInTheAuditLog(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.do("POST", "/v1/calls/"+f.calls.calls[0].ID+"/dtmf", `{"side":"callee","digits":"98765"}`).is(204)
	if e := f.event("sendDTMF"); e["digits"] != 5.0 || strings.Contains(fmt.Sprint(e), "98765") {
		t.Errorf("%v", e)
	}
}

func TestOnlyWhatHasAudioIsPlayed(t *testing.T) {
	t.Parallel()
	f := start(t)
	at := "/v1/calls/" + f.calls.calls[0].ID + "/play"
	play := func(id string) *reply {
		return f.do("POST", at, fmt.Sprintf(`{"sides":["caller"],"announcement_id":%q}`, id))
	}
	silent := f.do("POST", "/v1/announcements", `{"name":"silent"}`).is(201)
	for want, code := range map[string]string{silent.text("id"): "no_audio", "ann_none": "unknown_reference"} {
		r := play(want)
		if r.problem(422, "invalid"); !strings.Contains(string(r.body), code) {
			t.Errorf("%s", r.body)
		}
	}
	f.do("PUT", silent.header.Get("Location")+"/audio", wav("beep"), "Content-Type", "audio/wav").is(200)
	play(silent.text("id")).is(204)
	f.do("PATCH", silent.header.Get("Location"), `{"enabled":false}`).is(200)
	play(silent.text("id")).problem(422, "invalid")
}

func TestCallsOfTwoTenantsAreNotJoined(t *testing.T) {
	t.Parallel()
	f := start(t)
	at := "/v1/calls/" + f.calls.calls[0].ID + "/transfer"
	for _, other := range []string{f.calls.calls[1].ID, f.calls.calls[0].ID, "call_none"} {
		r := f.do("POST", at, fmt.Sprintf(`{"keep":"caller","call_id":%q,"with":"callee"}`, other))
		r.problem(422, "invalid")
		equal(t, r.pointers(), []string{"#/call_id"})
	}
}

func TestChangeOfACall(t *testing.T) {
	t.Parallel()
	f := start(t)
	at := "/v1/calls/" + f.calls.calls[0].ID
	f.do("PATCH", at, `{"variables":{"a":"1","b":"2"}}`).is(200)
	dry := f.do("PATCH", at+"?dry_run=true", `{"max_duration_s":60,"variables":{"a":null}}`).is(200)
	is := f.do("GET", at, "").is(200)
	if is.json()["max_duration_s"] != 0.0 || fmt.Sprint(is.json()["variables"]) != "map[a:1 b:2]" {
		t.Errorf("a dry run was kept: %s", is.body)
	}
	r := f.do("PATCH", at, `{"max_duration_s":60,"variables":{"a":null}}`).is(200)
	if string(r.body) != string(dry.body) || r.json()["max_duration_s"] != 60.0 || fmt.Sprint(r.json()["variables"]) != "map[b:2]" {
		t.Errorf("%s\ndry run %s", r.body, dry.body)
	}
	if e := f.event("updateCall"); e["max_duration_s"] != 60.0 {
		t.Errorf("%v", e)
	}
	bad := f.do("PATCH", at, `{"max_duration_s":0,"variables":{"a b":"x"}}`)
	bad.problem(422, "invalid")
	f.do("PATCH", at, `{"variables":{"a b":"x"}}`).problem(422, "invalid")
	f.do("PATCH", at, `{"max_duration_s":null}`).problem(422, "invalid")
	f.as(tenantKey, "PATCH", at, `{}`).problem(404, "not_found")
}

func TestOriginate(t *testing.T) {
	t.Parallel()
	f := start(t)
	body := fmt.Sprintf(`{"trunk_id":%q,"from":"100","to":"+4989222","variables":{"account":"1"}}`, f.ids[sbc.KindTrunk])
	f.do("POST", "/v1/calls?dry_run=true", body).is(202)
	if len(f.calls.orders) != 0 {
		t.Fatal("a dry run called somebody")
	}
	first := f.do("POST", "/v1/calls", body, "Idempotency-Key", "a").is(202)
	again := f.do("POST", "/v1/calls", body, "Idempotency-Key", "a").is(202)
	if string(first.body) != string(again.body) || len(f.calls.orders) != 1 {
		t.Errorf("%d calls were made: %s %s", len(f.calls.orders), first.body, again.body)
	}
	if got := f.do("GET", first.header.Get("Location"), "").is(200).text("id"); got != first.text("id") {
		t.Errorf("at %s is %s", first.header.Get("Location"), got)
	}
	r := f.do("POST", "/v1/calls", `{"trunk_id":"trk_none","from":"100","to":"2","variables":{"a b":"1"}}`)
	r.problem(422, "invalid")
	equal(t, r.pointers(), []string{"#/trunk_id", "#/variables"})
	f.as(tenantKey, "POST", "/v1/calls", body).problem(422, "invalid") // the trunk is not theirs
	f.do("PATCH", f.trunk(), `{"enabled":false}`).is(200)
	f.do("POST", "/v1/calls", body).problem(422, "invalid")
}
