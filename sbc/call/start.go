package call

import (
	"strconv"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/msg"
)

// acceptable checks the INVITE itself in the order of RFC 3261 8.2.
func (c *Call) acceptable() bool {
	req := c.invite
	if d := c.a.accept(req); d != nil { // 8.1.1.8: an INVITE has one Contact
		c.hunt.final(400, "Bad Contact or Record-Route", sbc.EndError)
		return false
	}
	if req.MaxForwards == 0 {
		c.hunt.final(483, "", sbc.EndError)
		return false
	}
	if bad := unsupported(req, c.extensions(c.a)...); bad != "" {
		c.hunt.final(420, "", sbc.EndError)
		c.hunt.headers = []msg.Header{{Name: "Unsupported", Value: bad}}
		return false
	}
	if least, bad := c.timerTooSmall(c.a, req); bad { // RFC 4028 9
		c.hunt.final(422, "", sbc.EndError)
		c.hunt.headers = []msg.Header{{Name: "Min-SE", Value: strconv.Itoa(least)}}
		return false
	}
	var can bool
	if c.a.assurance, can = c.assurance(req); !can {
		c.hunt.final(421, "", sbc.EndError)
		c.hunt.headers = []msg.Header{{Name: "Require", Value: optionReliable}}
		return false
	}
	offer, ok := sessionBody(req)
	if !ok {
		c.hunt.final(415, "", sbc.EndError)
		c.hunt.headers = []msg.Header{{Name: "Accept", Value: accepted}, {Name: "Accept-Encoding", Value: "identity"}}
		return false
	}
	c.hunt.offer = offer
	if c.decision.code != 0 {
		c.refuseBy(&c.decision)
		return false
	}
	c.hunt.plan = c.decision.plan.Attempts
	c.hunt.bound()
	return true
}

// admitted takes the call's place on the caller's trunk.
func (c *Call) admitted() bool {
	if v := c.takePlace(c.a, admit.In); !v.OK {
		c.hunt.final(v.Code, "", sbc.EndLimit)
		if hs := retryAfter(v); hs != nil {
			c.hunt.headers = hs
		}
		return false
	}
	return true
}

// retryAfter tells who was refused by a limit when to come again, where that is known.
func retryAfter(v admit.Verdict) []msg.Header {
	if v.RetryAfter == 0 {
		return nil
	}
	return []msg.Header{{Name: "Retry-After", Value: strconv.Itoa(int(v.RetryAfter / time.Second))}}
}

// openMedia opens the session; only calls that were admitted have one (FreeSBC's audit: no port before authorisation). The
// silence that counts is the shortest any trunk of the call asks for.
func (c *Call) openMedia() {
	silence, hold := c.decision.trunk.MediaTimeoutS, c.decision.trunk.MediaHoldTimeoutS
	for _, at := range c.hunt.plan {
		if t := c.snap.Trunk(at.TrunkID); t != nil {
			silence, hold = shortest(silence, t.MediaTimeoutS), shortest(hold, t.MediaHoldTimeoutS)
		}
	}
	c.session = c.m.o.Engine.Open(media.SessionOptions{
		Silence: time.Duration(silence) * time.Second, HoldSilence: time.Duration(hold) * time.Second,
		OnSilence: func(p *media.Party, last time.Time) { c.post(job{kind: jobSilence, party: p, at: last}) },
		OnBroken:  func(p *media.Party, err error) { c.post(job{kind: jobBroken, party: p, err: err}) },
	})
	c.a.sealed = c.invite.Hop.Secure
	c.a.party = c.session.Party(c.partyOptions(c.a, c.invite.Hop.Remote.Addr()))
}

// shortest gives the smaller of two numbers, where 0 means none.
func shortest(x, y int) int {
	if x == 0 || y == 0 {
		return x + y
	}
	return min(x, y)
}
