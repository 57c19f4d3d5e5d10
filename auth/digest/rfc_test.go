package digest

import "testing"

// TestResponsesOfTheRFCs compares with the examples that were published, each in a header as it was printed.
func TestResponsesOfTheRFCs(t *testing.T) {
	for _, tt := range []struct{ name, value, user, realm, password, method string }{
		{"RFC 2069 2.4, by errata 749", `Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",` +
			` uri="/dir/index.html", response="1949323746fe6a43ef61f9606e7febea"`, "Mufasa", "testrealm@host.com", "CircleOfLife", "GET"},
		{"RFC 2617 3.5", `Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",` +
			` uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1",` +
			` opaque="5ccc069c403ebaf9f0171e9517f40e41"`, "Mufasa", "testrealm@host.com", "Circle Of Life", "GET"},
		{"RFC 7616 3.9.1, MD5", `Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=MD5,` +
			` nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",` +
			` qop=auth, response="8ca523f5e9506fed4657c9700eebdbec", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`,
			"Mufasa", "http-auth@example.org", "Circle of Life", "GET"},
		{"RFC 7616 3.9.1, SHA-256", `Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=SHA-256,` +
			` nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",` +
			` qop=auth, response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"`,
			"Mufasa", "http-auth@example.org", "Circle of Life", "GET"},
		{"RFC 7616 3.9.2, SHA-512-256, by errata 4897", `Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, realm="api@example.org",` +
			` uri="/doe.json", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", nc=00000001,` +
			` cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", qop=auth,` +
			` response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"`,
			"Jäsøn Doe", "api@example.org", "Secret, or not?", "GET"},
	} {
		c, err := ParseCredentials(tt.value)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if c.Username != tt.user || c.Realm != tt.realm {
			t.Errorf("%s: read %q at %q", tt.name, c.Username, c.Realm)
		}
		ha1 := HA1(c.Algorithm, tt.user, tt.realm, tt.password)
		if !c.Check(ha1, tt.method, nil) {
			t.Errorf("%s: refused", tt.name)
		}
		if c.Check(HA1(c.Algorithm, tt.user, tt.realm, tt.password+"x"), tt.method, nil) || c.Check(ha1, "PUT", nil) {
			t.Errorf("%s: taken with a wrong password or method", tt.name)
		}
	}
}
