package api

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// bulkFixture is the API over the real store, with the domain, the group and the number list of the examples.
func bulkFixture(t *testing.T) *fixture { return overStore(t, start(t)) }

// imports sends a table and waits for the end of its job.
func (f *fixture) imports(query, contentType, table string) map[string]any {
	f.t.Helper()
	r := f.do("POST", "/v1/imports?"+query, table, "Content-Type", contentType).is(202)
	return f.ended(r.header.Get("Location"))
}

func (f *fixture) ended(job string) map[string]any {
	f.t.Helper()
	var j map[string]any
	f.until(func() bool {
		j = f.do("GET", job, "").is(200).json()
		return sbc.JobState(j["state"].(string)).Ended()
	})
	return j
}

// until waits for a condition.
func (f *fixture) until(is func() bool) {
	f.t.Helper()
	ticker, late := time.NewTicker(2*time.Millisecond), time.After(time.Minute)
	defer ticker.Stop()
	for !is() {
		select {
		case <-ticker.C:
		case <-late:
			f.t.Fatal("what is waited for does not come")
		}
	}
}

// counted checks state and counts: rows, created, updated, unchanged, failed, deleted.
func counted(t *testing.T, j map[string]any, state string, want ...int) {
	t.Helper()
	n := j["counts"].(map[string]any)
	var got []int
	for _, name := range []string{"rows", "created", "updated", "unchanged", "failed", "deleted"} {
		got = append(got, int(n[name].(float64)))
	}
	if j["state"] != state || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%v %v, want %s %v: %v", j["state"], got, state, want, j)
	}
}

// faultsOf are the faults of a job, each as "row pointer code".
func (f *fixture) faultsOf(j map[string]any) (all []string) {
	f.t.Helper()
	page := f.do("GET", "/v1/jobs/"+j["id"].(string)+"/errors?limit=1000", "").is(200).json()
	for _, one := range page["items"].([]any) {
		e := one.(map[string]any)
		all = append(all, fmt.Sprintf("%v %v %v", e["row"], e["pointer"], e["code"]))
	}
	return all
}

// subscriber reads one by its username.
func (f *fixture) subscriber(username string) map[string]any {
	f.t.Helper()
	items := f.do("GET", "/v1/subscribers?username="+url.QueryEscape(username), "").is(200).json()["items"].([]any)
	if len(items) != 1 {
		f.t.Fatalf("%d subscribers are called %s", len(items), username)
	}
	return items[0].(map[string]any)
}

func TestImportInsertsUpsertsAndSyncs(t *testing.T) {
	t.Parallel()
	f := bulkFixture(t)
	domain := f.do("GET", "/v1/domains/"+f.ids[sbc.KindDomain], "").is(200).json()["name"].(string)
	group := f.do("GET", "/v1/groups/"+f.ids[sbc.KindGroup], "").is(200).json()["name"].(string)
	table := "domain,username,password,groups,custom.segment,labels.region,max_calls,forwarding.busy.target,do_not_disturb\n" +
		domain + ",anna,secret1," + group + ",gold,eu,3,+4930123,true\n" +
		domain + ",berta,secret2,,,,,,\n"
	counted(t, f.imports("kind=subscribers", "text/csv", table), "succeeded", 2, 2, 0, 0, 0, 0)
	s := f.subscriber("anna")
	if s["domain_id"] != f.ids[sbc.KindDomain] || s["custom"].(map[string]any)["segment"] != "gold" || s["max_calls"] != 3.0 ||
		s["labels"].(map[string]any)["region"] != "eu" || s["group_ids"].([]any)[0] != f.ids[sbc.KindGroup] ||
		s["forwarding"].(map[string]any)["busy"].(map[string]any)["target"] != "+4930123" || s["do_not_disturb"] != true ||
		len(s["algorithms"].([]any)) != 3 {
		t.Errorf("anna is %v", s)
	}
	j := f.imports("kind=subscribers", "text/csv", table)
	counted(t, j, "partial", 2, 0, 0, 0, 2, 0)
	if got := f.faultsOf(j); fmt.Sprint(got) != "[1 #/username taken 2 #/username taken]" {
		t.Errorf("faults %v", got)
	}
	counted(t, f.imports("kind=subscribers&mode=upsert", "text/csv", table), "succeeded", 2, 0, 0, 2, 0, 0)
	table = `{"username":"anna","max_calls":null,"display_name":"Anna"}` + "\n\n" + `{"username":"clara","ha1":"0123456789abcdef0123456789abcdef"}` + "\n"
	q := "&domain_id=" + domain
	counted(t, f.imports("kind=subscribers&mode=upsert&dry_run=true"+q, "application/x-ndjson", table), "succeeded", 2, 1, 1, 0, 0, 0)
	if f.subscriber("anna")["max_calls"] != 3.0 {
		t.Error("a dry run changed something")
	}
	counted(t, f.imports("kind=subscribers&mode=upsert"+q, "application/x-ndjson", table), "succeeded", 2, 1, 1, 0, 0, 0)
	s = f.subscriber("anna")
	if s["max_calls"] != 0.0 || s["display_name"] != "Anna" || s["custom"] == nil || len(s["algorithms"].([]any)) != 3 {
		t.Errorf("anna is %v", s)
	}
	bad := table + "{}\n"
	counted(t, f.imports("kind=subscribers&mode=sync"+q, "application/x-ndjson", bad), "partial", 3, 0, 0, 2, 1, 0)
	f.subscriber("berta")
	j = f.imports("kind=subscribers&mode=sync"+q, "application/x-ndjson", table)
	counted(t, j, "succeeded", 2, 0, 0, 2, 0, 1) // berta; the one of the examples is needed by its alias
	if got := f.faultsOf(j); fmt.Sprint(got) != "[0 <nil> referenced]" {
		t.Errorf("faults %v", got)
	}
	f.auditedOnce(j["id"].(string))
}

