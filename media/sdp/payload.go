package sdp

import (
	"strconv"
	"strings"
)

// PayloadMap gives for each payload type the one to send instead.
type PayloadMap [128]uint8

// Pairing is how payload types of both ends of one m= line translate. A nil map changes nothing.
type Pairing struct {
	ToAnswerer *PayloadMap // for packets of the offerer, who uses the numbers Answer gave him
	ToOfferer  *PayloadMap // for packets of the answerer
}

// Pair compares an offered m= line with its answer. The numbers should be the same (RFC 3264 section 6.1); if the
// answerer uses another for a codec, packets toward it need its number. It ought to send with the offer's numbers
// (section 5.1); if it uses its own and that means nothing else in the offer, it is translated too.
func Pair(offered, answered *Media) Pairing {
	pairs := pairFormats(offered, answered)
	var p Pairing
	for _, q := range pairs {
		if q.offered == q.answered {
			continue
		}
		if p.ToAnswerer == nil {
			p.ToAnswerer, p.ToOfferer = unchanged(), unchanged()
		}
		p.ToAnswerer[q.offered] = q.answered
		if !lists(offered, q.answered) {
			p.ToOfferer[q.answered] = q.offered
		}
	}
	return p
}

// Translate gives the map for packets from one side to another that both described themselves, whoever of them offered: said is
// what the sender was told, own what it said of itself, peer what the receiver said. The sender ought to use the numbers of
// said; where it uses those of own and they mean nothing else in said, they are translated too. Nil changes nothing.
func Translate(said, own, peer *Media) *PayloadMap {
	var m *PayloadMap
	put := func(pairs []pair, other func(pt uint8) bool) {
		for _, q := range pairs {
			if q.offered == q.answered || other(q.offered) {
				continue
			}
			if m == nil {
				m = unchanged()
			}
			m[q.offered] = q.answered
		}
	}
	put(pairFormats(said, peer), func(uint8) bool { return false })
	put(pairFormats(own, peer), func(pt uint8) bool { return lists(said, pt) })
	return m
}

func unchanged() *PayloadMap {
	m := new(PayloadMap)
	for i := range m {
		m[i] = uint8(i)
	}
	return m
}

// lists reports whether pt is among the formats of m.
func lists(m *Media, pt uint8) bool {
	for _, f := range m.Formats {
		if n, ok := payloadType(f); ok && n == pt {
			return true
		}
	}
	return false
}

// pair is one codec both ends agreed on, with the number each gave to it.
type pair struct{ offered, answered uint8 }

// pairFormats finds for each answered payload type the offered one it stands for, in the order of the answer. What was
// not offered is left out: it may be listed (RFC 3264 section 6.1), but the offerer could not tell what it is.
func pairFormats(offered, answered *Media) []pair {
	ours, theirs := offered.Codecs(), answered.Codecs()
	pairs := make([]pair, 0, len(theirs))
	var taken [128]bool
	for i := range theirs {
		t := &theirs[i]
		if o := counterpart(ours, t, &taken); o != nil {
			taken[o.PT] = true
			pairs = append(pairs, pair{offered: o.PT, answered: t.PT})
		}
	}
	return pairs
}

// Agreed lists the codecs of a line's own description that it was told we speak too, in its order and with its numbers: those
// that may be sent to it.
func Agreed(told, own *Media) []Codec {
	ours, theirs := told.Codecs(), own.Codecs()
	agreed := make([]Codec, 0, len(theirs))
	var taken [128]bool
	for i := range theirs {
		if o := counterpart(ours, &theirs[i], &taken); o != nil {
			taken[o.PT] = true
			agreed = append(agreed, theirs[i])
		}
	}
	return agreed
}

// counterpart looks for the same number and codec, then for the codec under another number, then for the number alone.
func counterpart(ours []Codec, t *Codec, taken *[128]bool) *Codec {
	var number, named *Codec
	for i := range ours {
		o := &ours[i]
		if taken[o.PT] {
			continue
		}
		if o.PT == t.PT {
			if t.Name == "" || o.Name == "" || sameCodec(o, t) {
				return o
			}
			number = o
		} else if sameCodec(o, t) && (named == nil || named.Fmtp != t.Fmtp && o.Fmtp == t.Fmtp) {
			named = o
		}
	}
	if named != nil {
		return named
	}
	if number != nil && sameName(number.Name, t.Name) { // "AMR/8000/2", "telephone-event/16000": the name is right
		return number
	}
	return nil
}

// renumber translates the attribute of a payload type into the offer's numbers; ok is false if the type is not agreed.
func renumber(attr string, pairs []pair) (string, bool) {
	colon := strings.IndexByte(attr, ':')
	if colon < 0 {
		return "", false
	}
	name, value := splitAttribute(attr)
	word, rest := field(value)
	pt, ok := payloadType(word)
	if !ok {
		return attr, word == "*" // "rtcp-fb:* nack"
	}
	for _, p := range pairs {
		if p.answered != pt {
			continue
		}
		if same(pairs) {
			return attr, true
		}
		if strings.EqualFold(name, "fmtp") {
			rest = renumberParameters(rest, pairs)
		}
		return name + ":" + decimal(p.offered) + " " + rest, true
	}
	return "", false
}

// same reports that no number changes.
func same(pairs []pair) bool {
	for _, p := range pairs {
		if p.offered != p.answered {
			return false
		}
	}
	return true
}

// renumberParameters translates payload types inside parameters: "apt=97" (RFC 4588) and "97/97" (RFC 2198).
func renumberParameters(s string, pairs []pair) string {
	if rest, ok := strings.CutPrefix(s, "apt="); ok {
		word, tail, more := strings.Cut(rest, ";")
		word = "apt=" + translate(strings.TrimSpace(word), pairs)
		if more {
			return word + ";" + tail
		}
		return word
	}
	parts := strings.Split(s, "/")
	for i := range parts {
		if _, ok := payloadType(parts[i]); !ok || len(parts) < 2 {
			return s
		}
		parts[i] = translate(parts[i], pairs)
	}
	return strings.Join(parts, "/")
}

func translate(word string, pairs []pair) string {
	pt, ok := payloadType(word)
	if !ok {
		return word
	}
	for _, p := range pairs {
		if p.answered == pt {
			return decimal(p.offered)
		}
	}
	return word
}

func decimal(pt uint8) string { return strconv.Itoa(int(pt)) }
