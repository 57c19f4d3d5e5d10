package service

import (
	"fmt"
	"slices"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// Reasons of a forward, as they stand in records and, in the words of RFC 5806, in Diversion.
const (
	Unconditional = "unconditional"
	Busy          = "busy"
	NoAnswer      = "no_answer"
	Unreachable   = "unreachable"
	NotRegistered = "not_registered"
	DoNotDisturb  = "do_not_disturb"
	Redirected    = "redirected"
)

// Diversion is a reason as the Diversion header spells it (RFC 5806 6).
func Diversion(reason string) string {
	switch reason {
	case Unconditional:
		return "unconditional"
	case Busy:
		return "user-busy"
	case NoAnswer:
		return "no-answer"
	case DoNotDisturb:
		return "do-not-disturb"
	case Unreachable, NotRegistered:
		return "unavailable"
	case Redirected:
		return "deflection"
	}
	return "unknown"
}

// Call is what a subscriber's services want to know of a call to it.
type Call struct {
	// Caller is the number or name it comes from; Anonymous tells that the caller wished to be nobody (RFC 3323).
	Caller    string
	Anonymous bool
	// Registered tells whether any contact could be rung.
	Registered bool
	// Forwarders are the ids of the subscribers that had it forwarded so far, in order; MaxForwards is how many there may be.
	Forwarders  []string
	MaxForwards int
	// Screen tells whether number lists let a number pass; nil lets everything.
	Screen func(listIDs []string, number string) bool
}

// Action is what a Verdict says.
type Action uint8

// The actions.
const (
	Ring    Action = iota // call its contacts
	Forward               // call To instead
	Refuse                // answer with Code
)

// Verdict is a decision with its reason.
type Verdict struct {
	Action Action
	// To and Reason are where and why a call is forwarded.
	To     sbc.Forward
	Reason string
	// RingFor is how long contacts ring before NoAnswer; 0 is as long as the domain says.
	RingFor time.Duration
	// Code and Phrase are the answer of a refusal; the phrase of the code where it is "".
	Code   int
	Phrase string
	// Detail says in a sentence what decided.
	Detail string
}

// Admit decides who may reach a subscriber at all, by whatever request: it rings, or is refused.
func Admit(s *sbc.Subscriber, c Call) Verdict {
	switch {
	case !s.Enabled:
		return refuse(404, "", "the subscriber is disabled")
	case c.Anonymous && s.RejectAnonymous:
		return refuse(433, "Anonymity Disallowed", "the subscriber takes no anonymous calls") // RFC 5079
	case c.Screen != nil && len(s.IncomingListIDs) > 0 && !c.Screen(s.IncomingListIDs, c.Caller):
		return refuse(603, "", fmt.Sprintf("a list of the subscriber blocks calls of %q", c.Caller))
	}
	return Verdict{Action: Ring, Detail: "its contacts are called"}
}

// Arrive decides on a call that arrives for a subscriber.
func Arrive(s *sbc.Subscriber, c Call) Verdict {
	v := Admit(s, c)
	switch {
	case v.Action != Ring:
		return v
	case s.Forwarding.Unconditional.Set():
		return c.forward(s, s.Forwarding.Unconditional, Unconditional, 480)
	case s.DoNotDisturb:
		return c.forward(s, s.Forwarding.Busy, DoNotDisturb, 486)
	case !c.Registered:
		return c.forward(s, s.Forwarding.NotRegistered, NotRegistered, 480)
	}
	if s.Forwarding.NoAnswer.Set() {
		v.RingFor = time.Duration(s.Forwarding.NoAnswerAfterS) * time.Second
		v.Detail = fmt.Sprintf("its contacts are called for %d s", s.Forwarding.NoAnswerAfterS)
	}
	return v
}

// Unanswered decides on a call whose contacts did not take it: code is the best final answer they gave, 408 for one that came too late or
// not at all. rang tells whether any of them was alerted.
func Unanswered(s *sbc.Subscriber, c Call, code int, rang bool) Verdict {
	switch {
	case code == 486 || code == 600:
		return c.forward(s, s.Forwarding.Busy, Busy, code)
	case rang && (code == 408 || code == 480 || code == 487):
		return c.forward(s, s.Forwarding.NoAnswer, NoAnswer, 480)
	case !rang && (code == 408 || code == 430 || code == 480 || code == 503 || code == 500 || code == 502 || code == 504):
		return c.forward(s, s.Forwarding.Unreachable, Unreachable, 480)
	}
	return refuse(code, "", fmt.Sprintf("its contacts answered %d", code))
}

// Redirect decides on a call that a phone of the subscriber has sent to another number by itself (RFC 3261 8.1.3.4): that is a forward
// like those of its settings.
func Redirect(s *sbc.Subscriber, c Call, number string) Verdict {
	return c.forward(s, sbc.Forward{Target: number}, Redirected, 480)
}

// forward sends a call on, or refuses it with code where nowhere is set, or it has gone too far.
func (c Call) forward(s *sbc.Subscriber, to sbc.Forward, reason string, code int) Verdict {
	switch {
	case !to.Set():
		return refuse(code, "", fmt.Sprintf("%s, and the subscriber forwards such calls nowhere", words(reason)))
	case to.Voicemail: // the mailbox is the end of every way
		return Verdict{Action: Forward, To: to, Reason: reason, Detail: words(reason) + ": to its mailbox"}
	case slices.Contains(c.Forwarders, s.ID):
		return refuse(482, "Loop Detected", "the call comes back to a subscriber that had forwarded it") // RFC 3261 21.4.20
	case len(c.Forwarders) >= c.MaxForwards:
		return refuse(480, "", fmt.Sprintf("the call was forwarded %d times already, as often as the domain allows", len(c.Forwarders)))
	}
	return Verdict{Action: Forward, To: to, Reason: reason, Detail: fmt.Sprintf("%s: to %s", words(reason), to.Target)}
}

// words are a reason in a sentence.
func words(reason string) string {
	switch reason {
	case Unconditional:
		return "every call is forwarded"
	case Busy:
		return "busy"
	case NoAnswer:
		return "nobody answered in time"
	case Unreachable:
		return "no contact could be reached"
	case NotRegistered:
		return "nobody is registered"
	case DoNotDisturb:
		return "the subscriber does not want to be disturbed"
	case Redirected:
		return "its phone redirects the call"
	}
	return reason
}

func refuse(code int, phrase, detail string) Verdict {
	return Verdict{Action: Refuse, Code: code, Phrase: phrase, Detail: detail}
}
