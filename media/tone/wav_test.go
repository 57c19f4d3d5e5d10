package tone

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"testing"
)

// wav writes a file of one second of a sine, the way a program of the given format would.
func wav(tag, channels, bits, rate int, hertz, seconds float64, extensible bool) []byte {
	var data bytes.Buffer
	for n := range int(seconds * float64(rate)) {
		s := int16(10000 * math.Sin(2*math.Pi*hertz*float64(n)/float64(rate)))
		for range channels {
			switch {
			case tag == formatALaw:
				data.WriteByte(ALaw.Encode(s))
			case tag == formatMuLaw:
				data.WriteByte(MuLaw.Encode(s))
			case bits == 8:
				data.WriteByte(byte(int(s)>>8 + 128))
			default:
				data.Write(binary.LittleEndian.AppendUint16(nil, uint16(s)))
			}
		}
	}
	head := binary.LittleEndian.AppendUint16(nil, uint16(tag))
	head = binary.LittleEndian.AppendUint16(head, uint16(channels))
	head = binary.LittleEndian.AppendUint32(head, uint32(rate))
	head = binary.LittleEndian.AppendUint32(head, uint32(rate*channels*bits/8))
	head = binary.LittleEndian.AppendUint16(head, uint16(channels*bits/8))
	head = binary.LittleEndian.AppendUint16(head, uint16(bits))
	if extensible {
		binary.LittleEndian.PutUint16(head, formatExtensible)
		head = append(head, 22, 0, byte(bits), 0, 0, 0, 0, 0, byte(tag), 0)
		head = append(head, make([]byte, 14)...)
	}
	chunk := func(id string, b []byte) []byte {
		out := append([]byte(id), binary.LittleEndian.AppendUint32(nil, uint32(len(b)))...)
		if out = append(out, b...); len(b)&1 == 1 {
			out = append(out, 0)
		}
		return out
	}
	file := append([]byte("WAVE"), chunk("fmt ", head)...)
	file = append(file, chunk("LIST", []byte("odd"))...)
	return chunk("RIFF", append(file, chunk("data", data.Bytes())...))
}

// power is how much of the samples a frequency holds, 1 for all.
func power(pcm []byte, hertz float64) float64 {
	var re, im, total float64
	n := len(pcm) / 2
	for i := range n {
		s := float64(int16(binary.LittleEndian.Uint16(pcm[2*i:])))
		sin, cos := math.Sincos(2 * math.Pi * hertz * float64(i) / Rate)
		re, im, total = re+s*cos, im+s*sin, total+s*s
	}
	return 2 * (re*re + im*im) / (total * float64(n))
}

func TestDecodeWAV(t *testing.T) {
	for _, f := range []struct {
		tag, channels, bits, rate int
		extensible                bool
	}{
		{formatPCM, 1, 16, 8000, false}, {formatPCM, 1, 8, 8000, false}, {formatPCM, 2, 16, 48000, true},
		{formatPCM, 2, 16, 44100, false}, {formatPCM, 1, 16, 11025, false}, {formatPCM, 1, 16, 16000, true},
		{formatALaw, 1, 8, 8000, false}, {formatMuLaw, 1, 8, 8000, true}, {formatALaw, 2, 8, 16000, false},
		{formatPCM, 1, 8, 22050, false}, {formatPCM, 1, 16, 8001, false},
	} {
		t.Run(fmt.Sprint(f), func(t *testing.T) {
			pcm, err := DecodeWAV(wav(f.tag, f.channels, f.bits, f.rate, 1000, 1, f.extensible), 20000)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(pcm) / 2; n < Rate-10 || n > Rate {
				t.Errorf("%d samples, want %d", n, Rate)
			}
			if p := power(pcm, 1000); p < 0.99 {
				t.Errorf("the tone holds %.3f of the power", p)
			}
			if a := amplitude(pcm); math.Abs(a-10000) > 300 {
				t.Errorf("amplitude %.0f, want 10000", a)
			}
		})
	}
}

