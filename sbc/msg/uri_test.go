package msg

import "testing"

func TestParseURI(t *testing.T) {
	tests := []struct {
		in, scheme, user, password, host string
		port                             int
		out                              string // "" is in
	}{
		{in: "sip:alice@example.com", scheme: "sip", user: "alice", host: "example.com"},
		{in: "SIPS:alice:pw:x@example.com:5061", scheme: "sips", user: "alice", password: "pw:x", host: "example.com", port: 5061,
			out: "sips:alice:pw:x@example.com:5061"},
		{in: "sip:example.com;lr", scheme: "sip", host: "example.com"},
		{in: "sip:[2001:db8::1]:5060;transport=tcp?a=b&c", scheme: "sip", host: "2001:db8::1", port: 5060,
			out: "sip:[2001:db8::1]:5060;transport=tcp?a=b&c="},
		{in: "sip:+49;isub=1;phone=x@192.0.2.1;user=phone", scheme: "sip", user: "+49;isub=1;phone=x", host: "192.0.2.1"},
		{in: "sip://example.com", scheme: "sip", host: "example.com", out: "sip:example.com"},
		{in: "sip:a%20b@example.com", scheme: "sip", user: "a%20b", host: "example.com"},
		{in: "tel:+49-30-123;ext=4", scheme: "tel", user: "+49-30-123"},
		{in: "urn:service:sos", scheme: "urn"},
		{in: "mailto:x@example.com", scheme: "mailto"},
	}
	for _, test := range tests {
		u, err := ParseURI(test.in)
		if err != nil {
			t.Errorf("%s: %v", test.in, err)
			continue
		}
		if test.out == "" {
			test.out = test.in
		}
		equal(t, u.Scheme, test.scheme)
		equal(t, u.User, test.user)
		equal(t, u.Password, test.password)
		equal(t, u.Host, test.host)
		equal(t, u.Port, test.port)
		equal(t, u.Raw, test.in)
		equal(t, u.String(), test.out)
		equal(t, u.Clone().String(), test.out)
	}
}

func TestParseURIRefuses(t *testing.T) {
	for _, in := range []string{
		"", ":", "sip", "sip:", "sip:@", "sip:a@", "sip:a@b@c", "alice@example.com", "1sip:a@b", "si p:a@b", "sip:a b@c",
		"sip:a@b c", "sip:a@b;=x", "sip:a@b?=x",
		"sip:a@b:", "sip:a@b:x", "sip:a@b:-1", "sip:a@b:65536", "sip:a@b:5060:5061", "sip:[::1", "sip:[::1]x", "sip:[1.2.3.4]",
		"sip:[fe80::1%25eth0]", "sip:[1::2::3]", "sip:2001:db8::1", "sip:a@b\r\n", "sip:a@<b>", "sip:a@b\"", "sip:a@b\x00",
		"sip:a@b,c",
		"sip:a@b/c", "sip:a@ü", "tel:", "http:", "sip:a@[:::]", "sip:a@[2001:::db8::1]", "sip:a@[2001:db8:::1]",
	} {
		if u, err := ParseURI(in); err == nil {
			t.Errorf("%q is accepted as %+v", in, u)
		}
	}
}

func TestURIChanges(t *testing.T) {
	u, err := ParseURI("sip:alice@example.com;transport=tcp;lr")
	equal(t, err, nil)
	c := u.Clone()
	c.User, c.Host, c.Port = "+4930", "192.0.2.1", 5070
	c.UriParams = SetParam(c.UriParams, "Transport", "udp")
	c.UriParams = RemoveParam(c.UriParams, "LR")
	equal(t, c.String(), "sip:+4930@192.0.2.1:5070;transport=udp")
	equal(t, u.String(), "sip:alice@example.com;transport=tcp;lr")
	v, present := u.Param("TRANSPORT")
	equal(t, v, "tcp")
	equal(t, present, true)
	equal(t, u.IsSIP(), true)
	equal(t, u.IsTel(), false)
	equal(t, u.IsZero(), false)
	equal(t, URI{}.IsZero(), true)
}

