package call

import (
	"context"
	"slices"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
)

// sound gives the audio of an announcement, which may be nil; nil if there is none, or this node has no copy of it yet.
func (m *Manager) sound(a *sbc.Announcement) *media.Audio {
	if a == nil || !a.HasAudio() || m.o.Blob == nil {
		return nil
	}
	b := a.Audio()
	samples, ok := m.o.Blob(b)
	if !ok {
		m.o.Log.Debug("the audio of an announcement is not here yet", "announcement_id", a.ID)
		return nil
	}
	return media.NewAudio(samples, b.Size)
}

// playing is what we play to a leg.
type playing struct {
	// order numbers what the API wants to be played: the end of an earlier one means nothing any more. 0 is nothing.
	order, last int
	// hold says that the leg is on hold and hears what the media profile says.
	hold bool
}

// Play plays an announcement to one or both sides of a call; another one that plays there is ended. It returns when it has
// begun. Errors: CodeNotFound, CodeInvalid, CodeConflict for an announcement without audio or a side that cannot hear it,
// CodeUnavailable while the audio is not on this node.
func (m *Manager) Play(ctx context.Context, id string, o sbc.PlayOrder) error {
	c := m.calls.call(id)
	if c == nil {
		return sbc.Errorf(sbc.CodeNotFound, "there is no call %s in progress", id)
	}
	if err := sbc.Invalid(o.Validate()); err != nil {
		return err
	}
	a := m.o.Snapshot().Announcement(o.AnnouncementID)
	switch {
	case a == nil || a.TenantID != c.tenant:
		return sbc.Invalid([]sbc.Fault{{
			Pointer: "#/announcement_id", Code: "not_found", Detail: "there is no such announcement, or it is disabled",
		}})
	case !a.HasAudio():
		return sbc.Errorf(sbc.CodeConflict, "announcement %s has no audio yet", a.ID)
	}
	audio := m.sound(a)
	if audio == nil {
		return sbc.Errorf(sbc.CodeUnavailable, "the audio of announcement %s has not come to this node yet", a.ID)
	}
	if err := m.here(ctx, c); err != nil {
		return err
	}
	var err error
	c.order(func() { err = c.play(o, audio) })
	return err
}

// StopPlaying ends what Play began, on both sides if none is named. Errors: CodeNotFound, CodeInvalid.
func (m *Manager) StopPlaying(_ context.Context, id string, sides []sbc.Side) error {
	c := m.calls.call(id)
	if c == nil {
		return sbc.Errorf(sbc.CodeNotFound, "there is no call %s in progress", id)
	}
	if err := checkSides(sides); err != nil {
		return err
	}
	c.order(func() {
		for _, l := range [...]*leg{c.a, c.b} {
			if l != nil && l.playing.order != 0 && (len(sides) == 0 || slices.Contains(sides, l.side)) {
				c.stopPlaying(l)
			}
		}
	})
	return nil
}

// playedTo are the sides that hear what the API wants to be played.
func (c *Call) playedTo() (sides []sbc.Side) {
	for _, l := range [...]*leg{c.a, c.b} {
		if l != nil && l.playing.order != 0 {
			sides = append(sides, l.side)
		}
	}
	return sides
}

// checkSides checks a list of sides.
func checkSides(sides []sbc.Side) error {
	if len(sides) > 2 || slices.ContainsFunc(sides, func(s sbc.Side) bool {
		return s != sbc.SideCaller && s != sbc.SideCallee
	}) {
		return sbc.Invalid([]sbc.Fault{{Pointer: "#/sides", Code: "enum", Detail: "must name caller, callee or both"}})
	}
	return nil
}

// sideOf finds the leg of a side that has media; nil if there is none.
func (c *Call) sideOf(side sbc.Side) *leg {
	l := c.legAt(side)
	if l == nil || l.party == nil || c.session == nil || c.st.ended || c.served() { // whom we serve hears that alone
		return nil
	}
	return l
}

// play begins to play to all sides named, or to none.
func (c *Call) play(o sbc.PlayOrder, a *media.Audio) error {
	var begun []*leg
	for _, side := range o.Sides {
		l := c.sideOf(side)
		if l == nil {
			c.stopAll(begun)
			return sbc.Errorf(sbc.CodeConflict, "the %s has no media yet", side)
		}
		n := l.playing.last + 1
		err := c.session.Play(l.party, a, o.Repeat, func() {
			c.post(job{kind: jobRun, run: func() { c.playedOut(l, n) }})
		})
		if err != nil {
			c.stopAll(begun)
			return sbc.Errorf(sbc.CodeConflict, "nothing can be played to the %s: %v", side, err)
		}
		l.playing.order, l.playing.last = n, n
		begun = append(begun, l)
	}
	return nil
}

func (c *Call) stopAll(legs []*leg) {
	for _, l := range legs {
		c.stopPlaying(l)
	}
}

// playedOut is the end of what the API wanted to be played.
func (c *Call) playedOut(l *leg, order int) {
	if l.end.owner() == c && l.playing.order == order && !c.st.ended { // else it went to another call, which stopped it
		c.stopPlaying(l)
	}
}

// stopPlaying ends what is played to a leg; on hold it hears again what one hears there.
func (c *Call) stopPlaying(l *leg) {
	l.playing.order = 0
	if l.party == nil || c.session == nil {
		return
	}
	c.session.StopPlaying(l.party)
	if l.playing.hold {
		c.holdMedia(l)
	}
}

// heldMedia begins or ends what a leg hears on hold. Whoever holds says what that is: the other side's profile, or the
// leg's own if the API holds it.
func (c *Call) heldMedia(l *leg) {
	if !l.held && !l.playing.hold {
		return
	}
	l.playing.hold = l.held
	switch {
	case l.playing.order != 0:
	case l.held:
		c.holdMedia(l)
	default:
		c.session.StopPlaying(l.party)
	}
}

// holdMedia plays music or silence to a leg on hold, as the profile says.
func (c *Call) holdMedia(l *leg) {
	p := c.snap.Media(l.trunk)
	if other := c.other(l); !l.paused && other != nil {
		p = c.snap.Media(other.trunk)
	}
	if p.Hold != sbc.HoldPass && c.direct() {
		c.anchor(func(err error) {
			if err == nil && l.playing.hold && l.end.owner() == c {
				c.holdMedia(l)
			}
		})
		return
	}
	var a *media.Audio
	switch p.Hold {
	case sbc.HoldMusic:
		a = c.m.sound(c.snap.Announcement(p.MusicAnnouncementID))
	case sbc.HoldSilence:
	default:
		c.session.StopPlaying(l.party) // what was heard may be of another profile
		return
	}
	if err := c.session.Play(l.party, a, 0, nil); err != nil {
		c.m.o.Log.Debug("nothing is played on hold", "call_id", c.id, "error", err)
	}
}
