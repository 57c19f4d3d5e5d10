package header

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The sending side of all tests. Every word of it is a secret.
const (
	inviteHead = "INVITE sip:4930123@border.a.example SIP/2.0\r\n" +
		"Via: SIP/2.0/TCP gw7.inside.a.example:5071;branch=z9hG4bK-branchA1;received=203.0.113.7;rport=4711\r\n" +
		"Via: SIP/2.0/UDP 10.9.8.7:5060;branch=z9hG4bKbranchA2\r\n" +
		"Record-Route: <sip:proxy.a.example;lr>\r\n" +
		"From: \"Alice\" <sip:4940555@pbx.a.example>;tag=fromtagA\r\n" +
		"To: <sip:4930123@border.a.example>\r\n" +
		"Call-ID: callidA77@[2001:db8:a::7]\r\n" +
		"CSeq: 1 INVITE\r\n" +
		"Contact: <sip:c0ntactuser@10.9.8.7:5060;transport=tcp>\r\n" +
		"User-Agent: Asterisk PBX 18.2-vici\r\n" +
		"Max-Forwards: 70\r\n"
	sdp = "v=0\r\no=root 1 1 IN IP4 10.77.77.77\r\ns=-\r\nc=IN IP4 10.77.77.77\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
)

// message parses the invite of side A with more headers.
func message(t testing.TB, headers ...string) *msg.Message {
	t.Helper()
	m, err := msg.Parse(fmt.Appendf(nil, "%s%s\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", inviteHead,
		strings.Join(headers, "\r\n"), len(sdp), sdp))
	if err != nil {
		t.Fatalf("%v in %q", err, headers)
	}
	m.Hop = msg.Hop{Local: netip.MustParseAddrPort("198.51.100.1:5060"), Remote: netip.MustParseAddrPort("203.0.113.7:4711")}
	return m
}

func trunk(id string, pass ...string) *sbc.Trunk {
	t := &sbc.Trunk{RealmID: "rlm_" + id, Terms: sbc.Terms{PassHeaders: pass}}
	t.ID, t.Enabled = id, true
	return t
}

// world has trunk a with what belongs to it, and trunk b.
func world(t testing.TB, passA, passB []string) (*Table, Flow) {
	t.Helper()
	a, b := trunk("a", passA...), trunk("b", passB...)
	rows := Rows{
		Trunks:     []*sbc.Trunk{a, b},
		Endpoints:  []*sbc.Endpoint{{TrunkID: "a", Address: "backup.carrier-a.example"}, {TrunkID: "a", Address: "203.0.113.99"}},
		Identities: []*sbc.Identity{{TrunkID: "a", CIDR: "192.0.2.0/28"}},
		Interfaces: []*sbc.SIPInterface{{RealmID: "rlm_a", BindAddress: "198.51.100.1", AdvertisedAddress: "sbc-in.a.example"}},
		Pools:      []*sbc.MediaPool{{RealmID: "rlm_a", Address: "198.51.100.2"}},
	}
	table, problems := Compile(rows)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return table, Flow{FromTrunk: a, ToTrunk: b, FromTrust: sbc.TrustPeer, ToTrust: sbc.TrustPeer}
}

func lines(hs []msg.Header) []string {
	out := make([]string, len(hs))
	for i, h := range hs {
		out[i] = h.Name + ": " + h.Value
	}
	return out
}

