package integration

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/integration/pgtest"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// mortal is a border in a process of its own, which can be killed and started again.
type mortal struct {
	*border
	child *child
}

func newMortal(t *testing.T, bin string, args ...string) *mortal {
	t.Helper()
	m := &mortal{child: &child{t: t, bin: bin, key: token.New(), args: append([]string{
		"serve", "-data-dir", t.TempDir(), "-api-address", "127.0.0.1:0", "-log-level", "error", "-node", "mortal"}, args...)}}
	m.child.start()
	t.Cleanup(func() { _ = m.child.cmd.Process.Kill() })
	m.border = &border{t: t, Client: m.child.api}
	return m
}

// saved waits until what happened so far is written: two snapshots later.
func (m *mortal) saved() { waitSince(m.t, time.Now(), 2200*time.Millisecond) }

// waitSince waits until so much time has passed since a moment.
func waitSince(t testing.TB, since time.Time, d time.Duration) {
	t.Helper()
	waitFor(t, func() bool { return time.Since(since) >= d }, "time")
}

// killed is kill -9 and a start; it gives the moment of the kill, and how long it took until requests were served again.
func (m *mortal) killed() (at time.Time, took time.Duration) {
	m.t.Helper()
	at = m.child.kill()
	begun := time.Now()
	m.child.start()
	m.Client = m.child.api
	return at, time.Since(begun)
}

// calls waits for so many calls in progress.
func (m *mortal) calls(n int) []sbc.CallInfo {
	m.t.Helper()
	page, err := rest.Until(patience(m.t, 20*time.Second), m.Client, "/v1/calls?limit=1000",
		func(p rest.Page[sbc.CallInfo]) bool { return len(p.Items) == n })
	if err != nil {
		m.t.Fatal(err)
	}
	return page.Items
}

// flows sees that half a second of audio comes both ways from now on.
func flows(t testing.TB, caller, callee *phone.Call, hears, says float64) {
	t.Helper()
	a, b := caller.Heard().Packets, callee.Heard().Packets
	waitFor(t, func() bool { return caller.Heard().Packets >= a+25 && callee.Heard().Packets >= b+25 }, "audio both ways")
	if a, b := caller.Heard(), callee.Heard(); a.Now != hears || b.Now != says {
		t.Errorf("the caller hears %+v, the callee %+v", a, b)
	}
}

// TestCallsSurviveARestart: kill -9 with calls up and audio on them. After the restart all are listed, audio flows both ways by the same
// ports, and each is ended in another way, with one record over both lives.
func TestCallsSurviveARestart(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Parallel()
	bin := buildBinary(t)
	for _, c := range []struct {
		name, database string
		args           []string
	}{
		{"SQLite", "", nil}, {"PostgreSQL", "postgres", nil}, {"written through", "", []string{"-call-persistence", "write_through"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := c.args
			if c.database != "" {
				args = append(args, "-database", pgtest.Database(t, pgtest.Start(t)))
			}
			survives(t, newMortal(t, bin, args...))
		})
	}
}

