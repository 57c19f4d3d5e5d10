package relay

import "encoding/binary"

// rtpHeader holds the fixed fields of an RTP packet (RFC 3550 5.1).
type rtpHeader struct {
	pt   uint8
	seq  uint16
	ts   uint32
	ssrc uint32
	// octets of payload, with padding.
	octets int
}

const rtpFixed = 12

// parseRTP reads the fixed header and checks that all announced lengths fit: CSRCs, header extension, padding
// (RFC 3550 A.1 and 5.3.1).
func parseRTP(b []byte) (h rtpHeader, ok bool) {
	if len(b) < rtpFixed || b[0]>>6 != 2 {
		return h, false
	}
	size := rtpFixed + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) < size+4 {
			return h, false
		}
		size += 4 + 4*int(binary.BigEndian.Uint16(b[size+2:]))
	}
	if size > len(b) {
		return h, false
	}
	if b[0]&0x20 != 0 {
		if pad := int(b[len(b)-1]); pad == 0 || size+pad > len(b) {
			return h, false
		}
	}
	h.octets = len(b) - size
	h.pt = b[1] & 0x7f
	h.seq = binary.BigEndian.Uint16(b[2:])
	h.ts = binary.BigEndian.Uint32(b[4:])
	h.ssrc = binary.BigEndian.Uint32(b[8:])
	return h, true
}

// looksRTCP tells RTCP from RTP on one port: packet types 192 to 223 (RFC 5761 4).
func looksRTCP(b []byte) bool {
	return len(b) >= 8 && b[0]>>6 == 2 && b[1] >= 192 && b[1] <= 223
}

// rtpPayload is what a packet carries whose form was checked.
func rtpPayload(b []byte) []byte {
	size := rtpFixed + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		size += 4 + 4*int(binary.BigEndian.Uint16(b[size+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 {
		end -= int(b[end-1])
	}
	return b[size:end]
}
