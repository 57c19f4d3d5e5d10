package integration

import (
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
)

// TestLeaksWithDTLS: what one side says of ICE, bundles, fingerprints and keys reaches nobody on the other, also where both
// sides may speak of it.
func TestLeaksWithDTLS(t *testing.T) {
	for _, keying := range [][]string{{"dtls", "sdes"}, {"sdes", "dtls"}} {
		t.Run(keying[0], func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			trunk := rest.Object{"media_profile_id": b.create("/media-profiles", rest.Object{
				"name": "browsers", "srtp": "optional", "srtp_keying": keying, "srtp_keys_in_clear": true, "ice": "lite", "rtcp_mux": true,
			})}
			w := b.connect(newSides(t), wish{westTrunk: trunk, eastTrunk: trunk})
			eyes := w.watched(t, false)
			playAll(t, eyes, append(append(basicScenes(), contentScenes()...), sessionScenes()...))
			b.quiet()
			eyes.finished(t)
		})
	}
}
