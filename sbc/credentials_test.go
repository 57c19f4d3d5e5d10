package sbc

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// TestSeal: the hashes are those of RFC 7616 3.9.1, and the password is gone.
func TestSeal(t *testing.T) {
	d := &Domain{Meta: Meta{Name: "example.org"}, Digest: DigestPolicy{Realm: "http-auth@example.org"}}
	s := &Subscriber{Username: "Mufasa", Credentials: Credentials{Password: "Circle of Life"}}
	s.Seal(d)
	if s.HA1 != "3d78807defe7de2157e2b0b6573a855f" ||
		s.HA1SHA256 != "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232" {
		t.Errorf("%+v", s.Credentials)
	}
	if s.Password != "" || len(s.HA1B) != 32 || len(s.HA1SHA512256) != 64 || s.HA1B == s.HA1 {
		t.Errorf("%+v", s.Credentials)
	}
	if want := []DigestAlgorithm{DigestMD5, DigestSHA256, DigestSHA512256}; !reflect.DeepEqual(s.Algorithms, want) {
		t.Errorf("algorithms %v", s.Algorithms)
	}
	named := &Subscriber{Username: "x", AuthUsername: "Mufasa", Credentials: Credentials{Password: "Circle of Life"}}
	named.Seal(d)
	if !named.SameHashes(&s.Credentials) {
		t.Error("the name in the digest is not the one hashed")
	}
	half := &Subscriber{Username: "x", Credentials: Credentials{HA1SHA256: s.HA1SHA256}}
	half.Seal(d)
	if fmt.Sprint(half.Algorithms) != "[SHA-256]" || half.HA1 != "" || half.HA1SHA256 != s.HA1SHA256 {
		t.Errorf("%+v", half.Credentials)
	}
	none := &Subscriber{Username: "x"}
	none.Seal(d)
	if none.Algorithms == nil || len(none.Algorithms) != 0 || none.Given() {
		t.Errorf("%+v", none.Credentials)
	}
}

// TestShown: what others may see holds no secret, and the original keeps it.
func TestShown(t *testing.T) {
	d := New(KindDomain).(*Domain)
	d.Authorization.Secret, d.Push.Secret, d.Voicemail.Webhook.Secret = "hush-1", "hush-2", "hush-3"
	s := New(KindSubscriber).(*Subscriber)
	s.Credentials = Credentials{Password: "hush", HA1: "hush", HA1B: "hush", HA1SHA256: "hush", HA1SHA512256: "hush",
		Algorithms: []DigestAlgorithm{DigestMD5}}
	for _, x := range []any{d.Shown(), s.Shown()} {
		if text := fmt.Sprintf("%+v", x); strings.Contains(text, "hush") {
			t.Error(text)
		}
	}
	if d.Push.Secret == "" || s.HA1 == "" || len(s.Shown().Algorithms) != 1 {
		t.Error("the original lost something")
	}
	fresh := New(KindDomain).(*Domain)
	fresh.Push.Secret = "new"
	fresh.KeepSecrets(d)
	if fresh.Push.Secret != "new" || fresh.Authorization.Secret != "hush-1" || fresh.Voicemail.Webhook.Secret != "hush-3" {
		t.Errorf("%+v", fresh)
	}
}
