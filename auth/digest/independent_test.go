package digest

import (
	"bytes"
	"io"
	"strings"
	"testing"

	independent "github.com/icholy/digest"
)

// TestIndependentImplementation compares both of our sides with somebody else's (github.com/icholy/digest, which comes with sipgo): it answers
// our challenges and we check, we answer its challenges and it comes to the same. Two bodies, so that auth-int says something.
func TestIndependentImplementation(t *testing.T) {
	const user, password, uri = `bo"b`, "open sesame", "sip:carrier.example:5060;transport=tcp"
	for _, algorithm := range []Algorithm{MD5, SHA256, SHA512256} {
		for _, qop := range []QOP{None, Auth, AuthInt} {
			for _, body := range []string{"", "v=0\r\n"} {
				t.Run(string(algorithm)+" "+string(qop), func(t *testing.T) {
					ours := Challenge{Realm: "carrier.example", Nonce: "b64/nonce==", Opaque: "o", Algorithm: algorithm}
					if qop != None {
						ours.QOP = []QOP{qop}
					}
					theirs, err := independent.ParseChallenge(ours.String())
					if err != nil {
						t.Fatal(err)
					}
					if theirs.Realm != ours.Realm || theirs.Nonce != ours.Nonce || theirs.Opaque != ours.Opaque {
						t.Errorf("they read %+v of %s", theirs, ours.String())
					}
					o := independent.Options{
						Method: "INVITE", URI: uri, Count: 3, Username: user, Password: password, Cnonce: "0a4f113b",
						GetBody: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil },
					}
					answer, err := independent.Digest(theirs, o)
					if err != nil {
						t.Fatal(err)
					}
					got, err := ParseCredentials(answer.String())
					ha1 := HA1(algorithm, user, ours.Realm, password)
					if err != nil || got.QOP != qop || !got.Check(ha1, "INVITE", []byte(body)) {
						t.Errorf("their answer is not right to us: %v, %s", err, answer)
					}
					if got.Check(HA1(algorithm, user, ours.Realm, "other"), "INVITE", []byte(body)) || got.Check(ha1, "BYE", []byte(body)) ||
						qop == AuthInt && got.Check(ha1, "INVITE", bytes.Clone([]byte("changed"))) {
						t.Error("a wrong answer is right to us")
					}
					// The other way: their challenge, our answer.
					asked, err := ParseChallenge(theirs.String())
					if err != nil {
						t.Fatalf("%v: %s", err, theirs)
					}
					proof := asked.Answer(Request{Username: user, HA1: ha1, Method: "INVITE", URI: uri, Body: []byte(body), CNonce: "0a4f113b", Count: 3})
					read, err := independent.ParseCredentials(proof.String())
					if err != nil {
						t.Fatalf("%v: %s", err, proof)
					}
					if read.Response != answer.Response || read.Username != answer.Username || read.Nc != answer.Nc && qop != None ||
						read.URI != answer.URI || read.QOP != answer.QOP {
						t.Errorf("ours  %s\ntheirs %s", proof, answer)
					}
				})
			}
		}
	}
}