// survives is the play of TestCallsSurviveARestart.
func survives(t *testing.T, m *mortal) {
	x := newThreePhonesOf(t, m.border)
	ctx := patience(t, 40*time.Second)
	type pair struct {
		caller, callee *phone.Call
		answered       time.Time
	}
	pairs := map[string]*pair{}
	for i := range 4 {
		number := fmt.Sprintf("493%d", i)
		a, err := x.alice.Dial(number, phoneTarget(x.w.sides))
		if err != nil {
			t.Fatal(err)
		}
		pairs[number] = &pair{a, <-x.toBob, time.Now()}
	}
	m.calls(4)
	for _, p := range pairs {
		hearsNow(t, p.caller, 1000)
		hearsNow(t, p.callee, 800)
	}
	m.saved()
	_, took := m.killed()
	t.Logf("served again after %v", took)
	byNumber := map[string]sbc.CallInfo{}
	for _, c := range m.calls(4) {
		byNumber[c.Callee] = c
		if c.State != sbc.CallConfirmed || len(c.Legs) != 2 || c.AnsweredAt == nil || c.Legs[0].SIPCallID != pairs[c.Callee].caller.SIPCallID() {
			t.Errorf("%+v", c)
		}
	}
	for _, p := range pairs {
		flows(t, p.caller, p.callee, 1000, 800)
	}
	var usage sbc.CallStatistics
	m.do("GET", "/statistics/calls", nil, &usage)
	if usage.Active != 4 {
		t.Errorf("%d calls are counted", usage.Active)
	}
	held := byNumber["4932"].ID // a re-INVITE of ours, and back
	m.do("POST", "/calls/"+held+"/hold", rest.Object{"side": "callee"}, nil)
	m.do("POST", "/calls/"+held+"/resume", rest.Object{"side": "callee"}, nil)
	flows(t, pairs["4932"].caller, pairs["4932"].callee, 1000, 800)
	ends := map[string]sbc.EndReason{"4930": sbc.EndCallerBye, "4931": sbc.EndCalleeBye, "4932": sbc.EndAdmin, "4933": sbc.EndCallerBye}
	over := map[string]time.Time{}
	hangUp := func(number string, f func() error) {
		t.Helper()
		if err := f(); err != nil {
			t.Fatal(number, err)
		}
		over[number] = time.Now()
		<-pairs[number].caller.Ended()
		<-pairs[number].callee.Ended()
	}
	hangUp("4930", func() error { return pairs["4930"].caller.Hangup(ctx) })
	hangUp("4931", func() error { return pairs["4931"].callee.Hangup(ctx) })
	hangUp("4932", func() error { return m.Do(ctx, http.MethodDelete, "/v1/calls/"+held, nil, nil) })
	m.saved()
	m.killed() // and once more, with one call
	flows(t, pairs["4933"].caller, pairs["4933"].callee, 1000, 800)
	hangUp("4933", func() error { return pairs["4933"].caller.Hangup(ctx) })
	for _, r := range m.cdrs(4) {
		p := pairs[r.Callee]
		want := over[r.Callee].Sub(p.answered)
		if got := time.Duration(r.DurationMS) * time.Millisecond; r.EndReason != ends[r.Callee] || r.Recovered || (got-want).Abs() > 500*time.Millisecond {
			t.Errorf("the call to %s ended with %s after %v, recovered %v; want %s after %v", r.Callee, r.EndReason, got, r.Recovered, ends[r.Callee], want)
		}
		if len(r.Media) != 2 || r.Media[0].Packets < 25 || r.Media[1].Packets < 25 {
			t.Errorf("the media of the call to %s: %+v", r.Callee, r.Media)
		}
	}
	m.quiet()
}

// TestDialogsSurviveARestart: devices on both sides go on in their dialogs: re-INVITE, INFO, and the refresh that the border owes one
// of them; nothing of one side reaches the other.
func TestDialogsSurviveARestart(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Parallel()
	bin := buildBinary(t)
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			dialogsSurvive(t, newMortal(t, bin), transport)
		})
	}
}

