package call

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/msg"
)

// What becomes of a call of an earlier process, as metrics name it.
const (
	outcomeRestored = "restored"
	outcomeReleased = "released"
)

// restoredNote stands in the ladder of a restored call: what came before is not kept.
const restoredNote = "restored after a restart of the process; earlier messages are not kept"

// Restore makes the calls of an earlier process go on, as they were kept in its LiveJournal. Those that cannot are released: their
// peers get a BYE, and their record ends with sign, the last sign of life of that process. Ended tells of a call's record whether
// that process had finished it; such a call is only forgotten. It must be called once the configuration is in service and before
// requests are handled: until then nobody else has the ports. It gives the ids of the records that it takes care of.
func (m *Manager) Restore(records []sbc.LiveChange, sign time.Time, ended func(recordID string) bool) map[string]bool {
	kept := m.readable(records, ended)
	tags, taken, restored := map[string]bool{}, make(map[string]bool, len(kept)), 0
	for _, k := range kept {
		k.without(tags)
		ok, done := m.restore(k, sign)
		if ok {
			restored++
		}
		if taken[recordID(k.ID)] = done; done {
			k.claim(tags)
		}
	}
	if len(kept) > 0 {
		m.o.Log.Info("calls of the process before this one", "restored", restored, "released", len(kept)-restored, "last_sign_of_life", sign)
	}
	return taken
}

