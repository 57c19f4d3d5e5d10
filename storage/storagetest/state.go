package storagetest

import (
	"testing"
	"time"
)

// state: what nodes share beside the configuration, and who of them does what.
func state(t *testing.T, fresh Fresh) {
	f := open(t, fresh)
	is := func(want string) {
		t.Helper()
		if got, err := f.State(f.ctx, "a"); string(got) != want || err != nil || (want == "") != (got == nil) {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	is("")
	for _, value := range []string{"one", "two"} {
		if err := f.PutState(f.ctx, "a", []byte(value)); err != nil {
			t.Fatal(err)
		}
		is(value)
	}
	for range 2 {
		if err := f.DeleteState(f.ctx, "a"); err != nil {
			t.Fatal(err)
		}
		is("")
	}
	for _, step := range []struct {
		holder string
		life   time.Duration
		taken  bool
	}{{"n1", time.Hour, true}, {"n2", time.Hour, false}, {"n1", -time.Second, true}, {"n2", time.Hour, true}, {"n1", time.Hour, false}} {
		if taken, err := f.Lease(f.ctx, "job", step.holder, step.life); taken != step.taken || err != nil {
			t.Errorf("%+v: %v %v", step, taken, err)
		}
	}
}
