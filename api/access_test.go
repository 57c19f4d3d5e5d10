package api

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// kept is what the store keeps of a subscriber.
func (f *fixture) kept(path string) *sbc.Subscriber {
	f.t.Helper()
	id := path[strings.LastIndex(path, "/")+1:]
	all, _, err := f.m.List(f.t.Context(), sbc.Query{Kind: sbc.KindSubscriber, Limit: 1000})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, r := range all {
		if s, ok := r.(*sbc.Subscriber); ok && s.ID == id {
			return s
		}
	}
	f.t.Fatalf("no subscriber %s", id)
	return nil
}

// TestPasswordIsHashedAndForgotten: the store holds hashes, nobody is shown anything but the algorithms they serve.
func TestPasswordIsHashedAndForgotten(t *testing.T) {
	t.Parallel()
	f := start(t)
	domain := f.ids[sbc.KindDomain]
	body := `{"domain_id":"` + domain + `","username":"bob","password":"open sesame"}`
	made := f.do("POST", "/v1/subscribers", body, "Idempotency-Key", "k").is(201)
	again := f.do("POST", "/v1/subscribers", body, "Idempotency-Key", "k").is(201)
	at := made.header.Get("Location")
	s := f.kept(at)
	check := &sbc.Subscriber{Username: "bob", Credentials: sbc.Credentials{Password: "open sesame"}}
	check.Seal(&sbc.Domain{Meta: sbc.Meta{Name: "example.com"}})
	if s.Password != "" || !s.SameHashes(&check.Credentials) || s.Name != "bob" {
		t.Fatalf("kept %+v", s)
	}
	audit := f.do("GET", "/v1/audit-events?resource_id="+made.text("id"), "").is(200)
	list := f.do("GET", "/v1/subscribers?username=bob", "").is(200)
	for _, r := range []*reply{made, again, audit, list, f.do("GET", at, "").is(200)} {
		for _, secret := range []string{"sesame", s.HA1, s.HA1B, s.HA1SHA256, s.HA1SHA512256} {
			if strings.Contains(string(r.body), secret) {
				t.Errorf("a secret is shown: %s", r.body)
			}
		}
		if !strings.Contains(string(r.body), `"algorithms":["MD5","SHA-256","SHA-512-256"]`) {
			t.Errorf("the algorithms are not shown: %s", r.body)
		}
	}
	if strings.Contains(f.logs.String(), "sesame") {
		t.Error("a password is in the log")
	}
	if n := len(list.json()["items"].([]any)); n != 1 {
		t.Errorf("%d subscribers of this name", n)
	}
	// The same again changes nothing.
	if r := f.do("PUT", at, body).is(200); r.header.Get("ETag") != made.header.Get("ETag") {
		t.Error("the same password made a revision")
	}
}

// TestSecretStaysUnlessItIsReplaced, and then nothing of the old one is left.
func TestSecretStaysUnlessItIsReplaced(t *testing.T) {
	t.Parallel()
	f := start(t)
	domain := f.ids[sbc.KindDomain]
	at := f.do("POST", "/v1/subscribers", `{"domain_id":"`+domain+`","username":"bob","password":"one"}`).is(201).header.Get("Location")
	first := f.kept(at).Credentials
	for _, write := range []struct{ method, body string }{
		{"PUT", string(f.do("GET", at, "").body)}, {"PUT", `{"domain_id":"` + domain + `","username":"bob","max_calls":1}`},
		{"PATCH", `{"max_calls":3}`}, {"PATCH", `{"password":"one"}`},
	} {
		f.do(write.method, at, write.body).is(200)
		if now := f.kept(at).Credentials; !now.SameHashes(&first) || len(now.Algorithms) != 3 {
			t.Fatalf("%s %s: %+v", write.method, write.body, now)
		}
	}
	f.do("PATCH", at, `{"password":"two"}`).is(200)
	second := f.kept(at).Credentials
	if second.HA1 == first.HA1 || second.HA1SHA256 == first.HA1SHA256 || second.HA1B == first.HA1B {
		t.Errorf("%+v", second)
	}
	hash := strings.Repeat("ab", 16)
	f.do("PATCH", at, `{"ha1":"`+hash+`"}`).is(200)
	if now := f.kept(at); now.HA1 != hash || now.HA1B != "" || now.HA1SHA256 != "" || len(now.Algorithms) != 1 {
		t.Errorf("the old password still opens: %+v", now.Credentials)
	}
	equal(t, f.do("PATCH", at, `{"username":"robert"}`).is(422).pointers(), []string{"#/password"})
	equal(t, f.do("PATCH", at, `{"auth_username":"robert"}`).is(422).pointers(), []string{"#/password"})
	f.do("PATCH", at, `{"username":"robert","password":"three"}`).is(200)
	if now := f.kept(at); now.Name != "robert" || len(now.Algorithms) != 3 {
		t.Errorf("%+v", now)
	}
	f.do("PATCH", at, `{"ha1":null,"ha1b":null,"ha1_sha256":null,"ha1_sha512_256":null}`).is(200)
	if now := f.kept(at); now.Given() || len(now.Algorithms) != 0 {
		t.Errorf("a secret that was taken away: %+v", now.Credentials)
	}
}

