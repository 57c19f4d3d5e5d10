package call

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Reliable provisional responses (RFC 3262) to the caller: we are the server of its INVITE. What the callee sends reliably is in
// prack.go, which SDP goes where in early.go.

// optionReliable is the option tag of RFC 3262 8.1.
const optionReliable = "100rel"

// assurance says whether provisional responses to the caller are reliable.
type assurance uint8

const (
	assureNever  assurance = iota // the caller cannot, or its trunk may not
	assureMay                     // the caller supports it
	assureAlways                  // the caller demands it
)

// reliable is what a call knows of its reliable provisional responses; nil as long as there was none.
type reliable struct {
	rseq    uint32     // of the newest one
	out     *assured   // sent, and not acknowledged yet; it stays after the final answer, whose PRACK may cross it
	waiting []*assured // to be sent after it, in this order
	step    time.Duration
	until   time.Time // when out is given up
	// said is the SDP that the caller was given reliably in its present dialog, agreed that it acknowledged that: from then on
	// either side may offer again (RFC 3311 5.1).
	said   []byte
	agreed bool
	// held is the callee's 2xx that waits for the caller's PRACK (RFC 3262 3).
	held *msg.Message
}

// assured is one reliable provisional response.
type assured struct {
	res  *msg.Message
	tag  string // ours, in the dialog it belongs to
	rseq uint32
	sdp  bool
	// offer is the round that the caller's PRACK must answer; nil if the SDP is an answer.
	offer Exchange
	// fork is the callee's dialog whose response number theirs waits for the caller's PRACK; nil if we acknowledged it ourselves.
	fork   *fork
	leg    *leg
	theirs uint32
}

// maxAssured bounds the provisional responses that wait for the PRACK of an earlier one.
const maxAssured = 8

// asks tells whether a list header such as Supported names an option.
func asks(m *msg.Message, name, option string) bool {
	return m.Has(name) && slices.ContainsFunc(m.Values(name), func(v string) bool { return strings.EqualFold(v, option) })
}

// reliability is the mode of a leg.
func (c *Call) reliability(l *leg) sbc.Reliable {
	return c.snap.Signalling(l.trunk).ReliableProvisional
}

// assurance reads what the caller's INVITE says. ok is false for a caller who cannot and must: 421 (RFC 3261 21.4.16).
func (c *Call) assurance(invite *msg.Message) (a assurance, ok bool) {
	mode := c.reliability(c.a)
	switch {
	case mode == sbc.ReliableOff:
	case asks(invite, "Require", optionReliable):
		a = assureAlways
	case asks(invite, "Supported", optionReliable):
		a = assureMay
	}
	if mode == sbc.ReliableRequire && a == assureMay {
		a = assureAlways
	}
	return a, mode != sbc.ReliableRequire || a != assureNever
}

// through tells whether one of the two legs is only as reliable as the other.
func (c *Call) through() bool {
	return c.a.assurance != assureNever && (c.reliability(c.a) == sbc.ReliablePass || c.reliability(c.b) == sbc.ReliablePass)
}

// assures tells whether a provisional response goes to the caller reliably. theirs is the number of the callee's response that it
// stands for, 0 if that was not reliable.
func (c *Call) assures(theirs uint32) bool {
	switch c.a.assurance {
	case assureAlways:
		return true
	case assureMay:
		return theirs != 0 || c.reliability(c.a) != sbc.ReliablePass
	}
	return false
}

// assure sends a provisional response reliably, as soon as the one before it was acknowledged (RFC 3262 3). It is false if too
// many wait.
func (c *Call) assure(e *assured) bool {
	if c.rel == nil {
		c.rel = &reliable{rseq: rand.Uint32N(1 << 30)} // RFC 3262 3: below 2**31
	}
	if len(c.rel.waiting) >= maxAssured {
		return false
	}
	c.rel.rseq++
	e.rseq, e.tag = c.rel.rseq, c.a.tag
	e.res.Append("Require", optionReliable)
	e.res.Append("RSeq", strconv.FormatUint(uint64(e.rseq), 10))
	if e.sdp {
		c.rel.said, c.rel.agreed = e.res.Body, false
	}
	if c.rel.out != nil {
		c.rel.waiting = append(c.rel.waiting, e)
		return true
	}
	c.sendAssured(e)
	return true
}

// sendAssured sends a reliable provisional response and keeps at it: after T1, and then after twice the time before.
func (c *Call) sendAssured(e *assured) {
	c.rel.out, c.rel.step, c.rel.until = e, msg.DefaultT1, now().Add(64*msg.DefaultT1)
	c.send(c.tx, e.res)
	c.arm(timerAssure, c.rel.step)
}

