package voicemail

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// What is being recorded is on a tape: a file of the data directory whose first line says whose message it is, and what is known of it, and
// whose rest are samples. Every second what is done is appended, so that a crash takes the last few seconds and a recording little memory.
// A tape goes when the store has the message; those that an earlier process left, or the store would not take, are tried again.

const (
	// tapeEvery is how often a tape is written to.
	tapeEvery = time.Second
	// tapeEnds is how the names of tapes end.
	tapeEnds = ".tape"
	// octetsPerMS of 16-bit samples of 8 kHz.
	octetsPerMS = 16
	// leastMS is the shortest message that is kept of a process that crashed, voicedMean the mean magnitude of 20 ms in which somebody is
	// heard: some -45 dB below the largest, as for those that record.
	leastMS, voicedMean = 1000, 160
)

// tapes are those that are being recorded, and how many wait for the store.
type tapes struct {
	mu   sync.Mutex
	open map[string]*tape
	// left is how many tapes are in the directory that are not being recorded, as far as is known.
	left int
}

// tape is a message being recorded.
type tape struct {
	path string
	more func() []byte
	stop chan struct{} // closed when nothing more comes

	// The fields below belong to the goroutine that writes, and after it has gone to who waited for that.
	gone chan struct{} // closed then
	file *os.File
	// held is what could not be written, in order, with all that came after it.
	held []byte
}

// waiting is how many tapes wait for the store.
func (s *Service) waiting() int {
	s.tapes.mu.Lock()
	defer s.tapes.mu.Unlock()
	return s.tapes.left
}

// Begin keeps what is being recorded on disk: it asks for more every second, until Deliver or Discard.
func (s *Service) Begin(m sbc.VoicemailMessage, more func() []byte) (id string) {
	m.ID = sbc.NewID(sbc.PrefixMessage)
	if s.o.Dir == "" {
		return m.ID
	}
	t := &tape{path: filepath.Join(s.o.Dir, m.ID+tapeEnds), more: more, stop: make(chan struct{}), gone: make(chan struct{})}
	s.tapes.mu.Lock()
	s.tapes.open[m.ID] = t
	s.tapes.mu.Unlock()
	if !s.run("record", func() { s.roll(t, m) }) {
		close(t.gone)
	}
	return m.ID
}

// roll writes a tape until it ends.
func (s *Service) roll(t *tape, m sbc.VoicemailMessage) {
	defer close(t.gone)
	if err := t.label(m); err != nil {
		s.o.Log.Error("a message being recorded is in memory only", "subscriber_id", m.SubscriberID, "error", err)
	}
	ticker := time.NewTicker(tapeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-ticker.C:
		}
		whole := len(t.held) == 0
		if err := t.write(t.more()); err != nil && whole {
			s.o.Log.Error("a message being recorded is in memory only from now on", "subscriber_id", m.SubscriberID, "error", err)
		}
	}
}

// label begins the file.
func (t *tape) label(m sbc.VoicemailMessage) error {
	head, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("voicemail: label: %w", err)
	}
	f, err := os.OpenFile(t.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("voicemail: label: %w", err)
	}
	if _, err = f.Write(append(head, '\n')); err != nil {
		return errors.Join(fmt.Errorf("voicemail: label: %w", err), f.Close(), os.Remove(t.path))
	}
	t.file = f
	return nil
}

// write appends to the file; what cannot be written is held.
func (t *tape) write(pcm []byte) error {
	if t.held = append(t.held, pcm...); t.file == nil || len(t.held) == 0 {
		return nil
	}
	n, err := t.file.Write(t.held)
	t.held = slices.Clone(t.held[n:])
	return err
}

// ended gives the samples of a tape of which nothing more comes; they are on disk, too, where that took them.
func (t *tape) ended(last []byte) (pcm []byte, err error) {
	<-t.gone
	err = t.write(last)
	if t.file == nil {
		return t.held, err
	}
	if err = errors.Join(err, t.file.Close()); err != nil && len(t.held) == 0 {
		return nil, err
	}
	_, pcm, bad := unlabel(t.path)
	return append(pcm, t.held...), errors.Join(err, bad)
}

// unlabel reads a tape.
func unlabel(path string) (m sbc.VoicemailMessage, pcm []byte, err error) {
	all, err := os.ReadFile(path)
	if err != nil {
		return m, nil, fmt.Errorf("voicemail: read a tape: %w", err)
	}
	head, pcm, ok := bytes.Cut(all, []byte{'\n'})
	if err = json.Unmarshal(head, &m); err != nil || !ok {
		return m, nil, errTape
	}
	return m, pcm, nil
}

// errTape is a file that no tape of ours can be.
var errTape = errors.New("voicemail: not a tape")

// Deliver keeps a message that was begun, and tells of it. It returns at once.
func (s *Service) Deliver(m sbc.VoicemailMessage, pcm []byte) {
	t := s.rewound(m.ID)
	s.run("deliver", func() {
		if s.deliver(t, &m, pcm) {
			s.tell(&m)
		}
	})
}

// deliver keeps a message that was begun; false if it is not in the store.
func (s *Service) deliver(t *tape, m *sbc.VoicemailMessage, pcm []byte) bool {
	defer s.forget(m.ID)
	s.storing <- struct{}{}
	defer func() { <-s.storing }()
	path := ""
	if t != nil {
		var err error
		if pcm, err = t.ended(pcm); err != nil {
			s.o.Log.Error("a message was not written to disk as a whole", "subscriber_id", m.SubscriberID, "error", err)
		}
		path = t.path
	}
	return s.keep(m, pcm[:min(len(pcm), m.DurationMS*octetsPerMS)], path) == kept
}

