package account

import (
	"bytes"
	"encoding/json"
	"errors"
	"hash/crc32"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// kind is what a line tells.
type kind string

const (
	kindAnswered kind = "answered"
	kindEnd      kind = "end"
)

// The fixed pieces of a line. The checksum covers what stands between crcEnd and the newline.
const (
	crcBegin  = `{"crc":"`
	crcEnd    = `",`
	crcLen    = 8
	headLen   = len(crcBegin) + crcLen + len(crcEnd)
	typeBegin = `"type":"`
	atBegin   = `","at":`
	cdrBegin  = `,"cdr":`
)

// line is one that was read.
type line struct {
	kind kind
	at   time.Time
	cdr  []byte
}

var errBroken = errors.New("a line of the journal is broken")

// castagnoli is the polynomial that processors have an instruction for. The table is made once and only read.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encoder is a buffer with an encoder that writes to it, to be used again.
type encoder struct {
	buf  bytes.Buffer
	json *json.Encoder
}

// encoders is a pool, which its users leave as they found it.
var encoders = sync.Pool{New: func() any {
	e := &encoder{}
	e.json = json.NewEncoder(&e.buf)
	e.json.SetEscapeHTML(false)
	return e
}}

// maxPooled keeps giants out of the pool.
const maxPooled = 64 << 10

// release gives the encoder back; what encode returned is then gone.
func (e *encoder) release() {
	if e.buf.Cap() <= maxPooled {
		encoders.Put(e)
	}
}

// encode writes a line. The bytes belong to the encoder.
func (e *encoder) encode(k kind, at time.Time, c *sbc.CDR) ([]byte, error) {
	e.buf.Reset()
	e.buf.WriteString(crcBegin + "00000000" + crcEnd + typeBegin)
	e.buf.WriteString(string(k))
	e.buf.WriteString(atBegin)
	e.buf.Write(strconv.AppendInt(e.buf.AvailableBuffer(), at.UnixMicro(), 10))
	e.buf.WriteString(cdrBegin)
	if err := e.json.Encode(c); err != nil {
		return nil, err
	}
	b := e.buf.Bytes()
	b[len(b)-1] = '}' // in place of the encoder's newline
	e.buf.WriteByte('\n')
	b = e.buf.Bytes()
	putHex(b[len(crcBegin):headLen], crc32.Checksum(b[headLen:len(b)-1], castagnoli))
	return b, nil
}

// putHex spells a number in crcLen hexadecimal digits.
func putHex(b []byte, n uint32) {
	const digits = "0123456789abcdef"
	for i := crcLen - 1; i >= 0; i-- {
		b[i] = digits[n&15]
		n >>= 4
	}
}

// parseLine reads a line, its newline included. What it gives refers to b.
func parseLine(b []byte) (line, error) {
	if len(b) < headLen+2 || b[len(b)-1] != '\n' ||
		string(b[:len(crcBegin)]) != crcBegin || string(b[len(crcBegin)+crcLen:headLen]) != crcEnd {
		return line{}, errBroken
	}
	body := b[headLen : len(b)-1]
	var sum [crcLen]byte
	putHex(sum[:], crc32.Checksum(body, castagnoli))
	if !bytes.Equal(sum[:], b[len(crcBegin):len(crcBegin)+crcLen]) {
		return line{}, errBroken
	}
	rest, ok := bytes.CutPrefix(body, []byte(typeBegin))
	k, rest, ok2 := bytes.Cut(rest, []byte(atBegin))
	at, cdr, ok3 := bytes.Cut(rest, []byte(cdrBegin))
	cdr, ok4 := bytes.CutSuffix(cdr, []byte("}"))
	us, err := strconv.ParseInt(string(at), 10, 64)
	if !ok || !ok2 || !ok3 || !ok4 || err != nil {
		return line{}, errBroken
	}
	return line{kind: kind(k), at: time.UnixMicro(us).UTC(), cdr: cdr}, nil
}

// finite gives a record whose numbers JSON can hold: an estimate that came out as not-a-number must not cost the record.
func finite(c *sbc.CDR) *sbc.CDR {
	clean := *c
	clean.Media = append([]sbc.StreamStats(nil), c.Media...)
	for i := range clean.Media {
		s := &clean.Media[i]
		for _, f := range []*float64{&s.JitterMS, &s.RoundTripMS, &s.MOS} {
			if math.IsNaN(*f) || math.IsInf(*f, 0) {
				*f = 0
			}
		}
	}
	return &clean
}