// TestBuiltin: header in, header out ("" is nothing).
func TestBuiltin(t *testing.T) {
	tests := []struct{ in, out string }{
		{"Subject: Lunch", "Subject: Lunch"},
		{"s: Lunch", "Subject: Lunch"},
		{"SUBJECT : Mittag im Café", "Subject: Mittag im Café"},
		{"Subject: call me at 192.168.1.1", ""},
		{"Priority: URGENT", "Priority: urgent"},
		{"Priority: as-fast-as-10.0.0.1", ""},
		{"Privacy: id; Critical;fnord", "Privacy: id;critical"},
		{"Accept-Language: da, en-gb;q=0.8, 10.0.0.1", "Accept-Language: da, en-gb;q=0.8"},
		{"Accept-Language: zh-Hant-TW, es-419, host-west, x-pbx, en-asterisk, *;q=0", "Accept-Language: zh-Hant-TW, es-419, *;q=0"},
		{"Alert-Info: <http://pbx.a.example/ring.wav>", ""},
		{"Alert-Info: <urn:alert:service:call-waiting>;x=10.9.8.7", "Alert-Info: <urn:alert:service:call-waiting>"},
		{"Alert-Info: <Bellcore-dr3>", "Alert-Info: <Bellcore-dr3>"},
		{"Reason: Q.850;cause=16;text=\"Normal call clearing\"", "Reason: Q.850;cause=16;text=\"Normal call clearing\""},
		{"Reason: q.850 ; cause=16 ; text=\"by asterisk\";host=10.9.8.7", "Reason: Q.850;cause=16"},
		{"Reason: SIP;cause=200;text=\"Call completed; \\\"elsewhere\\\"\"",
			"Reason: SIP;cause=200;text=\"Call completed; \\\"elsewhere\\\"\""},
		{"Reason: FreeSWITCH;cause=1;text=\"x\"", ""},
		{"Reason: Q.850;cause=900", ""},
		{"Reason: Q.850;text=\"no cause\"", ""},
		{"P-Asserted-Identity: \"Alice\" <sip:+4940555@pbx.a.example;user=phone;transport=tcp>",
			"P-Asserted-Identity: \"Alice\" <sip:+4940555@{our-host};user=phone>"},
		{"P-Asserted-Identity: \"Alice at pbx.a.example\" <sips:alice@pbx.a.example>", "P-Asserted-Identity: <sip:alice@{our-host}>"},
		{"P-Asserted-Identity: <sip:+4940555;phone-context=a.example@10.9.8.7>", "P-Asserted-Identity: <sip:+4940555@{our-host}>"},
		{"P-Asserted-Identity: tel:+4940555;phone-context=pbx.a.example", "P-Asserted-Identity: <tel:+4940555>"},
		{"P-Asserted-Identity: <sip:10.9.8.7@10.9.8.7>", ""},
		{"P-Asserted-Identity: <sip:ip-10-9-8-7@a.example>", ""},
		{"P-Asserted-Identity: <sip:alice%40pbx.a.example@x>", ""},
		{"P-Asserted-Identity: <http://pbx.a.example>", ""},
		{"P-Asserted-Identity: <sip:pbx.a.example>", ""},
		{"P-Preferred-Identity: <sip:1@a.example>", "P-Preferred-Identity: <sip:1@{our-host}>"},
		// Never, by no list.
		{"Warning: 399 pbx.a.example \"text\"", ""},
		{"Call-Info: <http://pbx.a.example/photo>", ""},
		{"Organization: A Ltd.", ""},
		{"X-Anything: 1", ""},
		{"Remote-Party-ID: <sip:1@a.example>", ""},
		{"Diversion: <sip:1@a.example>", ""},
		{"History-Info: <sip:1@a.example>;index=1", ""},
		{"Identity: abc", ""},
		{"Geolocation: <cid:1@a.example>", ""},
		{"Date: Sat, 13 Nov 2010 23:29:00 GMT", ""},
		{"Allow: INVITE", ""},
		{"Supported: timer", ""},
		{"Session-Expires: 1800", ""},
		{"P-Charging-Vector: icid-value=10.9.8.7", ""},
		{"Retry-After: 5", ""}, // in responses only
	}
	table, flow := world(t, nil, nil)
	for _, tt := range tests {
		got := strings.Join(lines(table.Request(message(t, tt.in), flow)), " | ")
		if got != tt.out {
			t.Errorf("%s\n got %q\nwant %q", tt.in, got, tt.out)
		}
	}
}

