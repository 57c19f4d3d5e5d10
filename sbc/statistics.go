package sbc

import "time"

// CallStatistics counts the calls of a node since it was started, of one tenant or of all. Each call that ended is one record:
// the counts of those are the counts of the records.
type CallStatistics struct {
	Since time.Time `json:"since"`
	// Processed are the calls that ended and those in progress; Ended and Active tell them apart.
	Processed int64 `json:"processed"`
	Ended     int64 `json:"ended"`
	Active    int64 `json:"active"`
	// Early are those in progress that are ringing or have early media.
	Early int64 `json:"early"`
	// Refused are the ended calls that were neither answered nor given up by the caller.
	Refused int64 `json:"refused"`
	// ByState sorts the active calls, ByEndReason and ByDisposition the ended ones. Every word is there, zero or not.
	ByState       map[CallState]int64   `json:"by_state"`
	ByEndReason   map[EndReason]int64   `json:"by_end_reason"`
	ByDisposition map[Disposition]int64 `json:"by_disposition"`
}

// ActiveStates are the states of calls in progress.
func ActiveStates() []CallState {
	return []CallState{CallSetup, CallEarly, CallAnswered, CallConfirmed, CallTerminating}
}

// EndReasons are the reasons for which calls end.
func EndReasons() []EndReason {
	return []EndReason{
		EndCallerBye, EndCalleeBye, EndCallerCancel, EndRejected, EndBusy, EndNoAnswer, EndNoRoute, EndLimit, EndMaxDuration, EndAdmin,
		EndMediaTimeout, EndNoAck, EndShutdown, EndNodeFailure, EndError, EndSessionTimer, EndPeerDead, EndTransferred,
		EndDrained, EndStale,
	}
}

// Dispositions are all of them.
func Dispositions() []Disposition {
	return []Disposition{DispositionAnswered, DispositionBusy, DispositionNoAnswer, DispositionCanceled, DispositionFailed}
}
