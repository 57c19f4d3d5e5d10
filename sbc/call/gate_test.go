package call

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// at makes a peer that calls from elsewhere.
func (w *world) at(ip, iface string) *peer {
	p := w.caller()
	p.ip, p.iface = ip, iface
	return p
}

// TestStrangers get nothing, or a stateless 403 where the realm says so; no record, no call.
func TestStrangers(t *testing.T) {
	run(t, nil, func(w *world) {
		for _, method := range []msg.Method{msg.INVITE, msg.OPTIONS, msg.REGISTER, msg.MESSAGE, msg.BYE, msg.CANCEL, msg.ACK,
			"PING"} {
			for _, tag := range []string{"", ";tag=guessed"} {
				silent, loud := w.at("203.0.113.9", "sif_a"), w.at("203.0.113.9", "sif_b")
				silent.remote += tag
				loud.remote += tag
				if _, d := silent.try(method, ""); d.Action != msg.Silence {
					t.Errorf("%s%s on the silent realm: %+v", method, tag, d)
				}
				_, d := loud.try(method, "")
				if method == msg.ACK && d.Action != msg.Silence || method != msg.ACK && (d.Action != msg.Refuse || d.Status != 403) {
					t.Errorf("%s%s on the other realm: %+v", method, tag, d)
				}
			}
		}
		if len(w.ledger.ends) != 0 || len(w.wire.sent) != 0 {
			t.Error("strangers left something behind")
		}
	})
}

// TestKnownSources: what a trunk gets outside a dialog.
func TestKnownSources(t *testing.T) {
	run(t, nil, func(w *world) {
		res := w.caller().send(msg.OPTIONS, "").want(200)
		for _, h := range []string{"Allow", "Accept", "Accept-Encoding"} {
			if res.Get(h) == "" {
				t.Errorf("no %s", h)
			}
		}
		if !res.Has("Supported") {
			t.Error("no Supported")
		}
		w.caller().send(msg.OPTIONS, "", "Require: foo").want(420)
		for _, method := range []msg.Method{msg.REGISTER, msg.SUBSCRIBE, msg.PUBLISH, msg.MESSAGE, msg.INFO, msg.BYE, "PING"} {
			_, d := w.caller().try(method, "")
			if d.Action != msg.Refuse || d.Status != 405 || len(d.Headers) != 1 || d.Headers[0].Name != "Allow" {
				t.Errorf("%s: %+v", method, d)
			}
			s := &server{t: t, req: w.caller().build(method, 1, "")}
			w.m.Handle(s, s.req) // had it come through
			s.want(405)
		}
		s := &server{t: t, req: w.caller().build(msg.CANCEL, 1, "")}
		w.m.Handle(s, s.req)
		s.want(481)
		p := w.caller()
		p.remote += ";tag=unknown"
		if _, d := p.try(msg.BYE, ""); d.Status != 481 {
			t.Errorf("unknown dialog: %+v", d)
		}
		s = &server{t: t, req: p.build(msg.BYE, 1, "")}
		w.m.Handle(s, s.req)
		s.want(481)
	})
}

// TestForeignRequests: knowing the Call-ID or even our tag does not end a call.
func TestForeignRequests(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, _, _ := w.talk()
		for name, p := range map[string]*peer{
			"from elsewhere": {w: w, ip: "203.0.113.9", iface: "sif_a", callID: a.callID, local: a.local, remote: a.remote,
				uri: a.uri, cseq: 500},
			"from other trunk": {w: w, ip: calleeIP, iface: "sif_b", callID: a.callID, local: a.local, remote: a.remote, uri: a.uri,
				cseq: 500},
			"with a guessed remote tag": {w: w, ip: a.ip, iface: a.iface, callID: a.callID, local: "<sip:x@y>;tag=guess",
				remote: a.remote,
				uri:    a.uri, cseq: 500},
			"with a guessed own tag": {w: w, ip: a.ip, iface: a.iface, callID: a.callID, local: a.local, remote: "<sip:x@y>;tag=guess",
				uri: a.uri, cseq: 500},
		} {
			for _, method := range []msg.Method{msg.BYE, msg.INVITE, msg.UPDATE, msg.INFO} {
				s, d := p.try(method, "")
				if s != nil {
					s.want(481)
				} else if d.Action == msg.Serve || d.Action == msg.Refuse && d.Status != 481 && d.Status != 403 {
					t.Errorf("%s %s: %+v", method, name, d)
				}
			}
		}
		if len(w.m.List(sbc.CallFilter{State: sbc.CallConfirmed})) != 1 {
			t.Fatal("the call suffered")
		}
		b.send(msg.OPTIONS, "").want(200)
		b.send(msg.REFER, "", "Refer-To: <sip:@x>").want(484)
		b.send(msg.SUBSCRIBE, "").want(405)
		b.send(msg.PRACK, "").want(481)
		b.send(msg.INFO, "", "Require: foo").want(420)
		old := b.cseq
		b.cseq = 3
		b.send(msg.INFO, "").want(500) // RFC 3261 12.2.2
		b.cseq = old
		w.end(a)
	})
}

