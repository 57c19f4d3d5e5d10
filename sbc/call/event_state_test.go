package call

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// states gives how the one call went, as told, and clears it.
func (w *world) states() string {
	w.t.Helper()
	var out []string
	for _, e := range w.events.of(sbc.EventCallState) {
		d := e.Data
		if d["caller"] == "" || d["callee"] == "" || e.TenantID != sbc.DefaultTenantID || e.CallID == "" || e.TrunkID == "" {
			w.t.Errorf("%+v", e)
		}
		out = append(out, strings.TrimSpace(d["state"]+" "+d["opensips_state"]+" "+d["end_reason"]+" "+d["final_code"]))
	}
	w.events.mu.Lock()
	w.events.list = nil
	w.events.mu.Unlock()
	return strings.Join(out, ", ")
}

// TestStatesAreTold: each change of a call's state is an event, if somebody wants to hear; else nothing is raised.
func TestStatesAreTold(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		w.end(a)
		if got := w.states(); got != "" {
			t.Errorf("nobody wanted to hear %s", got)
		}
		w.m.o.Wants = func(kind sbc.EventType) bool { return kind == sbc.EventCallState }
		a, _, _, _ = w.talk()
		w.end(a)
		if got, want := w.states(), "setup 1, early 2, answered 3, confirmed 4, terminating 5, ended 5 caller_bye 200"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		in := w.caller().invite(sdp(callerIP, 4000))
		w.wire.next(msg.INVITE).reply(486)
		in.want(486)
		if got := w.states(); !strings.HasPrefix(got, "setup 1, ") || !strings.HasSuffix(got, "ended 5 busy 486") {
			t.Errorf("a call that was refused: %s", got)
		}
	})
}
