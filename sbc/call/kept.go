package call

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/dialog"
)

// keptForm numbers the form of what is kept: another form is not read.
const keptForm = 1

// keptCall is what of a call survives the process. What belongs to the configuration is kept by id: after a restart the one in
// service then counts.
type keptCall struct {
	Form        int
	ID, Tenant  string
	Started, At time.Time // At is when this was written
	// Whole says that both sides are up: only then the call goes on. Of any other what is left is released.
	Whole bool
	A     *keptLeg
	B     *keptLeg `json:",omitempty"`
	// Former was replaced, and still awaits our BYE or has not answered it.
	Former             *keptLeg           `json:",omitempty"`
	Transfer           *keptTransfer      `json:",omitempty"`
	Media              media.SessionState `json:",omitzero"`
	Record             keptRecord
	Ingress, Dialled   string
	Rule               string `json:",omitempty"`
	Forwards           int
	Transfers, Longest int              `json:",omitempty"`
	Own                bool             `json:",omitempty"` // ordered by Originate
	Helps              bool             `json:",omitempty"` // a call for help
	Attempts           []sbc.CDRAttempt `json:",omitempty"`
}

// keptTransfer is one under way. It does not survive, but whoever asked for it is told that it failed.
type keptTransfer struct {
	Caller     bool // the caller's place is the one to be taken
	By, Number string
	Refer      string `json:",omitempty"` // as in refer, of that side
}

// keptTransfer is the transfer under way; nil for none.
func (c *Call) keptTransfer() *keptTransfer {
	if c.tr == nil {
		return nil
	}
	k := &keptTransfer{Caller: c.tr.place == placeCaller, By: c.tr.by, Number: c.tr.number}
	if rf := c.tr.refer; rf != nil && !rf.silent && !rf.over {
		k.Refer = rf.id
	}
	return k
}

// keptLeg is what of a leg survives.
type keptLeg struct {
	Side      sbc.Side
	Attempt   int `json:",omitempty"`
	Tag, User string
	Trunk     string
	Endpoint  string        `json:",omitempty"`
	There     bool          `json:",omitempty"` // its peer has the dialog still, as far as we know
	Gone      bool          `json:",omitempty"` // as in leg
	Client    bool          `json:",omitempty"` // its INVITE was ours
	Dialog    *dialog.State `json:",omitempty"`
	Agent     string        `json:",omitempty"`
	InviteSeq uint32

	Interval, MinSE int       `json:",omitempty"` // of the session timer, in seconds
	Refresher       bool      `json:",omitempty"` // it is us
	Since           time.Time `json:",omitzero"`  // of the last refresh

	Held, Paused  bool              `json:",omitempty"`
	Updates       answer            `json:",omitempty"`
	Number, Role  string            `json:",omitempty"`
	Joined        time.Time         `json:",omitzero"`
	Words, Hidden []string          `json:",omitempty"`
	Contact       string            `json:",omitempty"`
	Token         string            `json:",omitempty"`
	Place, Toll   *admit.PlaceState `json:",omitempty"`
	Heard         netip.AddrPort    `json:",omitzero"` // whence the peer was last heard
	HeardBy       sbc.Transport     `json:",omitempty"`
	Who           *Origin           `json:",omitempty"` // without secrets
	Party         *media.PartyState `json:",omitempty"`
}

// keptRecord is what of the record survives.
type keptRecord struct {
	From, To, RURI, Caller, Callee, Normalised, CallerNormal string
	Local, Remote                                            string
	Transport                                                sbc.Transport
	SIPCallID                                                string
	Subscriber                                               string            `json:",omitempty"`
	ProgressAt, AnsweredAt, RefusedAt, EndAt                 time.Time         `json:",omitzero"`
	Reason                                                   sbc.EndReason     `json:",omitempty"`
	By                                                       sbc.Side          `json:",omitempty"`
	Cause, FinalCode                                         int               `json:",omitempty"`
	Text, FinalReason, Display, Said, Privacy                string            `json:",omitempty"`
	Hidden, Unnamed                                          bool              `json:",omitempty"`
	Mode                                                     sbc.MediaMode     `json:",omitempty"`
	Legs                                                     []sbc.CDRLeg      `json:",omitempty"`
	Media                                                    []sbc.StreamStats `json:",omitempty"`
	Egress, Sent, Reached                                    string            `json:",omitempty"`
	Links                                                    []string          `json:",omitempty"`
	Variables                                                map[string]string `json:",omitempty"`
	Cost, Price                                              *sbc.Charge       `json:",omitempty"`
}

