package call

import (
	"bytes"
	"slices"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
)

// betweenMessages is how long the reader waits for a key after a message.
const betweenMessages = 4 * time.Second

// reader plays a subscriber's messages to it, the unheard ones first, each after a tone: 7 deletes the one that is, or was just,
// played, # goes on to the next, 1 plays it again. After the last one, or where there is none, it confirms and hangs up.
type reader struct {
	boxes Mailboxes
	id    string
	list  []sbc.VoicemailMessage
	at    int // of the one that is played
	asked int // counts what was asked of the store: a late answer means nothing
}

func (r *reader) open(then func(error)) {
	r.boxes.Messages(r.id, func(list []sbc.VoicemailMessage, err error) {
		r.list = slices.Clone(list)
		then(err)
	})
}

func (r *reader) free() bool     { return true }
func (r *reader) begin(c *Call)  { r.play(c) }
func (r *reader) waited(c *Call) { r.next(c) }
func (r *reader) end(*Call)      {}

// play begins the message whose turn it is.
func (r *reader) play(c *Call) {
	c.disarm(timerDesk)
	if r.at >= len(r.list) {
		c.say(confirmation(), c.dismissCaller)
		return
	}
	r.asked++
	n, l, m := r.asked, c.b, r.list[r.at]
	c.say(beep(), func() {
		r.boxes.Sound(r.id, m.ID, func(pcm []byte, err error) {
			c.post(job{kind: jobOrder, run: func() {
				if !c.serving(l) || r.asked != n {
					return
				}
				if err != nil { // it was deleted meanwhile
					r.next(c)
					return
				}
				c.say(media.NewAudio(bytes.NewReader(pcm), int64(len(pcm))), func() { r.played(c) })
			}})
		})
	})
}

// played is the end of a message.
func (r *reader) played(c *Call) {
	r.heard()
	c.deskWait(betweenMessages)
}

// heard notes that the message was heard.
func (r *reader) heard() {
	if m := &r.list[r.at]; !m.Heard {
		m.Heard = true
		r.boxes.Heard(r.id, m.ID)
	}
}

func (r *reader) next(c *Call) {
	r.at++
	r.play(c)
}

func (r *reader) key(c *Call, digit byte) {
	if r.at >= len(r.list) {
		return
	}
	switch digit {
	case '7':
		r.boxes.Erase(r.id, r.list[r.at].ID)
		r.next(c)
	case '#':
		r.heard()
		r.next(c)
	case '1':
		r.play(c)
	}
}
