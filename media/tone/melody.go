package tone

import "math"

// Note is a sine of Hertz, or silence if that is 0, for MS milliseconds.
type Note struct{ Hertz, MS int }

const (
	// loudness of a note: -12 dBm0, where the largest sample is 3.14 dBm0 (ITU-T G.711).
	loudness = 5700.0
	// rise is how many samples a note takes to begin and to end, so that it does not click.
	rise = Rate / 200
)

// Melody gives notes one after the other as 16-bit linear samples of Rate, little endian.
func Melody(notes ...Note) []byte {
	var pcm []byte
	for _, note := range notes {
		n := Rate * note.MS / 1000
		for i := range n {
			s := int16(0)
			if note.Hertz > 0 {
				edge := float64(min(i, n-1-i, rise)) / rise
				s = int16(loudness * edge * math.Sin(2*math.Pi*float64(note.Hertz)*float64(i)/Rate))
			}
			pcm = append(pcm, byte(s), byte(uint16(s)>>8))
		}
	}
	return pcm
}
