package tone

import "math"

const (
	// lobes is how many zero crossings of the filter's sinc count on each side: 16 keep the pass band flat to 3.4 kHz.
	lobes = 16
	// edge is the corner of the filter as a part of half the rate we make: what lies above 4 kHz would come back as noise.
	edge = 0.92
)

// resample brings samples of a higher rate down to 8 kHz, through a low-pass filter (a sinc under a Blackman window). The two
// rates are a fraction, so the filter has as many phases as its denominator; each is computed once.
func resample(in []float32, rate int) []float32 {
	d := divisor(rate, Rate)
	up, down := Rate/d, rate/d
	half := (lobes*rate + Rate - 1) / Rate
	phases := make([][]float32, up)
	out := make([]float32, len(in)*up/down)
	for n := range out {
		at := n * down
		first, phase := at/up-half+1, at%up
		if phases[phase] == nil {
			phases[phase] = taps(float64(phase)/float64(up), half, float64(rate))
		}
		var sum float32
		for k, tap := range phases[phase] {
			if i := first + k; i >= 0 && i < len(in) {
				sum += tap * in[i]
			}
		}
		out[n] = sum
	}
	return out
}

// taps are the weights of the samples around a point that lies shift samples behind one of them, half on each side. Their sum
// is 1.
func taps(shift float64, half int, rate float64) []float32 {
	list := make([]float64, 2*half)
	sum := 0.0
	for k := range list {
		x := float64(k-half+1) - shift
		w := x / float64(half)
		if w <= -1 || w >= 1 {
			continue
		}
		window := 0.42 + 0.5*math.Cos(math.Pi*w) + 0.08*math.Cos(2*math.Pi*w)
		list[k] = window * sinc(x*edge*Rate/rate)
		sum += list[k]
	}
	out := make([]float32, len(list))
	for k := range list {
		out[k] = float32(list[k] / sum)
	}
	return out
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
