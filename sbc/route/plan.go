package route

import (
	"github.com/sallyport/sallyport/sbc"
)

// MaxAttempts bounds a Plan.
const MaxAttempts = 32

// Query is one question to a Table.
type Query struct {
	PlanID string
	// Number is what was dialled, as identify left it.
	Number string
	// Rand gives a number from 0 to n-1 for the choice by weight; nil always gives 0.
	Rand func(n int) int
	// Trace asks for Steps.
	Trace bool
}

// Plan is the answer: attempts to be made in order, or a refusal.
type Plan struct {
	RoutingPlanID string
	// RuleID is the rule that decided; empty if there was none.
	RuleID string
	// Reject is set where no attempt is to be made.
	Reject   *Reject
	Attempts []Attempt
	// Steps are what was considered, in order, if Query.Trace was set.
	Steps []sbc.DecisionStep
}

// Cause says why a Plan refuses, for call records.
type Cause string

// The causes.
const (
	CauseRule     Cause = "rule"      // a rule says so
	CauseNoPlan   Cause = "no_plan"   // the routing plan does not exist or is disabled
	CauseNoRule   Cause = "no_rule"   // no rule for the number
	CauseNoTarget Cause = "no_target" // the rule's route list has nobody to call
)

// Reject is a refusal as a SIP answer (RFC 3261 21).
type Reject struct {
	Code   int
	Reason string
	Cause  Cause
}

// Attempt is one address to try.
type Attempt struct {
	TrunkID, TargetID, EndpointID string
	// RealmID is the trunk's: the attempt leaves by an interface of that realm.
	RealmID string
	// Number is the number to send to this endpoint.
	Number string
	// Address is an IP address or a name; Port is 0 where the transport's default or DNS says it.
	Address   string
	Port      int
	Transport sbc.Transport
}
