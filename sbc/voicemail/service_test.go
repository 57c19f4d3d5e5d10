package voicemail

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/webhook"
)

// memory is a store.
type memory struct {
	mu   sync.Mutex
	all  []sbc.VoicemailMessage
	pcm  map[string][]byte
	fail int // so many calls fail
}

// fails makes the next calls fail.
func (m *memory) fails(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = n
}

func (m *memory) down() error {
	if m.fail > 0 {
		m.fail--
		return sbc.Errorf(sbc.CodeUnavailable, "away")
	}
	return nil
}

func (m *memory) AddVoicemail(_ context.Context, v *sbc.VoicemailMessage, pcm []byte, most int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.down(); err != nil {
		return err
	}
	if len(m.all) >= most {
		return sbc.Errorf(sbc.CodeConflict, "full")
	}
	m.all, m.pcm[v.ID] = append(m.all, *v), pcm
	return nil
}

func (m *memory) Voicemail(_ context.Context, _, id string) (*sbc.VoicemailMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.all {
		if m.all[i].ID == id {
			found := m.all[i]
			return &found, nil
		}
	}
	return nil, sbc.Errorf(sbc.CodeNotFound, "none")
}

func (m *memory) ListVoicemail(context.Context, sbc.VoicemailQuery) ([]sbc.VoicemailMessage, string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]sbc.VoicemailMessage{}, m.all...), "", nil
}

func (m *memory) CountVoicemail(context.Context, string) (n sbc.VoicemailCount, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.all {
		if m.all[i].Heard {
			n.Heard++
		} else {
			n.Unheard++
		}
	}
	return n, m.down()
}

func (m *memory) SetVoicemailHeard(_ context.Context, _, id string, heard bool) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.all {
		if m.all[i].ID == id {
			changed := m.all[i].Heard != heard
			m.all[i].Heard = heard
			return changed, nil
		}
	}
	return false, sbc.Errorf(sbc.CodeNotFound, "none")
}

func (m *memory) DeleteVoicemail(_ context.Context, _, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.all {
		if m.all[i].ID == id {
			m.all = append(m.all[:i:i], m.all[i+1:]...)
			return nil
		}
	}
	return sbc.Errorf(sbc.CodeNotFound, "none")
}

func (m *memory) ExpireVoicemail(_ context.Context, now time.Time, _ int) (gone []sbc.VoicemailMessage, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var kept []sbc.VoicemailMessage
	for _, v := range m.all {
		if v.ExpiresAt.After(now) {
			kept = append(kept, v)
		} else {
			gone = append(gone, v)
		}
	}
	m.all = kept
	return gone, m.down()
}

func (m *memory) left() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.all)
}

func (m *memory) Blob(_ context.Context, _, name string) (sbc.Blob, []byte, error) {
	return sbc.Blob{}, m.pcm[name], nil
}

// rig is a service with what it talks to.
type rig struct {
	*Service
	store   *memory
	sub     *sbc.Subscriber
	domain  *sbc.Domain
	mu      sync.Mutex // tellers are goroutines of their own
	events  []sbc.Event
	changed int
	posts   []webhook.Post
	refuse  int // posts that fail
}

func run(t *testing.T, play func(r *rig)) {
	t.Helper()
	runIn(t, "", play)
}

// runIn is run with tapes in a directory.
func runIn(t *testing.T, dir string, play func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{store: &memory{pcm: map[string][]byte{}}, sub: &sbc.Subscriber{}, domain: &sbc.Domain{}}
		r.domain.Defaults()
		r.domain.ID, r.domain.Voicemail.MaxMessages, r.domain.Voicemail.Webhook.URL = "dom_1", 3, "http://hook.example/"
		r.sub.ID, r.sub.DomainID, r.sub.Enabled, r.sub.VoicemailEnabled = "sub_1", "dom_1", true, true
		r.Service = New(Options{
			Store: r.store, Recordings: 2, Dir: dir,
			Find: func(id string, done func(*sbc.Entry, error)) {
				if id != "sub_1" {
					done(nil, sbc.Errorf(sbc.CodeNotFound, "none"))
					return
				}
				done(&sbc.Entry{Subscriber: r.sub}, nil)
			},
			Domain: func(string) *sbc.Domain { return r.domain },
			Events: func(e sbc.Event) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.events = append(r.events, e)
			},
			Changed: func(string) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.changed++
			},
			Tell: func(_ context.Context, p webhook.Post) error {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.posts = append(r.posts, p)
				if len(r.posts) <= r.refuse {
					return errors.New("not now")
				}
				return nil
			},
		})
		play(r)
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// open asks for a mailbox and waits.
func (r *rig) open(id string) (box sbc.Mailbox, err error) {
	r.Open(id, func(b sbc.Mailbox, e error) { box, err = b, e })
	synctest.Wait()
	return box, err
}

