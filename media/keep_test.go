package media

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// rebirth closes the engine as a crash would, and restores the session in another one over the same pools.
func (r *rig) rebirth(pools ...Pool) (kept []*PartyState) {
	r.t.Helper()
	kept, joined := r.reborn(pools...)
	if !joined {
		r.t.Fatal("not joined")
	}
	return kept
}

// reborn is rebirth for parties that may have to be told of each other anew.
func (r *rig) reborn(pools ...Pool) (kept []*PartyState, joined bool) {
	r.t.Helper()
	session := r.s.Keep()
	for _, p := range []*Party{r.a, r.b} {
		text, err := json.Marshal(r.s.KeepParty(p))
		if err != nil {
			r.t.Fatal(err)
		}
		st := &PartyState{}
		if err := json.Unmarshal(text, st); err != nil {
			r.t.Fatal(err)
		}
		kept = append(kept, st)
	}
	oa, ob := r.a.o, r.b.o
	for _, p := range *r.e.pools.Load() { // the sockets go with the process
		p.ports.Close()
	}
	r.s.Close()
	r.e = testEngine(r.t, Options{Quarantine: time.Nanosecond}, pools...)
	r.s = r.e.Open(SessionOptions{Silence: session.Silence, HoldSilence: session.HoldSilence})
	s := r.s
	r.t.Cleanup(func() { s.Close() })
	var err error
	if r.a, err = r.s.RestoreParty(oa, kept[0]); err != nil {
		r.t.Fatal(err)
	}
	if r.b, err = r.s.RestoreParty(ob, kept[1]); err != nil {
		r.t.Fatal(err)
	}
	if joined, err = r.s.Rejoin(r.a, r.b, kept[0], kept[1]); err != nil {
		r.t.Fatal(err)
	}
	return kept, joined
}

// TestRestore: after a crash the same ports carry on, a refresh says what was said, and a change raises the version.
func TestRestore(t *testing.T) {
	pool := poolOf("p", "127.0.0.1", 8)
	r := newRig(t, "127.0.0.2", "127.0.0.3", pool)
	toldA, toldB := r.up()
	for _, d := range []Direction{Inactive, SendRecv} { // so that the version is not the first one
		x := r.ours(r.s.Renew(r.b, d))
		toldB = x.Offer()
		r.answer(x, r.B.sdp())
	}
	doorA, doorB := door(t, toldA, 0), door(t, toldB, 0)
	talk(t, r.A, r.B, doorA, doorB)
	before := r.s.Stats()
	kept := r.rebirth(pool)
	if !kept[0].Settled || !kept[1].Settled || kept[0].Ends[0].Stream.RTP.Port() == 0 {
		t.Errorf("%+v", kept[0].Ends[0])
	}
	if !r.s.LastMedia().IsZero() {
		t.Error("media was heard before any came")
	}
	talk(t, r.A, r.B, doorA, doorB)
	if st := r.s.Stats(); st[0].Packets != before[0].Packets+1 || st[0].Codec != "PCMA" || st[0].FirstPacket.Sub(*before[0].FirstPacket).Abs() > time.Second {
		t.Errorf("before %+v\nafter %+v", before[0], st[0])
	}
	r.inUse(2)
	x := r.ours(r.s.Renew(r.b, Unchanged))
	if !bytes.Equal(x.Offer(), toldB) || x.Changed() {
		t.Errorf("told\n%s\nrenewed\n%s", toldB, x.Offer())
	}
	r.answer(x, r.B.sdp())
	x = r.offer(r.a, r.b, r.A.sdp("a=sendonly")) // A holds B
	if version(t, x.Offer()) != version(t, toldB)+1 {
		t.Errorf("a hold after the restart:\n%s", x.Offer())
	}
	held := r.answer(x, r.B.sdp("a=recvonly"))
	if door(t, held, 0) != doorA || version(t, held) != version(t, toldA)+1 || !r.s.Held(r.b) {
		t.Errorf("A is told\n%s", held)
	}
	r.inUse(2)
}

// TestRestoreKeepsStrangersOut: who was latched is believed after the restart, and nobody else at the same host.
func TestRestoreKeepsStrangersOut(t *testing.T) {
	pool := poolOf("p", "127.0.0.1", 8)
	r := newRig(t, "127.0.0.2", "127.0.0.3", pool)
	toldA, toldB := r.up()
	doorA, doorB := door(t, toldA, 0), door(t, toldB, 0)
	behindNAT := newPhone(t, "127.0.0.2") // its packets come from another port than its SDP says
	behindNAT.say(doorA)
	r.B.hear(r.B.rtp)
	r.rebirth(pool)
	stranger := newPhone(t, "127.0.0.2")
	stranger.say(doorA)
	sent := behindNAT.say(doorA)
	if got, _ := r.B.hear(r.B.rtp); !bytes.Equal(got, sent) {
		t.Error("the stranger was heard")
	}
	sent = r.B.say(doorB)
	if got, _ := behindNAT.hear(behindNAT.rtp); !bytes.Equal(got, sent) {
		t.Error("the way to the party is lost")
	}
}

// TestRestoreHeld: a call on hold is on hold after the restart.
func TestRestoreHeld(t *testing.T) {
	pool := poolOf("p", "127.0.0.1", 8)
	r := newRig(t, "127.0.0.2", "127.0.0.3", pool)
	r.up()
	x := r.ours(r.s.Renew(r.b, SendOnly))
	r.answer(x, r.B.sdp("a=recvonly"))
	x = r.ours(r.s.Renew(r.b, SendRecv))
	x.Reject() // said, and came to nothing: what counts is what was agreed
	kept := r.rebirth(pool)
	if kept[1].Told == "" || !r.s.Held(r.b) || !r.s.hold || r.s.Held(r.a) {
		t.Errorf("hold is lost: %+v", kept[1])
	}
	x = r.ours(r.s.Renew(r.b, Unchanged))
	if !strings.Contains(string(x.Offer()), "a=sendonly\r\n") {
		t.Errorf("renewed with\n%s", x.Offer())
	}
	r.answer(x, r.B.sdp("a=recvonly"))
}

// TestNotRestored: without its ports, or its pool, a party is not restored and takes nothing.
func TestNotRestored(t *testing.T) {
	pool := poolOf("p", "127.0.0.1", 8)
	r := newRig(t, "127.0.0.2", "127.0.0.3", pool)
	r.up()
	st := r.s.KeepParty(r.a)
	if _, err := r.s.RestoreParty(r.a.o, st); !errors.Is(err, ErrNotKept) {
		t.Errorf("ports in use: %v", err)
	}
	for _, bad := range []func(st *PartyState){
		func(st *PartyState) { st.Ends[0].Pool = "none" },
		func(st *PartyState) { st.Ends[0].Port = netip.MustParseAddrPort("127.0.0.9:20000") },
		func(st *PartyState) { st.Author.Said = "nonsense" },
		func(st *PartyState) { st.Told = "nonsense" },
		func(st *PartyState) { st.Author.Said = "" },
	} {
		broken, e := *st, *st.Ends[0]
		broken.Ends = []*EndState{&e}
		bad(&broken)
		if _, err := r.s.RestoreParty(r.a.o, &broken); !errors.Is(err, ErrNotKept) {
			t.Errorf("%+v: %v", broken, err)
		}
	}
	r.inUse(2)
	if n := len(r.s.parties); n != 2 {
		t.Errorf("%d parties", n)
	}
	if r.s.KeepParty(r.s.Party(PartyOptions{})) != nil {
		t.Error("a party without SDP is kept")
	}
}
