package config

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

const withDomain = basic + `
domain dom_1 realm=rlm_1 tenant=ten_1 name=example.com
subscriber sub_1 tenant=ten_1 domain_id=dom_1 username=a
`

// TestListedWritesCompileNothing: who writes a subscriber waits for no Snapshot, and hears what was written; a dry run tells nobody.
func TestListedWritesCompileNothing(t *testing.T) {
	s := newStore(t, withDomain)
	var heard [][]sbc.ListedChange
	n := start(t, s, Options{Listed: func(c []sbc.ListedChange) { heard = append(heard, c) }})
	n.log.take()
	before, loads := n.Current(), s.loads
	if err := n.Update(t.Context(), true, put(t, "subscriber sub_2 tenant=ten_1 domain_id=dom_1 username=b")); err != nil {
		t.Fatal(err)
	}
	if err := n.Update(t.Context(), false, put(t, "subscriber sub_2 tenant=ten_1 domain_id=dom_1 username=b name=b")); err != nil {
		t.Fatal(err)
	}
	n.expect(t)
	if now := n.Current(); now.Revision != 2 || now.index != before.index || s.loads != loads || n.Status().Active != 2 {
		t.Errorf("revision %d, %d loads", now.Revision, s.loads-loads)
	}
	want := "[[{subscriber sub_2 dom_1 b }]]"
	if got := fmt.Sprint(heard); got != want {
		t.Errorf("heard %s, want %s", got, want)
	}
	heard = nil
	err := n.Update(t.Context(), false, func(tx sbc.Tx) error {
		if err := tx.Delete(sbc.KindSubscriber, "sub_2"); err != nil {
			return err
		}
		return put(t, "trunk trk_3 realm=rlm_1 tenant=ten_1")(tx)
	})
	if err != nil || n.Current().Trunk("trk_3") == nil {
		t.Errorf("a write of both kinds: %v", err)
	}
	if got := fmt.Sprint(heard); got != "[[{subscriber sub_2   }]]" {
		t.Errorf("heard %s", got)
	}
	n.Close()
}

// TestPollTellsOfListedWrites of other nodes, and compiles nothing for them.
func TestPollTellsOfListedWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, withDomain)
		var heard [][]sbc.ListedChange
		n := start(t, s, Options{Listed: func(c []sbc.ListedChange) { heard = append(heard, c) }})
		n.log.take()
		loads := s.loads
		s.write(t, "alias als_1 tenant=ten_1 domain_id=dom_1 subscriber_id=sub_1 name=100")
		step(DefaultPoll + time.Millisecond)
		n.expect(t)
		if got := fmt.Sprint(heard); got != "[[{alias als_1 dom_1 100 sub_1}]]" || n.Status().Active != 2 || s.loads != loads {
			t.Errorf("heard %s, status %+v, %d loads", got, n.Status(), s.loads-loads)
		}
		// With a write of what nodes hold, everything is compiled and told.
		heard = nil
		s.write(t, "trunk trk_3 realm=rlm_1 tenant=ten_1\nsubscriber sub_3 tenant=ten_1 domain_id=dom_1 username=c name=c")
		step(DefaultPoll + time.Millisecond)
		if got := fmt.Sprint(heard); got != "[[{subscriber sub_3 dom_1 c }]]" || n.Current().Trunk("trk_3") == nil {
			t.Errorf("heard %s", got)
		}
		// Who writes after others did cannot know what of theirs is missed: everything may have changed.
		heard = nil
		s.write(t, "subscriber sub_4 tenant=ten_1 domain_id=dom_1 username=d name=d")
		if err := n.Update(t.Context(), false, put(t, "trunk trk_4 realm=rlm_1 tenant=ten_1")); err != nil {
			t.Fatal(err)
		}
		if len(heard) != 1 || heard[0] != nil {
			t.Errorf("heard %v", heard)
		}
		n.Close()
	})
}
