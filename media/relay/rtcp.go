package relay

import "encoding/binary"

// Packet types of RTCP that are looked into (RFC 3550 12.1).
const (
	typeSR   = 200
	typeRR   = 201
	typeSDES = 202
	typeBYE  = 203
)

const (
	srFixed     = 28 // header, SSRC and sender info (RFC 3550 6.4.1)
	rrFixed     = 8
	reportBlock = 24
	maxReports  = 4 // reports taken out of one compound packet; a call has one or two sources
)

// senderReport is what a round trip needs of an SR: whose it is and the middle 32 bits of its NTP time (RFC 3550 6.4.1).
type senderReport struct {
	ssrc, mid uint32
}

// receptionReport is what a round trip needs of a report block: the SR it answers and how long ago that was, in 1/65536 s.
type receptionReport struct {
	ssrc, lsr, dlsr uint32
}

// compound is what was found in one RTCP packet. It lives on the stack.
type compound struct {
	senders   [maxReports]senderReport
	nSenders  int
	reports   [maxReports]receptionReport
	nReports  int
	nPackets  int
	malformed bool
}

// readRTCP walks a compound packet (RFC 3550 6.1, 6.4) without allocating. Reduced-size packets (RFC 5506) are let pass. If key
// is not 0, texts that name machines and people are replaced in place, see mask.
func readRTCP(b []byte, key uint64) (c compound) {
	for len(b) > 0 {
		if len(b) < 4 || b[0]>>6 != 2 || b[1] < 192 || b[1] > 223 {
			c.malformed = true
			return c
		}
		size := 4 * (1 + int(binary.BigEndian.Uint16(b[2:])))
		if size > len(b) {
			c.malformed = true
			return c
		}
		if !c.one(b[:size], key) {
			c.malformed = true
			return c
		}
		c.nPackets++
		b = b[size:]
	}
	c.malformed = c.nPackets == 0
	return c
}

// one looks into one packet of a compound.
func (c *compound) one(b []byte, key uint64) bool {
	count := int(b[0] & 0x1f)
	switch b[1] {
	case typeSR:
		if len(b) < srFixed+count*reportBlock {
			return false
		}
		if c.nSenders < maxReports {
			c.senders[c.nSenders] = senderReport{
				ssrc: binary.BigEndian.Uint32(b[4:]),
				mid:  binary.BigEndian.Uint32(b[10:]),
			}
			c.nSenders++
		}
		c.blocks(b[srFixed:], count)
	case typeRR:
		if len(b) < rrFixed+count*reportBlock {
			return false
		}
		c.blocks(b[rrFixed:], count)
	case typeSDES:
		return maskSDES(b[4:], count, key)
	case typeBYE:
		return maskBYE(b, count, key)
	}
	return true
}

func (c *compound) blocks(b []byte, count int) {
	for ; count > 0 && c.nReports < maxReports; count-- {
		c.reports[c.nReports] = receptionReport{
			ssrc: binary.BigEndian.Uint32(b),
			lsr:  binary.BigEndian.Uint32(b[16:]),
			dlsr: binary.BigEndian.Uint32(b[20:]),
		}
		c.nReports++
		b = b[reportBlock:]
	}
}

// maskSDES replaces the texts of all items (RFC 3550 6.5). A chunk is an SSRC and items up to a zero octet, padded to 32 bits.
func maskSDES(b []byte, chunks int, key uint64) bool {
	for ; chunks > 0; chunks-- {
		if len(b) < 4 {
			return false
		}
		i := 4
		for {
			if i >= len(b) {
				return false
			}
			if b[i] == 0 {
				break
			}
			if i+2 > len(b) || i+2+int(b[i+1]) > len(b) {
				return false
			}
			end := i + 2 + int(b[i+1])
			mask(b[i+2:end], key)
			i = end
		}
		next := (i + 4) &^ 3 // the zero octet and what pads it
		if next > len(b) {
			return false
		}
		b = b[next:]
	}
	return true
}

// maskBYE replaces the reason (RFC 3550 6.6).
func maskBYE(b []byte, count int, key uint64) bool {
	i := 4 + 4*count
	if i > len(b) {
		return false
	}
	if i == len(b) {
		return true
	}
	n := int(b[i])
	if i+1+n > len(b) {
		return false
	}
	mask(b[i+1:i+1+n], key)
	return true
}

// mask overwrites a text by a pseudonym of the same length: the same text and key give the same one, so that streams of one
// source still carry one CNAME (RFC 7022), and without the key the text cannot be told from it. SipHash would be stronger than
// this mixing; a CNAME guessed right could be confirmed only by who knows the key, which never leaves the process.
func mask(text []byte, key uint64) {
	if key == 0 || len(text) == 0 {
		return
	}
	h := key
	for _, c := range text {
		h = mix(h ^ uint64(c))
	}
	const digits = "0123456789abcdef"
	for i := range text {
		if i&15 == 0 {
			h = mix(h + 0x9e3779b97f4a7c15)
		}
		text[i] = digits[h>>(4*(i&15))&15]
	}
}

// mix is the finaliser of splitmix64.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