// auditedOnce wants one audit event of a job, with its counts and no secret.
func (f *fixture) auditedOnce(job string) {
	f.t.Helper()
	f.until(func() bool {
		items := f.do("GET", "/v1/audit-events?resource_id="+job, "").is(200).json()["items"].([]any)
		return len(items) == 1 && items[0].(map[string]any)["operation_id"] == "importResources"
	})
}

func TestImportOfOpenSIPSTables(t *testing.T) {
	t.Parallel()
	f := bulkFixture(t)
	domain := f.do("GET", "/v1/domains/"+f.ids[sbc.KindDomain], "").is(200).json()["name"].(string)
	h := strings.Repeat("0a", 16)
	counted(t, f.imports("kind=subscribers", "text/csv", "\ufeffid;username;domain;password;ha1;ha1_sha256;ha1_sha512t256\n"+
		"1;anna;"+domain+";;"+h+";"+h+h+";"+h+h+"\n2;berta;"+domain+";\\N;"+h+";;\n"), "succeeded", 2, 2, 0, 0, 0, 0)
	if got := fmt.Sprint(f.subscriber("anna")["algorithms"], f.subscriber("berta")["algorithms"]); got != "[MD5 SHA-256 SHA-512-256] [MD5]" {
		t.Errorf("algorithms %s", got)
	}
	j := f.imports("kind=aliases", "text/csv", "alias_username,alias_domain,username,domain\n"+
		"+4930555,"+domain+",anna,"+domain+"\n+4930556,"+domain+",nobody,"+domain+"\n+4930557,"+domain+",anna,other.example\n")
	counted(t, j, "partial", 3, 1, 0, 0, 2, 0)
	if got := f.faultsOf(j); fmt.Sprint(got) != "[2 #/username unknown_reference 3 #/domain conflict]" {
		t.Errorf("faults %v", got)
	}
}

// TestImportNamesTheFieldThatIsWrong puts something wrong into every field there is, one in a row, and into all at once.
func TestImportNamesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	f := bulkFixture(t)
	for param, kind := range importKinds() {
		doc := parsed(t)
		schema := doc.Components.Schemas[schemaName(kind)+"Write"].Value
		var lines, want []string
		all := map[string]any{}
		for name, p := range schema.Properties {
			if name == "tenant_id" {
				continue
			}
			good, err := object(f.fromExample(doc, kind))
			if err != nil {
				t.Fatal(err)
			}
			for other := range good {
				if schema.Properties[other] == nil || other == "tenant_id" {
					delete(good, other)
				}
			}
			var wrong any = map[string]any{"no such": true}
			if p.Value.Type == nil || !p.Value.Type.Is("string") {
				wrong = "no such"
			}
			good[name], all[name] = wrong, wrong
			line, err := json.Marshal(good)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(line))
			want = append(want, name)
		}
		line, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		j := f.imports("kind="+param+"&dry_run=true", "application/x-ndjson", strings.Join(append(lines, string(line)), "\n"))
		counted(t, j, "partial", len(lines)+1, 0, 0, 0, len(lines)+1, 0)
		got := strings.Join(f.faultsOf(j), "\n") + "\n"
		for i, name := range want {
			for _, row := range []int{i + 1, len(lines) + 1} {
				if !strings.Contains(got, fmt.Sprintf("%d #/%s", row, name)) {
					t.Errorf("%s: row %d does not blame %s: %s", kind, row, name, lines[i])
				}
			}
		}
	}
}

func TestImportRefusesRowsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	f := bulkFixture(t)
	q := "kind=subscribers&domain_id=" + f.ids[sbc.KindDomain]
	j := f.imports(q, "text/csv", "username,max_calls,labels.a\nanna,1,x\nberta,1\nclara,many,x\n\"d\"ora,1,x\nemma\xff,1,x\nanna,1,x\nfrieda,1,x\n")
	counted(t, j, "partial", 7, 2, 0, 0, 5, 0)
	want := "[2 # columns 3 #/max_calls type 4 # syntax 5 #/username encoding 6 #/username duplicate]"
	if got := fmt.Sprint(f.faultsOf(j)); got != want {
		t.Errorf("faults %s, want %s", got, want)
	}
	j = f.imports(q, "application/x-ndjson", "{\n[]\n{\"nothing\":1}\n{\"username\":\"gerda\",\"tenant_id\":\"ten_x\"}\n"+
		"{\"username\":\"hilde\",\"domain_id\":\"other\"}\n{\"username\":\""+strings.Repeat("x", 2<<20)+"\"}\n{\"username\":\"ida\"}")
	counted(t, j, "partial", 7, 1, 0, 0, 6, 0)
	got := fmt.Sprint(f.faultsOf(j))
	if !strings.HasPrefix(got, "[1 # syntax 2 # type 3 #/nothing unknown 4 #/tenant_id mismatch 5 #/domain_id mismatch 6 # too_long") {
		t.Errorf("faults %s", got)
	}
	table, err := csv.NewReader(strings.NewReader(string(f.do("GET", "/v1/jobs/"+j["id"].(string)+"/errors?format=csv&limit=1000", "").is(200).body))).ReadAll()
	if err != nil || len(table) < 7 || table[4][2] != "#/tenant_id" {
		t.Errorf("faults as a table: %v, %v", table, err)
	}
	j = f.imports(q, "text/csv", "username\n\"anna2\nberta2\n"+strings.Repeat("clara\n", 400_000))
	if j["state"] != "failed" || j["reason"] != "unreadable" {
		t.Errorf("a quote without end: %v", j)
	}
	for _, c := range []struct {
		query, contentType, body, code string
		status                         int
	}{
		{q, "text/csv", "username,colour\nanna,red\n", "invalid", 422},
		{q, "text/csv", "", "invalid", 422},
		{q, "application/json", "{}", "unsupported_media_type", 415},
		{"kind=trunks", "text/csv", "name\n", "invalid_parameter", 400},
		{"mode=insert", "text/csv", "name\n", "invalid_parameter", 400},
		{"kind=subscribers&mode=sync", "text/csv", "username\n", "invalid_parameter", 400},
		{"kind=groups&domain_id=x", "text/csv", "name\n", "invalid_parameter", 400},
		{"kind=subscribers&domain_id=x", "text/csv", "username\n", "invalid_parameter", 400},
		{"kind=aliases&match_on=username", "text/csv", "name\n", "invalid_parameter", 400},
	} {
		f.do("POST", "/v1/imports?"+c.query, c.body, "Content-Type", c.contentType).problem(c.status, c.code)
	}
	f.as(readerKey, "POST", "/v1/imports?"+q, "username\n", "Content-Type", "text/csv").problem(403, "forbidden")
	f.as(tenantKey, "GET", "/v1/jobs/"+j["id"].(string), "").problem(404, "not_found")
}

func TestImportIsBegunOncePerIdempotencyKey(t *testing.T) {
	t.Parallel()
	f := bulkFixture(t)
	path := "/v1/imports?kind=subscribers&domain_id=" + f.ids[sbc.KindDomain]
	send := func(body string) *reply {
		return f.do("POST", path, body, "Content-Type", "text/csv", "Idempotency-Key", "once")
	}
	first := send("username\nanna\n").is(202)
	again := send("username\nanna\n").is(202)
	if first.header.Get("Location") != again.header.Get("Location") || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("two jobs: %v and %v", first.header, again.header)
	}
	send("username\nberta\n").problem(422, "idempotency_key_reused")
	counted(t, f.ended(first.header.Get("Location")), "succeeded", 1, 1, 0, 0, 0, 0)
}

