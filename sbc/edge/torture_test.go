package edge

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport/sallyport/sbc/msg"
)

// TestTorture sends the messages of RFC 4475 that package msg keeps through a whole edge: nothing panics, every broken request is
// refused or dropped, no answer is larger than it may be, and the next request is served.
func TestTorture(t *testing.T) {
	files, err := filepath.Glob("../msg/testdata/*/*.dat")
	if err != nil || len(files) == 0 {
		t.Skip("package msg has no messages yet")
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			virtual(t, func(w *world) {
				w.peer.send(string(raw))
				out := 0
				for len(w.peer.c.in) > 0 {
					out += len((<-w.peer.c.in).b)
				}
				if out > len(raw)*3/2+200 {
					t.Errorf("%d octets out for %d in", out, len(raw))
				}
				before := w.count()
				c := request("OPTIONS")
				c.branch, c.callID = "z9hG4bKafter", "after"
				w.peer.send(c.String())
				if w.count() != before+1 || counter(t, w.edge.metrics.panics) != 0 {
					t.Error("the edge suffered")
				}
				for _, tx := range w.txs {
					_ = tx.Respond(msg.NewResponse(tx.Request(), 200, "")) // whatever it was, answering is safe
				}
			})
		})
	}
}
