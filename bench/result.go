package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// result is what one phase measured on one server.
type result struct {
	phase, server string
	value         float64 // the figure that is compared: the smaller the better
	unit          string
	text          string  // everything that was measured
	others        float64 // share of the machine that other programs used meanwhile, per cent
	// more are figures taken beside it; they have a row of their own in the summary.
	more []result
}

// results are those of all runs.
type results []result

// add appends a result and what was taken beside it.
func (rs *results) add(r result) {
	*rs = append(*rs, r)
	for _, beside := range r.more {
		beside.phase, beside.server, beside.others = r.phase+", "+beside.unit, r.server, r.others
		*rs = append(*rs, beside)
	}
}

// of picks the figures of a phase and server, sorted.
func (rs results) of(phase, server string) []float64 {
	var out []float64
	for _, r := range rs {
		if r.phase == phase && r.server == server {
			out = append(out, r.value)
		}
	}
	slices.Sort(out)
	return out
}

// summary is a row per phase and server: all runs, their median, and how it stands to the peer's.
func (rs results) summary() string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, r := range rs {
		key := r.phase + " " + r.server
		if seen[key] {
			continue
		}
		seen[key] = true
		figures := rs.of(r.phase, r.server)
		texts := make([]string, len(figures))
		for i, f := range figures {
			texts[i] = fmt.Sprintf("%.4g", f)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | **%.4g** %s |", r.phase, r.server, strings.Join(texts, ", "), at(figures, 50), r.unit)
		if peer := rs.of(r.phase, "kamailio"); r.server != "kamailio" && len(peer) > 0 && at(peer, 50) > 0 {
			fmt.Fprintf(&b, " %.2f of the peer's", at(figures, 50)/at(peer, 50))
		}
		b.WriteString(" |\n")
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n| phase | server | runs | median | |\n|---|---|---|---|---|\n" + b.String()
}

// at is a percentile of sorted figures, the zero value of none.
func at[T cmp.Ordered](sorted []T, percent int) T {
	var none T
	if len(sorted) == 0 {
		return none
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func mb(n int64) float64         { return float64(n) / (1 << 20) }