// Discard forgets what was begun.
func (s *Service) Discard(id string) {
	t := s.rewound(id)
	if t == nil {
		return
	}
	s.run("discard", func() {
		defer s.forget(id)
		<-t.gone
		if t.file == nil {
			return
		}
		if err := errors.Join(t.file.Close(), os.Remove(t.path)); err != nil {
			s.o.Log.Warn("a recording that is no message is still there", "path", t.path, "error", err)
		}
	})
}

// rewound lets nothing more come to a tape; nil if there is none.
func (s *Service) rewound(id string) *tape {
	s.tapes.mu.Lock()
	defer s.tapes.mu.Unlock()
	t := s.tapes.open[id]
	if t != nil {
		close(t.stop)
	}
	return t
}

func (s *Service) forget(id string) {
	s.tapes.mu.Lock()
	defer s.tapes.mu.Unlock()
	delete(s.tapes.open, id)
}

// fate is what became of a message.
type fate uint8

const (
	kept fate = iota
	refused
	waits // on disk, for the store
)

// keep stores a message. Its tape, where there is one, stays only if the store is away.
func (s *Service) keep(m *sbc.VoicemailMessage, pcm []byte, path string) fate {
	err, is := s.store(m, pcm), kept
	var no final
	switch {
	case err == nil:
	case !errors.As(err, &no) && path != "":
		s.o.Log.Error("a message waits on disk for the store", "subscriber_id", m.SubscriberID, "message_id", m.ID, "error", err)
		s.tapes.mu.Lock()
		s.tapes.left++
		s.tapes.mu.Unlock()
		return waits
	default:
		s.lost(m, err.Error())
		is = refused
	}
	if path != "" {
		s.erase(path)
	}
	return is
}

func (s *Service) erase(path string) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.o.Log.Warn("a tape that is not needed is still there", "path", path, "error", err)
	}
}

// lost tells of a recording that is no message.
func (s *Service) lost(m *sbc.VoicemailMessage, reason string) {
	s.o.Log.Error("a message is lost", "subscriber_id", m.SubscriberID, "call_id", m.CallID, "reason", reason)
	if s.o.Events != nil {
		s.o.Events(sbc.Event{
			Type: sbc.EventVoicemailLost, At: time.Now().UTC(), TenantID: m.TenantID, CallID: m.CallID, TrunkID: m.DomainID,
			Data: map[string]string{"subscriber_id": m.SubscriberID, "message_id": m.ID, "reason": reason},
		})
	}
}

// salvage makes messages of the tapes that nobody records on: an earlier process did, or the store was away.
func (s *Service) salvage(ctx context.Context) {
	defer s.recovered("salvage", nil)
	if s.o.Dir == "" {
		return
	}
	names, err := filepath.Glob(filepath.Join(s.o.Dir, "*"+tapeEnds))
	if err != nil {
		s.o.Log.Error("what was recorded before cannot be listed", "error", err)
		return
	}
	left := 0
	for i, path := range names {
		s.tapes.mu.Lock()
		rolls := s.tapes.open[strings.TrimSuffix(filepath.Base(path), tapeEnds)] != nil
		s.tapes.mu.Unlock()
		if !rolls && (ctx.Err() != nil || !s.settle(ctx, path)) { // the store is away, and will be for the others
			left = len(names) - i
			break
		}
	}
	s.tapes.mu.Lock()
	s.tapes.left = left
	s.tapes.mu.Unlock()
}

// settle makes a message of a tape, or takes it away and says so; false if the store is away.
func (s *Service) settle(ctx context.Context, path string) bool {
	m, pcm, err := unlabel(path)
	pcm = pcm[:len(pcm)/octetsPerMS*octetsPerMS]
	m.DurationMS = len(pcm) / octetsPerMS
	switch {
	case errors.Is(err, errTape):
		m.ID = strings.TrimSuffix(filepath.Base(path), tapeEnds)
		s.lost(&m, "what was recorded cannot be read")
	case err != nil:
		s.o.Log.Error("what was recorded before cannot be read", "path", path, "error", err)
		return true
	case m.DurationMS < leastMS || !voiced(pcm):
		s.lost(&m, "nobody was heard before the process ended")
	default:
		if _, err := s.o.Store.Voicemail(ctx, m.SubscriberID, m.ID); err == nil { // and only its tape is left
			break
		}
		s.storing <- struct{}{}
		is := s.keep(&m, pcm, path)
		<-s.storing
		if is == kept {
			s.run("tell", func() { s.tell(&m) })
		}
		return is != waits
	}
	s.erase(path)
	return true
}

// voiced tells whether anybody is heard.
func voiced(pcm []byte) bool {
	const frame = 20 * octetsPerMS
	for ; len(pcm) >= frame; pcm = pcm[frame:] {
		sum := 0
		for i := 0; i < frame; i += 2 {
			v := int(int16(binary.LittleEndian.Uint16(pcm[i:])))
			sum += max(v, -v)
		}
		if sum/(frame/2) >= voicedMean {
			return true
		}
	}
	return false
}
