package call

import (
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/msg"
)

// record is what the call detail record is made of, gathered while the call goes on.
type record struct {
	from, to, ruri              string
	caller, callee, normalised  string
	callerNormal                string // as the number plan and dialplan of whom it came from made it
	local, remote               string
	transport                   sbc.Transport
	sipCallID                   string
	subscriber, sought          string // who calls, and who was called first
	progressAt, answeredAt      time.Time
	refusedAt, endAt, lastMedia time.Time
	// deaf says that lastMedia stays as it is: the call was found dead.
	deaf        bool
	reason      sbc.EndReason
	by          sbc.Side
	cause       int
	text        string
	stop        stopOrder
	finalCode   int
	finalReason string
	written     bool
	// display and said are the caller's name and number in From; hidden, privacy and unnamed are its wish to be nobody.
	display, said, privacy string
	hidden, unnamed        bool
	// legs and media are those of legs that left before the end; egress, sent and reached are the trunk, the number and the
	// subscriber of the first callee, set when somebody came in its place; links are the calls that this one was joined with.
	legs                  []sbc.CDRLeg
	media                 []sbc.StreamStats
	egress, sent, reached string
	links                 []string
	variables             map[string]string
	mode                  sbc.MediaMode
	free                  bool // a service of ours, for which nothing is billed
	// cost and price say by which rates the call is charged, nil by none.
	cost, price *sbc.Charge
}

// begin notes what the INVITE says; caller is the number that its trunk is believed.
func (r *record) begin(req *msg.Message, d decision, caller string) {
	r.from, r.to, r.ruri = req.From.URI.String(), req.To.URI.String(), req.RequestURI.String()
	r.caller, r.callee, r.normalised = caller, number(req.RequestURI), d.caller.Number
	r.callerNormal = d.moment.caller
	r.local, r.remote, r.transport = addr(req.Hop.Local), addr(req.Hop.Remote), req.Hop.Transport
	r.sipCallID, r.subscriber = req.CallID, d.who.subscriberID()
	r.display, r.hidden = req.From.Display, strings.EqualFold(req.From.URI.Host, anonymousHost)
	r.said = number(req.From.URI)
}

// settle keeps what the record says of the first callee.
func (r *record) settle(c *Call) {
	if n := len(c.hunt.attempts); r.egress == "" && c.b != nil {
		r.egress, r.reached = c.b.end.trunkID, c.b.who.subscriberID()
		for _, a := range c.hunt.attempts[:n] {
			if a.Number == c.b.attempt {
				r.sent = a.Callee
			}
		}
	}
}

// ended notes why the call ends; the first reason counts.
func (r *record) ended(reason sbc.EndReason, by sbc.Side, cause int) {
	if r.reason != "" {
		return
	}
	r.reason, r.by, r.cause, r.endAt = reason, by, cause, now()
}

// recordID is the id of a call's record.
func recordID(call string) string { return sbc.PrefixCDR + call[len(sbc.PrefixCall):] }

// cdr builds the record as it stands.
func (c *Call) cdr() *sbc.CDR {
	r := &c.rec
	d := &sbc.CDR{
		ID: recordID(c.id), CallID: c.id, TenantID: c.tenant, Node: c.m.o.Node, Recovered: c.broken,
		IngressTrunkID: c.decision.caller.TrunkID, CallerSubscriberID: r.subscriber,
		Caller: r.caller, Callee: r.callee, CallerNormalised: r.callerNormal, CalleeNormalised: r.normalised,
		FromURI: r.from, ToURI: r.to, RequestURI: r.ruri,
		StartedAt: c.started.UTC(), EndedAt: r.endAt.UTC(), EndReason: r.reason, ReleasedBy: r.by,
		FinalCode: r.finalCode, FinalReason: r.finalReason, Q850Cause: r.cause,
		ConfigRevision: c.snap.Revision, RuleID: c.decision.plan.RuleID,
		Attempts: c.hunt.attempts, ProgressAt: when(r.progressAt), AnsweredAt: when(r.answeredAt), LastMediaAt: when(r.lastMedia),
		Media: []sbc.StreamStats{}, Variables: r.variables, MediaMode: r.mode,
	}
	if d.Attempts == nil {
		d.Attempts = []sbc.CDRAttempt{}
	}
	if n := len(c.hunt.attempts); n > 0 {
		d.CalleeSent = c.hunt.attempts[n-1].Callee
		if !r.answeredAt.IsZero() {
			d.EgressTrunkID = c.hunt.attempts[n-1].TrunkID
		}
	}
	d.Legs = c.legRecords()
	if c.b != nil {
		d.EgressTrunkID = c.b.end.trunkID
	}
	if r.egress != "" {
		d.EgressTrunkID, d.CalleeSent = r.egress, r.sent
	}
	d.CalleeSubscriberID = c.calleeSubscriber()
	d.LinkedCallIDs = r.links
	c.times(d)
	r.bill(d)
	return d
}

