package voicemail

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// second is one of speech.
func second(loud int16) (pcm []byte) {
	for i := range int16(8000) {
		pcm = binary.LittleEndian.AppendUint16(pcm, uint16(loud*(1-2*(i%2))))
	}
	return pcm
}

// speaks begins a message that has a second more each time it is asked.
func (r *rig) speaks(loud int16) (m sbc.VoicemailMessage, said *atomic.Int32) {
	said = new(atomic.Int32)
	m = sbc.VoicemailMessage{TenantID: "ten", SubscriberID: "sub_1", DomainID: "dom_1", CallID: "call_1", Caller: "100", ReceivedAt: time.Now()}
	m.ID = r.Begin(m, func() []byte {
		said.Add(1)
		return second(loud)
	})
	return m, said
}

// files lists the directory of tapes.
func files(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// sweep is one round of Run.
func (r *rig) sweep() {
	r.salvage(context.Background())
	synctest.Wait()
}

// TestTape: what is recorded is on disk within a second, the message is all of it but what it is cut by, and then the tape is gone.
func TestTape(t *testing.T) {
	dir := t.TempDir()
	runIn(t, dir, func(r *rig) {
		m, said := r.speaks(8000)
		time.Sleep(4*time.Second + time.Millisecond)
		synctest.Wait()
		list := files(t, dir)
		if len(list) != 1 || said.Load() != 4 {
			t.Fatalf("%d seconds on %v", said.Load(), list)
		}
		if info, err := os.Stat(list[0]); err != nil || info.Size() < 64_000 || info.Mode().Perm() != 0o600 {
			t.Errorf("%+v, %v", info, err)
		}
		r.sweep() // leaves alone what is being recorded
		m.DurationMS = 4500
		r.Deliver(m, second(8000))
		synctest.Wait()
		if len(r.store.all) != 1 || r.store.all[0].ID != m.ID || !bytes.Equal(r.store.pcm[m.ID], bytes.Repeat(second(8000), 5)[:72_000]) {
			t.Fatalf("kept %+v, %d octets", r.store.all, len(r.store.pcm[m.ID]))
		}
		m, _ = r.speaks(8000)
		time.Sleep(1500 * time.Millisecond)
		r.Discard(m.ID)
		synctest.Wait()
		if left := files(t, dir); len(left) != 0 || len(r.tapes.open) != 0 || len(r.store.all) != 1 {
			t.Errorf("left %v, kept %d", left, len(r.store.all))
		}
	})
}

// TestTapeOfACrash: what a process left that was killed is a message of the next one; what nobody spoke on, and what cannot be read, is told
// of and taken away.
func TestTapeOfACrash(t *testing.T) {
	dir, later := t.TempDir(), t.TempDir()
	ids := map[string]string{}
	runIn(t, dir, func(r *rig) {
		for name, loud := range map[string]int16{"spoken": 8000, "silent": 0} {
			m, _ := r.speaks(loud)
			ids[name] = m.ID
			defer r.Discard(m.ID)
		}
		time.Sleep(3*time.Second + time.Millisecond)
		synctest.Wait()
		for _, f := range files(t, dir) { // as a kill leaves them, in the midst of a write
			all, err := os.ReadFile(f)
			if err == nil {
				err = os.WriteFile(filepath.Join(later, filepath.Base(f)), append(all, 1, 2, 3), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	if err := os.WriteFile(filepath.Join(later, "vmm_broken.tape"), []byte("{\"x"), 0o600); err != nil {
		t.Fatal(err)
	}
	runIn(t, later, func(r *rig) {
		r.sweep()
		if len(r.store.all) != 1 || r.store.all[0].ID != ids["spoken"] || r.store.all[0].DurationMS != 3000 || r.store.all[0].Caller != "100" {
			t.Fatalf("kept %+v", r.store.all)
		}
		told := map[string]sbc.EventType{}
		for _, e := range r.events {
			told[e.Data["message_id"]] = e.Type
		}
		if told[ids["spoken"]] != sbc.EventVoicemailMessage || told[ids["silent"]] != sbc.EventVoicemailLost ||
			told["vmm_broken"] != sbc.EventVoicemailLost || len(r.events) != 3 || r.changed != 1 {
			t.Errorf("events %+v, %d changes", r.events, r.changed)
		}
		if left := files(t, later); len(left) != 0 {
			t.Errorf("left %v", left)
		}
	})
}

// TestTapeWaitsForTheStore: a message that the store does not take is tried again, is stored once, and does not let others be recorded
// without bound.
func TestTapeWaitsForTheStore(t *testing.T) {
	dir := t.TempDir()
	runIn(t, dir, func(r *rig) {
		for range 2 {
			m, _ := r.speaks(8000)
			time.Sleep(2 * time.Second)
			r.store.fails(2 * attempts)
			m.DurationMS = 2000
			r.Deliver(m, second(8000))
		}
		time.Sleep(time.Minute)
		if len(files(t, dir)) != 2 || r.waiting() != 2 || len(r.events) != 0 {
			t.Fatalf("%v, %d wait, events %+v", files(t, dir), r.waiting(), r.events)
		}
		r.store.fails(0)
		if _, err := r.open("sub_1"); sbc.CodeOf(err) != sbc.CodeUnavailable {
			t.Errorf("another one may be recorded: %v", err)
		}
		kept, err := os.ReadFile(files(t, dir)[0])
		if err != nil {
			t.Fatal(err)
		}
		first := files(t, dir)[0]
		r.sweep()
		if len(r.store.all) != 2 || r.waiting() != 0 || len(files(t, dir)) != 0 {
			t.Errorf("kept %d, %d wait, %v", len(r.store.all), r.waiting(), files(t, dir))
		}
		if err := os.WriteFile(first, kept, 0o600); err != nil { // the process ended between the store and the tape
			t.Fatal(err)
		}
		r.sweep()
		if len(r.store.all) != 2 || len(files(t, dir)) != 0 || len(r.events) != 2 {
			t.Errorf("kept %d, %v, events %+v", len(r.store.all), files(t, dir), r.events)
		}
	})
}

// TestTapeWithoutDisk: where nothing can be written, the message is in memory and kept all the same.
func TestTapeWithoutDisk(t *testing.T) {
	runIn(t, filepath.Join(t.TempDir(), "none"), func(r *rig) {
		m, _ := r.speaks(8000)
		time.Sleep(2*time.Second + time.Millisecond)
		m.DurationMS = 3000
		r.Deliver(m, second(8000))
		synctest.Wait()
		if len(r.store.all) != 1 || len(r.store.pcm[m.ID]) != 48_000 {
			t.Errorf("kept %+v, %d octets", r.store.all, len(r.store.pcm[m.ID]))
		}
	})
}
