package sbc

// DiagnosisVerdict says what a check comes to.
type DiagnosisVerdict string

// The verdicts, from good to bad but for the last.
const (
	DiagnosisOK      DiagnosisVerdict = "ok"
	DiagnosisWarning DiagnosisVerdict = "warning" // it may go wrong
	DiagnosisFailed  DiagnosisVerdict = "failed"
	DiagnosisSkipped DiagnosisVerdict = "skipped" // there was nothing to check
)

// Diagnosis is what was found out about a trunk.
type Diagnosis struct {
	TrunkID string `json:"trunk_id"`
	// Verdict is the worst of the checks.
	Verdict DiagnosisVerdict `json:"verdict"`
	Checks  []DiagnosisCheck `json:"checks"`
}

// DiagnosisCheck is one thing that was looked at.
type DiagnosisCheck struct {
	// Check is configuration, dns, options, authentication or udp_size; EndpointID is "" for what is about the whole trunk.
	Check      string           `json:"check"`
	EndpointID string           `json:"endpoint_id,omitempty"`
	Verdict    DiagnosisVerdict `json:"verdict"`
	// Detail says in a sentence what was found.
	Detail string `json:"detail"`
	// RoundTripMS is from the request to its answer; 0 where there was none.
	RoundTripMS float64 `json:"round_trip_ms,omitempty"`
}

// Add notes a check.
func (d *Diagnosis) Add(c DiagnosisCheck) {
	rank := func(v DiagnosisVerdict) int {
		switch v {
		case DiagnosisWarning:
			return 1
		case DiagnosisFailed:
			return 2
		}
		return 0
	}
	d.Checks = append(d.Checks, c)
	if rank(c.Verdict) > rank(d.Verdict) {
		d.Verdict = c.Verdict
	}
}