func (r *rig) leave() {
	m := sbc.VoicemailMessage{SubscriberID: "sub_1", DomainID: "dom_1", Caller: "100", ReceivedAt: time.Now(), DurationMS: 5}
	m.ID = r.Begin(m, nil)
	r.Deliver(m, []byte("pcm"))
	synctest.Wait()
}

func TestOpen(t *testing.T) {
	run(t, func(r *rig) {
		r.domain.Voicemail.GreetingAnnouncementID = "ann_domain"
		box, err := r.open("sub_1")
		if err != nil || box.GreetingID != "ann_domain" || box.Longest != 2*time.Minute || box.SubscriberID != "sub_1" {
			t.Fatalf("%+v, %v", box, err)
		}
		r.sub.GreetingAnnouncementID = "ann_own"
		second, err := r.open("sub_1")
		if err != nil || second.GreetingID != "ann_own" {
			t.Fatalf("%+v, %v", second, err)
		}
		if _, err = r.open("sub_1"); sbc.CodeOf(err) != sbc.CodeUnavailable {
			t.Errorf("a third recording: %v", err)
		}
		box.Close()
		box.Close()
		third, err := r.open("sub_1")
		if err != nil {
			t.Errorf("after one was closed: %v", err)
		}
		third.Close()
		second.Close()
		for range 3 {
			r.leave()
		}
		if _, err = r.open("sub_1"); sbc.CodeOf(err) != sbc.CodeConflict {
			t.Errorf("a full one: %v", err)
		}
		r.store.fails(1)
		if _, err = r.open("sub_1"); sbc.CodeOf(err) != sbc.CodeUnavailable {
			t.Errorf("without a store: %v", err)
		}
		if _, err = r.open("sub_2"); sbc.CodeOf(err) != sbc.CodeNotFound {
			t.Errorf("nobody's: %v", err)
		}
		r.sub.VoicemailEnabled = false
		if _, err = r.open("sub_1"); sbc.CodeOf(err) != sbc.CodeNotFound {
			t.Errorf("one without a mailbox: %v", err)
		}
	})
}

// A message is stored when the store is there again, told of once, and to a webhook until it takes it.
func TestDeliver(t *testing.T) {
	run(t, func(r *rig) {
		r.store.fail, r.refuse = 2, 2
		r.leave()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(r.store.all) != 1 || len(r.events) != 1 || r.changed != 1 || len(r.posts) != 3 {
			t.Fatalf("%d kept, %d events, %d changes, %d posts", len(r.store.all), len(r.events), r.changed, len(r.posts))
		}
		m := r.store.all[0]
		if r.posts[0].ID != m.ID || r.posts[2].ID != m.ID || r.events[0].Data["message_id"] != m.ID {
			t.Errorf("told of %+v and %+v, kept %+v", r.posts, r.events, m)
		}
		if m.ExpiresAt.Sub(m.ReceivedAt) < 89*24*time.Hour {
			t.Errorf("kept until %s", m.ExpiresAt)
		}
	})
}

func TestMailboxOfItsOwner(t *testing.T) {
	run(t, func(r *rig) {
		for range 3 {
			r.leave()
		}
		first, second := r.store.all[0].ID, r.store.all[1].ID
		r.changed = 0
		r.Heard("sub_1", first)
		synctest.Wait()
		r.Heard("sub_1", first)
		synctest.Wait()
		if r.changed != 1 {
			t.Errorf("%d changes", r.changed)
		}
		r.Messages("sub_1", func(list []sbc.VoicemailMessage, err error) {
			if err != nil || len(list) != 3 || list[0].ID != second || list[2].ID != first {
				t.Errorf("%+v, %v", list, err)
			}
		})
		r.Sound("sub_1", first, func(pcm []byte, err error) {
			if err != nil || string(pcm) != "pcm" {
				t.Errorf("%q, %v", pcm, err)
			}
		})
		synctest.Wait()
		r.Erase("sub_1", first)
		r.Sound("sub_1", "vmm_none", func(_ []byte, err error) {
			if sbc.CodeOf(err) != sbc.CodeNotFound {
				t.Errorf("nobody's: %v", err)
			}
		})
		synctest.Wait()
		if len(r.store.all) != 2 {
			t.Errorf("%d left", len(r.store.all))
		}
	})
}

func TestRetention(t *testing.T) {
	run(t, func(r *rig) {
		r.leave()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		time.Sleep(89 * 24 * time.Hour)
		synctest.Wait()
		if r.store.left() != 1 {
			t.Fatal("deleted too early")
		}
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		if r.store.left() != 0 {
			t.Error("still there after 90 days")
		}
		cancel()
		<-done
	})
}