func TestResponses(t *testing.T) {
	table, flow := world(t, []string{"X-Id"}, []string{"X-Id"})
	in := message(t, "Retry-After: 120 (back at pbx.a.example);duration=5", "Reason: Q.850;cause=17", "X-Id: 7", "Subject: no",
		"P-Asserted-Identity: <sip:1@a.example>", "Server: Asterisk", "Warning: 399 a \"b\"", "Alert-Info: <urn:alert:source:internal>")
	want := []string{"P-Asserted-Identity: <sip:1@{our-host}>", "Alert-Info: <urn:alert:source:internal>", "Reason: Q.850;cause=17",
		"Retry-After: 120", "X-Id: 7"}
	if got := lines(table.Response(in, flow)); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	in.Status, in.Reason = 486, "Busy at 10.9.8.7"
	if p := table.Phrase(in, flow); p != msg.StatusText(486) {
		t.Errorf("phrase %q leaves", p)
	}
	if in.Reason = "Besetzt"; table.Phrase(in, flow) != "Besetzt" {
		t.Error("a harmless phrase is lost")
	}
}

// TestIdentityNeedsTrust: asserted identities pass between trusted realms only, by whatever list (reliability.md, caller identity
// forgery).
func TestIdentityNeedsTrust(t *testing.T) {
	names := []string{"P-Asserted-Identity", "P-Charging-Vector", "Diversion", "Remote-Party-ID", "Identity", "X-Plain"}
	table, flow := world(t, names, names)
	in := message(t, "P-Asserted-Identity: <sip:1@other.example>", "P-Charging-Vector: icid-value=77", "Diversion: <tel:5>",
		"Remote-Party-ID: <tel:5>", "Identity: eyJ", "X-Plain: 1")
	tests := []struct {
		from, to sbc.Trust
		want     []string
	}{
		{sbc.TrustPeer, sbc.TrustCore, []string{"P-Asserted-Identity", "P-Charging-Vector", "Diversion", "Remote-Party-ID",
			"Identity", "X-Plain"}},
		{sbc.TrustCore, sbc.TrustAccess, []string{"Diversion", "Remote-Party-ID", "Identity", "X-Plain"}},
		{sbc.TrustAccess, sbc.TrustCore, []string{"X-Plain"}},
		{sbc.TrustAccess, sbc.TrustAccess, []string{"X-Plain"}},
		{"", "", []string{"X-Plain"}},
	}
	for _, tt := range tests {
		flow.FromTrust, flow.ToTrust = tt.from, tt.to
		var got []string
		for _, h := range table.Request(in, flow) {
			got = append(got, h.Name)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s to %s: %q, want %q", tt.from, tt.to, got, tt.want)
		}
	}
}

// TestPassHeadersNeedBothTrunks: what the core tells the border is not for the carrier.
func TestPassHeadersNeedBothTrunks(t *testing.T) {
	tests := []struct {
		a, b []string
		want []string
	}{
		{nil, nil, nil},
		{[]string{"X-Account"}, nil, nil},
		{nil, []string{"X-Account"}, nil},
		{[]string{"X-Account"}, []string{"x-account"}, []string{"x-account: 42"}},
		{[]string{"X-Other", "X-Account"}, []string{"X-Account", "X-Other", "X-ACCOUNT"}, []string{"X-Account: 42", "X-Other: o"}},
	}
	for _, tt := range tests {
		table, flow := world(t, tt.a, tt.b)
		if got := lines(table.Request(message(t, "X-aCCount: 42", "x-other:o"), flow)); !slices.Equal(got, tt.want) {
			t.Errorf("%q and %q: %q, want %q", tt.a, tt.b, got, tt.want)
		}
		// A table that does not know the trunks (of another revision) decides by the trunks themselves.
		if got := lines((&Table{}).Request(message(t, "X-aCCount: 42", "x-other:o"), flow)); !slices.Equal(got, tt.want) {
			t.Errorf("empty table: %q, want %q", got, tt.want)
		}
	}
}