// TestHangUp through the API in every phase.
func TestHangUp(t *testing.T) {
	id := func(w *world) string { return w.m.List(sbc.CallFilter{})[0].ID }
	run(t, nil, func(w *world) {
		if err := w.m.HangUp(background(), "call_none", ""); sbc.CodeOf(err) != sbc.CodeNotFound {
			t.Errorf("error %v", err)
		}
		w.talk()
		if err := w.m.HangUp(background(), id(w), `fraud "desk"`); err != nil {
			t.Fatal(err)
		}
		one, two := w.wire.next(msg.BYE), w.wire.next(msg.BYE)
		if r := one.req.Get("Reason"); r != `Q.850;cause=16;text="fraud desk"` {
			t.Errorf("Reason %q", r)
		}
		one.reply(200)
		two.reply(200)
		if d := w.cdr(); d.EndReason != sbc.EndAdmin || d.ReleasedBy != sbc.SideSBC {
			t.Errorf("end %s", d.EndReason)
		}
	})
	run(t, nil, func(w *world) {
		in := w.caller().invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		if err := w.m.HangUp(background(), id(w), ""); err != nil {
			t.Fatal(err)
		}
		in.want(480)
		if !out.isCancelled() || len(out.cancel) != 1 {
			t.Errorf("cancelled %v with %v", out.isCancelled(), out.cancel)
		}
		out.reply(487)
		if d := w.cdr(); d.EndReason != sbc.EndAdmin || d.FinalCode != 480 {
			t.Errorf("record %+v", d)
		}
	})
}

// TestMaxDuration: the shorter of both trunks ends the call.
func TestMaxDuration(t *testing.T) {
	edit := func(id string, r sbc.Resource) {
		if id == "trk_b" {
			r.(*sbc.Trunk).MaxCallDurationS = 60
		}
	}
	run(t, edit, func(w *world) {
		w.talk()
		time.Sleep(61 * time.Second)
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.BYE).reply(200)
		if d := w.cdr(); d.EndReason != sbc.EndMaxDuration || d.DurationMS != 60000 {
			t.Errorf("end %s after %d ms", d.EndReason, d.DurationMS)
		}
	})
}

// TestSilence: the silent tail is not billed (features 9.13).
func TestSilence(t *testing.T) {
	run(t, nil, func(w *world) {
		w.talk()
		s := w.engine.last()
		if s.o.Silence != time.Minute || s.o.HoldSilence != 10*time.Minute || !s.answered {
			t.Errorf("session %+v", s.o)
		}
		time.Sleep(20 * time.Second)
		s.last = time.Now()
		time.Sleep(60 * time.Second)
		s.o.OnSilence(nil, s.last)
		time.Sleep(time.Second)
		synctest.Wait()
		s.last = time.Now() // who was silent speaks again while it is told that the call is over
		w.wire.next(msg.BYE).failed(msg.ErrTimeout)
		w.wire.next(msg.BYE).failed(msg.ErrTimeout)
		if d := w.cdr(); d.EndReason != sbc.EndMediaTimeout || d.DurationMS != 80000 || d.BillableMS != 20000 ||
			d.LastMediaAt == nil {
			t.Errorf("record %+v", d)
		}
	})
}

