package integration

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// playedTone is the tone of announcements in these tests; phones send 800 and 1,000 Hz.
const playedTone = 400

// phones are two phones with a border between them; the one in the east does with calls what incoming says.
func phones(t *testing.T, w wiring, incoming func(c *phone.Call)) (alice *phone.Phone) {
	t.Helper()
	bob, err := phone.New(phone.Options{
		Address: w.eastPeer, Port: 5060, Name: "bob", UserAgent: "b", Tone: 1000, Incoming: incoming,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bob.Close)
	alice, err = phone.New(phone.Options{Address: w.westPeer, Name: "alice", UserAgent: "a", Tone: 800})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(alice.Close)
	return alice
}

// TestAnnouncementBeforeAFailure: a caller hears by early media why it cannot be connected, and then the code; that costs
// nothing.
func TestAnnouncementBeforeAFailure(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	profile := b.create("/signalling-profiles", rest.Object{"name": "friendly", "announcements": []rest.Object{
		{"codes": []string{"486"}, "announcement_id": b.announcement("busy", 1200*time.Millisecond)},
	}})
	w := b.connect(newSides(t), wish{westTrunk: rest.Object{"signalling_profile_id": profile}})
	alice := phones(t, w, func(c *phone.Call) { c.Reject(486) })
	begun := time.Now()
	c, err := alice.Dial("4930", phoneTarget(w.sides))
	if err != nil {
		t.Fatal(err)
	}
	waitTone(t, c, playedTone)
	if code, err := c.Final(patience(t, 20*time.Second)); err != nil || code != 486 {
		t.Errorf("final %d, %v", code, err)
	}
	h := c.Heard()
	if took := time.Since(begun); took < 1100*time.Millisecond || h.Packets != 60 || h.Lost != 0 || h.From.Addr() != w.west {
		t.Errorf("after %v heard %+v; an announcement of 60 packets was to come from %v", took, h, w.west)
	}
	r := b.cdrs(1)[0]
	if r.FinalCode != 486 || r.BillableMS != 0 || r.AnsweredAt != nil || r.EndReason != sbc.EndBusy {
		t.Errorf("record %+v", r)
	}
	b.quiet()
}

// TestMusicOnHold: the side on hold hears the music of its profile, and the other side again when it is taken back. An
// announcement by the API is heard in place of the other side until it is over.
func TestMusicOnHold(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	music := b.announcement("music", time.Second)
	profile := b.create("/media-profiles", rest.Object{"name": "music", "hold": "music", "music_announcement_id": music})
	w := b.connect(newSides(t), wish{westTrunk: rest.Object{"media_profile_id": profile}})
	alice := phones(t, w, func(c *phone.Call) {
		if err := c.Answer(); err != nil {
			t.Error(err)
		}
	})
	ctx := patience(t, 25*time.Second)
	c, err := alice.Dial("4930", phoneTarget(w.sides))
	if err != nil {
		t.Fatal(err)
	}
	waitTone(t, c, 1000)
	page, err := rest.Until(ctx, b.Client, "/v1/calls?state=confirmed", func(p rest.Page[sbc.CallInfo]) bool {
		return len(p.Items) == 1
	})
	if err != nil {
		t.Fatal(err)
	}
	id := page.Items[0].ID
	b.do("POST", "/calls/"+id+"/hold", rest.Object{"side": "caller"}, nil)
	waitTone(t, c, playedTone)
	b.do("POST", "/calls/"+id+"/resume", rest.Object{"side": "caller"}, nil)
	waitTone(t, c, 1000)
	b.do("POST", "/calls/"+id+"/play", rest.Object{"sides": []string{"caller"}, "announcement_id": music, "repeat": 1}, nil)
	waitTone(t, c, playedTone)
	waitTone(t, c, 1000)
	if h := c.Heard(); h.Lost != 0 {
		t.Errorf("%d of %d packets were missing: what is heard has no gaps in its numbers", h.Lost, h.Packets)
	}
	if err := c.Hangup(ctx); err != nil {
		t.Error(err)
	}
	b.cdrs(1)
	b.quiet()
}