// amplitude is that of a sine with the energy of the samples.
func amplitude(pcm []byte) float64 {
	sum := 0.0
	for i := 0; i < len(pcm); i += 2 {
		s := float64(int16(binary.LittleEndian.Uint16(pcm[i:])))
		sum += s * s
	}
	return math.Sqrt(2 * sum / float64(len(pcm)/2))
}

// What lies above 4 kHz does not come back below it.
func TestResampleDoesNotAlias(t *testing.T) {
	pcm, err := DecodeWAV(wav(formatPCM, 1, 16, 48000, 6000, 1, false), 20000)
	if err != nil {
		t.Fatal(err)
	}
	if a := amplitude(pcm[400 : len(pcm)-400]); a > 5 { // its beginning and its end are clicks, of all frequencies
		t.Errorf("a tone of 6 kHz is left with amplitude %.1f", a)
	}
}

func TestDecodeWAVRefuses(t *testing.T) {
	good := wav(formatPCM, 1, 16, 8000, 400, 0.1, false)
	change := func(at int, v ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], v)
		return b
	}
	for name, file := range map[string][]byte{
		"nothing": nil, "text": []byte("RIFF is a word of twelve"), "an MP3": []byte("ID3\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		"three channels": change(22, 3), "float": change(20, 3), "24 bits": change(34, 24), "96 kHz": change(24, 0, 0x77, 1),
		"4 kHz": change(24, 0xa0, 0x0f), "no data": good[:44], "no format": change(12, 'j', 'u', 'n', 'k'),
	} {
		if _, err := DecodeWAV(file, 20000); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	var long TooLongError
	if _, err := DecodeWAV(wav(formatPCM, 1, 16, 8000, 400, 2, false), 20000); !errors.As(err, &long) {
		t.Errorf("2 s where 1.25 s are allowed: %v", err)
	}
	if pcm, err := DecodeWAV(change(52, 0, 0, 0, 0)[:1000], 20000); err != nil || len(pcm) == 0 {
		t.Errorf("a file cut short gives %d octets, %v", len(pcm), err)
	}
}

// ITU-T G.711 tables 1 and 2: each octet is its sample's own, and no sample is further off than half a step.
func TestG711(t *testing.T) {
	for _, l := range []Law{ALaw, MuLaw} {
		for b := range 256 {
			if got := l.Encode(l.Decode(byte(b))); got != byte(b) && (l != MuLaw || b != 0x7f) {
				t.Errorf("law %d: octet %#x is sample %d, which is octet %#x", l, b, l.Decode(byte(b)), got)
			}
		}
		for s := -32768; s <= 32767; s += 7 {
			if d := int(l.Decode(l.Encode(int16(s)))) - s; max(d, -d) > 20+max(s, -s)/25 {
				t.Fatalf("law %d: sample %d comes back as %d", l, s, s+d)
			}
		}
		if s := l.Decode(l.Silence()); s > 8 || s < -8 {
			t.Errorf("law %d: silence is %d", l, s)
		}
	}
}

func FuzzDecodeWAV(f *testing.F) {
	f.Add(wav(formatPCM, 2, 16, 11025, 400, 0.01, true))
	f.Add(wav(formatMuLaw, 1, 8, 8000, 400, 0.01, false))
	f.Fuzz(func(t *testing.T, file []byte) {
		pcm, err := DecodeWAV(file, 4000)
		if err == nil && (len(pcm) > 4000 || len(pcm)%2 != 0) {
			t.Errorf("%d octets", len(pcm))
		}
	})
}

// What is encoded is decoded to the same.
func TestWAVThereAndBack(t *testing.T) {
	pcm := []byte{0, 0, 1, 0x80, 0xff, 0x7f, 2, 3}
	file := EncodeWAV(pcm)
	if got, err := DecodeWAV(file, len(pcm)); err != nil || !bytes.Equal(got, pcm) || len(file) != wavHead+len(pcm) {
		t.Errorf("got %v, %v", got, err)
	}
}
