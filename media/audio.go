package media

import (
	"sync"

	"github.com/sallyport/sallyport/media/tone"
)

// Audio is a piece of sound that can be played to any number of parties at once. A nil Audio is silence without end. Immutable.
type Audio struct {
	laws [2]func() []byte // by tone.Law; encoded when first wanted
}

// NewAudio makes sound of 16-bit linear samples of 8 kHz, little endian, one channel (as tone.DecodeWAV gives them). The samples
// must not change any more.
func NewAudio(pcm []byte) *Audio {
	a := &Audio{}
	for _, l := range [...]tone.Law{tone.ALaw, tone.MuLaw} {
		a.laws[l] = sync.OnceValue(func() []byte { return l.EncodePCM(pcm) })
	}
	return a
}

// frame puts 20 ms of the sound from sample at on into b, with silence behind its end; over says that nothing is left after it.
func (a *Audio) frame(b []byte, law tone.Law, at int) (over bool) {
	var rest []byte
	if a != nil {
		sound := a.laws[law]()
		rest = sound[min(at, len(sound)):]
	}
	n := copy(b, rest)
	for i := n; i < len(b); i++ {
		b[i] = law.Silence()
	}
	return a != nil && len(rest) <= len(b)
}
