package tone

// Rate is the number of samples a second of all audio in Sallyport.
const Rate = 8000

// Law is one of the two ways of G.711 (ITU-T G.711) to write a sample in 8 bits.
type Law uint8

// The laws.
const (
	ALaw  Law = iota // PCMA
	MuLaw            // PCMU
)

// Silence is the octet that stands for a sample of 0.
func (l Law) Silence() byte {
	if l == MuLaw {
		return 0xff
	}
	return 0xd5
}

// Encode gives the octet of a sample.
func (l Law) Encode(sample int16) byte {
	if l == MuLaw {
		return encodeMuLaw(sample)
	}
	return encodeALaw(sample)
}

// Decode gives the sample of an octet.
func (l Law) Decode(b byte) int16 {
	if l == MuLaw {
		return decodeMuLaw(b)
	}
	return decodeALaw(b)
}

// EncodePCM turns 16-bit linear samples, little endian, into as many octets, which it puts into out and counts; an odd octet at
// the end is left out.
func (l Law) EncodePCM(out, pcm []byte) (n int) {
	n = len(pcm) / 2
	for i := range n {
		out[i] = l.Encode(int16(uint16(pcm[2*i]) | uint16(pcm[2*i+1])<<8))
	}
	return n
}

// muBias is added to a magnitude before its segment is found (ITU-T G.711 table 2, in 16-bit samples); muClip is the largest one.
const (
	muBias = 0x84
	muClip = 32635
)

func encodeMuLaw(sample int16) byte {
	s, sign := int(sample), byte(0)
	if s < 0 {
		s, sign = -s, 0x80
	}
	s = min(s, muClip) + muBias
	segment := byte(7)
	for mask := 0x4000; s&mask == 0 && segment > 0; mask >>= 1 {
		segment--
	}
	return ^(sign | segment<<4 | byte(s>>(segment+3))&0x0f)
}

func decodeMuLaw(b byte) int16 {
	b = ^b
	s := (int(b&0x0f)<<3+muBias)<<(b>>4&7) - muBias
	if b&0x80 != 0 {
		s = -s
	}
	return int16(s)
}

// encodeALaw is ITU-T G.711 table 1: even bits inverted.
func encodeALaw(sample int16) byte {
	s, sign := int(sample)>>3, byte(0xd5)
	if s < 0 {
		s, sign = -s-1, 0x55
	}
	segment := byte(0)
	for limit := 0x1f; s > limit && segment < 7; limit = limit<<1 | 1 {
		segment++
	}
	mantissa := byte(s >> 1)
	if segment > 1 {
		mantissa = byte(s >> segment)
	}
	return (segment<<4 | mantissa&0x0f) ^ sign
}

func decodeALaw(b byte) int16 {
	b ^= 0x55
	s := int(b&0x0f)<<4 + 8
	if segment := b >> 4 & 7; segment > 0 {
		s = (s + 0x100) << (segment - 1)
	}
	if b&0x80 == 0 {
		s = -s
	}
	return int16(s)
}