// TestClose refuses new calls, hangs up the others and waits for them.
func TestClose(t *testing.T) {
	run(t, nil, func(w *world) {
		w.talk()
		ringing := w.caller().invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		done := make(chan error, 1)
		go func() { done <- w.m.Close(background()) }()
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.BYE).reply(200)
		ringing.want(503)
		s := w.caller().invite(sdp(callerIP, 4000))
		if s.want(503).Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		w.caller().send(msg.OPTIONS, "").want(503)
		select {
		case <-done:
			t.Fatal("Close did not wait")
		default:
		}
		out.reply(487)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(w.ledger.ends) != 2 || w.ledger.ends[0].EndReason != sbc.EndShutdown {
			t.Errorf("%d records", len(w.ledger.ends))
		}
	})
	run(t, nil, func(w *world) { // nobody answers our BYE
		w.talk()
		ctx, cancel := context.WithTimeout(background(), 5*time.Second)
		defer cancel()
		if err := w.m.Close(ctx); err != nil {
			t.Errorf("deaf peers are no fault of ours: %v", err)
		}
		if d := w.cdr(); d.EndReason != sbc.EndShutdown {
			t.Errorf("end %s", d.EndReason)
		}
	})
}

// TestPanic: a fault ends the call it happened in, with a record, and no other.
func TestPanic(t *testing.T) {
	run(t, nil, func(w *world) {
		good, _, _, _ := w.talk()
		a := w.caller()
		in := a.invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		w.errors.Store(true)
		w.ledger.mu.Lock()
		w.ledger.blow = true
		w.ledger.mu.Unlock()
		out.reply(200, sdp(calleeIP, 5000)) // Answered panics
		time.Sleep(2 * lastResort)
		synctest.Wait()
		if d := w.cdr(); d.EndReason != sbc.EndError || d.FromURI != "sip:+441234@"+callerIP {
			t.Errorf("record %+v", d)
		}
		in.want(500) // and not left waiting
		w.wire.next(msg.BYE).reply(200)
		w.end2(good)
	})
}

// end2 is end where another call's BYE may be about.
func (w *world) end2(a *peer) {
	w.t.Helper()
	a.send(msg.BYE, "").want(200)
	w.wire.next(msg.BYE).reply(200)
}

// TestTransportGone: the caller's connection broke while ringing.
func TestTransportGone(t *testing.T) {
	run(t, nil, func(w *world) {
		in := w.caller().invite(sdp(callerIP, 4000))
		out := w.wire.next(msg.INVITE)
		out.reply(180)
		in.onFailed(msg.ErrTransport)
		if !out.isCancelled() {
			t.Error("not cancelled")
		}
		out.reply(487)
		if d := w.cdr(); d.EndReason != sbc.EndError {
			t.Errorf("end %s", d.EndReason)
		}
	})
}

// TestFull: a node that has all the calls it may have refuses others without a trace.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.m.o.MaxCalls = 1
		a, _, _, _ := w.talk()
		w.caller().invite(sdp(callerIP, 4000)).want(503)
		w.end(a)
		b, _, _, _ := w.talk()
		w.end(b)
		synctest.Wait()
		w.clean()
	})
}

// TestList filters and pages.
func TestList(t *testing.T) {
	run(t, nil, func(w *world) {
		var as []*peer
		for range 5 {
			a, _, _, _ := w.talk()
			as = append(as, a)
		}
		all := w.m.List(sbc.CallFilter{TenantID: sbc.DefaultTenantID, IngressTrunkID: "trk_a", EgressTrunkID: "trk_b",
			Caller: "+441234",
			Callee: "4930123", State: sbc.CallConfirmed})
		if len(all) != 5 {
			t.Fatalf("%d calls", len(all))
		}
		page := w.m.List(sbc.CallFilter{After: all[1].ID, Limit: 2})
		if len(page) != 2 || page[0].ID != all[2].ID || page[1].ID != all[3].ID {
			t.Errorf("page %+v", page)
		}
		if len(w.m.List(sbc.CallFilter{Caller: "other"})) != 0 {
			t.Error("the filter does not filter")
		}
		if _, ok := w.m.Media(all[0].ID); !ok {
			t.Error("no media of a live call")
		}
		if _, ok := w.m.Messages("call_none"); ok {
			t.Error("messages of no call")
		}
		for _, a := range as {
			w.end(a)
		}
		if _, ok := w.m.Get(all[0].ID); ok {
			t.Error("an ended call is still got")
		}
	})
}

