package call

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// plays tells to whom of a call something is played now, and how often.
func (w *world) plays() (list []string) {
	w.t.Helper()
	synctest.Wait()
	c := w.call()
	for _, p := range w.engine.last().played {
		who := "callee"
		if p.to == c.a.party {
			who = "caller"
		}
		what := " silence"
		if p.audio != nil {
			what = " sound"
		}
		list = append(list, who+what)
	}
	return list
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func code(err error) sbc.Code {
	var e *sbc.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestPlayByAPI(t *testing.T) {
	run(t, nil, func(w *world) {
		a, _, _, _ := w.talk()
		id := w.call().id
		both := []sbc.Side{sbc.SideCaller, sbc.SideCallee}
		if err := w.m.Play(background(), id, sbc.PlayOrder{Sides: both, AnnouncementID: "ann_1", Repeat: 1}); err != nil {
			t.Fatal(err)
		}
		if got := w.plays(); !equal(got, []string{"caller sound", "callee sound"}) {
			t.Errorf("plays %v", got)
		}
		w.engine.last().played[0].done()
		if got := w.plays(); !equal(got, []string{"callee sound"}) {
			t.Errorf("after its end %v", got)
		}
		if err := w.m.StopPlaying(background(), id, nil); err != nil || len(w.plays()) != 0 {
			t.Errorf("stopped: %v, %v", err, w.plays())
		}
		for _, f := range []struct {
			id   string
			o    sbc.PlayOrder
			want sbc.Code
		}{
			{"cal_0", sbc.PlayOrder{Sides: both, AnnouncementID: "ann_1"}, sbc.CodeNotFound},
			{id, sbc.PlayOrder{AnnouncementID: "ann_1"}, sbc.CodeInvalid},
			{id, sbc.PlayOrder{Sides: []sbc.Side{"third"}, AnnouncementID: "ann_1"}, sbc.CodeInvalid},
			{id, sbc.PlayOrder{Sides: both, AnnouncementID: "ann_2"}, sbc.CodeInvalid},
			{id, sbc.PlayOrder{Sides: both, AnnouncementID: "ann_1", Repeat: -1}, sbc.CodeInvalid},
		} {
			if err := w.m.Play(background(), f.id, f.o); code(err) != f.want {
				t.Errorf("%+v: %v, want %s", f, err, f.want)
			}
		}
		w.engine.last().mute = true
		err := w.m.Play(background(), id, sbc.PlayOrder{Sides: both, AnnouncementID: "ann_1"})
		if code(err) != sbc.CodeConflict {
			t.Errorf("to a party without G.711: %v", err)
		}
		w.end(a)
	})
}

// The side on hold hears the music of whoever holds it; an announcement of the API comes before, and the music after it again.
func TestMusicOnHold(t *testing.T) {
	run(t, mediaProfiled(func(p *sbc.MediaProfile) {
		p.Hold, p.MusicAnnouncementID = sbc.HoldMusic, "ann_1"
	}, "trk_b"), func(w *world) {
		a, b, _, _ := w.talk()
		change := func(direction string) {
			re := b.send(msg.INVITE, sdp(calleeIP, 5000)+direction)
			w.wire.next(msg.INVITE).reply(200, sdp(callerIP, 4000))
			re.want(200)
			b.ack(int(re.req.CSeq.Seq), "")
		}
		change("a=sendonly\r\n")
		if got := w.plays(); !equal(got, []string{"caller sound"}) || w.engine.last().played[0].repeat != 0 {
			t.Fatalf("on hold %v", got)
		}
		order := sbc.PlayOrder{Sides: []sbc.Side{sbc.SideCaller}, AnnouncementID: "ann_1", Repeat: 1}
		if err := w.m.Play(background(), w.call().id, order); err != nil {
			t.Fatal(err)
		}
		played := w.engine.last().played
		played[len(played)-1].done()
		if got := w.plays(); !equal(got, []string{"caller sound"}) || w.engine.last().played[0].repeat != 0 {
			t.Errorf("after the announcement %v", got)
		}
		change("")
		if got := w.plays(); len(got) != 0 {
			t.Errorf("taken back %v", got)
		}
		w.end(a)
	})
}

func TestSilenceOnHoldByAPI(t *testing.T) {
	run(t, mediaProfiled(func(p *sbc.MediaProfile) { p.Hold = sbc.HoldSilence }, "trk_b"), func(w *world) {
		a, _, _, _ := w.talk()
		done := w.hold(sbc.SideCallee, true)
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000)+"a=recvonly\r\n")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := w.plays(); !equal(got, []string{"callee silence"}) {
			t.Errorf("plays %v", got)
		}
		w.end(a)
	})
}

// A node without a copy of the audio says so, and holds with silence.
func TestPlayWhatIsNotHere(t *testing.T) {
	run(t, mediaProfiled(func(p *sbc.MediaProfile) {
		p.Hold, p.MusicAnnouncementID = sbc.HoldMusic, "ann_1"
	}, "trk_b"), func(w *world) {
		w.blank = true
		a, _, _, _ := w.talk()
		order := sbc.PlayOrder{Sides: []sbc.Side{sbc.SideCaller}, AnnouncementID: "ann_1", Repeat: 1}
		if err := w.m.Play(background(), w.call().id, order); code(err) != sbc.CodeUnavailable || len(w.plays()) != 0 {
			t.Errorf("played: %v", err)
		}
		done := w.hold(sbc.SideCallee, true)
		w.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000)+"a=recvonly\r\n")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := w.plays(); !equal(got, []string{"callee silence"}) {
			t.Errorf("plays %v", got)
		}
		w.end(a)
	})
}