// TestPassedValuesTellNothing: a header that both trunks name passes unless its value shows something of the sending side.
func TestPassedValuesTellNothing(t *testing.T) {
	leaks := []string{
		"10.9.8.7", "at 010.009.008.007.", "ip-10-9-8-7.ec2", "10_9_8_7", "[::ffff:10.9.8.7]", "::ffff:0a09:0807",
		"<sip:1@10.9.8.7:5060>",
		"203.0.113.7", "198.51.100.1", "198.51.100.2", "203.0.113.99", "192.0.2.3", "10.77.77.77", "host=2001:DB8:A:0:0:0:0:7",
		"2001:db8:a::7", "sip:2001:db8:a::7@h", "2001:db8:a::7:5060", "x::2001:db8:a:0::7.", "10.77.77.77:4000", "pbx.a.example",
		"PBX.A.EXAMPLE", "sip:x@deep.pbx.a.example", "a.example", "gw7.inside.a.example", "inside.a.example",
		"proxy.a.example", "sbc-in.a.example", "backup.carrier-a.example", "carrier-a.example", "border.a.example", "callidA77",
		"xcallida77x", "callidA77@[2001:db8:a::7]", "fromtagA", "FROMTAGA", "abranchA1b-branchA1", "z9hG4bKbranchA2", "branchA2",
		"c0ntactuser",
		"Asterisk PBX 18.2-vici", "made by asterisk", "%31%30.9.8.7", "%2531%2530.9.8.7", "%70bx.a.example", "192.168.0.1",
		"127.0.0.1", "fe80::1",
		"fd00::1", "100.64.1.1", "169.254.1.1", "extra.secret.example", "extratag", "2001:db8:e::e", "%25252525252531", "a\x01b",
	}
	harmless := []string{
		"42", "hello world", "198.51.100.200", "8.8.8.8", "2001:db8:b::1", "other.example", "b.example", "myexample", "12:30:45",
		"1.2.3", "18.2",
		"100%", "50%off", "asterism", "Alice", "+49 (40) 555-12", "std::string", "a=b;c=d", "\"quoted, text\"", "naïve",
	}
	table, flow := world(t, []string{"X-Note"}, []string{"X-Note"})
	flow.Also = []string{"extra.secret.example", "extratag", "[2001:db8:e::e]"}
	for _, v := range leaks {
		in := message(t)
		in.Headers = append(in.Headers, msg.Header{Name: "X-Note", Value: v})
		if got := table.Request(in, flow); len(got) != 0 {
			t.Errorf("%q leaves as %q", v, lines(got))
		}
		if in = message(t); table.Clean(in, flow, v) {
			t.Errorf("%q is called clean", v)
		}
	}
	for _, v := range harmless {
		in := message(t)
		in.Headers = append(in.Headers, msg.Header{Name: "X-Note", Value: v})
		if got := table.Request(in, flow); len(got) != 1 || got[0].Value != v {
			t.Errorf("%q is lost: %q", v, lines(got))
		}
	}
}

