package voicemail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/webhook"
)

// Store keeps messages and their audio.
type Store interface {
	sbc.Voicemails
	Blob(ctx context.Context, ownerID, name string) (sbc.Blob, []byte, error)
}

// Options are what a Service needs; Store, Find and Domain must be set.
type Options struct {
	Store Store
	// Find finds a subscriber without waiting: done hears of it at once or later.
	Find func(subscriberID string, done func(*sbc.Entry, error))
	// Domain finds a domain in service, nil if there is none.
	Domain func(id string) *sbc.Domain
	// Tell makes a request to another system; nil tells none.
	Tell func(ctx context.Context, p webhook.Post) error
	// Events hears of new messages; it must not block. nil: nobody.
	Events func(sbc.Event)
	// Changed hears that the messages of a mailbox changed; it must not block. nil: nobody.
	Changed func(subscriberID string)
	// Recordings bounds the messages that are recorded at once; 0 is 500.
	Recordings int
	// Dir is where what is being recorded is kept, 4.8 MB at most each; "" keeps it in memory.
	Dir string
	Log *slog.Logger
}

const (
	// mostRecordings is what Options say nothing of.
	mostRecordings = 500
	// mostStoring bounds the messages that are in memory as a whole while the store takes them.
	mostStoring = 8
	// mostAsking bounds the questions to the store that are under way.
	mostAsking = 256
	// patience is how long one may take.
	patience = 4 * time.Second
	// attempts is how often another system is told of a message that it does not take, firstPause how long before the second time.
	attempts   = 5
	firstPause = time.Second
)

// Service keeps messages. It is safe for concurrent use.
type Service struct {
	o         Options
	recording atomic.Int64
	asking    atomic.Int64
	// storing holds a token for each message whose samples are in memory to be stored.
	storing chan struct{}
	tapes   tapes

	ctx  context.Context // ends when what is stored must be stored
	stop context.CancelFunc
	work sync.WaitGroup
	mu   sync.Mutex // guards closed with work
	over bool
}

