package quality

import "github.com/sallyport/sallyport/sbc"

// longSilence is from which duration on, in milliseconds, a call without a packet of the trunk is one-way audio.
const longSilence = 10_000

// answeredBy is the attempt that was answered, -1 for none.
func answeredBy(r *sbc.CDR) int {
	if r.AnsweredAt == nil {
		return -1
	}
	for i := len(r.Attempts) - 1; i >= 0; i-- {
		if answered(&r.Attempts[i]) {
			return i
		}
	}
	return -1
}

func answered(a *sbc.CDRAttempt) bool { return a.Code >= 200 && a.Code < 300 }

// completed tells whether the trunk did its part: no 5xx, no 6xx, and an answer in time. What the caller gave up is not the
// trunk's fault.
func completed(a *sbc.CDRAttempt) bool {
	if a.Code == 0 {
		return a.Reason == "cancelled"
	}
	return a.Code < 500 && a.Code != 408
}

// ofAttempt counts one attempt; took says that it was the one that was answered.
func ofAttempt(r *sbc.CDR, a *sbc.CDRAttempt, took bool) counts {
	c := counts{attempts: 1}
	if completed(a) {
		c.completed = 1
	}
	if answered(a) {
		c.answered = 1
	}
	rang := a.ProgressAt
	if rang == nil && answered(a) { // answered without ringing
		rang = a.EndedAt
	}
	if rang != nil {
		c.rang, c.ringMS = 1, uint64(max(0, rang.Sub(a.StartedAt).Milliseconds()))
	}
	if took {
		c.calls, c.talkMS = 1, uint64(max(0, r.DurationMS))
		c.media(r)
	}
	return c
}

// media counts what the trunk sent. Where other legs came into the call nobody can tell any more who sent what.
func (c *counts) media(r *sbc.CDR) {
	if r.MediaMode == sbc.MediaDirect {
		return
	}
	for i := range r.Legs {
		if r.Legs[i].Role != "" {
			return
		}
	}
	streams, packets := 0, uint64(0)
	for i := range r.Media {
		s := &r.Media[i]
		if s.Side != sbc.SideCallee || s.Media != "audio" {
			continue
		}
		streams++
		packets += s.Packets
		c.lost += uint64(max(0, s.Lost))
		if s.MOS > 0 {
			c.scored, c.score = c.scored+1, c.score+s.MOS
		}
	}
	if packets > 0 {
		c.heard, c.received = 1, packets
	}
	if streams > 0 && r.DurationMS >= longSilence {
		c.long = 1
		if packets == 0 {
			c.silent = 1
		}
	}
}

// called is the number by whose prefix an attempt counts: that by which the route was found, or to which the call was forwarded.
func called(r *sbc.CDR, a *sbc.CDRAttempt) string {
	if a.ForwardedBy != "" {
		return a.Callee
	}
	return r.CalleeNormalised
}

// prefix is the leading digits of a number, at most n; a + before them is left out.
func prefix(number string, n int) string {
	if number != "" && number[0] == '+' {
		number = number[1:]
	}
	at := 0
	for at < len(number) && at < n && number[at] >= '0' && number[at] <= '9' {
		at++
	}
	return number[:at]
}
