package phone

// encodeMuLaw turns a 16-bit sample into ITU-T G.711 μ-law.
func encodeMuLaw(sample int16) byte {
	const bias, clip = 0x84, 32635
	s := int(sample)
	sign := byte(0)
	if s < 0 {
		s, sign = -s, 0x80
	}
	s = min(s, clip) + bias
	exponent := byte(7)
	for mask := 0x4000; s&mask == 0 && exponent > 0; mask >>= 1 {
		exponent--
	}
	mantissa := byte(s>>(exponent+3)) & 0x0f
	return ^(sign | exponent<<4 | mantissa)
}

// decodeMuLaw is the inverse of encodeMuLaw.
func decodeMuLaw(b byte) int16 {
	b = ^b
	s := (int(b&0x0f)<<3 + 0x84) << (b >> 4 & 7)
	s -= 0x84
	if b&0x80 != 0 {
		s = -s
	}
	return int16(s)
}
