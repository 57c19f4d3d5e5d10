package digest

import (
	"errors"
	"strings"
	"testing"
)

// TestAnswers has every kind of challenge answered, written, read and checked, and spoils the answers one by one.
func TestAnswers(t *testing.T) {
	body := []byte("v=0\r\n")
	for _, alg := range []Algorithm{MD5, SHA256, SHA512256} {
		for _, sess := range []bool{false, true} {
			for _, qop := range [][]QOP{nil, {Auth}, {AuthInt}, {AuthInt, Auth}} {
				asked := Challenge{Realm: `a "b" \c`, Nonce: "n/+=1", Opaque: "o", Algorithm: alg, Session: sess, QOP: qop, Stale: sess}
				c, err := ParseChallenge(asked.String())
				if err != nil || c.String() != asked.String() || c.Realm != asked.Realm || c.Stale != sess {
					t.Fatalf("%s became %s: %v", asked.String(), c.String(), err)
				}
				ha1 := HA1(alg, "alice", c.Realm, "secret")
				sent := c.Answer(Request{Username: "alice", HA1: ha1, Method: "INVITE", URI: "sip:bob@example.com", Body: body, CNonce: "c",
					Count: 0x1a})
				got, err := ParseCredentials(sent.String())
				if err != nil || got != *sent {
					t.Fatalf("%s became %+v: %v", sent.String(), got, err)
				}
				if !got.Check(ha1, "INVITE", body) {
					t.Errorf("%s: refused", sent.String())
				}
				spoiled := map[string]bool{
					"ha1":    got.Check(HA1(alg, "alice", c.Realm, "Secret"), "INVITE", body),
					"method": got.Check(ha1, "invite", body), "nothing": got.Check("", "INVITE", body),
				}
				if got.QOP == AuthInt {
					spoiled["body"] = got.Check(ha1, "INVITE", []byte("v=1\r\n"))
				}
				for _, field := range []*string{&got.Nonce, &got.URI, &got.Response} {
					was := *field
					*field = "0" + was[1:] + "0"
					spoiled[was] = got.Check(ha1, "INVITE", body)
					*field = was
				}
				if got.QOP != None {
					got.NC = "0000001b"
					spoiled["nc"] = got.Check(ha1, "INVITE", body)
				}
				for what, taken := range spoiled {
					if taken {
						t.Errorf("%s: taken with another %s", sent.String(), what)
					}
				}
			}
		}
	}
}

func TestEmptyResponseIsWrong(t *testing.T) {
	c := Credentials{Username: "a", Algorithm: "nonsense"}
	if c.Check("", "INVITE", nil) {
		t.Error("nothing proves nothing")
	}
	c.Algorithm = MD5
	for _, r := range []string{"", "zz", strings.Repeat("0", 300)} {
		if c.Response = r; c.Check(HA1(MD5, "a", "b", "c"), "INVITE", nil) {
			t.Errorf("%q was taken", r)
		}
	}
}

func TestUpperCaseResponse(t *testing.T) {
	c := Challenge{Realm: "r", Nonce: "n", Algorithm: SHA256, QOP: []QOP{Auth}}
	ha1 := HA1(SHA256, "a", "r", "p")
	a := c.Answer(Request{Username: "a", HA1: ha1, Method: "REGISTER", URI: "sip:r", CNonce: "x", Count: 1})
	a.Response = strings.ToUpper(a.Response)
	if !a.Check(ha1, "REGISTER", nil) {
		t.Error("hexadecimal in capitals was refused")
	}
}

