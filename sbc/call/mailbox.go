package call

import (
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
)

// Mailboxes keeps messages; voicemail.Service is one. No method blocks: then is called once, within seconds, from any
// goroutine.
type Mailboxes interface {
	// Open looks whether a subscriber's mailbox takes a message now. Errors: CodeNotFound, CodeConflict if it is full, CodeUnavailable
	// if too many messages are being recorded or the store does not answer.
	Open(subscriberID string, then func(sbc.Mailbox, error))
	// Begin keeps what is being recorded on disk: it asks for more of it every second, until Deliver or Discard. The id is that of the
	// message that it becomes.
	Begin(m sbc.VoicemailMessage, more func() []byte) (id string)
	// Deliver keeps a message that was begun: what is on disk and pcm after it, 16-bit linear samples of 8 kHz, little endian, as long as
	// the message says. Discard forgets one.
	Deliver(m sbc.VoicemailMessage, pcm []byte)
	Discard(id string)
	// Messages lists those of a mailbox, the unheard ones first, then by age. Errors: CodeNotFound, CodeUnavailable.
	Messages(subscriberID string, then func([]sbc.VoicemailMessage, error))
	// Sound gives a message's samples. Errors: CodeNotFound, CodeUnavailable.
	Sound(subscriberID, messageID string, then func(pcm []byte, err error))
	// Heard notes that a message was heard, Erase deletes one.
	Heard(subscriberID, messageID string)
	Erase(subscriberID, messageID string)
}

const (
	// silenceEnds is how long a caller may say nothing.
	silenceEnds = 10 * time.Second
	// leastMessage is what is not kept because it is shorter.
	leastMessage = time.Second
	// keptSilence is what is left of the silence at the end of a message.
	keptSilence = time.Second
)

// Recording is what a party says, kept; media.Recording is one.
type Recording interface {
	// Length is how long it is so far, Silence how long nothing was heard since.
	Length() time.Duration
	Silence() time.Duration
	// Voiced says whether anything was heard at all.
	Voiced() bool
	// Drain gives whole seconds that are done, 16-bit linear of 8 kHz, little endian, and forgets them.
	Drain() []byte
	// End gives the rest, and how many octets were drained before it; nothing more is kept then.
	End() (pcm []byte, drained int)
}

// taker takes a message: greeting, tone, then what the caller says, until it hangs up, presses #, is silent or has said enough.
type taker struct {
	boxes Mailboxes
	id    string
	box   sbc.Mailbox
	rec   Recording // while it records
	kept  sbc.VoicemailMessage
	done  bool
}

func (t *taker) open(then func(error)) {
	t.boxes.Open(t.id, func(b sbc.Mailbox, err error) {
		t.box = b
		then(err)
	})
}

func (t *taker) free() bool { return false }

func (t *taker) begin(c *Call) {
	greeting := c.m.sound(c.snap.Announcement(t.box.GreetingID))
	if greeting == nil {
		greeting = greetingTone()
	}
	c.say(greeting, func() { t.beep(c) })
}

func (t *taker) beep(c *Call) {
	c.say(beep(), func() { t.record(c) })
}

func (t *taker) record(c *Call) {
	rec, err := c.session.Record(c.a.party, t.box.Longest)
	if err != nil {
		c.m.o.Log.Warn("a message cannot be recorded", "call_id", c.id, "error", err)
		c.dismissCaller()
		return
	}
	t.rec, t.kept = rec, t.message(c)
	t.kept.ID = t.boxes.Begin(t.kept, rec.Drain)
	c.deskWait(min(silenceEnds, t.box.Longest))
}

func (t *taker) key(c *Call, digit byte) {
	switch {
	case digit != '#' || t.done:
	case t.rec == nil: // whoever knows the greeting may pass it over
		t.beep(c)
	default:
		t.stop(c)
	}
}

func (t *taker) waited(c *Call) {
	if t.rec == nil {
		return
	}
	quiet, left := t.rec.Silence(), t.box.Longest-t.rec.Length()
	if quiet >= silenceEnds || left <= 0 {
		t.stop(c)
		return
	}
	c.deskWait(min(silenceEnds-quiet, left))
}

// stop ends the message from our side.
func (t *taker) stop(c *Call) {
	t.keep(c)
	c.disarm(timerDesk)
	c.say(confirmation(), c.dismissCaller)
}

func (t *taker) end(c *Call) {
	t.keep(c)
	if t.box.Close != nil {
		t.box.Close()
	}
}

// keep delivers what was said, if anything was.
func (t *taker) keep(c *Call) {
	rec := t.rec
	t.rec = nil
	if rec == nil || t.done {
		return
	}
	t.done = true
	voiced, quiet := rec.Voiced(), rec.Silence()
	pcm, drained := rec.End()
	size := drained + len(pcm) - max(0, pcmBytes(quiet-keptSilence))
	if !voiced || size < pcmBytes(leastMessage) {
		t.boxes.Discard(t.kept.ID)
		return
	}
	t.kept.DurationMS, t.kept.ReceivedAt = size*1000/(2*media.Rate), now().UTC()
	t.boxes.Deliver(t.kept, pcm)
}

// message is what is known of the message when it begins.
func (t *taker) message(c *Call) sbc.VoicemailMessage {
	m := sbc.VoicemailMessage{
		TenantID: t.box.TenantID, DomainID: t.box.DomainID, SubscriberID: t.box.SubscriberID, CallID: c.id,
		Caller: c.rec.caller, CallerName: c.rec.display, ReceivedAt: now().UTC(),
	}
	if c.rec.privacy != "" || c.rec.hidden { // the subscriber is not told either
		m.Caller, m.CallerName = anonymousUser, ""
	}
	return m
}

// pcmBytes is how many octets of samples a time has.
func pcmBytes(d time.Duration) int { return int(d*media.Rate/time.Second) * 2 }

// teller plays one sound and hangs up.
type teller struct{ sound *media.Audio }

func (t *teller) open(then func(error))   { then(nil) }
func (t *teller) free() bool              { return true }
func (t *teller) begin(c *Call)           { c.say(t.sound, c.dismissCaller) }
func (t *teller) key(c *Call, digit byte) {}
func (t *teller) waited(c *Call)          {}
func (t *teller) end(c *Call)             {}

// The sounds of the border's own: two notes upwards invite, one long one is the tone after which to speak, two short high ones
// confirm, three low ones refuse.
func greetingTone() *media.Audio {
	return media.Melody(media.Note{Hertz: 440, MS: 200}, media.Note{Hertz: 660, MS: 300}, media.Note{MS: 300})
}

func beep() *media.Audio { return media.Melody(media.Note{Hertz: 1000, MS: 400}) }

func confirmation() *media.Audio {
	high := media.Note{Hertz: 880, MS: 120}
	return media.Melody(media.Note{MS: 100}, high, media.Note{MS: 80}, high, media.Note{MS: 100})
}

func refusalTone() *media.Audio {
	low, gap := media.Note{Hertz: 330, MS: 200}, media.Note{MS: 100}
	return media.Melody(gap, low, gap, low, gap, low, gap)
}
