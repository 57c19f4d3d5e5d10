package integration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// pitfall is a fault of others, played by up to three SIPps: the scenarios are in testdata/sipp/pitfalls. Each of them counts its
// calls and sees in every message that no word or address of another party is in it; their exits are the first half of the
// verdict.
type pitfall struct {
	name, caller, callee, third string
	calls                       int    // 0 is 3
	called, thirds              int    // calls that reach the callee and the third party; 0 is as many as calls
	number                      string // "" is one in the east; 4977… is the third party's
	signalling                  rest.Object
	west, east                  rest.Object // of the trunks
	access                      bool        // the caller is in a realm of trust access
	setUp                       func(p *play)
	during, after               func(p *play) // while they play, and then
	// The records: how each ends, with how many legs (0 is 2); check looks further. End "" is for no records.
	end   sbc.EndReason
	code  int
	legs  int
	check func(p *play, r sbc.CDR)
}

// play is a pitfall on its own border.
type play struct {
	t     *testing.T
	b     *border
	w     wiring
	third netip.Addr
	row   pitfall
}

// TestSIPpPitfalls plays the rows of PITFALLS.md that SIPp can play, side by side. What the scenarios do not see is looked up by
// REST: the records, that no call is left and no port is taken.
func TestSIPpPitfalls(t *testing.T) {
	needs(t, "sipp")
	rows := append(append(dialogPitfalls(), interopPitfalls()...), mediaPitfalls()...)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.calls == 0 {
				row.calls = 3
			}
			newPlay(t, row).run()
		})
	}
}

// newPlay wires a border for a row: a third party in the east is reached by the numbers that begin with 4977, from everywhere.
func newPlay(t *testing.T, row pitfall) *play {
	p := &play{t: t, b: startBorder(t, app.Options{}), row: row}
	s := newSides(t)
	p.third = s.eastPeer.Next()
	o := wish{westTrunk: rest.Object{}, eastTrunk: rest.Object{}}
	if row.signalling != nil {
		o = signalled(p.b.create("/signalling-profiles", with(rest.Object{"name": "of the row"}, row.signalling)))
	}
	with(o.westTrunk, row.west)
	with(o.eastTrunk, row.east)
	if row.access {
		o.westRealm = rest.Object{"trust": "access"}
	}
	p.w = p.b.connect(s, o)
	if row.third != "" {
		p.addThird()
	}
	if row.setUp != nil {
		row.setUp(p)
	}
	return p
}

// addThird makes the third party known: a trunk of the east.
func (p *play) addThird() {
	b := p.b
	trunk := b.create("/trunks", rest.Object{"name": "third", "realm_id": p.w.eastRealm, "routing_plan_id": p.w.westPlan})
	b.create("/trunks/"+trunk+"/identities", rest.Object{"name": "third", "cidr": p.third.String() + "/32"})
	b.create("/trunks/"+trunk+"/endpoints", rest.Object{"name": "third", "address": p.third.String(), "port": 5060})
	list := b.create("/route-lists", rest.Object{"name": "third"})
	b.create("/route-lists/"+list+"/targets", rest.Object{"name": "only", "trunk_id": trunk})
	for _, plan := range []string{p.w.plan, p.w.westPlan} {
		b.create("/routing-plans/"+plan+"/rules", rest.Object{
			"name": "third", "prefix": "4977", "action": "route", "route_list_id": list,
		})
	}
}

// run plays the row and looks what is left of it.
func (p *play) run() {
	t, row := p.t, p.row
	ctx := patience(t, time.Minute) // who is not given a processor is late; it costs nothing otherwise
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var servers []*exec.Cmd
	serve := func(scenario string, at netip.Addr, calls int) {
		if scenario != "" {
			servers = append(servers, sippListening(ctx, t, "pitfalls/"+scenario+".xml", at,
				"-m", fmt.Sprint(calls), "-recv_timeout", "8000", "-trace_err", "-rtp_echo"))
		}
	}
	serve(row.callee, p.w.eastPeer, cmp.Or(row.called, row.calls))
	serve(row.third, p.third, cmp.Or(row.thirds, row.calls))
	caller := sippCommand(ctx, t, "pitfalls/"+row.caller+".xml", calling(p.w.sides, "u1", row.calls,
		"-s", cmp.Or(row.number, "4930123456"), "-d", "100", "-recv_timeout", "8000", "-trace_err", "-cid_str", "westword%u-%p@%s")...)
	if err := os.WriteFile(filepath.Join(caller.Dir, "tone.raw"), make([]byte, 8000*4), 0o600); err != nil {
		t.Fatal(err)
	}
	said := &safeBuffer{}
	caller.Stdout, caller.Stderr = said, said
	if err := caller.Start(); err != nil {
		t.Fatal(err)
	}
	if row.during != nil {
		row.during(p)
	}
	err := caller.Wait()
	if err != nil {
		cancel() // nobody need wait for the others
	}
	for _, s := range servers {
		err = errors.Join(err, s.Wait())
	}
	if err != nil {
		t.Errorf("%v\n%s", err, said.String())
		p.complaints(caller, servers)
	}
	p.verdict()
}

// complaints shows what the SIPps wrote of what they did not expect.
func (p *play) complaints(caller *exec.Cmd, servers []*exec.Cmd) {
	for _, cmd := range append(servers, caller) {
		logs, _ := filepath.Glob(filepath.Join(cmd.Dir, "*errors.log")) // the pattern is right
		for _, l := range logs {
			if text, err := os.ReadFile(l); err == nil {
				p.t.Logf("%s:\n%s", filepath.Base(l), text[:min(len(text), 4000)])
			}
		}
	}
}

// verdict is what REST says afterwards.
func (p *play) verdict() {
	t, row := p.t, p.row
	legs := row.legs
	if legs == 0 {
		legs = 2
	}
	calls := row.calls
	if row.end == "" {
		calls = 0
	}
	for _, r := range p.b.cdrs(calls) {
		if row.check != nil {
			row.check(p, r)
		}
		if row.end == "*" { // the row looks by itself
			continue
		}
		if r.EndReason != row.end || r.FinalCode != row.code || len(r.Legs) != legs {
			t.Errorf("the record says %s, %d with %d legs; expected %s, %d with %d",
				r.EndReason, r.FinalCode, len(r.Legs), row.end, row.code, legs)
		}
		if r.AnsweredAt != nil && (r.DurationMS <= 0 || r.EndedAt.Before(*r.AnsweredAt)) {
			t.Errorf("record %+v", r)
		}
	}
	if row.after != nil {
		row.after(p)
	}
	p.b.quiet()
}
