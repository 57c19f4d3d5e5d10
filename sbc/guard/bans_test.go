package guard

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestBansGrow by repetition within a day, up to their bound.
func TestBansGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guardOf(t, Options{}, profile(func(p *sbc.FloodProfile) { p.Action, p.MaxBanS = sbc.FloodBan, 500 }))
		h := hop("tcp", "192.0.2.1")
		for n, want := range []int{120, 240, 480, 500} {
			time.Sleep(2 * time.Minute) // virtual; events of the source are told again
			send(g, h, request("INVITE", "x"), 31)
			bans, _ := g.Bans(sbc.BanQuery{})
			if len(bans) != 1 || bans[0].Count != n+1 || int(bans[0].ExpiresAt.Sub(bans[0].CreatedAt).Seconds()) != want {
				t.Fatalf("ban %d is %+v; %d s were expected", n+1, bans, want)
			}
			time.Sleep(time.Until(bans[0].ExpiresAt))
			if left, _ := g.Bans(sbc.BanQuery{}); len(left) != 0 {
				t.Errorf("after its end there is %+v", left)
			}
		}
		time.Sleep(25 * time.Hour)
		send(g, h, request("INVITE", "x"), 31)
		if bans, _ := g.Bans(sbc.BanQuery{}); len(bans) != 1 || bans[0].Count != 1 {
			t.Errorf("a day later %+v", bans)
		}
	})
}

// TestBansAreBounded: new ones take the place of those that end next; those by hand stay.
func TestBansAreBounded(t *testing.T) {
	g := guardOf(t, Options{MaxBans: 10}, profile(func(p *sbc.FloodProfile) { p.Action = sbc.FloodBan }))
	mine, err := g.AddBan(sbc.Ban{Source: "203.0.113.0/24"}, false)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		send(g, hop("tcp", fmt.Sprintf("192.0.2.%d", n)), request("INVITE", "x"), 31)
	}
	bans, _ := g.Bans(sbc.BanQuery{})
	if len(bans) != 10 || bans[0].ID != mine.ID || bans[9].Source != "192.0.2.49/32" {
		t.Errorf("of 51 bans %d are left: %v", len(bans), bans)
	}
}

// TestBansByHand hold for everybody, trunks too, in their realm or in all.
func TestBansByHand(t *testing.T) {
	g := guardOf(t, Options{Exempt: func(msg.Hop) bool { return true }}, profile(nil))
	for name, c := range map[string]struct {
		ban  sbc.Ban
		want int // of the three below
	}{
		"everywhere":   {sbc.Ban{Source: "192.0.2.0/24"}, 0},
		"in one realm": {sbc.Ban{Source: "192.0.2.1", RealmID: "rlm_b"}, 2},
		"elsewhere":    {sbc.Ban{Source: "192.0.3.0/24"}, 3},
		"IPv6":         {sbc.Ban{Source: "2001:db8::/48"}, 3},
	} {
		b, err := g.AddBan(c.ban, false)
		if err != nil {
			t.Fatal(err)
		}
		passed := 0
		for _, iface := range []string{"udp", "tcp", "peer"} {
			passed += send(g, hop(iface, "192.0.2.1"), request("OPTIONS", "x"), 1)
		}
		if passed != c.want {
			t.Errorf("%s: %d of 3 passed, %d were expected", name, passed, c.want)
		}
		if err := g.Unban(b.ID); err != nil || g.Unban(b.ID) == nil {
			t.Errorf("%s: it is not lifted once: %v", name, err)
		}
		if n := send(g, hop("peer", "192.0.2.1"), request("OPTIONS", "x"), 1); n != 1 {
			t.Errorf("%s: after it was lifted the source is not heard", name)
		}
	}
	for name, b := range map[string]sbc.Ban{
		"nothing": {}, "everybody": {Source: "0.0.0.0/0"}, "no address": {Source: "example.com"},
		"no such realm": {Source: "192.0.2.1", RealmID: "rlm_x"},
		"past":          {Source: "192.0.2.1", ExpiresAt: time.Now().Add(-time.Second)},
		"far future":    {Source: "192.0.2.1", ExpiresAt: time.Now().Add(1000 * 24 * time.Hour)},
		"long words":    {Source: "192.0.2.1", Evidence: strings.Repeat("x", 513)},
	} {
		if _, err := g.AddBan(b, false); sbc.CodeOf(err) != sbc.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListOfBans(t *testing.T) {
	g := guardOf(t, Options{}, profile(nil))
	var ids []string
	for n := range 5 {
		b, err := g.AddBan(sbc.Ban{Source: fmt.Sprintf("192.0.2.%d", n), Evidence: "seen"}, false)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, b.ID)
	}
	var got []string
	for after := ""; ; {
		page, next := g.Bans(sbc.BanQuery{After: after, Limit: 2})
		for _, b := range page {
			got = append(got, b.ID)
		}
		if after = next; next == "" {
			break
		}
	}
	if !slices.Equal(got, ids) {
		t.Errorf("by pages of two: %v, not %v", got, ids)
	}
	for name, c := range map[string]struct {
		q    sbc.BanQuery
		want int
	}{
		"source": {sbc.BanQuery{Source: "192.0.2.3"}, 1}, "network": {sbc.BanQuery{Source: "192.0.2.0/30"}, 4},
		"reason": {sbc.BanQuery{Reason: sbc.BanFlood}, 0},
		"realm":  {sbc.BanQuery{RealmID: "rlm_a"}, 0}, "nonsense": {sbc.BanQuery{Source: "?"}, 0},
	} {
		if page, _ := g.Bans(c.q); len(page) != c.want {
			t.Errorf("by %s: %d bans, %d were expected", name, len(page), c.want)
		}
	}
}

// TestBansSurvive a restart, with their past; by hand they are on disk when they are answered.
func TestBansSurvive(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bans.json")
	ban := profile(func(p *sbc.FloodProfile) { p.Action = sbc.FloodBan })
	g := guardOf(t, Options{File: file}, ban)
	mine, err := g.AddBan(sbc.Ban{Source: "203.0.113.0/24", Evidence: "by hand"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if again := guardOf(t, Options{File: file}, ban); send(again, hop("udp", "203.0.113.9"), request("INVITE", "x"), 1) != 0 {
		t.Error("a ban by hand is not on disk when it is answered")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); g.Run(ctx) }()
	send(g, hop("tcp", "192.0.2.1"), request("INVITE", "x"), 31)
	cancel()
	<-ended
	again := guardOf(t, Options{File: file}, ban)
	bans, _ := again.Bans(sbc.BanQuery{})
	if len(bans) != 2 || bans[0].ID != mine.ID || bans[0].Evidence != "by hand" ||
		bans[1].Reason != sbc.BanFlood || bans[1].Count != 1 {
		t.Errorf("after the restart: %+v", bans)
	}
	if n := send(again, hop("udp", "192.0.2.1"), request("INVITE", "x"), 1); n != 0 {
		t.Error("after the restart the source is heard")
	}
	if again.bans.past[place{"rlm_a", netip.MustParsePrefix("192.0.2.1/32")}].Count != 1 {
		t.Error("the past was lost")
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{File: file}); err != nil {
		t.Error(err)
	}
	if aside, err := os.ReadFile(file + ".broken"); err != nil || string(aside) != "{" {
		t.Errorf("a broken file is not put aside: %q, %v", aside, err)
	}
}