// TestForbidden: neither spelling nor compact form nor a list lets a header of the dialog through.
func TestForbidden(t *testing.T) {
	if !slices.IsSortedFunc(forbidden, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }) {
		t.Error("forbidden is not in order")
	}
	for _, list := range [][]string{claimed, asserted} {
		if !slices.IsSorted(list) {
			t.Errorf("%q is not in order", list)
		}
	}
	for _, name := range []string{"Via", "v", "V", "vIA", "From", "f", "To", "t", "Call-ID", "i", "CALL-ID", "CSeq", "Contact",
		"m", "Route",
		"Record-Route", "Max-Forwards", "Content-Length", "l", "Content-Type", "c", "Content-Encoding", "e", "User-Agent",
		"Server", "Warning",
		"Supported", "k", "Require", "Session-Expires", "x", "Min-SE", "RSeq", "RAck", "Event", "o", "Refer-To", "r",
		"Referred-By", "b",
		"Replaces", "Join", "Target-Dialog", "In-Reply-To", "WWW-Authenticate", "Authorization", "Proxy-Authorization", "Allow",
		"Allow-Events",
		"u", "SIP-ETag", "Path", "Service-Route", "Timestamp", "MIME-Version", "Accept-Contact", "a", "Reject-Contact", "j",
		"Request-Disposition", "d", "Identity-Info", "n", " Via"} {
		if !Forbidden(name) {
			t.Errorf("%q is not forbidden", name)
		}
	}
	for _, name := range []string{"X-Account", "Subject", "Diversion", "P-Asserted-Identity", "Geolocation", "", "Viaa"} {
		if Forbidden(name) {
			t.Errorf("%q is forbidden", name)
		}
	}
	_, problems := Compile(Rows{Trunks: []*sbc.Trunk{trunk("a", "X-Ok", "x", "Refer-To")}})
	if len(problems) != 2 || problems[0].Fault.Pointer != "#/pass_headers/1" || problems[1].Fault.Pointer != "#/pass_headers/2" {
		t.Errorf("%+v", problems)
	}
	// Not even with a trunk that came past Compile.
	a, b := trunk("a", forbidden...), trunk("b", forbidden...)
	flow := Flow{FromTrunk: a, ToTrunk: b, FromTrust: sbc.TrustCore, ToTrust: sbc.TrustCore}
	if got := (&Table{}).Request(message(t, "Refer-To: <sip:1@b>", "Supported: x", "Reply-To: <sip:1@b>"), flow); len(got) != 0 {
		t.Errorf("%q leave", lines(got))
	}
}

func TestContent(t *testing.T) {
	table, flow := world(t, nil, nil)
	in := message(t, "Content-Disposition: Session ; handling = Optional;host=10.9.8.7", "e: gzip, x@y", "Content-Language: de",
		"MIME-Version: 1.0", "Content-ID: <1@pbx.a.example>", "Subject: x")
	want := []string{"Content-Disposition: Session;handling=optional", "Content-Encoding: gzip", "Content-Language: de",
		"MIME-Version: 1.0"}
	if got := lines(table.Content(in, flow)); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if in.Body = nil; table.Content(in, flow) != nil {
		t.Error("headers of a body that is not there")
	}
}

func TestFill(t *testing.T) {
	table, flow := world(t, nil, nil)
	hs := table.Request(message(t, "P-Asserted-Identity: \"A, B\" <sip:1@a.example>, <tel:+1>",
		"P-Asserted-Identity: <sip:3@a.example>"), flow)
	if len(hs) != 2 {
		t.Fatalf("%q", lines(hs))
	}
	if got := Fill(hs[0].Value, "[2001:db8::1]"); got != `"A, B" <sip:1@[2001:db8::1]>` {
		t.Error(got)
	}
}

// TestFloodIsBounded: ten thousand headers make no more than a message's worth.
func TestFloodIsBounded(t *testing.T) {
	names := make([]string, 40)
	for i := range names {
		names[i] = fmt.Sprintf("X-H%d", i)
	}
	table, flow := world(t, names, names)
	in := message(t)
	for i := range 10_000 {
		in.Headers = append(in.Headers, msg.Header{Name: names[i%40], Value: strings.Repeat("v", i%1000)})
	}
	total := 0
	got := table.Request(in, flow)
	for _, h := range got {
		total += len(h.Value)
	}
	if len(got) == 0 || len(got) > maxTotal || total > maxBytes {
		t.Errorf("%d headers of %d bytes", len(got), total)
	}
}