// keptText spells what of the call survives. Settled says that nothing of it is expected to change by itself.
func (c *Call) keptText() (text []byte, settled bool, err error) {
	k := keptCall{
		Form: keptForm, ID: c.id, Tenant: c.tenant, Started: c.started, At: now(), Whole: c.whole(), Record: c.rec.keep(),
		Ingress: c.decision.caller.TrunkID, Dialled: c.decision.caller.Number, Rule: c.decision.plan.RuleID, Forwards: c.forwards,
		Transfers: c.transfers, Longest: c.longest, Own: c.plan != nil, Attempts: c.hunt.attempts,
		Helps: c.helps(),
	}
	k.A, k.B, k.Former, k.Transfer = c.keptLeg(c.a), c.keptLeg(c.b), c.keptLeg(c.former), c.keptTransfer()
	settled = true
	if k.Whole {
		k.Media = c.session.Keep()
		for _, of := range [...]struct {
			l *leg
			k *keptLeg
		}{{c.a, k.A}, {c.b, k.B}} {
			of.k.Party = c.session.KeepParty(of.l.party)
			settled = settled && of.k.Party != nil && of.k.Party.Settled
		}
	}
	text, err = json.Marshal(&k)
	return text, settled, err
}

// whole tells whether both sides are up and nothing has ended the call.
func (c *Call) whole() bool {
	return c.st.b == calleeUp && (c.st.a == callerUp || c.st.a == callerAnswered) && c.rec.reason == "" && c.session != nil && !c.served()
}

// there tells whether a leg's peer has its dialog still.
func (c *Call) there(l *leg) bool {
	switch {
	case l == nil || l.d == nil || !l.d.Confirmed():
		return false
	case l == c.a:
		return c.st.a == callerUp || c.st.a == callerAnswered || c.st.a == callerLeaving || c.st.a == callerByeing
	case l == c.b:
		return c.st.b == calleeUp || c.st.b == calleeHeld || c.st.b == calleeByeing
	}
	return l == c.former && c.st.f != formerNone
}

// keptLeg is what of a leg survives; nil for none.
func (c *Call) keptLeg(l *leg) *keptLeg {
	if l == nil {
		return nil
	}
	k := &keptLeg{
		Side: l.side, Attempt: l.attempt, Tag: l.tag, User: l.user, Trunk: l.end.trunkID, Endpoint: l.endpointID,
		There: c.there(l), Gone: l.gone, Client: l.invite != nil, Agent: l.agent, InviteSeq: l.inviteSeq,
		Interval: l.timer.interval, MinSE: l.timer.minSE, Refresher: l.timer.us, Since: l.timer.since,
		Held: l.held, Paused: l.paused, Updates: l.updates, Number: l.number, Role: l.role, Joined: l.joined,
		Who: l.who.keep(), Words: l.words, Hidden: l.hidden, Contact: l.contact, Place: l.place.State(), Toll: l.toll.State(),
	}
	if l.d != nil {
		k.Dialog = l.d.State()
	}
	if t := l.end.token.Load(); t != nil {
		k.Token = *t
	}
	if p := l.end.peer.Load(); p != nil {
		k.Heard, k.HeardBy = p.addr, p.transport
	}
	return k
}

// keep is what of the record survives.
func (r *record) keep() keptRecord {
	return keptRecord{
		From: r.from, To: r.to, RURI: r.ruri, Caller: r.caller, Callee: r.callee, Normalised: r.normalised, CallerNormal: r.callerNormal,
		Local: r.local, Remote: r.remote, Transport: r.transport, SIPCallID: r.sipCallID, Subscriber: r.subscriber,
		ProgressAt: r.progressAt, AnsweredAt: r.answeredAt, RefusedAt: r.refusedAt, EndAt: r.endAt,
		Reason: r.reason, By: r.by, Cause: r.cause, FinalCode: r.finalCode, Text: r.text, FinalReason: r.finalReason,
		Display: r.display, Said: r.said, Privacy: r.privacy, Hidden: r.hidden, Unnamed: r.unnamed,
		Legs: r.legs, Media: r.media, Egress: r.egress, Sent: r.sent, Reached: r.reached, Links: r.links, Variables: r.variables,
		Mode: r.mode, Cost: r.cost, Price: r.price,
	}
}

// record makes the record go on.
func (k *keptRecord) record() record {
	return record{
		from: k.From, to: k.To, ruri: k.RURI, caller: k.Caller, callee: k.Callee, normalised: k.Normalised, callerNormal: k.CallerNormal,
		local: k.Local, remote: k.Remote, transport: k.Transport, sipCallID: k.SIPCallID, subscriber: k.Subscriber,
		progressAt: k.ProgressAt, answeredAt: k.AnsweredAt, refusedAt: k.RefusedAt, endAt: k.EndAt,
		reason: k.Reason, by: k.By, cause: k.Cause, finalCode: k.FinalCode, text: k.Text, finalReason: k.FinalReason,
		display: k.Display, said: k.Said, privacy: k.Privacy, hidden: k.Hidden, unnamed: k.Unnamed,
		legs: k.Legs, media: k.Media, egress: k.Egress, sent: k.Sent, reached: k.Reached, links: k.Links, variables: k.Variables,
		mode: k.Mode, cost: k.Cost, price: k.Price,
	}
}