// dialogsSurvive is the play of TestDialogsSurviveARestart. On TCP the connections are gone with the process: either side opens new ones.
func dialogsSurvive(t *testing.T, m *mortal, transport string) {
	w := m.connect(newSides(t), wish{transport: transport})
	eyes := w.watched(t, transport == "tcp")
	caller := eyes.west.dial("4930001", eyes.west.sdp(), "Session-Expires: 20") // it knows no timers, so the refresh after 10 s is ours
	callee := eyes.east.ring()
	callee.say(callee.invite, 200, "", eyes.east.sdp())
	caller.final(200)
	callee.hear(msg.ACK)
	answered := time.Now()
	m.calls(1)
	waitSince(t, answered, 2200*time.Millisecond)
	m.killed()
	m.calls(1)

	refresh := caller.hear(msg.INVITE)
	if at := time.Since(answered); at < 9*time.Second || at > 13*time.Second {
		t.Errorf("the refresh came after %v", at)
	}
	caller.say(refresh, 200, "", eyes.west.sdp())
	caller.hear(msg.ACK)

	seq := callee.request("INVITE", eyes.east.sdp("a=sendonly\r\n")) // the callee holds
	re := caller.hear(msg.INVITE)
	if d := readSDP(t, re.Body); len(d.media) != 1 || d.media[0].direction != "sendonly" {
		t.Errorf("the caller is offered %+v", d.media)
	}
	caller.say(re, 200, "", eyes.west.sdp("a=recvonly\r\n"))
	callee.ack(callee.answer(seq, 200))
	caller.hear(msg.ACK)
	if held := m.calls(1)[0].Held; len(held) != 1 || held[0] != sbc.SideCaller {
		t.Errorf("held: %v", held)
	}
	seq = caller.request("INFO", "", "Info-Package: x")
	callee.say(callee.hear("INFO"), 200, "", "")
	caller.answer(seq, 200)
	caller.hangup(callee)
	r := m.cdrs(1)[0]
	if r.EndReason != sbc.EndCallerBye || r.Recovered || r.DurationMS < 9000 {
		t.Errorf("%+v", r)
	}
	eyes.finished(t)
	m.quiet()
}

// TestUnrestorableCallsAreReleased: when another program has a port of a call, its peers get BYE, and its one record ends with the
// process that died.
func TestUnrestorableCallsAreReleased(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Parallel()
	m := newMortal(t, buildBinary(t))
	x := newThreePhonesOf(t, m.border)
	alice, err := x.alice.Dial("4930", phoneTarget(x.w.sides))
	if err != nil {
		t.Fatal(err)
	}
	bob := <-x.toBob
	answered := time.Now()
	hearsNow(t, alice, 1000)
	hearsNow(t, bob, 800)
	var streams rest.Page[sbc.StreamStats]
	m.do("GET", "/calls/"+m.calls(1)[0].ID+"/media", nil, &streams)
	m.saved()
	killed := m.child.kill()
	thief, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(streams.Items[0].LocalAddress)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = thief.Close() }()
	m.child.start()
	m.Client = m.child.api
	<-alice.Ended()
	<-bob.Ended()
	r := m.cdrs(1)[0]
	want := killed.Sub(answered)
	if got := time.Duration(r.DurationMS) * time.Millisecond; r.EndReason != sbc.EndNodeFailure || !r.Recovered || got > want || want-got > 1500*time.Millisecond {
		t.Errorf("%s, recovered %v, after %v; want at most %v", r.EndReason, r.Recovered, got, want)
	}
	m.quiet()
}

// TestKilledInTheMiddleOfATransfer: what a transfer, a merge and a call of our own leave when the process is killed in the middle: each
// call has one record, and no port, place or dialog is left.
func TestKilledInTheMiddleOfATransfer(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Parallel()
	bin := buildBinary(t)
	for name, play := range map[string]func(t *testing.T, m *mortal, x *threePhones){
		"REFER": killedInRefer, "merge": killedInMerge, "click to dial": killedInOriginate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMortal(t, bin)
			x := newThreePhonesOf(t, m.border)
			play(t, m, x)
			m.quiet()
			m.killed()
			m.calls(0) // and nothing comes back
		})
	}
}

// killedInRefer: carol rings while the process dies. Alice and bob go on.
func killedInRefer(t *testing.T, m *mortal, x *threePhones) {
	ctx := patience(t, 30*time.Second)
	alice, err := x.alice.Dial("4930", phoneTarget(x.w.sides))
	if err != nil {
		t.Fatal(err)
	}
	bob := <-x.toBob
	hearsNow(t, alice, 1000)
	if code, err := bob.Refer(ctx, "<sip:49771@"+x.w.east.String()+">"); err != nil || code != 202 {
		t.Fatalf("REFER: %d, %v", code, err)
	}
	<-x.toCarol
	m.saved()
	m.killed()
	m.calls(1)
	flows(t, alice, bob, 1000, 800)
	if err := bob.Hangup(ctx); err != nil {
		t.Error(err)
	}
	<-alice.Ended()
	if r := m.cdrs(1)[0]; r.EndReason != sbc.EndCalleeBye || r.Recovered {
		t.Errorf("%+v", r)
	}
}

