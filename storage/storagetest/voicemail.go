package storagetest

import (
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

func voicemail(t *testing.T, fresh Fresh) {
	t.Run("add, list, hear, delete", func(t *testing.T) { voicemailLife(t, open(t, fresh)) })
	t.Run("full at once", func(t *testing.T) { voicemailFull(t, open(t, fresh)) })
	t.Run("with their subscriber", func(t *testing.T) { voicemailGone(t, open(t, fresh)) })
	t.Run("expiry", func(t *testing.T) { voicemailExpiry(t, open(t, fresh)) })
}

// leave keeps a message.
func (f *fixture) leave(subscriberID string, expires time.Time) *sbc.VoicemailMessage {
	f.t.Helper()
	m := &sbc.VoicemailMessage{
		ID: sbc.NewID(sbc.PrefixMessage), TenantID: sbc.DefaultTenantID, DomainID: "dom_1", SubscriberID: subscriberID, CallID: "call_1",
		Caller: "+49301", CallerName: "Bob", ReceivedAt: time.Now().UTC().Truncate(time.Microsecond), ExpiresAt: expires.UTC().Truncate(time.Microsecond), DurationMS: 1234,
	}
	if err := f.AddVoicemail(f.ctx, m, []byte("sound"), 1000); err != nil {
		f.t.Fatalf("add: %v", err)
	}
	return m
}

func voicemailLife(t *testing.T, f *fixture) {
	owner, other, before := f.owner("a"), f.owner("b"), f.revision()
	var all []*sbc.VoicemailMessage
	for range 3 {
		all = append(all, f.leave(owner.ID, time.Now().Add(time.Hour)))
	}
	f.leave(other.ID, time.Now().Add(time.Hour))
	got, err := f.Voicemail(f.ctx, owner.ID, all[0].ID)
	if err != nil || *got != *all[0] || got.Bytes != 5 {
		t.Errorf("got %+v, %v, want %+v", got, err, all[0])
	}
	if _, content := f.blob(owner.ID, all[0].ID); string(content) != "sound" {
		t.Errorf("the audio is %q", content)
	}
	_, err = f.Voicemail(f.ctx, other.ID, all[0].ID)
	wantCode(t, err, sbc.CodeNotFound)
	page, next, err := f.ListVoicemail(f.ctx, sbc.VoicemailQuery{SubscriberID: owner.ID, Limit: 2})
	if err != nil || len(page) != 2 || next != all[1].ID || page[0] != *all[0] {
		t.Errorf("page %+v, next %q, %v", page, next, err)
	}
	page, next, err = f.ListVoicemail(f.ctx, sbc.VoicemailQuery{SubscriberID: owner.ID, Limit: 2, After: next})
	if err != nil || len(page) != 1 || next != "" {
		t.Errorf("page %+v, next %q, %v", page, next, err)
	}
	for _, want := range []bool{true, false} {
		if changed, err := f.SetVoicemailHeard(f.ctx, owner.ID, all[1].ID, true); changed != want || err != nil {
			t.Errorf("heard: %v, %v", changed, err)
		}
	}
	_, err = f.SetVoicemailHeard(f.ctx, owner.ID, "vmm_none", true)
	wantCode(t, err, sbc.CodeNotFound)
	if n, err := f.CountVoicemail(f.ctx, owner.ID); err != nil || n != (sbc.VoicemailCount{Unheard: 2, Heard: 1}) {
		t.Errorf("count %+v, %v", n, err)
	}
	heard := true
	if page, _, err = f.ListVoicemail(f.ctx, sbc.VoicemailQuery{SubscriberID: owner.ID, Heard: &heard}); err != nil || len(page) != 1 || page[0].ID != all[1].ID {
		t.Errorf("heard ones %+v, %v", page, err)
	}
	if err := f.DeleteVoicemail(f.ctx, owner.ID, all[0].ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, f.DeleteVoicemail(f.ctx, owner.ID, all[0].ID), sbc.CodeNotFound)
	_, _, err = f.Blob(f.ctx, owner.ID, all[0].ID)
	wantCode(t, err, sbc.CodeNotFound)
	if f.revision() != before {
		t.Error("a message made a revision")
	}
}

// voicemailFull: of many messages at once only as many are kept as there may be.
func voicemailFull(t *testing.T, f *fixture) {
	owner := f.owner("a")
	var all sync.WaitGroup
	var mu sync.Mutex
	kept := 0
	for range 8 {
		all.Go(func() {
			err := f.AddVoicemail(f.ctx, &sbc.VoicemailMessage{ID: sbc.NewID(sbc.PrefixMessage), SubscriberID: owner.ID}, nil, 3)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				kept++
			} else if sbc.CodeOf(err) != sbc.CodeConflict {
				t.Errorf("add: %v", err)
			}
		})
	}
	all.Wait()
	if kept != 3 {
		t.Errorf("%d messages were kept, want 3", kept)
	}
}

func voicemailGone(t *testing.T, f *fixture) {
	owner := f.owner("a")
	m := f.leave(owner.ID, time.Now())
	f.update(func(tx sbc.Tx) error { return tx.Delete(owner.Kind(), owner.ID) })
	_, err := f.Voicemail(f.ctx, owner.ID, m.ID)
	wantCode(t, err, sbc.CodeNotFound)
	wantCode(t, f.AddVoicemail(f.ctx, m, nil, 3), sbc.CodeNotFound)
}

func voicemailExpiry(t *testing.T, f *fixture) {
	owner, t0 := f.owner("a"), time.Now()
	old := []*sbc.VoicemailMessage{f.leave(owner.ID, t0.Add(-2*time.Hour)), f.leave(owner.ID, t0.Add(-time.Hour))}
	young := f.leave(owner.ID, t0.Add(time.Hour))
	for i, want := range []int{1, 1, 0} {
		gone, err := f.ExpireVoicemail(f.ctx, t0, 1)
		if err != nil || len(gone) != want || want == 1 && gone[0] != *old[i] {
			t.Errorf("gone %+v, %v", gone, err)
		}
	}
	if _, err := f.Voicemail(f.ctx, owner.ID, young.ID); err != nil {
		t.Error(err)
	}
	_, _, err := f.Blob(f.ctx, owner.ID, old[0].ID)
	wantCode(t, err, sbc.CodeNotFound)
}
