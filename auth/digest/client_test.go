package digest

import (
	"errors"
	"strings"
	"testing"
)

func credentialsOf(t testing.TB, p Proof, method, uri string, body []byte) (string, Credentials) {
	t.Helper()
	name, value := p.Header(method, uri, body)
	c, err := ParseCredentials(value)
	if err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	return name, c
}

// TestClientOfTheRFC answers the challenges of RFC 7616 3.9.1 as the client there does, but for its cnonce: the topmost that is known counts.
func TestClientOfTheRFC(t *testing.T) {
	const tail = `, qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	for _, tt := range []struct {
		first    string
		response string
	}{
		{"SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"}, {"MD5", "8ca523f5e9506fed4657c9700eebdbec"},
	} {
		c, values := Client{Username: "Mufasa", Password: "Circle of Life"}, []string{`Digest realm="http-auth@example.org", algorithm=WHAT-9` + tail}
		for _, a := range []string{tt.first, "SHA-256", "MD5"} {
			values = append(values, `Digest realm="http-auth@example.org", algorithm=`+a+tail)
		}
		if err := c.Heard(new(Try), values, nil); err != nil {
			t.Fatal(err)
		}
		list := c.Proofs()
		if len(list) != 1 {
			t.Fatalf("%d answers", len(list))
		}
		list[0].cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
		name, got := credentialsOf(t, list[0], "GET", "/dir/index.html", nil)
		if name != "Authorization" || got.Response != tt.response || got.NC != "00000001" || got.QOP != Auth ||
			got.Opaque != "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS" {
			t.Errorf("%s: %+v", tt.first, got)
		}
	}
}

// TestClientSeries: the next requests bring the next counts, a stale nonce is replaced, the same credentials are not offered twice, and nobody
// can make a client answer for ever.
func TestClientSeries(t *testing.T) {
	ask := func(realm, nonce string, stale bool) []string {
		c := Challenge{Realm: realm, Nonce: nonce, Algorithm: SHA512256, QOP: []QOP{AuthInt}, Stale: stale}
		return []string{c.String()}
	}
	c, try := Client{Username: "u", Password: "p"}, Try{}
	if c.Proofs() != nil {
		t.Error("credentials before anybody asked")
	}
	if err := c.Heard(&try, nil, ask("r", "n1", false)); err != nil {
		t.Fatal(err)
	}
	for want := uint32(1); want < 4; want++ {
		name, got := credentialsOf(t, c.Proofs()[0], "INVITE", "sip:x", []byte("v=0"))
		if name != "Proxy-Authorization" || got.Count != want || got.QOP != AuthInt ||
			!got.Check(HA1(SHA512256, "u", "r", "p"), "INVITE", []byte("v=0")) {
			t.Errorf("%s %+v", name, got)
		}
	}
	if err := c.Heard(&try, ask("r", "n2", false), nil); err != nil {
		t.Errorf("a server behind the proxy: %v", err)
	}
	if err := c.Heard(&try, nil, ask("r", "n3", true)); err != nil || len(c.Proofs()) != 2 {
		t.Errorf("stale: %v", err)
	}
	if _, got := credentialsOf(t, c.Proofs()[0], "BYE", "sip:x", nil); got.Nonce != "n3" || got.Count != 2 {
		t.Errorf("%+v", got)
	}
	if err := c.Heard(&try, nil, ask("r", "n4", true)); !errors.Is(err, ErrLoop) {
		t.Errorf("the fourth: %v", err)
	}
	if n := len(c.Proofs()); n != 1 {
		t.Errorf("%d answers are still offered", n)
	}
	next := Try{}
	if err := c.Heard(&next, ask("r", "n5", false), nil); err != nil {
		t.Errorf("a nonce that was thrown away without a word: %v", err)
	}
	if err := c.Heard(&next, ask("r", "n6", false), nil); !errors.Is(err, ErrRefused) || c.Proofs() != nil {
		t.Errorf("refused: %v", err)
	}
}

// TestClientRealm answers its own realm only.
func TestClientRealm(t *testing.T) {
	c := Client{Username: "u", Password: "p", Realm: "carrier"}
	other := Challenge{Realm: "elsewhere", Nonce: "n", Algorithm: MD5}
	if err := c.Heard(new(Try), []string{other.String(), `Basic realm="carrier"`, `Digest nonce=`}, nil); !errors.Is(err, ErrUnanswerable) {
		t.Errorf("%v", err)
	}
	mine := other
	mine.Realm = "carrier"
	if err := c.Heard(new(Try), []string{other.String(), mine.String()}, nil); err != nil || len(c.Proofs()) != 1 {
		t.Errorf("%v", err)
	}
}

// FuzzClient: whatever is asked, the answer is one that can be read and that holds, and there is an end.
func FuzzClient(f *testing.F) {
	f.Add(`Digest realm="a \"b\"", nonce="x", qop="auth,auth-int", algorithm=SHA-256-sess, opaque="o"`, true)
	f.Add(`Digest realm="a", nonce="x\"", stale=true`, false)
	f.Fuzz(func(t *testing.T, value string, proxy bool) {
		c, try := Client{Username: `u"\`, Password: "p"}, Try{}
		www, by := []string{value}, []string(nil)
		if proxy {
			www, by = by, www
		}
		for n := 0; c.Heard(&try, www, by) == nil; n++ {
			if n > maxAnswers {
				t.Fatal("no end")
			}
			p := c.Proofs()[0]
			_, text := p.Header("INVITE", "sip:x", []byte("b"))
			if strings.ContainsAny(text, "\r\n") {
				t.Fatalf("%q has lines", text)
			}
			got, err := ParseCredentials(text)
			if errors.Is(err, ErrLong) {
				continue
			}
			if err != nil || !got.Check(p.ha1, "INVITE", []byte("b")) {
				t.Fatalf("%q answered by %q: %v", value, text, err)
			}
		}
	})
}
