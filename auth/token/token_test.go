package token_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/auth/token"
)

func TestNewKeysAreIntactAndDifferent(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		k := token.New()
		if !token.Intact(k) || token.Check(k) != nil {
			t.Fatalf("a new key is not intact")
		}
		if seen[k] {
			t.Fatal("a key came twice")
		}
		seen[k] = true
	}
}

func TestDamagedKeysAreNotIntact(t *testing.T) {
	k := token.New()
	for i := range k {
		swap := "x"
		if k[i] == 'x' {
			swap = "y"
		}
		damaged := k[:i] + swap + k[i+1:]
		if strings.HasPrefix(damaged, token.Prefix) && token.Intact(damaged) {
			t.Errorf("character %d changed and nobody noticed", i)
		}
		if token.Intact(k[:i]) && strings.HasPrefix(k[:i], token.Prefix) {
			t.Errorf("cut off at %d and nobody noticed", i)
		}
	}
	for _, bad := range []string{"", "spk_", "Bearer", strings.Repeat("x", 257)} {
		if token.Intact(bad) {
			t.Errorf("%q counts as intact", bad)
		}
	}
}

func TestCheckOfKeysBroughtAlong(t *testing.T) {
	for _, c := range []struct {
		name, key string
		ok        bool
	}{
		{"ours", token.New(), true},
		{"long and mixed", "0b7d1f4a9c3e5826f1d07a4b9e2c6d83", true},
		{"short", "secret", false},
		{"one letter", strings.Repeat("a", 40), false},
		{"spaces", "0b7d1f4a9c3e5826 f1d07a4b9e2c6d83", false},
		{"ours, cut off", token.New()[:40], false},
		{"endless", strings.Repeat("0b7d1f4a9c3e5826", 20), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := token.Check(c.key); (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestHashRoundTrip(t *testing.T) {
	a, b := token.New(), token.New()
	h, err := token.ParseHash(token.Sum(a).String())
	if err != nil || !h.Equal(token.Sum(a)) || h.Equal(token.Sum(b)) {
		t.Errorf("hash does not come back: %v", err)
	}
	for _, bad := range []string{"", "zz", "00"} {
		if _, err := token.ParseHash(bad); err == nil {
			t.Errorf("%q is taken for a hash", bad)
		}
	}
}

func TestHintShowsTheBeginningOnly(t *testing.T) {
	k := token.New()
	if h := token.Hint(k); len(h) != 10 || !strings.HasPrefix(k, h) {
		t.Errorf("hint %q", h)
	}
	if token.Hint("short") != "" {
		t.Error("a short key is shown whole")
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		have []string
		need string
		want bool
	}{
		{[]string{"admin"}, "trunks:write", true},
		{[]string{"trunks:write"}, "trunks:read", true},
		{[]string{"trunks:read"}, "trunks:write", false},
		{[]string{"trunks:read", "cdrs:read"}, "cdrs:read", true},
		{[]string{"calls:control"}, "calls:read", false},
		{[]string{"trunks:write"}, "admin", false},
		{nil, "trunks:read", false},
	} {
		if got := token.Covers(c.have, c.need); got != c.want {
			t.Errorf("%v covers %s: %v", c.have, c.need, got)
		}
	}
}

func ExampleHint() {
	fmt.Println(token.Hint("spk_7Qd9vKx2mT4bW8nR1sZ6cJ3fH5gL0pYa_1c9e47b2"))
	// Output: spk_7Qd9vK
}

func FuzzIntact(f *testing.F) {
	f.Add(token.New())
	f.Add("spk__")
	f.Add("")
	f.Fuzz(func(t *testing.T, key string) {
		if token.Intact(key) && len(key) < 32 {
			t.Errorf("%q is too short to be a key", key)
		}
		_ = token.Hint(key)
	})
}

func BenchmarkSum(b *testing.B) {
	k := token.New()
	b.ReportAllocs()
	for b.Loop() {
		if !token.Intact(k) {
			b.Fatal("not intact")
		}
		_ = token.Sum(k)
	}
}
