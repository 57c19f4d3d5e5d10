package sdp

import "strings"

// Codec is one payload type of an RTP line: what a=rtpmap says, or RFC 3551 for static types.
type Codec struct {
	PT       uint8
	Name     string // as written ("PCMU", "telephone-event"); "" for a dynamic type without rtpmap
	Clock    int    // Hz; RTP clock, which for G722 is 8000 (RFC 3551 section 4.5.2)
	Channels int    // at least 1
	Fmtp     string // a=fmtp without the payload type; "" if none
}

// TelephoneEvent reports a payload type for DTMF and tones (RFC 4733).
func (c *Codec) TelephoneEvent() bool { return strings.EqualFold(c.Name, "telephone-event") }

// ComfortNoise reports a payload type for silence (RFC 3389).
func (c *Codec) ComfortNoise() bool { return strings.EqualFold(c.Name, "CN") }

// SilenceFrame reports how a codec without a payload type for silence announces it: packets whose octets are size more than a
// multiple of frame end with a frame of noise. Only G.729 annex B has such (2 octets after frames of 10); frame is 0 for others.
func (c *Codec) SilenceFrame() (frame, size uint8) {
	if alias(c.Name) == "G729" {
		return 10, 2
	}
	return 0, 0
}

// Codecs lists the payload types of an RTP line in order of preference. Formats that are no payload types are left out;
// for lines other than RTP the list is empty. It must not be changed.
func (m *Media) Codecs() []Codec {
	if m.codecs != nil {
		return m.codecs
	}
	return m.findCodecs()
}

// findCodecs reads the formats and what the attributes say about them.
func (m *Media) findCodecs() []Codec {
	switch m.Transport {
	case TransportRTP, TransportSRTP, TransportDTLS:
	default:
		return nil
	}
	codecs := make([]Codec, 0, len(m.Formats))
	for _, f := range m.Formats {
		if pt, ok := payloadType(f); ok {
			codecs = append(codecs, static(pt))
		}
	}
	for _, l := range m.Lines {
		if l.kind == attrPayload {
			describe(codecs, l.Value)
		}
	}
	return codecs[:len(codecs):len(codecs)]
}

// describe puts what an rtpmap or fmtp attribute says into the codec of its payload type. Of two
// rtpmap the later counts, of two fmtp the first.
func describe(codecs []Codec, attr string) {
	name, value := splitAttribute(attr)
	word, rest := field(value)
	pt, ok := payloadType(word)
	if !ok {
		return
	}
	rest = trimLeft(rest)
	for i := range codecs {
		c := &codecs[i]
		if c.PT != pt {
			continue
		}
		switch {
		case strings.EqualFold(name, "fmtp") && c.Fmtp == "":
			c.Fmtp = rest
		case strings.EqualFold(name, "rtpmap"):
			c.Name, c.Clock, c.Channels = encoding(rest)
		}
	}
}

// encoding reads "name/clock[/channels]" (RFC 8866 section 6.6).
func encoding(s string) (name string, clock, channels int) {
	name, rest, _ := strings.Cut(s, "/")
	rate, ch, _ := strings.Cut(rest, "/")
	return trimRight(name), number(rate, 1<<30), max(number(ch, 255), 1)
}

// payloadType reads a payload type, 0 to 127 (RFC 3551 section 6).
func payloadType(s string) (uint8, bool) {
	if len(s) == 0 || len(s) > 3 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if !digit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return uint8(n), n < 128
}

// static is the table of RFC 3551 section 6; other types come back without a name.
func static(pt uint8) Codec {
	c := Codec{PT: pt, Channels: 1, Clock: 8000}
	switch pt {
	case 0:
		c.Name = "PCMU"
	case 3:
		c.Name = "GSM"
	case 4:
		c.Name = "G723"
	case 5:
		c.Name = "DVI4"
	case 6:
		c.Name, c.Clock = "DVI4", 16000
	case 7:
		c.Name = "LPC"
	case 8:
		c.Name = "PCMA"
	case 9:
		c.Name = "G722"
	case 10:
		c.Name, c.Clock, c.Channels = "L16", 44100, 2
	case 11:
		c.Name, c.Clock = "L16", 44100
	case 12:
		c.Name = "QCELP"
	case 13:
		c.Name = "CN"
	case 14:
		c.Name, c.Clock = "MPA", 90000
	case 15:
		c.Name = "G728"
	default:
		return lateStatic(c)
	}
	return c
}

// lateStatic is the second half of the table.
func lateStatic(c Codec) Codec {
	switch c.PT {
	case 16:
		c.Name, c.Clock = "DVI4", 11025
		return c
	case 17:
		c.Name, c.Clock = "DVI4", 22050
		return c
	case 18:
		c.Name = "G729"
		return c
	case 25:
		c.Name = "CelB"
	case 26:
		c.Name = "JPEG"
	case 28:
		c.Name = "nv"
	case 31:
		c.Name = "H261"
	case 32:
		c.Name = "MPV"
	case 33:
		c.Name = "MP2T"
	case 34:
		c.Name = "H263"
	default:
		return Codec{PT: c.PT, Channels: 1}
	}
	c.Clock = 90000
	return c
}

// sameName compares encoding names: without case, and with the names devices give to G.729 and G.723.
func sameName(a, b string) bool {
	return strings.EqualFold(a, b) || alias(a) != "" && alias(a) == alias(b)
}

func alias(name string) string {
	switch strings.ToUpper(name) {
	case "G729", "G729A", "G729B", "G729AB": // annexes A and B interwork; "G7291" is another codec
		return "G729"
	case "G723", "G7231", "G723.1":
		return "G723"
	}
	return ""
}

// sameCodec reports that two payload types carry the same encoding, whatever their numbers.
func sameCodec(a, b *Codec) bool {
	if a.Name == "" || b.Name == "" || !sameName(a.Name, b.Name) {
		return false
	}
	return a.Channels == b.Channels && (a.Clock == b.Clock || strings.EqualFold(a.Name, "G722"))
}
