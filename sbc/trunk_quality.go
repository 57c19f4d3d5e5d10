package sbc

import "time"

// QualityState says what a figure, or all figures of a trunk, come to.
type QualityState string

// The states, from the best to the worst.
const (
	QualityUnknown     QualityState = "unknown" // not enough calls yet: counts as good
	QualityGood        QualityState = "good"
	QualityWarning     QualityState = "warning"
	QualityCritical    QualityState = "critical"
	QualityQuarantined QualityState = "quarantined" // of a trunk only: it gets no calls where there is another
)

// QualityFigure is one figure beside its bounds.
type QualityFigure struct {
	Metric QualityMetric `json:"metric"`
	// Value is in the unit of the metric, 0 where there is no sample.
	Value      float64 `json:"value"`
	Samples    int     `json:"samples"`
	MinSamples int     `json:"min_samples"`
	Warning    float64 `json:"warning"`
	Critical   float64 `json:"critical"`
	// State keeps a breach until the value has come back beyond the bound by the hysteresis of the profile.
	State QualityState `json:"state"`
	// Why says it in a sentence.
	Why string `json:"why"`
}

// TrunkQuality is what a quality profile makes of a trunk, for numbers with a prefix.
type TrunkQuality struct {
	ProfileID string `json:"profile_id"`
	// Prefix is of as many digits as the profile says; "" is all numbers where it says 0.
	Prefix string       `json:"prefix"`
	State  QualityState `json:"state"`
	// WeightPercent is what is left of the trunk's weight.
	WeightPercent int `json:"weight_percent"`
	// MeasuredSince is since when calls count here, by their ends: the window of the profile, or since the last quarantine.
	MeasuredSince time.Time `json:"measured_since"`
	// QuarantinedUntil is the end of a quarantine, nil where there is none.
	QuarantinedUntil *time.Time      `json:"quarantined_until,omitempty"`
	Why              string          `json:"why"`
	Figures          []QualityFigure `json:"figures"`
}

// Quarantined tells whether the trunk gets no calls where there is another.
func (q *TrunkQuality) Quarantined() bool { return q.State == QualityQuarantined }
