package tone

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Formats of a WAV file (RFC 2361; Microsoft's mmreg.h).
const (
	formatPCM        = 1
	formatALaw       = 6
	formatMuLaw      = 7
	formatExtensible = 0xfffe
)

// Rates of samples that are taken, in hertz.
const (
	minRate = 8000
	maxRate = 48000
)

// What can be wrong with a file. The text is for whoever uploaded it.
var (
	ErrNotWAV = errors.New("this is no WAV file (RIFF with WAVE in it)")
	ErrEmpty  = errors.New("the WAV file holds no audio")
)

// TooLongError says how long the audio of a file may be.
type TooLongError struct{ Bytes int }

func (e TooLongError) Error() string {
	return fmt.Sprintf("the audio is longer than %d s", e.Bytes/(2*Rate))
}

// DecodeWAV reads a WAV file: linear PCM of 8 or 16 bits, A-law or µ-law, 8 to 48 kHz, one or two channels. The result is 16-bit
// linear samples of 8 kHz, little endian, one channel; two channels are mixed. It is at most maxBytes long, else the error is a
// TooLongError.
func DecodeWAV(file []byte, maxBytes int) (pcm []byte, err error) {
	f, data, err := chunks(file)
	if err != nil {
		return nil, err
	}
	frames := len(data) / f.frame()
	switch {
	case frames == 0:
		return nil, ErrEmpty
	case int64(frames)*Rate/int64(f.rate) > int64(maxBytes/2):
		return nil, TooLongError{maxBytes}
	}
	samples := f.samples(data, frames)
	if f.rate != Rate {
		samples = resample(samples, f.rate)
	}
	samples = samples[:min(len(samples), maxBytes/2)]
	pcm = make([]byte, 2*len(samples))
	for i, s := range samples {
		binary.LittleEndian.PutUint16(pcm[2*i:], uint16(int16(max(-32768, min(32767, int(s+32768.5)-32768)))))
	}
	return pcm, nil
}

// format is what the fmt chunk says.
type format struct {
	tag, channels, bits int
	rate                int
}

// frame is the length of one sample of all channels, in octets.
func (f format) frame() int { return f.channels * f.bits / 8 }

// chunks finds the format and the audio. Other chunks are skipped, a file cut short gives what it has: both are found in the
// wild, as is a length of 0xffffffff or 0 by programs that wrote into a pipe.
func chunks(file []byte) (f format, data []byte, err error) {
	if len(file) < 12 || string(file[:4]) != "RIFF" || string(file[8:12]) != "WAVE" {
		return f, nil, ErrNotWAV
	}
	for rest := file[12:]; len(rest) >= 8; {
		id, size := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:]))
		rest = rest[8:]
		body := rest[:min(size, uint64(len(rest)))]
		switch id {
		case "fmt ":
			if f, err = readFormat(body); err != nil {
				return f, nil, err
			}
		case "data":
			if f.rate == 0 {
				return f, nil, ErrNotWAV
			}
			if size == 0 {
				body = rest
			}
			return f, body, nil
		}
		rest = rest[min(size+size&1, uint64(len(rest))):] // chunks are padded to an even length
	}
	return f, nil, ErrEmpty
}

// readFormat reads the fmt chunk and says what of it is not supported.
func readFormat(b []byte) (f format, err error) {
	if len(b) < 16 {
		return f, ErrNotWAV
	}
	f = format{
		tag: int(binary.LittleEndian.Uint16(b)), channels: int(binary.LittleEndian.Uint16(b[2:])),
		bits: int(binary.LittleEndian.Uint16(b[14:])),
	}
	rate := binary.LittleEndian.Uint32(b[4:])
	if f.tag == formatExtensible && len(b) >= 26 {
		f.tag = int(binary.LittleEndian.Uint16(b[24:])) // the first field of SubFormat
	}
	switch {
	case f.tag == formatPCM && (f.bits == 8 || f.bits == 16):
	case (f.tag == formatALaw || f.tag == formatMuLaw) && f.bits == 8:
	default:
		return f, fmt.Errorf("format %d with %d bits is not supported: PCM of 8 or 16 bits, A-law and µ-law are", f.tag, f.bits)
	}
	if f.channels < 1 || f.channels > 2 {
		return f, fmt.Errorf("%d channels are not supported: one and two are", f.channels)
	}
	if rate < minRate || rate > maxRate {
		return f, fmt.Errorf("%d samples a second are not supported: %d to %d are", rate, minRate, maxRate)
	}
	f.rate = int(rate)
	return f, nil
}

// samples reads the audio as one channel of values of the range of 16 bits.
func (f format) samples(data []byte, frames int) []float32 {
	out := make([]float32, frames)
	for i := range out {
		var sum float32
		for c := range f.channels {
			sum += f.sample(data[(i*f.channels+c)*f.bits/8:])
		}
		out[i] = sum / float32(f.channels)
	}
	return out
}

// sample reads one value.
func (f format) sample(b []byte) float32 {
	switch {
	case f.tag == formatALaw:
		return float32(decodeALaw(b[0]))
	case f.tag == formatMuLaw:
		return float32(decodeMuLaw(b[0]))
	case f.bits == 8: // 8-bit PCM is without sign
		return float32(int(b[0])-128) * 256
	}
	return float32(int16(binary.LittleEndian.Uint16(b)))
}

// wavHead is the length of what stands before the samples in a WAV file of ours.
const wavHead = 44

// EncodeWAV makes a WAV file of what DecodeWAV gives: linear PCM of 16 bits, 8 kHz, one channel.
func EncodeWAV(pcm []byte) []byte {
	const octets = 2 // of a sample
	b := make([]byte, 0, wavHead+len(pcm))
	le := binary.LittleEndian
	b = append(b, "RIFF"...)
	b = le.AppendUint32(b, uint32(wavHead-8+len(pcm)))
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 16)
	b = le.AppendUint16(b, formatPCM)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint32(b, Rate)
	b = le.AppendUint32(b, Rate*octets)
	b = le.AppendUint16(b, octets)
	b = le.AppendUint16(b, 8*octets)
	b = append(b, "data"...)
	b = le.AppendUint32(b, uint32(len(pcm)))
	return append(b, pcm...)
}