// TestFieldsOfSubscribersThatAreRefused names each with its pointer.
func TestFieldsOfSubscribersThatAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	domain, at := f.ids[sbc.KindDomain], "/v1/subscribers/"+f.ids[sbc.KindSubscriber]
	for _, tt := range []struct{ body, pointers string }{
		{`{"domain_id":"dom_9","username":"x"}`, "#/domain_id"},
		{`{"username":"x"}`, "#/domain_id"},
		{`{"domain_id":"` + domain + `"}`, "#/username"},
		{`{"domain_id":"` + domain + `","username":"a b"}`, "#/username"},
		{`{"domain_id":"` + domain + `","username":"x","name":"y"}`, "#/name"},
		{`{"domain_id":"` + domain + `","username":"x","algorithms":["MD5"]}`, "#/algorithms"},
		{`{"domain_id":"` + domain + `","username":"x","ha1":"ABC"}`, "#/ha1"},
		{`{"domain_id":"` + domain + `","username":"x","group_ids":["grp_9"],"incoming_list_ids":["nls_9"]}`,
			"#/group_ids/0 #/incoming_list_ids/0"},
		{`{"domain_id":"` + domain + `","username":"x","forwarding":{"busy":{"target":"1","voicemail":true}}}`, "#/forwarding/busy"},
		{`{"domain_id":"` + domain + `","username":"x","custom":{"a":"` + strings.Repeat("x", 1100) + `"}}`, "#/custom/a"},
	} {
		if got := strings.Join(f.do("POST", "/v1/subscribers", tt.body).is(422).pointers(), " "); got != tt.pointers {
			t.Errorf("%s: %s, want %s", tt.body, got, tt.pointers)
		}
	}
	other := f.do("POST", "/v1/domains", `{"name":"other.example","realm_id":"`+f.ids[sbc.KindRealm]+`"}`).is(201).text("id")
	equal(t, f.do("PATCH", at, `{"domain_id":"`+other+`"}`).is(422).pointers(), []string{"#/domain_id"})
	for _, path := range []string{"aliases/" + f.ids[sbc.KindAlias], "access-rules/" + f.ids[sbc.KindAccessRule]} {
		equal(t, f.do("PATCH", "/v1/"+path, `{"domain_id":"`+other+`"}`).is(422).pointers(), []string{"#/domain_id"})
	}
}

