package account

import (
	"bytes"
	"errors"
	"hash/crc32"
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

// encoder is a buffer to be used again.
type encoder struct{ buf []byte }

// encoders is a pool, which its users leave as they found it.
var encoders = sync.Pool{New: func() any { return &encoder{} }}

// maxPooled keeps giants out of the pool.
const maxPooled = 64 << 10

// release gives the encoder back; what encode returned is then gone.
func (e *encoder) release() {
	if cap(e.buf) <= maxPooled {
		encoders.Put(e)
	}
}

// encode writes a line. The bytes belong to the encoder.
func (e *encoder) encode(k kind, at time.Time, c *sbc.CDR) []byte {
	b := append(e.buf[:0], crcBegin+"00000000"+crcEnd+typeBegin...)
	b = append(b, k...)
	b = append(b, atBegin...)
	b = strconv.AppendInt(b, at.UnixMicro(), 10)
	b = append(b, cdrBegin...)
	b = c.AppendJSON(b)
	b = append(b, '}', '\n')
	putHex(b[len(crcBegin):headLen], crc32.Checksum(b[headLen:len(b)-1], castagnoli))
	e.buf = b
	return b
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

// documentOf copies the record's JSON out of a line that encode made.
func documentOf(b []byte) string {
	at := bytes.Index(b, []byte(cdrBegin)) // nothing before it says this
	return string(b[at+len(cdrBegin) : len(b)-len("}\n")])
}