// New makes a Service.
func New(o Options) *Service {
	o.Log, o.Recordings = cmp.Or(o.Log, slog.New(slog.DiscardHandler)), cmp.Or(o.Recordings, mostRecordings)
	s := &Service{o: o, storing: make(chan struct{}, mostStoring), tapes: tapes{open: map[string]*tape{}}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Close waits until what was recorded is stored, or ctx ends. Nothing may be asked any more.
func (s *Service) Close(ctx context.Context) error {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.work.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	s.stop()
	<-done
	return nil
}

// run does something in a goroutine of its own; false if the service is closed.
func (s *Service) run(what string, f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		defer s.recovered(what, nil)
		f()
	}()
	return true
}

// recovered turns a panic into a line of the log, and an error for whoever waits.
func (s *Service) recovered(what string, then func(error)) {
	if p := recover(); p != nil {
		s.o.Log.Error("panic in voicemail", "while", what, "panic", fmt.Sprint(p))
		if then != nil {
			then(sbc.Errorf(sbc.CodeUnavailable, "the mailbox is out of order"))
		}
	}
}

// ask runs f with the time there is; fail hears why it cannot.
func (s *Service) ask(what string, fail func(error), f func(ctx context.Context)) {
	if s.asking.Add(1) > mostAsking {
		s.asking.Add(-1)
		fail(sbc.Errorf(sbc.CodeUnavailable, "too many mailboxes are being asked for"))
		return
	}
	ok := s.run(what, func() {
		defer s.asking.Add(-1)
		defer s.recovered(what, fail)
		ctx, cancel := context.WithTimeout(s.ctx, patience)
		defer cancel()
		f(ctx)
	})
	if !ok {
		s.asking.Add(-1)
		fail(sbc.Errorf(sbc.CodeUnavailable, "the node stops"))
	}
}

// Open looks whether a subscriber's mailbox takes a message now.
func (s *Service) Open(subscriberID string, then func(sbc.Mailbox, error)) {
	fail := func(err error) { then(sbc.Mailbox{}, err) }
	s.o.Find(subscriberID, func(e *sbc.Entry, err error) {
		if err != nil {
			fail(err)
			return
		}
		sub := e.Subscriber
		d := s.o.Domain(sub.DomainID)
		if d == nil || !sub.Enabled || !sub.VoicemailEnabled {
			fail(sbc.Errorf(sbc.CodeNotFound, "subscriber %s has no mailbox", sub.ID))
			return
		}
		s.ask("open", fail, func(ctx context.Context) {
			n, err := s.o.Store.CountVoicemail(ctx, sub.ID)
			switch {
			case err != nil:
				fail(err)
			case n.Unheard+n.Heard >= d.Voicemail.MaxMessages:
				fail(sbc.Errorf(sbc.CodeConflict, "the mailbox of %s is full", sub.ID))
			case s.waiting() >= s.o.Recordings: // the store has not taken anything for long
				fail(sbc.Errorf(sbc.CodeUnavailable, "too many messages wait for the store"))
			case s.recording.Add(1) > int64(s.o.Recordings):
				s.recording.Add(-1)
				fail(sbc.Errorf(sbc.CodeUnavailable, "too many messages are being recorded"))
			default:
				then(sbc.Mailbox{
					TenantID: sub.TenantID, DomainID: d.ID, SubscriberID: sub.ID,
					GreetingID: cmp.Or(sub.GreetingAnnouncementID, d.Voicemail.GreetingAnnouncementID),
					Longest:    time.Duration(d.Voicemail.MaxMessageS) * time.Second,
					Close:      sync.OnceFunc(func() { s.recording.Add(-1) }),
				}, nil)
			}
		})
	})
}

// store hands a message to the store, as often as it takes. Errors: of kind final, after which another attempt is of no use; any other.
func (s *Service) store(m *sbc.VoicemailMessage, pcm []byte) error {
	d := s.o.Domain(m.DomainID)
	if d == nil {
		return final{sbc.Errorf(sbc.CodeNotFound, "the domain is out of service")}
	}
	m.ExpiresAt = m.ReceivedAt.AddDate(0, 0, d.Voicemail.RetentionDays)
	return s.insist(func(ctx context.Context) error {
		err := s.o.Store.AddVoicemail(ctx, m, pcm, d.Voicemail.MaxMessages)
		if code := sbc.CodeOf(err); code == sbc.CodeConflict || code == sbc.CodeNotFound || code == sbc.CodeInvalid {
			return final{err}
		}
		return err
	})
}

// tell tells of a message that was kept.
func (s *Service) tell(m *sbc.VoicemailMessage) {
	if s.o.Events != nil {
		s.o.Events(sbc.Event{
			Type: sbc.EventVoicemailMessage, At: m.ReceivedAt, TenantID: m.TenantID, CallID: m.CallID, TrunkID: m.DomainID,
			Data: map[string]string{
				"subscriber_id": m.SubscriberID, "message_id": m.ID, "caller": m.Caller, "duration_ms": fmt.Sprint(m.DurationMS),
			},
		})
	}
	s.changed(m.SubscriberID)
	d := s.o.Domain(m.DomainID)
	if d == nil || d.Voicemail.Webhook.URL == "" || s.o.Tell == nil {
		return
	}
	hook := d.Voicemail.Webhook
	err := s.insist(func(ctx context.Context) error {
		return s.o.Tell(ctx, webhook.Post{
			Purpose: "voicemail", URL: hook.URL, Secret: hook.Secret, ID: m.ID,
			Body: notice{Type: string(sbc.EventVoicemailMessage), Timestamp: m.ReceivedAt, Data: told{*m, audioPath(m)}},
		})
	})
	if err != nil {
		s.o.Log.Warn("nobody could be told of a message", "domain_id", d.ID, "message_id", m.ID, "error", err)
	}
}

// notice is what the webhook of a domain is told, in the form of Standard Webhooks.
type notice struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      told      `json:"data"`
}

// told is a message and where its audio is.
type told struct {
	sbc.VoicemailMessage
	AudioPath string `json:"audio_path"`
}

func audioPath(m *sbc.VoicemailMessage) string {
	return "/v1/subscribers/" + m.SubscriberID + "/voicemail/" + m.ID + "/audio"
}

// final is an error after which another attempt is of no use.
type final struct{ error }

// insist tries again while the service is open, at most so often, each time after twice as long.
func (s *Service) insist(f func(ctx context.Context) error) error {
	for n, pause := 1, firstPause; ; n, pause = n+1, 2*pause {
		ctx, cancel := context.WithTimeout(s.ctx, 4*patience)
		err := f(ctx)
		cancel()
		var no final
		switch {
		case err == nil:
			return nil
		case errors.As(err, &no):
			return no
		case n == attempts:
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// changed tells that a mailbox is not as it was.
func (s *Service) changed(subscriberID string) {
	if s.o.Changed != nil {
		s.o.Changed(subscriberID)
	}
}
