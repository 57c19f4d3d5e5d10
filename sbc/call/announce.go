package call

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
)

// An announcement before a failure is, for the machine, one more attempt: to ourselves, as early media, and always in vain. So a
// caller who gives up meanwhile, or a call that is stopped, needs no rules of its own.

// announcement finds what is to be played before the failure that the caller is about to be told; nil for nothing.
func (c *Call) announcement() *sbc.Announcement {
	code := c.hunt.code
	if code == 0 || c.announced || c.st.a != callerInviting || c.decision.trunk == nil || c.hunt.offer == nil {
		return nil
	}
	id := c.snap.Signalling(c.decision.trunk).Announcement(code)
	if r := c.decision.plan.Reject; r != nil && r.AnnouncementID != "" && code == c.decision.code {
		id = r.AnnouncementID
	}
	if id == "" {
		return nil
	}
	if a := c.snap.Announcement(id); a != nil && a.HasAudio() {
		return a
	}
	return nil
}

// announces tells whether a failure now would be announced first.
func (c *Call) announces() bool { return c.session != nil && c.announcement() != nil }

// admittedToHear takes the caller's place for a call that cannot be routed, so that it may hear why.
func (c *Call) admittedToHear() {
	if c.decision.code == 0 || c.hunt.code != c.decision.code || c.announcement() == nil {
		return
	}
	if v := c.takePlace(c.a, admit.In); v.OK {
		c.openMedia()
	}
}

// announce begins the announcement; false if there is none, or it cannot be heard.
func (c *Call) announce() bool {
	a := c.announcement()
	if a == nil || c.session == nil {
		return false
	}
	c.announced = true
	audio := c.m.sound(a)
	if audio == nil {
		return false
	}
	if c.b != nil && c.b.invite != nil {
		c.b.detach() // what still comes from the last attempt is a stray
	}
	if sound, _ := c.session.Speaks(c.a.party); !sound && !c.answerEarly() {
		return false
	}
	err := c.session.Play(c.a.party, audio, 1, func() {
		c.post(job{kind: jobOrder, run: c.announcedAll})
	})
	if err != nil {
		c.m.o.Log.Debug("announcement not played", "call_id", c.id, "error", err)
		return false
	}
	c.announcing = true
	return true
}

// answerEarly answers the caller's offer ourselves in a 183 (RFC 3960 3.2).
func (c *Call) answerEarly() bool {
	if c.rel != nil && c.rel.said != nil { // RFC 3261 13.2.1: it has an answer, and not one we can speak by
		return false
	}
	answer, err := c.session.Attend(c.a.party, c.hunt.offer)
	if err != nil {
		c.m.o.Log.Debug("caller cannot hear an announcement", "call_id", c.id, "error", err)
		return false
	}
	if c.rec.progressAt.IsZero() {
		c.rec.progressAt = now()
	}
	out := c.dialogReply(183)
	out.SetBody(accepted, answer)
	if c.a.assurance != assureNever {
		return c.assure(&assured{res: out, leg: c.a, sdp: true})
	}
	c.send(c.tx, out)
	return true
}

// announcedAll is the end of the announcement: the attempt has failed.
func (c *Call) announcedAll() {
	if c.announcing {
		c.announcing = false
		c.raise(evFailed)
	}
}

// hushed ends an announcement because the caller was refused before its end.
func (c *Call) hushed() {
	if c.announcing {
		c.session.StopPlaying(c.a.party)
		c.announcedAll()
	}
}
