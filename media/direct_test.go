package media

import (
	"bytes"
	"testing"
	"time"
)

// Media that go directly cannot be missed; those that are brought here can, from then on. What is kept of both says which it is, and
// a later session goes on with it.
func TestDirectSilence(t *testing.T) {
	w := newWatched(t, true)
	w.s.SetDirect(w.a, w.b, true)
	back := w.answer(w.offer(w.a, w.b, w.A.sdp()), w.B.sdp())
	if !bytes.Contains(back, []byte("c=IN IP4 127.0.0.3\r\n")) {
		t.Errorf("told:\n%s", back)
	}
	w.s.Answered()
	w.inUse(0)
	w.pass(3 * onHold)
	if len(w.silent) != 0 || !w.s.Keep().Direct || !w.s.Direct(w.b, w.a) {
		t.Fatalf("silent %v, kept %+v", w.silent, w.s.Keep())
	}
	kept, keptB := w.s.KeepParty(w.a), w.s.KeepParty(w.b)
	later := w.e.Open(SessionOptions{Silence: patience, OnSilence: func(*Party, time.Time) { t.Error("silence of direct media") }})
	a, err := later.RestoreParty(w.a.o, kept)
	if err != nil {
		t.Fatal(err)
	}
	b, err := later.RestoreParty(w.b.o, keptB)
	if err != nil {
		t.Fatal(err)
	}
	later.SetDirect(a, b, true)
	if joined, err := later.Rejoin(a, b, kept, keptB); err != nil || !joined {
		t.Errorf("joined %v, %v", joined, err)
	}
	w.pass(2 * patience)
	later.Close()
	for _, of := range [][2]*Party{{w.a, w.b}, {w.b, w.a}} {
		x, err := w.s.Switch(of[0], of[1], false, Unchanged)
		if err != nil {
			t.Fatal(err)
		}
		phone := w.B
		if of[1] == w.a {
			phone = w.A
		}
		if _, err := x.Answer(phone.sdp()); err != nil {
			t.Fatal(err)
		}
	}
	w.inUse(2)
	w.pass(2 * patience)
	if len(w.silent) != 1 || w.s.Keep().Direct {
		t.Errorf("silent %v, kept %+v", w.silent, w.s.Keep())
	}
}