// assureAgain is the timer of a response that was not acknowledged: it is repeated, and given up after 64*T1.
func (c *Call) assureAgain() {
	left := c.rel.until.Sub(now())
	if left <= 0 {
		c.hunt.final(504, "", sbc.EndNoAck)
		c.raise(evUnpracked)
		return
	}
	c.send(c.tx, c.rel.out.res)
	c.rel.step *= 2
	c.arm(timerAssure, min(c.rel.step, left))
}

// owed tells whether the 200 has to wait for the caller's PRACK: an answer is under way in a provisional response of the dialog
// that the 200 will confirm (RFC 3262 3).
func (c *Call) owed() bool {
	return c.rel != nil && c.rel.out != nil && c.rel.out.sdp && c.rel.out.tag == c.a.tag && bytes.Equal(c.rel.said, c.answer)
}

// settleEarly ends the provisional responses before a final one: what waits is not sent any more, what was sent is not repeated,
// though its PRACK may still come. It gives the callee's 2xx and the SDP for ours: none if the caller has it already.
func (c *Call) settleEarly(res *msg.Message, sdp []byte) (*msg.Message, []byte) {
	r := c.rel
	if r == nil {
		return res, sdp
	}
	c.disarm(timerAssure)
	for _, e := range r.waiting {
		if e.sdp { // it has not
			r.said = nil
		}
	}
	if r.held != nil {
		res = r.held
	}
	r.waiting, r.held = nil, nil
	switch {
	case sdp == nil || r.said == nil:
	case bytes.Equal(sdp, r.said): // RFC 3261 13.2.1: no SDP after the answer
		sdp = nil
	default:
		c.branch()
	}
	return res, sdp
}

// branch gives the caller another dialog of the same INVITE, as a forking proxy would (RFC 3261 12.1): in the present one it has
// an answer already, and this is another one.
func (c *Call) branch() {
	l := c.a
	tag := msg.NewTag()
	d, err := dialog.NewUAS(c.invite, tag)
	if err != nil { // it made one before
		return
	}
	c.hunt.tags = append(c.hunt.tags, l.tag)
	l.forks = append(l.forks, l.d)
	l.d, l.tag = d, tag
	c.m.calls.addTag(tag, l.end)
	c.tx.SetTag(tag)
	c.rel.said, c.rel.agreed = nil, false
}

// pracked is a PRACK.
func (c *Call) pracked(l *leg, tx msg.ServerTx, req *msg.Message) {
	e := c.acknowledges(l, req)
	if e == nil { // RFC 3262 3
		c.send(tx, c.reply(l, req, 481))
		return
	}
	body, ok := sessionBody(req)
	if !ok {
		c.send(tx, c.reply(l, req, 415, msg.Header{Name: "Accept", Value: accepted}))
		return
	}
	if e.leg != c.b { // that attempt is over, and nobody waits for the answer to its offer
		if e.offer != nil {
			body = nil
		}
		e.fork, e.offer = nil, nil
	}
	if e.offer != nil { // RFC 3262 5: the offer was in the response, the answer is here
		if body, ok = c.earlyAnswer(e, body); !ok {
			c.send(tx, c.reply(l, req, 488))
			return
		}
	}
	c.rel.out = nil
	c.disarm(timerAssure)
	if e.sdp && e.tag == c.a.tag {
		c.rel.agreed = true
	}
	c.passPRACK(e, tx, req, body)
	if len(c.rel.waiting) > 0 {
		next := c.rel.waiting[0]
		c.rel.waiting = c.rel.waiting[1:]
		c.sendAssured(next)
	}
	c.raise(evPracked)
}

// acknowledges finds the response that a PRACK acknowledges: the one that waits for it, in its dialog.
func (c *Call) acknowledges(l *leg, req *msg.Message) *assured {
	if l != c.a || c.rel == nil || c.rel.out == nil || c.rel.out.tag != req.To.Tag() {
		return nil
	}
	words := strings.Fields(req.Get("RAck"))
	if len(words) != 3 || words[2] != string(msg.INVITE) {
		return nil
	}
	rseq, err := strconv.ParseUint(words[0], 10, 32)
	cseq, err2 := strconv.ParseUint(words[1], 10, 32)
	if err != nil || err2 != nil || uint32(rseq) != c.rel.out.rseq || uint32(cseq) != c.a.inviteSeq {
		return nil
	}
	return c.rel.out
}
