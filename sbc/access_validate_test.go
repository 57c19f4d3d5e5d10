package sbc

import "testing"

// TestValidateAccess holds the rules of the kinds of the access side.
func TestValidateAccess(t *testing.T) {
	for _, c := range []struct {
		kind            Kind
		document, fault string
	}{
		{KindDomain, `{"name":"example.com","realm_id":"rlm_1"}`, ""},
		{KindDomain, `{"name":"2001:db8::1","realm_id":"rlm_1","aliases":["sip.example.com","192.0.2.1"]}`, ""},
		{KindDomain, `{"name":"not a host","aliases":["x","-"]}`, "#/aliases/1 host, #/name host, #/realm_id required"},
		{KindDomain, `{"name":"a","realm_id":"r","digest":{"algorithms":[],"nonce_lifetime_s":1}}`,
			"#/digest/algorithms required, #/digest/nonce_lifetime_s out_of_range"},
		{KindDomain, `{"name":"a","realm_id":"r","digest":{"algorithms":["MD5","MD5","SHA-1"],"realm":"a\r\nb"}}`,
			"#/digest/algorithms/1 duplicate, #/digest/algorithms/2 enum, #/digest/realm control_character"},
		{KindDomain, `{"name":"a","realm_id":"r","registration":{"mode":"proxy","upstream_trunk_id":"t"}}`, "#/registration/mode enum"},
		{KindDomain, `{"name":"a","realm_id":"r","registration":{"mode":"mirror","upstream_expires_s":59}}`,
			"#/registration/upstream_expires_s out_of_range, #/registration/upstream_trunk_id required"},
		{KindDomain, `{"name":"a","realm_id":"r","registration":{"min_expires_s":600,"max_expires_s":300,"default_expires_s":300}}`,
			"#/registration/default_expires_s out_of_range, #/registration/max_expires_s out_of_range"},
		{KindDomain, `{"name":"a","realm_id":"r","registration":{"contact_source":"all","path":"yes","max_contacts_policy":"x"}}`,
			"#/registration/contact_source enum, #/registration/max_contacts_policy enum, #/registration/path enum"},
		{KindDomain, `{"name":"a","realm_id":"r","keep_alive":{"mode":"x","interval_s":1,"max_misses":0}}`,
			"#/keep_alive/interval_s out_of_range, #/keep_alive/max_misses out_of_range, #/keep_alive/mode enum"},
		{KindDomain, `{"name":"a","realm_id":"r","number_classes":[{"prefix":"112$","class":"emergency"},{"prefix":"1$2","class":"x"}]}`,
			"#/number_classes/1/class enum, #/number_classes/1/prefix pattern"},
		{KindDomain, `{"name":"a","realm_id":"r","feature_codes":[{"code":"*1","feature":"mailbox"},{"code":"*1","feature":"x"},{"code":"","feature":""}]}`,
			"#/feature_codes/1/code duplicate, #/feature_codes/1/feature enum, #/feature_codes/2/code required, #/feature_codes/2/feature enum"},
		{KindDomain, `{"name":"a","realm_id":"r","push":{"url":"ftp://x"},"authorization":{"url":"https://a.example/x","fail":"maybe"}}`,
			"#/authorization/fail enum, #/push/url url"},
		{KindDomain, `{"name":"a","realm_id":"r","max_calls":-1,"pass_headers":["Via"],"max_forwards":99}`,
			"#/max_calls out_of_range, #/max_forwards out_of_range, #/pass_headers/0 forbidden"},
		{KindSubscriber, `{"name":"a","username":"a","domain_id":"dom_1"}`, ""},
		{KindSubscriber, `{"name":"b","username":"a","domain_id":"dom_1"}`, "#/name mismatch"},
		{KindSubscriber, `{"name":"a@b","username":"a@b"}`, "#/domain_id required, #/username pattern"},
		{KindSubscriber, `{"name":"a","username":"a","domain_id":"d","ha1":"xyz","ha1_sha256":"00"}`, "#/ha1 pattern, #/ha1_sha256 pattern"},
		{KindSubscriber, `{"name":"a","username":"a","domain_id":"d","caller_identities":["ok","not ok"],"caller_id":"a;b","max_calls":-1}`,
			"#/caller_id pattern, #/caller_identities/1 pattern, #/max_calls out_of_range"},
		{KindSubscriber, `{"name":"a","username":"a","domain_id":"d","forwarding":{"busy":{"target":"1","voicemail":true},"no_answer_after_s":0}}`,
			"#/forwarding/busy conflict, #/forwarding/no_answer_after_s out_of_range"},
		{KindSubscriber, `{"name":"a","username":"a","domain_id":"d","custom":{" x":1,"y":[1,2]}}`, "#/custom pattern"},
		{KindAlias, `{"name":"+4930111","domain_id":"d","subscriber_id":"s"}`, ""},
		{KindAlias, `{"name":"a b"}`, "#/domain_id required, #/name pattern, #/subscriber_id required"},
		{KindAccessRule, `{"name":"pbx","domain_id":"d","subscriber_id":"s","cidr":"192.0.2.1"}`, ""},
		{KindAccessRule, `{"name":"pbx","cidr":"::/0","transport":"x"}`,
			"#/cidr too_wide, #/domain_id required, #/subscriber_id required, #/transport enum"},
		{KindGroup, `{"name":"g","classes":["local","x"],"deny":["a;"]}`, "#/classes/1 enum, #/deny/0 pattern"},
		{KindNumberList, `{"name":"l","default":"x","entries":[{"prefix":"1$","verdict":"deny"},{"prefix":"$1","verdict":""}]}`,
			"#/default enum, #/entries/1/prefix pattern, #/entries/1/verdict enum"},
		{KindFloodProfile, `{"name":"f"}`, ""},
		{KindFloodProfile, `{"name":"f","mode":"x","window_ms":1,"register":0,"ban_s":100,"max_ban_s":10,"exempt":["0.0.0.0/0","x"],"scanners":["ab"]}`,
			"#/exempt/0 cidr, #/exempt/1 cidr, #/max_ban_s out_of_range, #/mode enum, #/register out_of_range, #/scanners/0 required, " +
				"#/window_ms out_of_range"},
		{KindRule, `{"name":"a","routing_plan_id":"rpl_1","action":"subscriber"}`, "#/domain_id required"},
		{KindRule, `{"name":"a","routing_plan_id":"rpl_1","action":"subscriber","domain_id":"dom_1"}`, ""},
		{KindRealm, `{"name":"a","egress_allow":["10.0.0.0/8","x"]}`, "#/egress_allow/1 cidr"},
		{KindSIPInterface, `{"name":"a","realm_id":"r","bind_address":"127.0.0.1","stun_port":70000}`, "#/stun_port out_of_range"},
	} {
		if got := faultsOf(t, c.kind, c.document); got != c.fault {
			t.Errorf("%s %s:\n got %s\nwant %s", c.kind, c.document, got, c.fault)
		}
	}
}