// killedInMerge: two calls are merged, and the process dies at once.
func killedInMerge(t *testing.T, m *mortal, x *threePhones) {
	ctx := patience(t, 30*time.Second)
	close(x.answer)
	alice, err := x.alice.Dial("4930", phoneTarget(x.w.sides))
	if err != nil {
		t.Fatal(err)
	}
	<-x.toBob
	hearsNow(t, alice, 1000)
	if _, err := x.bob.Dial("49771", netip.AddrPortFrom(x.w.east, 5060)); err != nil {
		t.Fatal(err)
	}
	carol := <-x.toCarol
	hearsNow(t, carol, 1000)
	live := m.calls(2)
	m.saved()
	m.do("POST", "/calls/"+live[0].ID+"/transfer", rest.Object{"keep": "caller", "call_id": live[1].ID, "with": "callee"}, nil)
	hearsNow(t, alice, 600)
	m.killed()
	if left := m.calls(1)[0]; left.ID != live[0].ID || len(left.Legs) != 2 {
		t.Errorf("%+v", left)
	}
	flows(t, alice, carol, 600, 800)
	if err := carol.Hangup(ctx); err != nil {
		t.Error(err)
	}
	<-alice.Ended()
	for _, r := range m.cdrs(2) {
		want := map[bool]sbc.EndReason{true: sbc.EndCalleeBye, false: sbc.EndTransferred}[r.CallID == live[0].ID]
		if r.EndReason != want || r.Recovered {
			t.Errorf("%+v", r)
		}
	}
}

// killedInOriginate: bob has answered, carol rings. Bob is let go.
func killedInOriginate(t *testing.T, m *mortal, x *threePhones) {
	m.do("POST", "/calls", rest.Object{"trunk_id": x.w.westTrunk, "from": "4930", "to": "49771"}, nil)
	bob := <-x.toBob
	<-x.toCarol
	m.saved()
	m.killed()
	<-bob.Ended()
	if r := m.cdrs(1)[0]; r.EndReason != sbc.EndNodeFailure || r.AnsweredAt != nil || !r.Recovered {
		t.Errorf("%+v", r)
	}
}

// TestManyCallsSurviveARestart: with 500 calls up the border serves again within 2 s of its start.
func TestManyCallsSurviveARestart(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	const many = 500
	m := newMortal(t, buildBinary(t))
	w := m.connect(newSides(t), wish{})
	callee(t, w.eastPeer)
	crowd := newCrowd(t, w.sides)
	number := func(i int) string { return fmt.Sprintf("49%06d0", i) }
	for i := range many {
		crowd.dial(number(i))
		if i%50 == 49 {
			crowd.until("answers", func() bool { return len(crowd.answered) == i+1 })
		}
	}
	before := m.calls(many)
	m.saved()
	_, took := m.killed()
	t.Logf("%d calls are there again %v after the start", many, took)
	if took > 2*time.Second {
		t.Errorf("it took %v to serve again", took)
	}
	after := m.calls(many)
	if !slices.EqualFunc(before, after, func(x, y sbc.CallInfo) bool {
		return x.ID == y.ID && x.Callee == y.Callee && y.State == sbc.CallConfirmed && x.AnsweredAt.Equal(*y.AnsweredAt) &&
			x.Legs[0].LocalTag == y.Legs[0].LocalTag
	}) {
		t.Error("the calls are not the same")
	}
	for i := range many {
		crowd.bye(number(i))
	}
	crowd.until("their ends", func() bool { return len(crowd.ended) == many })
	for _, r := range m.child.feed(many) {
		if r.EndReason != sbc.EndCallerBye || r.Recovered {
			t.Errorf("%+v", r)
		}
	}
	m.quiet()
}
