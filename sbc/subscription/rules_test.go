package subscription

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// rules gives both trunks of a world a header profile.
func (w *world) rules(near, far []sbc.HeaderRule) {
	w.t.Helper()
	for _, r := range w.rows {
		if t, ok := r.(*sbc.Trunk); ok {
			t.HeaderProfileID, t.PassHeaders = "hdp_"+t.ID, []string{"X-Pass"}
		}
	}
	for id, list := range map[string][]sbc.HeaderRule{"hdp_trk_a": near, "hdp_trk_b": far} {
		p := &sbc.HeaderProfile{Rules: list}
		p.ID, p.TenantID, p.Name, p.Enabled, p.Revision = id, sbc.DefaultTenantID, id, true, 1
		w.rows = append(w.rows, p)
	}
	snap, err := config.Compile(w.rows, 2)
	if err != nil {
		w.t.Fatal(err)
	}
	w.m.o.Snapshot = func() *config.Snapshot { return snap }
	w.decides(nil, nil)
}

func line(stage sbc.HeaderStage, header, value string) sbc.HeaderRule {
	return sbc.HeaderRule{Stage: stage, Messages: "both", Action: sbc.HeaderSet, Header: header, Value: value}
}

// TestHeaderRules: the rules of both trunks are applied to every message, in both directions, as in calls; and nothing that they
// write shows one side to the other.
func TestHeaderRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		w.rules([]sbc.HeaderRule{
			{Stage: sbc.HeaderIn, Messages: "requests", Action: sbc.HeaderRemove, Header: "Require"},
			line(sbc.HeaderIn, "X-Pass", "{method}{status} of {caller} to {callee}"),
			line(sbc.HeaderOut, "X-Near", "{method} {status} {our.host} {trunk.name}"),
			line(sbc.HeaderOut, "X-Secret", "at "+notifierIP),
		}, []sbc.HeaderRule{
			line(sbc.HeaderOut, "X-Far", "{method} {our.host} {trunk.id} {call.id}{var.x}"),
			line(sbc.HeaderOut, "X-Secret", "at "+subscriberIP),
			line(sbc.HeaderOut, "X-Dialog", "tag near"),
			line(sbc.HeaderIn, "X-Pass", "{method}{status} from yonder"),
		})
		sent := func(i int, want map[string]string) msg.Outbound {
			t.Helper()
			if len(w.sent) != i+1 {
				t.Fatalf("%d were sent, not %d", len(w.sent), i+1)
			}
			has(t, w.sent[i].Request, want)
			return w.sent[i]
		}
		near, far := hop("sif_a", subscriberIP), hop("sif_b", notifierIP)
		in := w.ask(msg.SUBSCRIBE, near, "", "", "Event: presence", "Expires: 600", "Require: foo")
		out := sent(0, map[string]string{"X-Far": "SUBSCRIBE 198.51.100.1 trk_b", "X-Pass": "SUBSCRIBE of 4940 to 4930", "X-Secret": "",
			"X-Dialog": ""})
		w.reply(out, 200, msg.Header{Name: "Expires", Value: "100"})
		ok := in.want(w, 200)
		has(t, ok, map[string]string{"X-Near": "SUBSCRIBE 200 192.0.2.1 trk_a", "X-Pass": "SUBSCRIBE200 from yonder", "X-Secret": ""})
		to := ";tag=" + ok.To.Tag()
		again := w.ask(msg.SUBSCRIBE, near, to, "", "Event: presence", "Expires: 600")
		w.reply(sent(1, map[string]string{"X-Far": "SUBSCRIBE 198.51.100.1 trk_b", "X-Secret": ""}), 423, msg.Header{Name: "Min-Expires", Value: "9"})
		has(t, again.want(w, 423), map[string]string{"X-Near": "SUBSCRIBE 423 192.0.2.1 trk_a", "Min-Expires": "9"})
		w.ask(msg.SUBSCRIBE, near, to, "", "Event: other").want(w, 481)

		o := out.Request
		notice, err := msg.Parse([]byte("NOTIFY sip:x@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP y;branch=z9hG4bKn\r\nFrom: <sip:4930@y>;tag=far\r\n" +
			"To: " + o.From.String() + "\r\nCall-ID: " + o.CallID + "\r\nCSeq: 1 NOTIFY\r\nMax-Forwards: 70\r\nContact: <sip:n@" + notifierIP +
			">\r\nEvent: presence\r\nSubscription-State: active\r\nContent-Length: 0\r\n\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		notice.Hop = far
		tells := &tx{req: notice}
		if !w.m.Handle(tells, notice) {
			t.Fatal("NOTIFY was not taken")
		}
		w.reply(sent(2, map[string]string{"X-Near": "NOTIFY  198.51.100.1 trk_a", "X-Pass": "NOTIFY from yonder", "X-Secret": ""}), 200)
		has(t, tells.want(w, 200), map[string]string{"X-Far": "NOTIFY 192.0.2.1 trk_b", "X-Dialog": ""})

		text := w.ask(msg.MESSAGE, near, "", "hi", "Content-Type: text/plain", "Require: foo")
		w.reply(sent(3, map[string]string{"X-Far": "MESSAGE 198.51.100.1 trk_b", "X-Secret": ""}), 404)
		has(t, text.want(w, 404), map[string]string{"X-Near": "MESSAGE 404 192.0.2.1 trk_a", "X-Pass": "MESSAGE404 from yonder"})
		state := w.ask(msg.PUBLISH, near, "", "<presence/>", "Event: presence", "Content-Type: application/pidf+xml", "Expires: 60")
		if len(state.res) == 0 {
			sent(4, map[string]string{"X-Far": "PUBLISH 198.51.100.1 trk_b", "X-Dialog": ""})
			w.reply(w.sent[4], 200, msg.Header{Name: "SIP-ETag", Value: "e"}, msg.Header{Name: "Expires", Value: "60"})
		}
		has(t, state.res[0], map[string]string{"X-Near": "PUBLISH " + strings.Fields(state.res[0].StartLine())[1] + " 192.0.2.1 trk_a"})
		w.ask(msg.MESSAGE, near, "", "hi", "Content-Type: text/plain", "Replaces: a;to-tag=b;from-tag=c").want(w, 400)
	})
}

// has sees that a message has headers with values; "" is none.
func has(t *testing.T, m *msg.Message, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := m.Get(name); strings.TrimSpace(got) != value || len(m.GetAll(name)) > 1 {
			t.Errorf("%s has %s: %q, not %q", m.StartLine(), name, m.GetAll(name), value)
		}
	}
}