// restore makes one call go on; ok is false if it was released instead, done if nothing is known of it: a fault in one call keeps no
// other from going on, and no process from starting.
func (m *Manager) restore(k *keptCall, sign time.Time) (ok, done bool) {
	defer func() {
		if r := recover(); r != nil {
			m.metrics.panics.Inc()
			m.o.Log.Error("panic while restoring a call", "call_id", k.ID, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			if c := m.calls.call(k.ID); c != nil {
				c.salvage()
				done = true
				return
			}
			m.drop(k.ID)
		}
	}()
	return m.revive(k, sign).resume(k), true
}

// RecordID names the record of a call that is kept.
func RecordID(kept sbc.LiveChange) string {
	if !strings.HasPrefix(kept.ID, sbc.PrefixCall) {
		return ""
	}
	return recordID(kept.ID)
}

// readable gives what can be read and goes on, what was written last first: a leg that went from one call to another is in that one.
func (m *Manager) readable(records []sbc.LiveChange, ended func(recordID string) bool) []*keptCall {
	var kept []*keptCall
	for _, r := range records {
		k := &keptCall{}
		if err := json.Unmarshal(r.Record, k); err != nil || k.Form != keptForm || k.ID != r.ID || k.A == nil || RecordID(r) == "" {
			m.o.Log.Error("a call of the process before this one cannot be read", "call_id", r.ID, "error", err)
			m.drop(r.ID)
			continue
		}
		if ended(recordID(k.ID)) {
			m.drop(k.ID)
			continue
		}
		kept = append(kept, k)
	}
	slices.SortStableFunc(kept, func(x, y *keptCall) int { return y.At.Compare(x.At) })
	return kept
}

// without takes legs away that are in another call.
func (k *keptCall) without(tags map[string]bool) {
	for _, l := range [...]*keptLeg{k.A, k.B, k.Former} {
		if l != nil && tags[l.Tag] {
			l.There, k.Whole = false, false
		}
	}
}

// claim notes the legs that are in this call.
func (k *keptCall) claim(tags map[string]bool) {
	for _, l := range [...]*keptLeg{k.A, k.B, k.Former} {
		if l != nil && l.There {
			tags[l.Tag] = true
		}
	}
}

// drop forgets what was kept of a call that is none any more.
func (m *Manager) drop(id string) {
	if m.keeper != nil {
		m.keeper.write([]sbc.LiveChange{{ID: id}})
	}
}

// revive makes a call of what was kept, and how it is found. Nothing is sent, and no port is taken.
func (m *Manager) revive(k *keptCall, sign time.Time) *Call {
	c := &Call{
		m: m, id: k.ID, tenant: k.Tenant, snap: m.o.Snapshot(), started: k.Started, ladder: new(ladder), shown: sbc.CallSetup,
		forwards: k.Forwards, transfers: k.Transfers, longest: k.Longest, rec: k.Record.record(), final: true, announced: true,
		stored: m.keeper != nil, sign: sign, helping: k.Helps,
	}
	if k.At.After(sign) {
		c.sign = k.At
	}
	if k.Own {
		c.plan = &sbc.OriginateOrder{}
	}
	c.decision.caller.TrunkID, c.decision.caller.Number, c.decision.plan.RuleID = k.Ingress, k.Dialled, k.Rule
	c.decision.trunk = c.snap.Trunk(k.Ingress)
	c.hunt.attempts = k.Attempts
	c.a, c.b = c.reviveLeg(k.A), c.reviveLeg(k.B)
	c.st = state{a: callerOver, b: calleeOver}
	if k.A.There {
		c.st.a = callerUp
	}
	if k.B != nil && k.B.There {
		c.st.b = calleeUp
	}
	c.appeared()
	m.calls.addCall(c, math.MaxInt)
	for _, l := range [...]*leg{c.a, c.b} {
		if c.there(l) {
			c.hunt.tags = append(c.hunt.tags, l.tag)
			m.calls.addTag(l.tag, l.end)
		}
	}
	return c
}

// reviveLeg makes a leg of what was kept; nil of nothing.
func (c *Call) reviveLeg(k *keptLeg) *leg {
	if k == nil {
		return nil
	}
	l := c.newLeg(k.Side, k.Trunk, c.snap.Trunk(k.Trunk), k.Attempt)
	l.tag, l.user, l.endpointID, l.gone, l.agent = k.Tag, k.User, k.Endpoint, k.Gone, k.Agent
	l.inviteSeq, l.acked = k.InviteSeq, true
	l.timer = sessionTimer{interval: k.Interval, minSE: k.MinSE, us: k.Refresher, since: k.Since}
	l.held, l.paused, l.updates = k.Held, k.Paused, k.Updates
	l.number, l.role, l.joined, l.contact = k.Number, k.Role, k.Joined, k.Contact
	l.hidden, l.who = k.Hidden, k.Who
	if k.Dialog != nil {
		d, err := dialog.Restore(k.Dialog)
		if err != nil {
			c.m.o.Log.Error("a dialog of the process before this one cannot be read", "call_id", c.id, "error", err)
			k.There = false
		} else {
			l.d = d
		}
	}
	k.There = k.There && l.d != nil
	if l.d != nil && k.Client {
		l.invite = &request{c: c, leg: l, kind: reqInvite, done: true}
	}
	if l.words = k.Words; l.words != nil {
		l.worded = l.d
	}
	if k.Heard.IsValid() {
		l.end.peer.Store(&flow{k.Heard, k.HeardBy})
		if l.end.policy == sbc.SourceStrict && k.HeardBy != sbc.TransportUDP { // its connection is gone with the process
			l.end.policy = sbc.SourceSameIP
		}
	}
	if k.Token != "" && k.There {
		c.m.restoreToken(l.end, k.Token)
	}
	return l
}

// resume makes a revived call go on; false if it cannot, and was released.
func (c *Call) resume(k *keptCall) bool {
	why, joined := c.unfit(k), false
	if why == "" {
		var err error
		if joined, err = c.resumeMedia(k); err != nil {
			why = err.Error()
		}
	}
	outcome := outcomeRestored
	if why != "" {
		outcome = outcomeReleased
		c.m.o.Log.Warn("a call of the process before this one is released", "call_id", c.id, "why", why)
	}
	c.m.metrics.restored.WithLabelValues(outcome).Inc()
	c.ladder.note(restoredNote, c.a)
	c.order(func() {
		if f := c.reviveLeg(k.Former); f != nil && k.Former.There { // it was replaced, and nobody told it
			c.byeFork(f, f.d.Request(msg.BYE), f.d.Target())
		}
		if why != "" {
			c.broke()
			return
		}
		for i, kl := range [...]*keptLeg{k.A, k.B} {
			l := [...]*leg{c.a, c.b}[i]
			l.place, l.toll = c.m.o.Tally.Restore(c.id, kl.Place), c.m.o.Tally.Restore(c.id, kl.Toll)
			if l.held {
				c.heldMedia(l)
			}
		}
		if !joined { // somebody had just taken a place, and the two were about to be told of each other
			c.introduce(c.a, c.b)
			c.introduce(c.b, c.a)
		}
		c.moved()
		c.limitDuration()
		c.keep()
		c.transferLost(k.Transfer)
	})
	return why == ""
}

// transferLost tells that a transfer of the earlier process came to nothing: nobody waits for its target any more.
func (c *Call) transferLost(k *keptTransfer) {
	if k == nil {
		return
	}
	t := &transfer{place: placeCallee, old: c.b, kept: c.a, by: k.By, number: k.Number}
	if k.Caller {
		t.place, t.old, t.kept = placeCaller, c.a, c.b
	}
	if k.Refer != "" {
		t.refer = &refer{leg: t.old, id: k.Refer}
	}
	c.neverBegun(t, 503)
}

// unfit says why a call cannot go on; "" if it may.
func (c *Call) unfit(k *keptCall) string {
	switch {
	case !k.Whole || c.st.a != callerUp || c.st.b != calleeUp:
		return "not both of its sides were up"
	case c.a.trunk == nil || c.b.trunk == nil:
		return "a trunk of it is gone"
	case c.rec.answeredAt.IsZero():
		return "it was not answered"
	}
	t := now()
	for _, l := range [...]*leg{c.a, c.b} {
		if end := l.timer.expires(); !end.IsZero() && !t.Before(end) {
			return "its session timer ran out"
		}
	}
	if d := c.maxDuration(); d > 0 && t.Sub(c.rec.answeredAt) >= d {
		return "it has lasted as long as it may"
	}
	return ""
}

// resumeMedia takes the ports that the call had and connects them; joined is false if they were not connected yet.
func (c *Call) resumeMedia(k *keptCall) (joined bool, err error) {
	c.session = c.m.o.Engine.Open(media.SessionOptions{
		Silence: k.Media.Silence, HoldSilence: k.Media.HoldSilence,
		OnSilence: func(p *media.Party, last time.Time) { c.post(job{kind: jobSilence, party: p, at: last}) },
		OnBroken:  func(p *media.Party, err error) { c.post(job{kind: jobBroken, party: p, err: err}) },
	})
	for i, kl := range [...]*keptLeg{k.A, k.B} {
		if kl.Party == nil {
			return false, media.ErrNotKept
		}
		l := [...]*leg{c.a, c.b}[i]
		l.sealed = l.d.Peer().Secure
		if l.party, err = c.session.RestoreParty(c.partyOptions(l, kl.Party.Signalling), kl.Party); err != nil {
			return false, err
		}
		if kl.Party.Heard() {
			c.rec.lastMedia = c.sign
		}
	}
	if k.Media.Direct {
		c.session.SetDirect(c.a.party, c.b.party, true)
	}
	return c.session.Rejoin(c.a.party, c.b.party, k.A.Party, k.B.Party)
}

// broke ends a call that did not survive the restart. Its record ends with the process that had it, unless it had ended before.
func (c *Call) broke() {
	if c.rec.reason == "" {
		c.rec.ended(sbc.EndNodeFailure, sbc.SideSBC, causeTemporary)
		c.rec.endAt, c.broken = c.sign, true
		if at := c.rec.answeredAt; at.After(c.sign) {
			c.rec.endAt = at
		}
	}
	c.stop(stopOrder{reason: sbc.EndNodeFailure})
}

// silent is the silence of a side, or of both with nil. A call of an earlier process of which nothing was heard in this one did not
// survive: nobody knows whether its peers did.
func (c *Call) silent(l *leg) {
	c.dead("media_silence", l)
	if !c.sign.IsZero() && c.session != nil && c.session.LastMedia().IsZero() {
		c.broke()
		return
	}
	c.stop(stopOrder{reason: sbc.EndMediaTimeout})
}
