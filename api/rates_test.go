package api

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/rates"
)

// exampleRates is the blob of the deck that the fixture has.
func exampleRates() []byte {
	t, _, _ := rates.Read(strings.NewReader("prefix,per_minute,minimum_s,name\n49,0.012,60,Germany\n"))
	blob, _ := rates.Pack(t)
	return blob
}

// rates gives the table of a deck of the store.
func (f *fixture) rates(hash string) *rates.Table {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	for _, b := range f.m.state.blobs {
		if b.about.SHA256 == hash && b.about.Name == sbc.BlobRates {
			if t, err := rates.Unpack(bytes.NewReader(b.content)); err == nil {
				return t
			}
		}
	}
	return nil
}

func TestRatesAreUploadedLookedUpAndGivenBack(t *testing.T) {
	t.Parallel()
	f := start(t)
	made := f.do("POST", "/v1/rate-decks", `{"name":"south","currency":"CHF"}`).is(201)
	at := made.header.Get("Location")
	upload := func(path, body string, headers ...string) *reply {
		return f.do("PUT", path, body, append([]string{"Content-Type", "text/csv; charset=utf-8"}, headers...)...)
	}
	count := func() any {
		t.Helper()
		return f.do("GET", at, "").is(200).json()["status"].(map[string]any)["rate_count"]
	}
	f.do("GET", at+"/rates", "").problem(404, "not_found")
	f.do("GET", at+"/lookup?number=49", "").problem(404, "not_found")
	const good = "per_minute;prefix;from;name\n0.2;41;2027-01-01T00:00:00+01:00;Switzerland\n0.1;+41;;Switzerland\n"
	if r := upload(at+"/rates?dry_run=true", good).is(200); r.json()["status"].(map[string]any)["rate_count"] != 2.0 || count() != 0.0 {
		t.Errorf("a dry run: %s, then %v", r.body, count())
	}
	first := upload(at+"/rates", good, "If-Match", made.header.Get("ETag")).is(200)
	if count() != 2.0 || first.header.Get("ETag") == made.header.Get("ETag") {
		t.Errorf("%s", first.body)
	}
	for query, want := range map[string]string{
		"number=%2B41441234567&at=2026-12-31T22:59:59Z": "0.100000000", "number=41441234567&at=2026-12-31T23:00:00Z": "0.200000000",
		"number=41": "0.100000000",
	} {
		if r := f.do("GET", at+"/lookup?"+query, "").is(200); r.text("per_minute") != want || r.text("currency") != "CHF" ||
			r.text("prefix") != "41" || r.text("name") != "Switzerland" {
			t.Errorf("%s: %s", query, r.body)
		}
	}
	f.do("GET", at+"/lookup?number=49", "").problem(404, "not_found")
	f.do("GET", at+"/lookup?number=41&at=noon", "").problem(400, "invalid_parameter")
	const kept = "prefix,per_minute,connection,minimum_s,increment_s,from,until,name\n" +
		"41,0.100000000,0.000000000,0,1,,,Switzerland\n41,0.200000000,0.000000000,0,1,2026-12-31T23:00:00Z,,Switzerland\n"
	got := f.do("GET", at+"/rates", "").is(200)
	if string(got.body) != kept || got.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("%s %q", got.header.Get("Content-Type"), got.body)
	}
	f.do("GET", at+"/rates", "", "If-None-Match", got.header.Get("ETag")).is(304)
	// Bad rows: each is told with row and column, and nothing of the others is taken.
	bad := upload(at+"/rates", "prefix,per_minute,until\n43,1,\n4x,1,\n44,free,soon\n").problem(422, "invalid")
	for _, pointer := range []string{"#/2/prefix", "#/3/per_minute", "#/3/until"} {
		if !strings.Contains(fmt.Sprint(bad), pointer) {
			t.Errorf("%s is not told: %v", pointer, bad)
		}
	}
	if got := f.do("GET", at+"/rates", "").is(200); string(got.body) != kept {
		t.Errorf("half of a bad upload was taken: %s", got.body)
	}
	// What was read can be uploaded again and changes nothing; other writes leave the rates as they are.
	if upload(at+"/rates", kept).is(200); f.do("GET", at, "").header.Get("ETag") != first.header.Get("ETag") {
		t.Error("the same rates made a revision")
	}
	f.do("PUT", at, string(f.do("GET", at, "").body)).is(200)
	f.do("PATCH", at, `{"currency":"EUR"}`).is(200)
	if f.do("GET", at+"/lookup?number=41", "").is(200).text("currency") != "EUR" || count() != 2.0 {
		t.Error("a write of the deck lost its rates")
	}
	f.do("PATCH", at, `{"rates_sha256":"00"}`).problem(422, "invalid")
	for _, path := range []string{at, "/v1/rate-decks", "/v1/audit-events?resource_id=" + made.text("id")} {
		if got := f.do("GET", path, "").is(200); strings.Contains(string(got.body), `"rates`) {
			t.Errorf("%s shows what names the rates", path)
		}
	}
	upload(at+"/rates", good, "If-Match", made.header.Get("ETag")).problem(412, "precondition_failed")
	f.do("PUT", at+"/rates", "{}", "Content-Type", "application/json").problem(415, "unsupported_media_type")
	f.as(readerKey, "GET", at+"/rates", "").problem(403, "forbidden")
	f.as(tenantKey, "GET", at+"/rates", "").problem(404, "not_found")
	f.as(tenantKey, "PUT", at+"/rates", good, "Content-Type", "text/csv").problem(404, "not_found")
	if upload(at+"/rates", "prefix,per_minute\n").is(200); count() != 0.0 {
		t.Error("no rates at all are a deck, too")
	}
	f.do("DELETE", at, "").is(204)
	f.do("GET", at+"/rates", "").problem(404, "not_found")
}