// TestRealmOfADomainStays while hashes hold it.
func TestRealmOfADomainStays(t *testing.T) {
	t.Parallel()
	f := overStore(t, start(t))
	at := "/v1/domains/" + f.ids[sbc.KindDomain]
	equal(t, f.do("PATCH", at, `{"name":"new.example"}`).is(409).pointers(), []string{"#/name"})
	equal(t, f.do("PATCH", at, `{"digest":{"realm":"new"}}`).is(409).pointers(), []string{"#/digest/realm"})
	equal(t, f.do("PATCH", at, `{"name":"new.example","digest":{"realm":"example.com"}}`).is(409).pointers(), []string{"#/aliases"})
	f.do("PATCH", at, `{"name":"new.example","aliases":["EXAMPLE.com"],"digest":{"realm":"example.com"}}`).is(200)
	f.do("DELETE", at, "").problem(409, "referenced")
	for _, path := range []string{"access-rules/" + f.ids[sbc.KindAccessRule], "aliases/" + f.ids[sbc.KindAlias],
		"subscribers/" + f.ids[sbc.KindSubscriber]} {
		f.do("DELETE", "/v1/"+path, "").is(204)
	}
	f.do("PATCH", at, `{"digest":{"realm":"new"}}`).is(200)
}

// TestSecretsOfWebhooksAreKeptAndNotShown.
func TestSecretsOfWebhooksAreKeptAndNotShown(t *testing.T) {
	t.Parallel()
	f := start(t)
	at := "/v1/domains/" + f.ids[sbc.KindDomain]
	f.do("PATCH", at, `{"push":{"url":"https://a.example/x","secret":"hush-1"},"voicemail":{"webhook":{"secret":"hush-2"}}}`).is(200)
	read := f.do("GET", at, "").is(200)
	f.do("PUT", at, string(read.body), "If-Match", read.header.Get("ETag")).is(200)
	f.do("PATCH", at, `{"max_calls":7}`).is(200)
	r, err := f.m.Get(t.Context(), sbc.KindDomain, "", f.ids[sbc.KindDomain])
	if err != nil {
		t.Fatal(err)
	}
	if d := r.(*sbc.Domain); d.Push.Secret != "hush-1" || d.Voicemail.Webhook.Secret != "hush-2" || d.MaxCalls != 7 {
		t.Errorf("%+v", d)
	}
	for _, path := range []string{at, "/v1/domains", "/v1/audit-events"} {
		if got := f.do("GET", path, "").is(200); strings.Contains(string(got.body), "hush") {
			t.Errorf("%s shows a secret", path)
		}
	}
	f.do("PATCH", at, `{"push":{"secret":null}}`).is(200)
	if r, _ := f.m.Get(t.Context(), sbc.KindDomain, "", f.ids[sbc.KindDomain]); r.(*sbc.Domain).Push.Secret != "" {
		t.Error("a secret cannot be taken away")
	}
}

// TestNamesOfADomainAreTakenOnce: usernames and aliases of a domain share one name space.
func TestNamesOfADomainAreTakenOnce(t *testing.T) {
	t.Parallel()
	f := overStore(t, start(t))
	domain, sub := f.ids[sbc.KindDomain], f.ids[sbc.KindSubscriber]
	for _, tt := range []struct{ path, body, pointer string }{
		{"/v1/subscribers", `{"domain_id":"` + domain + `","username":"alice"}`, "#/username"},
		{"/v1/subscribers", `{"domain_id":"` + domain + `","username":"+4930111"}`, "#/username"},
		{"/v1/aliases", `{"domain_id":"` + domain + `","subscriber_id":"` + sub + `","name":"alice"}`, "#/name"},
	} {
		r := f.do("POST", tt.path, tt.body)
		r.problem(409, "conflict")
		equal(t, r.pointers(), []string{tt.pointer})
	}
	other := f.do("POST", "/v1/domains", `{"name":"other.example","realm_id":"`+f.ids[sbc.KindRealm]+`"}`).is(201).text("id")
	f.do("POST", "/v1/subscribers", `{"domain_id":"`+other+`","username":"alice"}`).is(201)
	r := f.do("POST", "/v1/aliases", `{"domain_id":"`+other+`","subscriber_id":"`+sub+`","name":"x"}`).is(422)
	equal(t, r.pointers(), []string{"#/subscriber_id"})
	items := func(query string) int {
		return len(f.do("GET", "/v1/subscribers?"+query, "").is(200).json()["items"].([]any))
	}
	if items("username=alice") != 2 || items("username=alice&domain_id="+other) != 1 || items("domain_id="+domain) != 1 {
		t.Error("filters")
	}
}