// TestExportCanBeImported wipes what was exported and imports it: all is as it was but ids and times.
func TestExportCanBeImported(t *testing.T) {
	t.Parallel()
	const rows = exportPage + 20 // a page and a chunk are not enough
	for _, form := range []struct{ name, contentType string }{{"csv", "text/csv"}, {"ndjson", "application/x-ndjson"}} {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			f := bulkFixture(t)
			var table strings.Builder
			for i := range rows {
				fmt.Fprintf(&table, `{"username":"u%d","password":"p%d","display_name":"a \"b\"; c, %d","custom":{"n":%d,"deep":{"x":[1,"y"]}},`+
					`"caller_identities":["1","2"],"description":"two words","labels":{"a.b/c":"x;y"},"external_id":"e%d"}`+"\n", i, i, i, i, i)
			}
			q := "&domain_id=" + f.ids[sbc.KindDomain]
			j := f.imports("kind=subscribers"+q, "application/x-ndjson", table.String())
			if j["state"] != "succeeded" {
				t.Fatal(j, f.faultsOf(j)[0], string(f.do("GET", "/v1/jobs/"+j["id"].(string)+"/errors?limit=1", "").body))
			}
			counted(t, f.imports("kind=aliases"+q, "text/csv", fmt.Sprintf("name,subscriber,caller_id\n+49,u1,true\n+50,u%d,0\n", rows-1)), "succeeded", 2, 2, 0, 0, 0, 0)
			at := func(kind, more string) string {
				return string(f.do("GET", "/v1/"+kind+"/export?references=name&format="+form.name+more, "").is(200).body)
			}
			subscribers, aliases := at("subscribers", "&secrets=true"), at("aliases", "")
			shown := at("subscribers", "")
			if strings.Contains(shown, f.secretOf("u7")) || !strings.Contains(subscribers, f.secretOf("u7")) {
				t.Error("secrets are shown unasked, or not shown when they are asked for")
			}
			f.wipe(t, sbc.KindAlias)
			f.wipe(t, sbc.KindSubscriber)
			counted(t, f.imports("kind=subscribers", form.contentType, subscribers), "succeeded", rows+1, rows+1, 0, 0, 0, 0)
			counted(t, f.imports("kind=aliases", form.contentType, aliases), "succeeded", 3, 3, 0, 0, 0, 0)
			counted(t, f.imports("kind=subscribers&mode=upsert", form.contentType, subscribers), "succeeded", rows+1, 0, 0, rows+1, 0, 0)
			counted(t, f.imports("kind=aliases&mode=upsert", form.contentType, aliases), "succeeded", 3, 0, 0, 3, 0, 0)
			if s := f.subscriber("u7"); s["custom"].(map[string]any)["n"] != 7.0 || s["labels"].(map[string]any)["a.b/c"] != "x;y" ||
				s["display_name"] != "a \"b\"; c, 7" || s["external_id"] != "e7" || len(s["caller_identities"].([]any)) != 2 {
				t.Errorf("u7 is %v", s)
			}
		})
	}
}

// secretOf is a hash as the store keeps it.
func (f *fixture) secretOf(username string) string {
	f.t.Helper()
	r, err := f.real.Get(f.t.Context(), sbc.KindSubscriber, "", f.subscriber(username)["id"].(string))
	if err != nil {
		f.t.Fatal(err)
	}
	return r.(*sbc.Subscriber).HA1
}

// wipe deletes all of a kind.
func (f *fixture) wipe(t *testing.T, kind sbc.Kind) {
	t.Helper()
	err := f.real.Update(t.Context(), func(tx sbc.Tx) error {
		page, _, err := tx.List(sbc.Query{Kind: kind, Limit: 10_000})
		if err != nil {
			return err
		}
		var ids []string
		for _, r := range page {
			ids = append(ids, r.Base().ID)
		}
		if kind == sbc.KindSubscriber {
			rules, _, err := tx.List(sbc.Query{Kind: sbc.KindAccessRule, Limit: 10})
			if err != nil {
				return err
			}
			for _, r := range rules {
				if err := tx.Delete(sbc.KindAccessRule, r.Base().ID); err != nil {
					return err
				}
			}
		}
		refused, err := tx.DeleteAll(kind, ids)
		if len(refused) > 0 {
			t.Fatalf("wipe: %v", refused)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestExportOfSecretsNeedsItsScope(t *testing.T) {
	t.Parallel()
	f := bulkFixture(t)
	made := f.do("POST", "/v1/api-keys", `{"name":"exporter","scopes":["subscribers:write"]}`).is(201).json()
	key := made["key"].(string)
	f.as(key, "GET", "/v1/subscribers/export", "").is(200)
	f.as(key, "GET", "/v1/subscribers/export?secrets=true", "").problem(403, "forbidden")
}