// times fills the durations; they come from the monotonic clock, so that no clock step makes them wrong.
func (c *Call) times(d *sbc.CDR) {
	r := &c.rec
	d.Disposition = dispositionOf(!r.answeredAt.IsZero(), r.reason)
	if r.endAt.IsZero() {
		return
	}
	first := earliest(r.progressAt, r.answeredAt, r.refusedAt, r.endAt)
	d.PDDMS = ms(first.Sub(c.started))
	until := r.endAt
	if !r.answeredAt.IsZero() {
		d.SetupMS = ms(r.answeredAt.Sub(c.started))
		until = r.answeredAt
		d.DurationMS = ms(r.endAt.Sub(r.answeredAt))
		d.BillableMS = d.DurationMS
		if detected(r.reason) && r.mode != sbc.MediaDirect { // the silent tail is not the caller's
			d.BillableMS = min(d.DurationMS, ms(r.lastMedia.Sub(r.answeredAt)))
			if r.reason == sbc.EndMaxDuration && r.lastMedia.IsZero() { // alive, as far as anybody knows
				d.BillableMS = d.DurationMS
			}
		}
		if r.free {
			d.BillableMS = 0
		}
	}
	if !r.progressAt.IsZero() {
		d.RingMS = ms(until.Sub(r.progressAt))
	}
}

// detected tells whether a call was ended by one of the detectors of dead calls: then what is billed ends with the last media.
func detected(r sbc.EndReason) bool {
	switch r {
	case sbc.EndMediaTimeout, sbc.EndSessionTimer, sbc.EndPeerDead, sbc.EndMaxDuration, sbc.EndStale:
		return true
	}
	return false
}

// earliest is the first of the times that are set.
func earliest(ts ...time.Time) time.Time {
	var first time.Time
	for _, t := range ts {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

func ms(d time.Duration) int64 { return max(0, d.Milliseconds()) }

// when gives a time for JSON, nil if it never was.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	utc := t.UTC() // not t itself, which would then be on the heap even if it never was
	return &utc
}

// writeAnswered makes the record of the answer safe.
func (c *Call) writeAnswered() {
	if err := c.m.o.Ledger.Answered(c.cdr()); err != nil {
		c.m.metrics.ledger.Inc()
		c.m.o.Log.Error("answer not recorded", "call_id", c.id, "error", err)
	}
}

// writeRecord writes the one record of the call.
func (c *Call) writeRecord(stats []sbc.StreamStats) {
	if c.rec.written {
		return
	}
	c.rec.written = true
	c.rec.ended(sbc.EndError, sbc.SideSBC, causeTemporary)
	for i := range c.hunt.attempts { // those still under way when the call ended
		if a := &c.hunt.attempts[i]; a.EndedAt == nil {
			a.EndedAt = when(c.rec.endAt)
			if a.Code == 0 && a.Reason == "" {
				a.Reason = "cancelled"
			}
		}
	}
	d := c.cdr()
	if stats != nil {
		d.Media = stats
	}
	d.Decision = c.decided()
	if err := c.m.o.Ledger.End(d); err != nil {
		c.m.metrics.ledger.Inc()
		c.m.o.Log.Error("call not recorded", "call_id", c.id, "error", err)
	}
	c.count(d)
	c.tellEnd(d)
}

// count keeps the metrics of ended calls.
func (c *Call) count(d *sbc.CDR) {
	m := c.m.metrics
	c.m.counts.ended(d)
	m.releases.WithLabelValues(string(d.ReleasedBy), string(d.EndReason)).Inc()
	if d.EndReason == sbc.EndMediaTimeout {
		m.silences.Inc()
	}
	pdd, duration := time.Duration(d.PDDMS)*time.Millisecond, time.Duration(-1)
	if d.AnsweredAt != nil {
		duration = time.Duration(d.DurationMS) * time.Millisecond
	}
	outcome, code := outcomeOf(d), strconv.Itoa(d.FinalCode)
	m.observe(d.IngressTrunkID, string(admit.In), outcome, code, pdd, duration)
	m.observe(d.EgressTrunkID, string(admit.Out), outcome, code, pdd, duration)
}

// outcomeOf sorts an end for sbc_calls_finished_total.
func outcomeOf(d *sbc.CDR) string {
	switch {
	case d.AnsweredAt != nil:
		return "answered"
	case d.EndReason == sbc.EndLimit:
		return "limited"
	case d.Disposition != sbc.DispositionFailed:
		return string(d.Disposition)
	case d.EndReason == sbc.EndNoRoute, d.FinalCode >= 500:
		return "network_failure"
	case d.FinalCode == 404, d.FinalCode == 484:
		return "user_error"
	}
	return "rejected"
}

// streams puts media's figures in our words.
func (c *Call) streams(in []media.StreamStats) []sbc.StreamStats {
	out := make([]sbc.StreamStats, len(in))
	for i := range in {
		side := sbc.SideCallee
		switch {
		case in[i].From == c.a.party:
			side = c.a.side
		case c.b != nil && in[i].From == c.b.party:
			side = c.b.side
		}
		out[i] = stream(&in[i], side)
	}
	return out
}

// stream puts one stream's figures in our words.
func stream(s *media.StreamStats, side sbc.Side) sbc.StreamStats {
	return sbc.StreamStats{
		Side: side, Index: s.Index, Media: s.Media, Codec: s.Codec, LocalAddress: s.LocalAddress, RemoteAddress: s.RemoteAddress,
		Packets: s.Packets, Octets: s.Octets, Lost: s.Lost, Discarded: s.Discarded, RelayedPackets: s.RelayedPackets,
		RTCPPackets: s.RTCPPackets, JitterMS: s.JitterMS, RoundTripMS: s.RoundTripMS, MOS: s.MOS,
		FirstPacket: s.FirstPacket, LastPacket: s.LastPacket, SSRC: s.SSRC,
		SRTP: sbc.SRTPSuite(s.SRTP), ZRTP: s.ZRTP,
	}
}
