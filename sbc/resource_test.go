package sbc

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// faultsOf validates a resource given as JSON, with defaults below it, as the API does.
func faultsOf(t *testing.T, kind Kind, document string) string {
	t.Helper()
	r := New(kind)
	if err := json.Unmarshal([]byte(document), r); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range r.Validate() {
		if f.Detail == "" {
			t.Errorf("the fault %s %s does not say what is wrong", f.Pointer, f.Code)
		}
		all = append(all, f.Pointer+" "+f.Code)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// TestValidate holds each rule of each kind: what is right has no fault, and what is wrong has all of its faults at once.
func TestValidate(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		kind            Kind
		document, fault string
	}{
		{KindTenant, `{"name":"acme","require_preconditions":true}`, ""},
		{KindTenant, `{"name":""}`, "#/name required"},
		{KindTenant, `{"name":"` + long + `","external_id":"a\u0000b"}`, "#/external_id control_character, #/name too_long"},
		{KindTenant, `{"name":"a\r\nX-Evil: 1"}`, "#/name control_character"},
		{KindTenant, `{"name":"a","labels":{"ok/key":"v"," bad":"v"}}`, "#/labels pattern"},
		{KindAPIKey, `{"name":"crm","scopes":["cdrs:read"]}`, ""},
		{KindAPIKey, `{"name":"crm"}`, "#/scopes required"},
		{KindAPIKey, `{"name":"crm","scopes":["admin","root"]}`, "#/scopes/1 enum"},
		{KindRealm, `{"name":"west"}`, ""},
		{KindRealm, `{"name":"west","trust":"blind","unknown_source":"shout","latching":"any"}`,
			"#/latching enum, #/trust enum, #/unknown_source enum"},
		{KindSIPInterface, `{"name":"a","realm_id":"rlm_1","bind_address":"0.0.0.0"}`, ""},
		{KindSIPInterface, `{"name":"a","realm_id":"rlm_1","bind_address":"2001:db8::1","transport":"tcp","advertised_address":"sbc.example.net"}`, ""},
		{KindSIPInterface, `{"name":"a","bind_address":"sbc.example.net","port":0,"transport":"sctp","max_message_bytes":1}`,
			"#/bind_address address, #/max_message_bytes out_of_range, #/port out_of_range, #/realm_id required, #/transport enum"},
		{KindSIPInterface, `{"name":"a","realm_id":"rlm_1","bind_address":"224.0.0.1"}`, "#/bind_address address"},
		{KindMediaPool, `{"name":"a","realm_id":"rlm_1","address":"192.0.2.1"}`, ""},
		{KindMediaPool, `{"name":"a","realm_id":"rlm_1","address":"::","port_min":2000,"port_max":2000}`, "#/address address, #/port_max out_of_range"},
		{KindMediaPool, `{"name":"a","realm_id":"rlm_1","address":"192.0.2.1","port_min":2001,"port_max":2002}`, "#/port_max out_of_range"},
		{KindMediaPool, `{"name":"a","realm_id":"rlm_1","address":"192.0.2.1","port_min":2001,"port_max":2003}`, ""},
		{KindTrunk, `{"name":"a","realm_id":"rlm_1"}`, ""},
		{KindTrunk, `{"name":"a","realm_id":"rlm_1","media_timeout_s":0,"failover_codes":["503","4xx"],"pass_headers":["X-Account"]}`, ""},
		{KindTrunk, `{"name":"a","realm_id":"rlm_1","failover_codes":["200","5x"],"pass_methods":["INVITE"],"pass_headers":["Via","i","a b"]}`,
			"#/failover_codes/0 pattern, #/failover_codes/1 pattern, #/pass_headers/0 forbidden, #/pass_headers/1 forbidden, " +
				"#/pass_headers/2 pattern, #/pass_methods/0 enum"},
		{KindTrunk, `{"name":"a","realm_id":"rlm_1","max_calls":-1,"ring_timeout_s":0,"no_response_timeout_ms":1,"max_call_duration_s":0}`,
			"#/max_call_duration_s out_of_range, #/max_calls out_of_range, #/no_response_timeout_ms out_of_range, #/ring_timeout_s out_of_range"},
		{KindEndpoint, `{"name":"a","trunk_id":"trk_1","address":"sip.example.net"}`, ""},
		{KindEndpoint, `{"name":"a","trunk_id":"trk_1","address":"2001:db8::1","port":5060}`, ""},
		{KindEndpoint, `{"name":"a","trunk_id":"trk_1","address":"-bad-","weight":0,"strip":-1,"prefix":"a;b"}`,
			"#/address host, #/prefix pattern, #/strip out_of_range, #/weight out_of_range"},
		{KindIdentity, `{"name":"a","trunk_id":"trk_1","cidr":"192.0.2.0/24","tech_prefix":"99#"}`, ""},
		{KindIdentity, `{"name":"a","trunk_id":"trk_1","cidr":"0.0.0.0/0"}`, "#/cidr too_wide"},
		{KindIdentity, `{"name":"a","trunk_id":"trk_1","cidr":"everyone","transport":"pigeon"}`, "#/cidr cidr, #/transport enum"},
		{KindRule, `{"name":"a","routing_plan_id":"rpl_1","prefix":"49","route_list_id":"rls_1"}`, ""},
		{KindRule, `{"name":"a","routing_plan_id":"rpl_1","prefix":"49"}`, "#/route_list_id required"},
		{KindRule, `{"name":"a","routing_plan_id":"rpl_1","action":"reject","reject_code":603}`, ""},
		{KindRule, `{"name":"a","routing_plan_id":"rpl_1","action":"reject","reject_code":200,"reject_reason":"a\nb"}`,
			"#/reject_code out_of_range, #/reject_reason control_character"},
		{KindTarget, `{"name":"a","route_list_id":"rls_1","trunk_id":"trk_1","priority":70000}`, "#/priority out_of_range"},
		{KindRoutingPlan, `{"name":"a"}`, ""},
		{KindRouteList, `{"name":"a"}`, ""},
	} {
		if got := faultsOf(t, c.kind, c.document); got != c.fault {
			t.Errorf("%s %s:\n got %s\nwant %s", c.kind, c.document, got, c.fault)
		}
	}
}

// TestKinds makes sure that nothing about a kind was forgotten.
func TestKinds(t *testing.T) {
	if New("nothing") != nil {
		t.Error("a kind that does not exist was made")
	}
	prefixes := map[string]bool{}
	for _, k := range Kinds() {
		r := New(k)
		if r == nil || r.Kind() != k {
			t.Fatalf("%s makes %v", k, r)
		}
		if !r.Base().Enabled {
			t.Errorf("a new %s is not enabled", k)
		}
		if p := k.Prefix(); p == "" || prefixes[p] {
			t.Errorf("the prefix %q of %s is missing or taken", p, k)
		} else {
			prefixes[p] = true
		}
		for _, ref := range r.References() {
			t.Errorf("an empty %s refers to %v", k, ref)
		}
	}
}

// TestReferences follows the ids of a target: whoever holds them is its referrer.
func TestReferences(t *testing.T) {
	target := &Target{Meta: Meta{TenantID: "ten_1"}, RouteListID: "rls_1", TrunkID: "trk_1"}
	want := []Reference{
		{"#/tenant_id", KindTenant, "ten_1", false}, {"#/route_list_id", KindRouteList, "rls_1", true}, {"#/trunk_id", KindTrunk, "trk_1", false},
	}
	if got := target.References(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestIDsSortByTheirMaking(t *testing.T) {
	const n = 10_000
	ids := make([]string, n)
	for i := range ids {
		ids[i] = NewID(PrefixCall)
	}
	if !slices.IsSorted(ids) {
		t.Error("identifiers do not sort in the order in which they were made")
	}
	if len(slices.Compact(ids)) != n {
		t.Error("an identifier was made twice")
	}
	if len(ids[0]) != len("call_")+26 {
		t.Errorf("%s has not 26 characters", ids[0])
	}
}

func TestAdvances(t *testing.T) {
	trunk := &Trunk{Terms: Terms{FailoverCodes: []string{"408", "5xx"}}}
	for code, want := range map[int]bool{408: true, 500: true, 503: true, 599: true, 486: false, 404: false, 603: false} {
		if trunk.Advances(code) != want {
			t.Errorf("after %d the next attempt is tried: %v", code, !want)
		}
	}
}

func TestParseCIDR(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "192.0.2.77/24": "192.0.2.0/24", "::ffff:192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1/120": "192.0.2.0/24",
		"2001:db8::1/64": "2001:db8::/64", "::ffff:0.0.0.0/90": "", "fe80::1%eth0": "", "192.0.2.0/33": "", "": "",
	} {
		p, err := ParseCIDR(text)
		if got := p.String(); err == nil && got != want || err != nil && want != "" {
			t.Errorf("%q is %v, %v; want %q", text, p, err, want)
		}
	}
}

// FuzzValidHost: what passes as a host can be written into a SIP URI without changing it.
func FuzzValidHost(f *testing.F) {
	for _, s := range []string{"example.net", "192.0.2.1", "2001:db8::1", "-a", "a-", "a..b", "_sip._udp.example.net", strings.Repeat("a", 64)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if ValidHost(s) && strings.ContainsAny(s, " \t\r\n;?@<>\",/[]\x00") {
			t.Errorf("%q passes as a host", s)
		}
	})
}

// ExampleInvalid shows that every fault of an input is told at once.
func ExampleInvalid() {
	realm := New(KindRealm).(*Realm)
	realm.Trust = "blind"
	fmt.Println(Invalid(realm.Validate()))
	// Output: invalid: the input breaks a rule; see errors; #/name must not be empty; #/trust is "blind"; must be one of [access peer core]
}

// ExampleNew shows defaults: what a body leaves out has its value before the body is read, and a zero written on purpose stays.
func ExampleNew() {
	trunk := New(KindTrunk).(*Trunk)
	if err := json.Unmarshal([]byte(`{"name":"carrier","media_timeout_s":0}`), trunk); err != nil {
		fmt.Println(err)
	}
	fmt.Println(trunk.RingTimeoutS, trunk.FailoverCodes, trunk.MediaTimeoutS)
	// Output: 120 [408 5xx] 0
}
