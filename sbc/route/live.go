package route

import (
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// Query is one question to a Table: the call, as far as rules look at it, and what is alive. Only PlanID and Number are needed.
type Query struct {
	PlanID string
	// Number is the one called, as identify and the dialplan of the counterparty left it. Class is its class, "" where nobody sorted it:
	// emergency calls go to what is draining, too.
	Number string
	Class  sbc.NumberClass
	// Caller is the calling number, after the dialplan. CallID is that of the INVITE.
	Caller, CallID string
	// TrunkID is the trunk, or the domain, that the call comes from; RouteGroup is the group of the trunk, or of the subscriber.
	TrunkID, RouteGroup string
	// Headers are those of the INVITE, nil where there is none. Variables are the call's.
	Headers   Headers
	Variables map[string]string
	// At is the moment for which is asked; the zero time is none, at which no time profile holds.
	At time.Time
	// Next, where set, goes on where an earlier Plan of this Table ended in vain; PlanID and Number are not looked at then.
	Next *Next
	// Answers are those of other systems to rules that ask them, by the rule's id.
	Answers map[string]*Answer
	// Egress translates the numbers of attempts; nil leaves them as they are.
	Egress Translator
	// Live tells what is alive; nil: everything is well.
	Live Live
	// Rand gives a number from 0 to n-1 for what goes by chance; nil takes the first.
	Rand func(n int) int
	// Trace asks for Steps.
	Trace bool
}

// Headers are those of a message: Get gives the value of the first line with a name, "" where there is none.
type Headers interface{ Get(name string) string }

// Answer is what another system said about a call: what an action "http" or "enum" comes to.
type Answer struct {
	// Action is ActionRoute, ActionReject, or "" for the next rule that fits.
	Action sbc.Action
	// RouteListID is where the call goes, Number the one that it is for; "" are those of the rule.
	RouteListID, Number string
	// Code and Reason are those of a refusal.
	Code   int
	Reason string
	// Variables are set on the call.
	Variables map[string]string
	// Hosts are addresses that were found, by preference: each is tried by the trunks of the route list, in place of their endpoints.
	Hosts []Host
	// Why says in a sentence how the answer came about, for the trace.
	Why string
}

// Host is an address that was found for a number; Port is 0 and Transport "" where DNS says it.
type Host struct {
	Number    string
	Address   string
	Port      int
	Transport sbc.Transport
}

// Live tells what is alive. It is asked while calls are decided: it answers from memory, without waiting for anything, and is safe for
// concurrent use.
type Live interface {
	// Endpoint is the part of its weight that an endpoint has now: 0 takes no calls (down, ejected, draining), 100 is all of it. why is a
	// sentence for the trace.
	Endpoint(id string) (percent int, why string)
	// Calls are those in progress on the way out, and how many there may be, 0 for no bound; endpointID "" is for all of the trunk.
	Calls(trunkID, endpointID string) (now, most int)
	// Quality is the part of its weight that a trunk has in a route list for numbers like this one; quarantined says that it gets no calls.
	Quality(listID, trunkID, number string) (percent int, quarantined bool, why string)
	// Turn is the next number of a count from 0 on, for taking turns within a route list or trunk; it is taken, so that the next one is
	// another, unless take is false.
	Turn(listOrTrunkID string, take bool) uint64
	// Cost is what a call of so many seconds to the number costs on a trunk, Price what one from a trunk is charged, with all that the rate
	// says (connection, minimum, increment), in billionths of the currency (sbc.Rate).
	Cost(trunkID, number string, at time.Time, seconds int) (amount int64, currency string, ok bool)
	Price(fromTrunkID, number string, at time.Time, seconds int) (amount int64, currency string, ok bool)
}

// Still is a Live of which nobody takes a turn: it says what the next call would get, and that call gets it.
type Still struct{ Live }

// Turn is the next number, which stays the next one.
func (s Still) Turn(id string, _ bool) uint64 { return s.Live.Turn(id, false) }

// Well is the Live of a world without measurements: embedded, it lets a type that knows a part of it say only that.
type Well struct{}

// Endpoint is well.
func (Well) Endpoint(string) (percent int, why string) { return 100, "" }

// Calls are none, and not bounded.
func (Well) Calls(_, _ string) (now, most int) { return 0, 0 }

// Quality is good.
func (Well) Quality(_, _, _ string) (percent int, quarantined bool, why string) {
	return 100, false, ""
}

// Turn is always the first.
func (Well) Turn(string, bool) uint64 { return 0 }

// Cost is not known.
func (Well) Cost(_, _ string, _ time.Time, _ int) (amount int64, currency string, ok bool) {
	return 0, "", false
}

// Price is not known.
func (Well) Price(_, _ string, _ time.Time, _ int) (amount int64, currency string, ok bool) {
	return 0, "", false
}
