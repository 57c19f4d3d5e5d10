package subscription

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// begin makes a subscription of 100 s and gives what is put behind To on each side.
func (w *world) begin() (near, far string) {
	w.t.Helper()
	in := w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), "", "", "Event: presence", "Expires: 100")
	o := w.sent[len(w.sent)-1]
	w.reply(o, 200, msg.Header{Name: "Expires", Value: "9000"})
	if ok := in.want(w, 200); ok.Get("Expires") != "100" {
		w.t.Errorf("granted %s of 100 that were asked for", ok.Get("Expires"))
	}
	return ";tag=" + in.res[0].To.Tag(), ";tag=" + o.Request.From.Tag()
}

// notice brings a NOTIFY of the notifier's.
func (w *world) notice(o msg.Outbound, tag, state string) *tx {
	w.t.Helper()
	w.seq++
	m, err := msg.Parse([]byte("NOTIFY sip:x@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKn\r\nFrom: <sip:n@x>;tag=" + tag +
		"\r\nTo: <sip:x@y>;tag=" + o.Request.From.Tag() + "\r\nCall-ID: " + o.Request.CallID + "\r\nCSeq: " + strings.Repeat("1", w.seq%8+1) +
		" NOTIFY\r\nContact: <sip:peer@" + notifierIP + ">\r\nEvent: presence\r\nSubscription-State: " + state + "\r\nContent-Length: 0\r\n\r\n"))
	if err != nil {
		w.t.Fatal(err)
	}
	m.Hop = hop("sif_b", notifierIP)
	t := &tx{req: m}
	if !w.m.Handle(t, m) {
		w.t.Fatal("NOTIFY was not taken")
	}
	return t
}

// TestEndedBeforeItsAnswer: a NOTIFY that ends a subscription, and then a failure that another target could mend, leave nothing.
func TestEndedBeforeItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		w.twice()
		in := w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), "", "", "Event: presence", "Expires: 600")
		w.m.side(w.sent[0].Request.From.Tag()).heard(hop("sif_b", notifierIP))
		bye := w.notice(w.sent[0], "far", "terminated")
		w.reply(w.sent[1], 200)
		bye.want(w, 200)
		w.reply(w.sent[0], 503)
		in.want(w, 503)
		if w.count() != 0 || w.m.errands.taken() != 0 {
			t.Errorf("%d known, %d under way", w.count(), w.m.errands.taken())
		}
	})
}

// twice gives numbers a second target.
func (w *world) twice() {
	w.change(func(rows []sbc.Resource) []sbc.Resource {
		e := &sbc.Endpoint{}
		e.Defaults()
		b := e.Base()
		b.ID, b.TenantID, b.Name, b.Enabled, b.Revision = "end_c", sbc.DefaultTenantID, "end_c", true, 1
		e.TrunkID, e.Address, e.Port = "trk_b", "198.51.100.11", 5060
		return append(rows, e)
	})
}

// TestNoticesDoNotProlong: what a NOTIFY says makes the time of a subscription shorter, never longer.
func TestNoticesDoNotProlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		w.begin()
		o := w.sent[0]
		time.Sleep(90 * time.Second)
		w.notice(o, "far", "active;expires=99")
		w.reply(w.sent[1], 200)
		time.Sleep(10*time.Second + grace + time.Second)
		if w.count() != 0 {
			t.Errorf("%d are known after its time", w.count())
		}
	})
}

// TestNoTrunkTakesAll: the subscriptions and requests of one trunk leave room for others.
func TestNoTrunkTakesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		for _, s := range []*share{w.m.subs, w.m.errands} {
			s.each = 2
		}
		w.m.states.each = 1
		for range 2 {
			w.begin()
		}
		w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), "", "", "Event: presence").want(w, 503)
		w.ask(msg.SUBSCRIBE, hop("sif_b", notifierIP), "", "", "Event: presence")
		if w.m.subs.taken() != 3 {
			t.Errorf("%d", w.m.subs.taken())
		}
		body := `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:4940@x"></presence>`
		w.ask(msg.PUBLISH, hop("sif_a", subscriberIP), "", body, "Event: presence", "Content-Type: application/pidf+xml")
		w.reply(w.sent[len(w.sent)-1], 200, msg.Header{Name: "SIP-ETag", Value: "x"}, msg.Header{Name: "Expires", Value: "60"})
		w.ask(msg.PUBLISH, hop("sif_a", subscriberIP), "", body, "Event: presence", "Content-Type: application/pidf+xml").want(w, 503)
	})
}

// TestRefreshTakesTheDay: a subscription goes on by the configuration of the day, and ends where that does not let it.
func TestRefreshTakesTheDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 0)
		near, _ := w.begin()
		old := w.m.side(strings.TrimPrefix(near, ";tag=")).sub
		w.change(func(rows []sbc.Resource) []sbc.Resource { return rows })
		again := w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), near, "", "Event: presence", "Expires: 100")
		w.reply(w.sent[1], 200)
		again.want(w, 200)
		if old.snap != w.m.o.Snapshot() {
			t.Error("the configuration it began with is kept")
		}
		w.change(func(rows []sbc.Resource) []sbc.Resource {
			for _, r := range rows {
				if p, ok := r.(*sbc.SignallingProfile); ok {
					p.PassEvents = []string{"dialog"}
				}
			}
			return rows
		})
		w.ask(msg.SUBSCRIBE, hop("sif_a", subscriberIP), near, "", "Event: presence", "Expires: 100").want(w, 481)
		if w.count() != 0 {
			t.Errorf("%d are known", w.count())
		}
	})
}

// change puts another configuration into service.
func (w *world) change(how func([]sbc.Resource) []sbc.Resource) {
	w.t.Helper()
	w.rows = how(w.rows)
	snap, err := config.Compile(w.rows, 2)
	if err != nil {
		w.t.Fatal(err)
	}
	w.m.o.Snapshot = func() *config.Snapshot { return snap }
}

// TestPublishedNonsense: a body that is not of its format goes nowhere.
func TestPublishedNonsense(t *testing.T) {
	w := newWorld(t, 0)
	w.ask(msg.PUBLISH, hop("sif_a", subscriberIP), "", "<presence>", "Event: presence", "Content-Type: application/pidf+xml").want(w, 415)
	if len(w.sent) != 0 {
		t.Errorf("sent %s", w.sent[0].Request.AppendTo(nil))
	}
}
