package integration

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// TestSIPpFax lets a fax machine take its call over to T.38 and back to audio, with a codec policy on its trunk: the caller
// offers more than the machine is offered, and both check what they are told.
func TestSIPpFax(t *testing.T) {
	needs(t, "sipp")
	for _, transport := range []struct{ ours, sipp string }{{"udp", "u1"}, {"tcp", "t1"}} {
		t.Run(transport.ours, func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			profile := b.create("/media-profiles", rest.Object{"name": "fax", "codecs_deny": []string{"PCMA", "G729"}, "ptime_ms": 30})
			w := b.connect(newSides(t), wish{transport: transport.ours, eastTrunk: rest.Object{"media_profile_id": profile}})
			ctx := patience(t, 30*time.Second)
			machine := sippListening(ctx, t, "callee_faxes.xml", w.eastPeer, "-t", transport.sipp, "-m", "5")
			err := sipp(ctx, t, "caller_faxed.xml", calling(w.sides, transport.sipp, 5)...)
			if err = errors.Join(err, machine.Wait()); err != nil {
				t.Fatal(err)
			}
			for _, r := range b.cdrs(5) {
				if r.EndReason != sbc.EndCallerBye || r.FinalCode != 200 || len(r.Media) != 2 || r.Media[0].Codec != "PCMU" {
					t.Errorf("record %+v", r)
				}
			}
			b.quiet()
		})
	}
}