// TestNothingKnownLeaves throws secrets, whole and hidden in other text, into every header that can pass.
func TestNothingKnownLeaves(t *testing.T) {
	secrets := []string{"10.9.8.7", "203.0.113.7", "198.51.100.1", "pbx.a.example", "gw7.inside.a.example", "callidA77",
		"fromtagA", "branchA1",
		"branchA2", "2001:db8:a::7", "Asterisk", "10.77.77.77", "proxy.a.example"}
	names := []string{"Subject", "Priority", "Privacy", "Alert-Info", "Accept-Language", "Reason", "Retry-After",
		"P-Asserted-Identity",
		"P-Preferred-Identity", "X-Note", "Diversion", "Content-Disposition", "Content-Encoding", "Content-Language", "MIME-Version"}
	forms := []string{"%s", "<sip:%s@h.example>", "<sip:1@%s>", "\"%s\" <sip:1@h.example;p=%s>", "SIP;cause=200;text=\"%s\"",
		"a b %s, c;d=%s",
		"<urn:alert:service:%s>", "5 (%s)", "en;q=%s", "tel:+1;phone-context=%s"}
	pass := []string{"X-Note", "Diversion", "Subject", "Alert-Info", "P-Asserted-Identity"}
	table, flow := world(t, pass, pass)
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.SampledFrom(secrets).Draw(rt, "secret")
		upper := rapid.Bool().Draw(rt, "upper")
		hidden := rapid.StringMatching(`[ (<"=@/]?`).Draw(rt, "before") + secret + rapid.StringMatching(`[ )>"=@/:]?`).Draw(rt, "after")
		if upper {
			hidden = strings.ToUpper(hidden)
		}
		form := rapid.SampledFrom(forms).Draw(rt, "form")
		in := message(t)
		in.Headers = append(in.Headers, msg.Header{Name: rapid.SampledFrom(names).Draw(rt, "name"),
			Value: strings.ReplaceAll(form, "%s", hidden)})
		for _, hs := range [][]msg.Header{table.Request(in, flow), table.Response(in, flow), table.Content(in, flow)} {
			for _, h := range hs {
				if strings.Contains(strings.ToLower(h.Value), strings.ToLower(secret)) || strings.ContainsAny(h.Value, "\r\n\x00") {
					rt.Fatalf("%q leaves in %q", secret, h)
				}
			}
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add("Reason", "SIP;cause=200;text=\"a\\\"b\"")
	f.Add("P-Asserted-Identity", "\"A\" <sip:1@h>, tel:+1")
	f.Add("X-Note", "%3%%31\x00::1.2.3.4")
	f.Add("Alert-Info", "<urn:alert:a:b>")
	f.Fuzz(func(t *testing.T, name, value string) {
		table, flow := world(t, []string{"X-Note"}, []string{"X-Note"})
		in := message(t)
		in.Headers = append(in.Headers, msg.Header{Name: name, Value: value})
		for _, h := range append(append(table.Request(in, flow), table.Response(in, flow)...), table.Content(in, flow)...) {
			if h.Name == "" || h.Value == "" || len(h.Value) > maxValue || strings.ContainsAny(h.Value, "\r\n\x00") ||
				strings.Contains(h.Value, "10.9.8.7") {
				t.Fatalf("%q", h)
			}
		}
	})
}

func BenchmarkRequestNothingPasses(b *testing.B) {
	table, flow := world(b, nil, nil)
	in := message(b)
	b.ReportAllocs()
	for b.Loop() {
		table.Request(in, flow)
	}
}

func BenchmarkRequestThreePass(b *testing.B) {
	table, flow := world(b, []string{"X-Account"}, []string{"X-Account"})
	in := message(b, "P-Asserted-Identity: <sip:+4940555@a.example>", "X-Account: 12345", "Subject: Lunch")
	b.ReportAllocs()
	for b.Loop() {
		if len(table.Request(in, flow)) != 3 {
			b.Fatal("not three")
		}
	}
}