func TestNameAddr(t *testing.T) {
	tests := []struct{ in, display, uri, params, out string }{
		{"<sip:a@b>", "", "sip:a@b", "", "<sip:a@b>"},
		{"sip:a@b", "", "sip:a@b", "", "<sip:a@b>"},
		{"sip:a@b;tag=1;x", "", "sip:a@b", ";tag=1;x", "<sip:a@b>;tag=1;x"},
		{"<sip:a@b;y>;tag=1", "", "sip:a@b;y", ";tag=1", "<sip:a@b;y>;tag=1"},
		{`"A \"B\" \\ C" <sip:a@b>`, `A "B" \ C`, "sip:a@b", "", `"A \"B\" \\ C" <sip:a@b>`},
		{`"A"<sip:a@b>`, "A", "sip:a@b", "", `"A" <sip:a@b>`},
		{"A B <sip:a@b> ; x = \"y;z\" ", "A B", "sip:a@b", `;x="y;z"`, `"A B" <sip:a@b>;x="y;z"`},
		{"<sip:a,b@c>;q=0.5", "", "sip:a,b@c", ";q=0.5", "<sip:a,b@c>;q=0.5"},
		{`<sip:a@b>;+i="<urn:uuid:1>"`, "", "sip:a@b", `;+i="<urn:uuid:1>"`, `<sip:a@b>;+i="<urn:uuid:1>"`},
		{"*", "", "*", "", "*"},
		{"<urn:service:sos>", "", "urn:service:sos", "", "<urn:service:sos>"},
	}
	for _, test := range tests {
		n, err := ParseNameAddr(test.in)
		if err != nil {
			t.Errorf("%s: %v", test.in, err)
			continue
		}
		equal(t, n.Display, test.display)
		equal(t, n.URI.String(), test.uri)
		equal(t, string(appendParams(nil, n.Params)), test.params)
		equal(t, n.String(), test.out)
	}
	for _, in := range []string{
		"", "<", "<>", "<sip:a@b", `"A`, `"A" sip:a@b`, `"A"`, "A", "sip:a@b?x=y", "sip:a,b@c", "<sip:a@b>x", `<sip:a@b>;x="y`,
		`<sip:a@b>;x="y"z`, "<sip:a@b>;=y", "<sip:a@b>;x y", "<sip:a b@c>", `sip:a@b;x=<y>`, "A;B <sip:a@b>",
	} {
		if n, err := ParseNameAddr(in); err == nil {
			t.Errorf("%q is accepted as %v", in, n)
		}
	}
}

func TestNameAddrLists(t *testing.T) {
	list, err := ParseNameAddrs(`"a, b" <sip:a,c@d>;x="1,2" , <sip:e@f>,sip:g@h`)
	equal(t, err, nil)
	equal(t, len(list), 3)
	equal(t, list[0].String(), `"a, b" <sip:a,c@d>;x="1,2"`)
	equal(t, list[2].URI.User, "g")
	for _, in := range []string{"", ",", "<sip:a@b>,", ",<sip:a@b>", "<sip:a@b>,,<sip:c@d>"} {
		if _, err := ParseNameAddrs(in); err == nil {
			t.Errorf("%q is accepted", in)
		}
	}
}

func TestWithTagLeavesTheOriginalAlone(t *testing.T) {
	n, err := ParseNameAddr("<sip:a@b>;tag=1;x=2")
	equal(t, err, nil)
	equal(t, n.WithTag("9").String(), "<sip:a@b>;tag=9;x=2")
	equal(t, n.WithTag("").String(), "<sip:a@b>;x=2")
	equal(t, n.Clone().String(), "<sip:a@b>;tag=1;x=2")
	equal(t, n.Tag(), "1")
}

func TestVia(t *testing.T) {
	v, err := ParseVia("sip/2.0/udp [2001:db8::1]:5070;branch=z9hG4bKx;received=192.0.2.9;rport=4711")
	equal(t, err, nil)
	equal(t, v.Host, "2001:db8::1")
	port, present := v.RPort()
	equal(t, port, 4711)
	equal(t, present, true)
	equal(t, v.Received(), "192.0.2.9")
	equal(t, v.String(), "SIP/2.0/udp [2001:db8::1]:5070;branch=z9hG4bKx;received=192.0.2.9;rport=4711")
	_, present = Via{}.RPort()
	equal(t, present, false)
	for _, in := range []string{
		"", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/2.0 host", "SIP//UDP host", "UDP host", "SIP/2.0/UDP ;branch=x",
		"SIP/2.0/UDP a b", "SIP/2.0/UDP host:;x", "SIP/2.0/ host", "HTTP/2.0/UDP host", "SIP/x/UDP host",
		`SIP/2.0/UDP host;x="`, "SIP/2.0/UDP host:1:2",
	} {
		if v, err := ParseVia(in); err == nil {
			t.Errorf("%q is accepted as %v", in, v)
		}
	}
}

func TestCSeqText(t *testing.T) {
	c, err := ParseCSeq(" 0042\tACK ")
	equal(t, err, nil)
	equal(t, c.String(), "42 ACK")
	for _, in := range []string{
		"", "1", "INVITE", "1INVITE", "-1 INVITE", "1 INVITE x", "1 ", "4294967296 X", "2147483648 X", "1 a/b",
	} {
		if _, err := ParseCSeq(in); err == nil {
			t.Errorf("%q is accepted", in)
		}
	}
}

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"i": "Call-ID", "CALL-id": "Call-ID", "cseq": "CSeq", "www-authenticate": "WWW-Authenticate", "rseq": "RSeq",
		"min-se": "Min-SE", "x-foo-BAR": "X-Foo-Bar", "X-Foo": "X-Foo", "": "", "q": "Q", "L": "Content-Length",
		"p-asserted-identity":                "P-Asserted-Identity",
		"a-very-long-name-that-nobody-knows": "A-Very-Long-Name-That-Nobody-Knows",
	} {
		equal(t, Canonical(in), want)
	}
	for id := idVia; id < idCount; id++ {
		k := knownHeaders[id]
		equal(t, identify(k.name), id)
		if k.compact != 0 {
			equal(t, identify(string(k.compact)), id)
		}
	}
}
