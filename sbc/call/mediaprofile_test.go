package call

import (
	"bytes"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

// mediaProfiled makes an edit by which trunks have the media profile of the tests.
func mediaProfiled(edit func(p *sbc.MediaProfile), trunks ...string) func(string, sbc.Resource) {
	return func(id string, r sbc.Resource) {
		switch r := r.(type) {
		case *sbc.MediaProfile:
			edit(r)
		case *sbc.Trunk:
			if slices.Contains(trunks, id) {
				r.MediaProfileID = "mdp_1"
			}
		}
	}
}

// runMedia is run with the real media engine instead of the fake one, on an address of this machine. ports counts the pairs in
// use.
func runMedia(t *testing.T, edit func(id string, r sbc.Resource), play func(w *world, ports func() int)) {
	t.Helper()
	e, err := media.New(media.Options{Quarantine: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	pools := []media.Pool{
		{ID: "mpl_a", Address: literal("127.0.0.1"), PortMin: 19000, PortMax: 19099},
		{ID: "mpl_b", Address: literal("127.0.0.1"), PortMin: 19100, PortMax: 19199},
	}
	change, err := e.Prepare(pools)
	if err != nil {
		t.Fatal(err)
	}
	change.Commit()
	ports := func() (n int) {
		for _, p := range pools {
			st, _ := e.PoolStatus(p.ID)
			n += st.InUse
		}
		return n
	}
	run(t, edit, func(w *world) {
		w.m = New(Options{
			Snapshot: func() *config.Snapshot { return w.snap }, Wire: w.wire, Engine: Media(e), Ledger: w.ledger, Tally: w.tally,
			Node: "node-1", Events: w.events.add,
			Blob: func(sbc.Blob) (io.ReaderAt, bool) { return bytes.NewReader(make([]byte, 320)), true },
			Log:  slog.New(&complaints{w: w, TextHandler: slog.NewTextHandler(io.Discard, nil)}),
		})
		play(w, ports)
		synctest.Wait()
		if n := ports(); n != 0 {
			w.t.Errorf("%d pairs of ports are left", n)
		}
	})
}

// phoneOffer is what a desk phone says.
func phoneOffer(host string, port string, lines ...string) string {
	return "v=0\r\no=- 1 1 IN IP4 " + host + "\r\ns=-\r\nc=IN IP4 " + host + "\r\nt=0 0\r\nm=audio " + port + " RTP/AVP 8 0 9 101\r\n" +
		"a=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n" + strings.Join(append(lines, ""), "\r\n")
}

// The profile of each trunk holds for what passes to it and comes from it, in INVITE and re-INVITE, in offers and answers.
func TestMediaProfileOfCodecs(t *testing.T) {
	runMedia(t, mediaProfiled(func(p *sbc.MediaProfile) {
		p.CodecsDeny, p.CodecsOrder, p.PtimeMS, p.StripAttributes = []string{"PCMA"}, []string{"G722"}, 30, []string{"x-floor"}
	}, "trk_b"), func(w *world, _ func() int) {
		a := w.caller()
		in := a.invite(phoneOffer(callerIP, "4000", "a=x-floor:7"))
		out := w.wire.next(msg.INVITE)
		if s := string(out.req.Body); !strings.Contains(s, " RTP/AVP 9 0 101\r\n") || !strings.Contains(s, "a=ptime:30\r\n") ||
			strings.Contains(s, "x-floor") {
			t.Errorf("offered:\n%s", s)
		}
		out.reply(200, phoneOffer(calleeIP, "5000"))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		if s := string(in.last().Body); !strings.Contains(s, " RTP/AVP 0 9 101\r\n") || !strings.Contains(s, "a=ptime:20\r\n") {
			t.Errorf("answered:\n%s", s)
		}
		re := w.callee(out).send(msg.INVITE, phoneOffer(calleeIP, "5000"))
		back := w.wire.next(msg.INVITE)
		if s := string(back.req.Body); !strings.Contains(s, " RTP/AVP 0 9 101\r\n") {
			t.Errorf("offered by the callee:\n%s", s)
		}
		back.reply(200, phoneOffer(callerIP, "4000"))
		if s := string(re.want(200).Body); !strings.Contains(s, " RTP/AVP 9 0 101\r\n") {
			t.Errorf("answered to the callee:\n%s", s)
		}
		w.callee(out).ack(int(re.req.CSeq.Seq), "")
		w.end(a)
	})
}

// What one trunk's profile leaves nothing of may go by the next attempt; what nobody could relay may not.
func TestBarredOfferGoesElsewhere(t *testing.T) {
	for err, attempts := range map[error]int{media.ErrBarred: 2, media.ErrUnsupported: 1} {
		run(t, nil, func(w *world) {
			w.engine.refuse = err
			w.caller().invite(sdp(callerIP, 4000)).want(488)
			if d := w.cdr(); len(d.Attempts) != attempts || d.FinalCode != 488 {
				t.Errorf("%v: %d attempts and %d, want %d", err, len(d.Attempts), d.FinalCode, attempts)
			}
		})
	}
}

// Where the silence of one side counts, the event says which side it was.
func TestSilenceOfOneSideIsTold(t *testing.T) {
	run(t, mediaProfiled(func(p *sbc.MediaProfile) { p.Silence = sbc.SilenceEither }, "trk_b"), func(w *world) {
		w.talk()
		s := w.engine.last()
		if len(s.options) != 2 || s.options[0].SilenceEither || !s.options[1].SilenceEither {
			t.Fatalf("parties %+v", s.options)
		}
		c := w.m.calls.all("")[0]
		s.o.OnSilence(c.b.party, time.Now())
		w.wire.next(msg.BYE).reply(200)
		w.wire.next(msg.BYE).reply(200)
		want := map[string]string{"detector": "media_silence", "side": "callee"}
		if got := w.events.of(sbc.EventCallDead); len(got) != 1 || !maps.Equal(got[0].Data, want) || got[0].TrunkID != "trk_b" {
			t.Errorf("%+v", got)
		}
		if d := w.cdr(); d.EndReason != sbc.EndMediaTimeout {
			t.Errorf("record %+v", d)
		}
	})
}
