package sbc

import "fmt"

// QualityMetric is a figure by which trunks are compared.
type QualityMetric string

// The figures, each over the window of the profile, for a trunk and a prefix.
const (
	QualityASR    QualityMetric = "asr"           // answered of all attempts, percent
	QualityCCR    QualityMetric = "ccr"           // completed (no 5xx, 6xx or timeout) of all attempts, percent
	QualityPDD    QualityMetric = "pdd"           // INVITE to the first sign of ringing, mean, milliseconds
	QualityACD    QualityMetric = "acd"           // mean duration of answered calls, seconds
	QualityMOS    QualityMetric = "mos"           // mean opinion score of what the trunk sent, 1 to 4.5
	QualityLoss   QualityMetric = "loss"          // packets lost of those the trunk sent, percent
	QualityOneWay QualityMetric = "one_way_audio" // answered calls of 10 s and more in which the trunk sent nothing, percent
)

// QualityAction is what a breach does.
type QualityAction string

// The actions.
const (
	QualityPenalty    QualityAction = "penalty"    // the trunk's weight shrinks, and it comes after those without
	QualityQuarantine QualityAction = "quarantine" // at the critical bound it gets no calls for a while, where there is another
)

// QualityThreshold bounds a figure. For asr, ccr, acd and mos less is worse, for the others more.
type QualityThreshold struct {
	Metric   QualityMetric `json:"metric"`
	Warning  float64       `json:"warning"`
	Critical float64       `json:"critical"`
	// MinSamples is how many calls must have been seen before the figure counts.
	MinSamples int `json:"min_samples"`
}

// QualityProfile says how quality is measured and what it does to the choice of trunks.
type QualityProfile struct {
	Meta
	// WindowS is over how long the figures are taken.
	WindowS    int                `json:"window_s"`
	Thresholds []QualityThreshold `json:"thresholds"`
	Action     QualityAction      `json:"action"`
	// WarningPercent and CriticalPercent are what is left of a trunk's weight beyond a bound.
	WarningPercent  int `json:"warning_percent"`
	CriticalPercent int `json:"critical_percent"`
	// QuarantineS is how long a quarantine lasts; it doubles with each that follows within a window, up to eight times.
	QuarantineS int `json:"quarantine_s"`
	// HysteresisPercent is how far beyond a bound a figure must come back before the breach is over.
	HysteresisPercent int `json:"hysteresis_percent"`
	// PrefixDigits is how many leading digits of the number called make a prefix of their own; 0 is one figure for a trunk.
	PrefixDigits int `json:"prefix_digits"`
}

// Kind names the kind.
func (*QualityProfile) Kind() Kind { return KindQualityProfile }

// Base gives the common fields.
func (p *QualityProfile) Base() *Meta { return &p.Meta }

// Defaults are half an hour, 30 calls before ASR and CCR count, and a penalty of a half and of a twentieth.
func (p *QualityProfile) Defaults() {
	p.WindowS, p.Action, p.WarningPercent, p.CriticalPercent = 1800, QualityPenalty, 50, 5
	p.QuarantineS, p.HysteresisPercent = 60, 10
	p.Thresholds = []QualityThreshold{
		{QualityASR, 40, 20, 30}, {QualityCCR, 70, 50, 30}, {QualityPDD, 5000, 10_000, 10}, {QualityACD, 30, 10, 20},
		{QualityMOS, 3.5, 2.5, 20}, {QualityLoss, 3, 10, 20}, {QualityOneWay, 5, 20, 20},
	}
}

// Validate checks ranges and that no figure stands there twice.
func (p *QualityProfile) Validate() []Fault {
	f := faults(p.Meta.validate())
	f.between("#/window_s", p.WindowS, 60, 86_400)
	oneOf(&f, "#/action", p.Action, QualityPenalty, QualityQuarantine)
	f.between("#/warning_percent", p.WarningPercent, 0, 100)
	f.between("#/critical_percent", p.CriticalPercent, 0, 100)
	f.between("#/quarantine_s", p.QuarantineS, 5, 86_400)
	f.between("#/hysteresis_percent", p.HysteresisPercent, 0, 100)
	f.between("#/prefix_digits", p.PrefixDigits, 0, 8)
	f.atMost("#/thresholds", len(p.Thresholds), 7)
	seen := map[QualityMetric]bool{}
	for i, t := range p.Thresholds {
		at := fmt.Sprintf("#/thresholds/%d", i)
		oneOf(&f, at+"/metric", t.Metric, QualityASR, QualityCCR, QualityPDD, QualityACD, QualityMOS, QualityLoss, QualityOneWay)
		f.between(at+"/min_samples", t.MinSamples, 1, 100_000)
		if seen[t.Metric] {
			f.add(at+"/metric", "duplicate", fmt.Sprintf("%q stands there twice", t.Metric))
		}
		seen[t.Metric] = true
		if t.Warning < 0 || t.Critical < 0 || (t.Critical < t.Warning) != t.Metric.lessIsWorse() && t.Critical != t.Warning {
			f.add(at+"/critical", "out_of_range", "must be worse than warning, and neither less than 0")
		}
	}
	return f
}

// lessIsWorse tells of a figure which way is bad.
func (m QualityMetric) lessIsWorse() bool {
	return m == QualityASR || m == QualityCCR || m == QualityACD || m == QualityMOS
}

// Worse tells whether a value is beyond a bound.
func (m QualityMetric) Worse(value, bound float64) bool {
	if m.lessIsWorse() {
		return value < bound
	}
	return value > bound
}

// References lists the resources it needs.
func (p *QualityProfile) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: p.TenantID})
}
