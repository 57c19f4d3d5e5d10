package register

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/sbc/msg"
)

// TestJournalHangs: a disk that takes nothing any more keeps phones waiting, but only so many; the rest is told to come back, and all
// are answered when the disk is well again.
func TestJournalHangs(t *testing.T) {
	virtual(t, func(w *world) {
		hang := make(chan struct{})
		w.journal.mu.Lock()
		w.journal.hang = hang
		w.journal.mu.Unlock()
		answers := map[int]int{}
		var all []*tx
		for i := range mostWaiting + 100 {
			m, err := msg.Parse(fmt.Appendf(nil, "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\n"+
				"From: <sip:alice@example.com>;tag=f\r\nTo: <sip:alice@example.com>\r\nCall-ID: call-1\r\nCSeq: %d REGISTER\r\n%s\r\n"+
				"Content-Length: 0\r\n\r\n", phoneAt, i, i+1, phone))
			if err != nil {
				t.Fatal(err)
			}
			m.Hop = source(phoneAt)
			x := &tx{req: m}
			all = append(all, x)
			w.Handle(x, m, w.domain, entry("alice"))
			if i == 0 {
				synctest.Wait() // it is being written
			}
		}
		synctest.Wait()
		for _, x := range all {
			if x.res != nil {
				answers[x.res.Status]++
			}
		}
		if len(answers) != 1 || answers[503] < 90 || answers[503] > 100 {
			t.Errorf("answers while the disk hangs: %v", answers)
		}
		close(hang)
		synctest.Wait()
		for i, x := range all {
			if x.res == nil {
				t.Fatalf("number %d was never answered", i)
			}
		}
	})
}
