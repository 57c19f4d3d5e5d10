package api

import (
	"context"
	"testing"

	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
)

func keysIn(m *memory) int {
	n := 0
	for _, r := range m.state.resources {
		if r.Kind() == sbc.KindAPIKey {
			n++
		}
	}
	return n
}

func TestFirstKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	m := newMemory()
	key, err := Bootstrap(context.Background(), manager{m}, m, "")
	if err != nil || token.Check(key) != nil || keysIn(m) != 1 {
		t.Fatalf("%q %v", key, err)
	}
	again, err := Bootstrap(context.Background(), manager{m}, m, "")
	if err != nil || again != "" || keysIn(m) != 1 {
		t.Errorf("a second key was made: %v", err)
	}
	for _, e := range m.state.audit {
		if e.Actor != "system" || e.ResourceID == "" {
			t.Errorf("%+v", e)
		}
	}
}

func TestKeyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	m := newMemory()
	one, two := token.New(), token.New()
	for i, step := range []struct {
		key  string
		keys int
		ok   bool
	}{{one, 1, true}, {one, 1, true}, {two, 1, true}, {"secret", 1, false}, {"", 1, true}} {
		printed, err := Bootstrap(context.Background(), manager{m}, m, step.key)
		if (err == nil) != step.ok || printed != "" || keysIn(m) != step.keys {
			t.Errorf("step %d: %q %v, %d keys", i, printed, err, keysIn(m))
		}
	}
	f := start(t)
	if _, err := Bootstrap(context.Background(), manager{f.m}, f.m, two); err != nil {
		t.Fatal(err)
	}
	f.as(two, "GET", "/v1/whoami", "").is(200)
	f.as(one, "GET", "/v1/whoami", "").is(401)
}
