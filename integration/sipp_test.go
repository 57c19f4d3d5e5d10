package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/pgtest"
	"github.com/sallyport/sallyport/sbc"
)

// calling are the arguments of a SIPp that calls through the border from the west.
func calling(s sides, transport string, calls int, more ...string) []string {
	args := []string{
		"-i", s.westPeer.String(), "-p", "5060", "-mi", s.westPeer.String(), "-s", "4930123456", "-m", fmt.Sprint(calls),
		"-r", "20", "-recv_timeout", "15000", "-t", transport,
	}
	return append(append(args, more...), s.west.String()+":5060")
}

// patience bounds one run of a peer.
func patience(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestSIPpCalls lets SIPp call SIPp through the border over each transport and onto each store, and counts the records.
func TestSIPpCalls(t *testing.T) {
	needs(t, "sipp")
	for _, c := range []struct{ name, transport, sippTransport, database string }{
		{"UDP", "udp", "u1", ""}, {"TCP", "tcp", "t1", ""}, {"PostgreSQL", "udp", "u1", "postgres"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := app.Options{}
			if c.database != "" {
				o.Database = pgtest.Database(t, pgtest.Start(t))
			}
			b := startBorder(t, o)
			w := b.connect(newSides(t), wish{transport: c.transport})
			sippServer(t, "callee.xml", w.eastPeer, "-t", c.sippTransport)
			if err := sipp(patience(t, 40*time.Second), t, "caller.xml", calling(w.sides, c.sippTransport, 40, "-d", "100")...); err != nil {
				t.Fatal(err)
			}
			for _, r := range b.cdrs(40) {
				if r.EndReason != sbc.EndCallerBye || r.FinalCode != 200 || r.ReleasedBy != sbc.SideCaller || len(r.Legs) != 2 {
					t.Fatalf("record %+v", r)
				}
				if r.DurationMS < 90 || r.DurationMS > 5000 {
					t.Errorf("a call of 100 ms is recorded with %d ms", r.DurationMS)
				}
			}
			b.quiet()
		})
	}
}

// TestSIPpFlows lets SIPp walk through the ways a call can go. Each row says how its record has to end.
func TestSIPpFlows(t *testing.T) {
	needs(t, "sipp")
	for _, c := range []struct {
		name, caller, callee string
		end                  sbc.EndReason
		by                   sbc.Side
		code                 int
	}{
		{"early media", "caller_late_offer.xml", "callee.xml", sbc.EndCallerBye, sbc.SideCaller, 200},
		{"several provisionals", "caller.xml", "callee_early.xml", sbc.EndCallerBye, sbc.SideCaller, 200},
		{"busy", "caller_refused_486.xml", "callee_busy.xml", sbc.EndBusy, sbc.SideCallee, 486},
		{"overloaded", "caller_refused_503.xml", "callee_503.xml", sbc.EndRejected, sbc.SideCallee, 503},
		{"cancelled", "caller_cancel.xml", "callee_rings.xml", sbc.EndCallerCancel, sbc.SideCaller, 487},
		{"re-INVITE", "caller_reinvite.xml", "callee_reinvited.xml", sbc.EndCallerBye, sbc.SideCaller, 200},
		{"UPDATE", "caller_update.xml", "callee_updated.xml", sbc.EndCallerBye, sbc.SideCaller, 200},
		{"callee hangs up", "caller_answers.xml", "callee_hangs_up.xml", sbc.EndCalleeBye, sbc.SideCallee, 200},
		{"BYE astray by the caller", "caller_astray.xml", "callee.xml", sbc.EndCallerBye, sbc.SideCaller, 200},
		{"BYE astray by the callee", "caller_answers.xml", "callee_astray.xml", sbc.EndCalleeBye, sbc.SideCallee, 200},
	} {
		for _, transport := range []struct{ ours, sipp string }{{"udp", "u1"}, {"tcp", "t1"}} {
			t.Run(c.name+"/"+transport.ours, func(t *testing.T) {
				t.Parallel()
				b := startBorder(t, app.Options{})
				w := b.connect(newSides(t), wish{transport: transport.ours})
				sippServer(t, c.callee, w.eastPeer, "-t", transport.sipp)
				if err := sipp(patience(t, 30*time.Second), t, c.caller, calling(w.sides, transport.sipp, 5)...); err != nil {
					t.Fatal(err)
				}
				for _, r := range b.cdrs(5) {
					if r.EndReason != c.end || r.ReleasedBy != c.by || r.FinalCode != c.code {
						t.Errorf("record says %s by %s with %d; expected %s by %s with %d", r.EndReason, r.ReleasedBy, r.FinalCode, c.end, c.by, c.code)
					}
				}
				b.quiet()
			})
		}
	}
}
