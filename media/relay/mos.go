package relay

import "strings"

// impairment is what a codec does to speech by itself (Ie) and how well it bears loss (Bpl): ITU-T G.113 Appendix I.
type impairment struct {
	ie, bpl float64
}

// codecImpairment looks a codec up by its name in SDP. Codecs G.113 does not know are counted like G.711 with concealment, which
// is what modern ones have.
func codecImpairment(codec string) impairment {
	switch strings.ToUpper(codec) {
	case "G729", "G729A":
		return impairment{11, 19}
	case "G723":
		return impairment{15, 16.1}
	case "GSM":
		return impairment{20, 43}
	case "GSM-EFR", "AMR":
		return impairment{5, 10}
	case "ILBC":
		return impairment{11, 32}
	default:
		return impairment{0, 25.1}
	}
}

// MOS estimates the listener's judgement (1 to 4.5) with the E-model of ITU-T G.107 in its usual short form: all parameters at
// their defaults (R0 - Is = 93.2) except delay, codec and random loss.
//
// lossPercent is 0 to 100. The one-way delay is taken as half the round trip, two jitters of buffer and one packet of 20 ms.
func MOS(codec string, lossPercent, jitterMS, roundTripMS float64) float64 {
	delay := roundTripMS/2 + 2*jitterMS + 20
	id := 0.024 * delay
	if delay > 177.3 {
		id += 0.11 * (delay - 177.3)
	}
	c := codecImpairment(codec)
	loss := min(max(lossPercent, 0), 100)
	ie := c.ie + (95-c.ie)*loss/(loss+c.bpl)
	return rating(93.2 - id - ie)
}

// rating maps R to MOS (G.107 Annex B).
func rating(r float64) float64 {
	switch {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	default:
		// The curve dips below 1 for R under 6.5.
		return max(1, 1+0.035*r+r*(r-60)*(100-r)*7e-6)
	}
}