func TestMalformedCredentials(t *testing.T) {
	const ok = `Digest username="a", realm="r", nonce="n", uri="sip:r", response="00"`
	if _, err := ParseCredentials(ok); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]error{
		"": ErrScheme, "Basic Zm9v": ErrScheme, "Digest": ErrScheme, `Digestusername="a"`: ErrScheme,
		"Digest " + strings.Repeat("x", 5000):    ErrLong,
		"Digest a":                               ErrSyntax,
		`Digest username="a`:                     ErrSyntax,
		`Digest username="a" realm="r"`:          ErrSyntax,
		`Digest username=a b`:                    ErrSyntax,
		`Digest ="a"`:                            ErrSyntax,
		`Digest username=`:                       ErrSyntax,
		ok + `, username="b"`:                    ErrDouble,
		ok + `, USERNAME="b"`:                    ErrDouble,
		ok + `, username*=UTF-8''b`:              ErrDouble,
		ok + `, response="11"`:                   ErrDouble,
		ok + `, nc=1, nc=2`:                      ErrDouble,
		ok + `, qop=auth`:                        ErrMissing,
		ok + `, qop=auth, nc=1`:                  ErrMissing,
		ok + `, algorithm=MD5-sess`:              ErrMissing,
		ok + `, qop=auth-conf, nc=1, cnonce="c"`: ErrSyntax,
		ok + `, nc=xyz`:                          ErrSyntax,
		ok + `, nc=000000001`:                    ErrSyntax,
		ok + `, nc=-1`:                           ErrSyntax,
		ok + `, algorithm=SHA-1`:                 ErrAlgorithm,
		`Digest realm="r", nonce="n", uri="sip:r", response="00"`:                   ErrMissing,
		`Digest username="a", nonce="n", uri="sip:r", response="00"`:                ErrMissing,
		`Digest username="a", realm="r", uri="sip:r", response="00"`:                ErrMissing,
		`Digest username*=latin1''a, realm="r", nonce="n", uri="u", response="00"`:  ErrSyntax,
		`Digest username*=UTF-8''%zz, realm="r", nonce="n", uri="u", response="00"`: ErrSyntax,
		`Digest username="a\", realm="r", nonce="n", uri="sip:r", response="00"`:    ErrSyntax,
	} {
		if _, err := ParseCredentials(value); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", value, err, want)
		}
	}
}

// TestTolerance reads what phones really send.
func TestTolerance(t *testing.T) {
	for _, v := range []string{
		`digest username="a",realm="r",nonce="n",uri="sip:r",response="00",qop="auth",nc=00000001,cnonce="c"`,
		"Digest\tusername = \"a\" ,\t realm=\"r\",, nonce=\"n\", uri=\"sip:r\", response=\"00\", QOP=AUTH, NC=1, CNonce=\"c\",",
		`Digest username="a",realm="r",nonce="n",uri="sip:r",response="00",qop=auth,nc=00000001,cnonce="c",auts="x, y",x=1,x=2`,
	} {
		c, err := ParseCredentials(v)
		if err != nil || c.Username != "a" || c.Realm != "r" || c.QOP != Auth || c.Count != 1 || c.CNonce != "c" {
			t.Errorf("%s: %+v, %v", v, c, err)
		}
	}
}

func TestChallengeAsSIPWantsIt(t *testing.T) {
	c := Challenge{Realm: "example.com", Nonce: "abc", Algorithm: SHA512256, QOP: []QOP{Auth, AuthInt}}
	if got, want := c.String(), `Digest realm="example.com", nonce="abc", algorithm=SHA-512-256, qop="auth,auth-int"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for value, want := range map[string]error{
		`Digest realm="r", nonce="n", algorithm=foo`: ErrAlgorithm, `Digest nonce="n"`: ErrMissing, `Digest realm="r"`: ErrMissing,
		`Digest realm="r", nonce="n", nonce="m"`: ErrDouble, `Bearer x`: ErrScheme, `Digest realm=`: ErrSyntax,
	} {
		if _, err := ParseChallenge(value); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", value, err, want)
		}
	}
	old, err := ParseChallenge(`Digest realm="r", nonce="n", qop="auth-conf"`)
	if err != nil || old.Algorithm != MD5 || len(old.QOP) != 0 {
		t.Errorf("%+v, %v", old, err)
	}
}

// FuzzCredentials reads anything; what was read is written and read again to the same.
func FuzzCredentials(f *testing.F) {
	f.Add(`Digest username="a", realm="r", nonce="n", uri="sip:r", response="00", qop=auth, nc=00000001, cnonce="c", algorithm=SHA-256`)
	f.Add(`Digest username*=UTF-8''%C3%A4, realm="\"", nonce="n\"", uri="sip:r", response="00", algorithm=MD5-sess, cnonce="x"`)
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ParseCredentials(value)
		if err != nil {
			return
		}
		c.Check(strings.Repeat("0", 64), "REGISTER", []byte(value))
		again, err := ParseCredentials(c.String())
		c.UserHash = again.UserHash
		if strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 || len(value) > 1024 {
			return // what is left out, or grows by its escapes
		}
		if strings.ContainsAny(c.Username, "\x00\x7f") || !plain(c.Username) || !plain(c.Realm) {
			return
		}
		if err != nil || again != c {
			t.Errorf("%q: %+v became %+v: %v", value, c, again, err)
		}
	})
}

func plain(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// FuzzChallenge is the same for challenges.
func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth, auth-int", stale=TRUE`)
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ParseChallenge(value)
		if err == nil {
			c.Answer(Request{Username: "a", HA1: "b", Method: "INVITE", URI: "sip:x", CNonce: "c", Count: 1})
		}
	})
}
