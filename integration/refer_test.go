package integration

import (
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// threePhones are phones in three networks of one border: alice (800 Hz) in the west, bob (1,000 Hz) in the east, carol (600 Hz) in
// the third, who is called by numbers that begin with 4977.
type threePhones struct {
	t              *testing.T
	b              *border
	w              wiring
	alice, bob     *phone.Phone
	toBob, toCarol chan *phone.Call
	answered       atomic.Int64 // when carol said 200, in nanoseconds
	carolHost      host
	answer         chan struct{}
}

// newThreePhones starts them. Bob answers at once; carol rings, and answers when answer is closed.
func newThreePhones(t *testing.T) *threePhones {
	t.Helper()
	return newThreePhonesOf(t, startBorder(t, app.Options{}))
}

// newThreePhonesOf starts them around a border.
func newThreePhonesOf(t *testing.T, b *border) *threePhones {
	t.Helper()
	x := &threePhones{
		t: t, b: b, toBob: make(chan *phone.Call, 4), toCarol: make(chan *phone.Call, 4),
		answer: make(chan struct{}),
	}
	s := newSides(t)
	x.w = x.b.connect(s, wish{})
	octets := s.east.As4()
	at := func(last byte) netip.Addr { octets[3] = last; return netip.AddrFrom4(octets) }
	x.carolHost = host{border: at(5), peer: at(6)}
	x.b.third(x.w, &x.carolHost, "4977")
	x.bob = x.phone("bob", s.eastPeer, 1000, func(c *phone.Call) {
		if err := c.Answer(); err != nil {
			t.Error(err)
		}
		x.toBob <- c
	})
	x.phone("carol", x.carolHost.peer, 600, func(c *phone.Call) {
		c.Ring()
		x.toCarol <- c
		select {
		case <-x.answer:
		case <-c.Ended():
			return
		}
		x.answered.CompareAndSwap(0, time.Now().UnixNano())
		if err := c.Answer(); err != nil {
			t.Error(err)
		}
	})
	x.alice = x.phone("alice", s.westPeer, 800, nil)
	return x
}

func (x *threePhones) phone(name string, at netip.Addr, tone float64, incoming func(*phone.Call)) *phone.Phone {
	x.t.Helper()
	p, err := phone.New(phone.Options{Address: at, Port: 5060, Name: name, UserAgent: name, Tone: tone, Incoming: incoming})
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(p.Close)
	return p
}

// hearsNow waits until the newest packet of a call has a tone, and tells since when that is so.
func hearsNow(t testing.TB, c *phone.Call, tone float64) time.Time {
	t.Helper()
	waitFor(t, func() bool { return c.Heard().Now == tone }, "a tone")
	return c.Heard().Since
}

// stages are those of a call's transfers, as the API shows them.
func (x *threePhones) stages(id string) (stages []string, all []sbc.Event) {
	x.t.Helper()
	var page rest.Page[sbc.Event]
	x.b.do("GET", "/events?type=call.transfer&call_id="+id, nil, &page)
	for _, e := range page.Items {
		stages = append(stages, e.Data["stage"])
	}
	return stages, page.Items
}

// fragments are the first lines of what NOTIFY quoted, without repetitions.
func fragments(c *phone.Call) (lines []string) {
	for _, n := range c.Notified() {
		lines = append(lines, strings.TrimPrefix(n.Fragment, "SIP/2.0 "))
	}
	return lines
}

// TestBlindTransferIsHeard: bob transfers alice to carol by REFER, which the border carries out. Alice hears carol less than 500 ms
// after carol's 200; bob is told of each stage in its order, so are the events, and the record links the legs by their roles.
func TestBlindTransferIsHeard(t *testing.T) {
	t.Parallel()
	x := newThreePhones(t)
	ctx := patience(t, 20*time.Second)
	alice, err := x.alice.Dial("4930", phoneTarget(x.w.sides))
	if err != nil {
		t.Fatal(err)
	}
	bob := <-x.toBob
	hearsNow(t, alice, 1000)
	hearsNow(t, bob, 800)
	live, err := rest.Until(ctx, x.b.Client, "/v1/calls?state=confirmed", func(p rest.Page[sbc.CallInfo]) bool { return len(p.Items) == 1 })
	if err != nil {
		t.Fatal(err)
	}
	id := live.Items[0].ID
	if code, err := bob.Refer(ctx, "<sip:49771@"+x.w.east.String()+">"); err != nil || code != 202 {
		t.Fatalf("REFER: %d, %v", code, err)
	}
	carol := <-x.toCarol
	waitFor(t, func() bool { return slices.Contains(fragments(bob), "180 Ringing") }, "NOTIFY 180")
	if now := alice.Heard().Now; now != 1000 {
		t.Errorf("while carol rings alice hears %v Hz", now)
	}
	close(x.answer)
	took := hearsNow(t, alice, 600).Sub(time.Unix(0, x.answered.Load()))
	back := hearsNow(t, carol, 800).Sub(time.Unix(0, x.answered.Load()))
	if took >= 500*time.Millisecond || back >= 500*time.Millisecond {
		t.Errorf("alice hears carol %v after her 200, carol hears alice after %v", took, back)
	}
	t.Logf("alice hears carol %v after her 200, carol hears alice after %v", took, back)
	<-bob.Ended()
	said := bob.Notified()
	if got := fragments(bob); !slices.Equal(got, []string{"100 Trying", "180 Ringing", "200 OK"}) {
		t.Errorf("NOTIFY told %q", got)
	} else if !strings.HasPrefix(said[1].State, "active") || !strings.HasPrefix(said[2].State, "terminated") {
		t.Errorf("with the states %+v", said)
	}
	stages, events := x.stages(id)
	if !slices.Equal(stages, []string{"requested", "ringing", "completed"}) {
		t.Errorf("events tell %q", stages)
	}
	for _, e := range events {
		if e.Data["by"] != "callee" || e.Data["target"] != "49771" {
			t.Errorf("event %+v", e)
		}
	}
	if err := alice.Hangup(ctx); err != nil {
		t.Error(err)
	}
	<-carol.Ended()
	r := x.b.cdrs(1)[0]
	wantEnd(t, r, sbc.EndCallerBye, sbc.SideCaller, 200)
	want := []struct{ id, role, at string }{
		{alice.SIPCallID(), "", x.w.westPeer.String()}, {bob.SIPCallID(), "transferor", x.w.eastPeer.String()},
		{carol.SIPCallID(), "transfer_target", x.carolHost.peer.String()},
	}
	if r.CallID != id || len(r.Legs) != 3 {
		t.Fatalf("record %+v", r)
	}
	for i, l := range r.Legs {
		if l.SIPCallID != want[i].id || l.Role != want[i].role || l.RemoteAddress != want[i].at+":5060" ||
			(l.LeftAt != nil) != (i == 1) || (l.JoinedAt != nil) != (i == 2) {
			t.Errorf("leg %d is %+v, want %+v", i, l, want[i])
		}
	}
	x.b.quiet()
}

// TestClickToDialWithAnAnnouncement: a call of our own (RFC 3725): who answers first hears the announcement, again and again, while
// the other one rings, and then the other one.
func TestClickToDialWithAnAnnouncement(t *testing.T) {
	t.Parallel()
	x := newThreePhones(t)
	ctx := patience(t, 20*time.Second)
	wait := x.b.announcement("wait", 200*time.Millisecond)
	var made sbc.CallInfo
	x.b.do("POST", "/calls", rest.Object{
		"trunk_id": x.w.westTrunk, "from": "4930", "to": "49771", "announcement_id": wait,
	}, &made)
	bob, carol := <-x.toBob, <-x.toCarol
	hearsNow(t, bob, playedTone)
	waitFor(t, func() bool { return bob.Heard().Packets > 30 && bob.Heard().Tone == playedTone }, "the announcement, repeated")
	if h := bob.Heard(); h.Lost != 0 || h.From.Addr() != x.w.east {
		t.Errorf("bob heard %+v", h)
	}
	if n := carol.Heard().Packets; n != 0 {
		t.Errorf("carol, who has not answered, got %d packets", n)
	}
	close(x.answer)
	took := hearsNow(t, bob, 600).Sub(time.Unix(0, x.answered.Load()))
	hearsNow(t, carol, 1000)
	if took >= 500*time.Millisecond {
		t.Errorf("bob hears carol %v after her 200", took)
	}
	waitTone(t, bob, 600) // for a second: the announcement is over
	if h := bob.Heard(); h.Lost != 0 {
		t.Errorf("%d of %d packets were missing: what is heard has no gaps in its numbers", h.Lost, h.Packets)
	}
	if err := bob.Hangup(ctx); err != nil {
		t.Error(err)
	}
	<-carol.Ended()
	if r := x.b.cdrs(1)[0]; r.CallID != made.ID || r.EndReason != sbc.EndCallerBye || len(r.Legs) != 2 || r.Legs[1].SIPCallID != carol.SIPCallID() {
		t.Errorf("record %+v", r)
	}
	x.b.quiet()
}

// TestSemiAttendedTransferIsHeard: bob calls carol, too, and connects alice with her while she rings still: he waits until that is
// done, or gives his second call up at once, as some phones do. Alice hears carol less than 500 ms after carol's 200.
func TestSemiAttendedTransferIsHeard(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{true, false} {
		t.Run(map[bool]string{true: "waits", false: "cancels"}[waits], func(t *testing.T) {
			t.Parallel()
			x := newThreePhones(t)
			ctx := patience(t, 20*time.Second)
			alice, err := x.alice.Dial("4930", phoneTarget(x.w.sides))
			if err != nil {
				t.Fatal(err)
			}
			bob := <-x.toBob
			hearsNow(t, alice, 1000)
			live, err := rest.Until(ctx, x.b.Client, "/v1/calls?state=confirmed", func(p rest.Page[sbc.CallInfo]) bool { return len(p.Items) == 1 })
			if err != nil {
				t.Fatal(err)
			}
			second, err := x.bob.Dial("49771", netip.AddrPortFrom(x.w.east, 5060))
			if err != nil {
				t.Fatal(err)
			}
			carol := <-x.toCarol
			<-second.Ringing()
			if code, err := bob.Refer(ctx, "<sip:49771@"+x.w.east.String()+second.Replaces()+">"); err != nil || code != 202 {
				t.Fatalf("REFER: %d, %v", code, err)
			}
			waitFor(t, func() bool { return slices.Contains(fragments(bob), "180 Ringing") }, "NOTIFY 180")
			want := []string{"100 Trying", "180 Ringing", "200 OK"}
			if !waits {
				second.Cancel()
				<-carol.Ended()
				carol = <-x.toCarol
				waitFor(t, func() bool { return len(bob.Notified()) == 3 }, "NOTIFY 180 again")
				want = slices.Insert(want, 1, "180 Ringing")
			}
			close(x.answer)
			took := hearsNow(t, alice, 600).Sub(time.Unix(0, x.answered.Load()))
			hearsNow(t, carol, 800)
			if took >= 500*time.Millisecond {
				t.Errorf("alice hears carol %v after her 200", took)
			}
			<-bob.Ended()
			<-second.Ended()
			if got := fragments(bob); !slices.Equal(got, want) {
				t.Errorf("NOTIFY told %q", got)
			}
			if stages, _ := x.stages(live.Items[0].ID); stages[0] != "requested" || stages[len(stages)-1] != "completed" {
				t.Errorf("events tell %q", stages)
			}
			if err := alice.Hangup(ctx); err != nil {
				t.Error(err)
			}
			<-carol.Ended()
			for _, r := range x.b.cdrs(2) {
				if len(r.LinkedCallIDs) != 1 || r.CallID == live.Items[0].ID && (len(r.Legs) != 3 || r.Legs[2].SIPCallID != carol.SIPCallID()) {
					t.Errorf("record %+v", r)
				}
			}
			x.b.quiet()
		})
	}
}
