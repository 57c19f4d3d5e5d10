package port

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

// TestTakeAt: a certain pair can be had once, before anybody else has it, and comes back like any other.
func TestTakeAt(t *testing.T) {
	r := newRig(t, 10000, 10007)
	pair, err := r.TakeAt(10002)
	if err != nil || pair.Local.Port() != 10002 || r.Status().InUse != 1 {
		t.Fatalf("%v %v", pair, err)
	}
	for _, bad := range []uint16{10002, 10003, 20000} {
		if _, err := r.TakeAt(bad); !errors.Is(err, ErrTaken) {
			t.Errorf("%d: %v", bad, err)
		}
	}
	seen := map[uint16]bool{10002: true}
	for range 3 {
		other := r.take(t)
		if seen[other.Local.Port()] {
			t.Fatalf("%v twice", other.Local)
		}
		seen[other.Local.Port()] = true
	}
	if _, err := r.Take(); !errors.Is(err, ErrExhausted) {
		t.Errorf("a fifth pair of four: %v", err)
	}
	pair.Release()
	r.now = r.now.Add(DefaultQuarantine)
	if again := r.take(t); again != pair {
		t.Errorf("%v came back", again.Local)
	}
	r.Close()
	if _, err := r.TakeAt(10000); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestTakeAtOfAnother: a pair that another process holds is left alone like one that Take met; without descriptors it stays.
func TestTakeAtOfAnother(t *testing.T) {
	r := newRig(t, 10000, 10003)
	r.refuse[10001] = syscall.EADDRINUSE
	if _, err := r.TakeAt(10000); !errors.Is(err, ErrTaken) || r.Status().Failed != 1 || r.open.Load() != 0 {
		t.Errorf("%v %+v", err, r.Status())
	}
	r.refuse[10002] = syscall.EMFILE
	if _, err := r.TakeAt(10002); !errors.Is(err, syscall.EMFILE) {
		t.Error(err)
	}
	delete(r.refuse, 10001)
	delete(r.refuse, 10002)
	r.now = r.now.Add(time.Minute)
	r.take(t)
	r.take(t)
}