// TestExplain is the live decision with its steps and the message as it would be sent.
func TestExplain(t *testing.T) {
	run(t, nil, func(w *world) {
		e, err := w.m.Explain(sbc.ExplainRequest{SourceAddress: callerIP, SourcePort: 5060, SIPInterfaceID: "sif_a",
			Caller: "+441234", Callee: "4930123"})
		if err != nil {
			t.Fatal(err)
		}
		if e.Outcome != sbc.OutcomeRoute || len(e.Attempts) != 2 || e.TrunkID != "trk_a" || e.RuleID != "rul_1" || len(e.Steps) < 3 {
			t.Errorf("%+v", e)
		}
		if !strings.HasPrefix(e.Message, "INVITE sip:4930123@198.51.100.10:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060") ||
			strings.Contains(e.Message, callerIP) || !strings.Contains(e.Message, "From: <sip:+441234@198.51.100.1>") {
			t.Errorf("message\n%s", e.Message)
		}
		for _, tt := range []struct {
			req  sbc.ExplainRequest
			want sbc.Outcome
			code int
		}{
			{sbc.ExplainRequest{SourceAddress: "203.0.113.9", SIPInterfaceID: "sif_a", Callee: "49"}, sbc.OutcomeSilent, 0},
			{sbc.ExplainRequest{SourceAddress: "203.0.113.9", SIPInterfaceID: "sif_b", Callee: "49"}, sbc.OutcomeReject, 403},
			{sbc.ExplainRequest{SourceAddress: callerIP, SIPInterfaceID: "sif_a", Callee: "33"}, sbc.OutcomeReject, 404},
			{sbc.ExplainRequest{SourceAddress: callerIP, SIPInterfaceID: "sif_a", Callee: "49001"}, sbc.OutcomeReject, 603},
		} {
			e, err := w.m.Explain(tt.req)
			if err != nil || e.Outcome != tt.want || e.RejectCode != tt.code || len(e.Steps) == 0 {
				t.Errorf("%+v: %+v %v", tt.req, e, err)
			}
		}
		_, err = w.m.Explain(sbc.ExplainRequest{SourceAddress: "x", SIPInterfaceID: "none", SourcePort: 70000})
		var se *sbc.Error
		if !errors.As(err, &se) || len(se.Faults) != 4 {
			t.Errorf("error %v", err)
		}
		if len(w.wire.sent) != 0 || len(w.ledger.ends) != 0 {
			t.Error("an explanation did something")
		}
	})
}

// TestLedgerError: a record that is not taken at once is counted, and the call goes its way.
func TestLedgerError(t *testing.T) {
	run(t, nil, func(w *world) {
		w.errors.Store(true)
		w.ledger.err = errors.New("disk full")
		a, _, _, _ := w.talk()
		w.end(a)
	})
}

// TestNoLeak looks through every byte sent to one side for what only the other side knows, over calls of every kind above.
func TestNoLeak(t *testing.T) {
	run(t, nil, func(w *world) {
		a, b, _, out := w.talk()
		re := b.send(msg.INVITE, sdp(calleeIP, 6100), "Subject: from 198.51.100.10", "X-Secret: 1",
			"Record-Route: <sip:proxy.b.example;lr>")
		w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 6000), "Warning: 399 pbx.a.example \"x\"")
		re.want(200)
		b.ack(b.cseq, "")
		a.send(msg.INFO, "Signal=1", "Content-Type: application/dtmf-relay")
		w.wire.next(msg.INFO).reply(480, "Error-Info: <http://198.51.100.10/x>")
		w.end(a)
		d := w.cdr()
		ms, _ := w.m.Messages(d.CallID)
		secrets := map[sbc.Side][]string{
			sbc.SideCallee: {callerIP, borderA, a.callID, "atag", "SecretPBX", "a.example", "X-Secret"},
			sbc.SideCaller: {calleeIP, borderB, out.req.CallID, out.tag, "PeerOS", "SecretPBX", "b.example", "X-Secret",
				out.req.From.Tag()},
		}
		for _, m := range ms {
			if m.Direction != "out" {
				continue
			}
			for _, s := range secrets[m.Side] {
				if strings.Contains(m.Raw, s) && !(m.Side == sbc.SideCaller && s == "SecretPBX") {
					t.Errorf("%q shows on the %s's side:\n%s", s, m.Side, m.Raw)
				}
			}
		}
		if len(ms) < 20 {
			t.Errorf("only %d messages", len(ms))
		}
	})
}
