package media

import (
	"bytes"
	"io"

	"github.com/sallyport/sallyport/media/tone"
)

// Rate is the number of samples a second of all audio.
const Rate = tone.Rate

// Note is a sine of Hertz, or silence if that is 0, for MS milliseconds.
type Note = tone.Note

// Melody is the sound of notes one after the other.
func Melody(notes ...Note) *Audio {
	pcm := tone.Melody(notes...)
	return NewAudio(bytes.NewReader(pcm), int64(len(pcm)))
}

// frameSamples is the number of samples in a packet of ours.
const frameSamples = tone.Rate / 50

// Audio is a piece of sound that can be played to any number of parties at once. A nil Audio is silence without end. Immutable.
type Audio struct {
	samples io.ReaderAt
	octets  int64
}

// NewAudio makes sound of so many octets of 16-bit linear samples of 8 kHz, little endian, one channel (as tone.DecodeWAV gives
// them), which must not change any more. They are read as they are played, 20 ms at a time, by the one goroutine that speaks to
// everybody: it has to be quick, as memory and files on a local disk are. What cannot be read ends the sound.
func NewAudio(samples io.ReaderAt, octets int64) *Audio {
	return &Audio{samples: samples, octets: octets &^ 1}
}

// frame puts 20 ms of the sound from sample at on into b, with silence behind its end; over says that nothing is left after it.
// pcm is for its own use.
func (a *Audio) frame(b []byte, pcm *[2 * frameSamples]byte, law tone.Law, at int) (over bool) {
	n := 0
	if a != nil {
		from := 2 * int64(at)
		rest := max(0, a.octets-from)
		over = rest <= int64(2*len(b))
		read, err := a.samples.ReadAt(pcm[:min(rest, int64(2*len(b)))], from)
		n = law.EncodePCM(b, pcm[:read])
		over = over || err != nil
	}
	for i := n; i < len(b); i++ {
		b[i] = law.Silence()
	}
	return over
}
