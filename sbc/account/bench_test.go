package account

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// typical is the record of an ordinary call: two legs, one attempt, one stream each way.
func typical() *sbc.CDR {
	c := ended("cdr_01234567890abcdefghjkmnpqr")
	at := c.StartedAt
	c.ProgressAt, c.LastMediaAt = &at, &at
	c.CalleeNormalised, c.CalleeSent = "+493012345", "493012345"
	c.FromURI, c.ToURI, c.RequestURI = "sip:+4930@a.example", "sip:0049@b.example", "sip:0049@c.example"
	s := c.Media[0]
	s.Codec, s.LocalAddress, s.RemoteAddress = "PCMA/8000", "192.0.2.1:30000", "192.0.2.2:4000"
	s.FirstPacket, s.LastPacket = &at, &at
	c.Media = []sbc.StreamStats{s, s}
	return c
}

func benchOptions(b *testing.B) Options { return Options{Dir: b.TempDir()} }

func BenchmarkEnd(b *testing.B) {
	j := mustOpen(b, benchOptions(b))
	c := typical()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		c := *c // the journal keeps it
		c.ID = fmt.Sprintf("cdr_%022d", i)
		if err := j.End(&c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAnswered(b *testing.B) {
	j := mustOpen(b, benchOptions(b))
	c := typical()
	c.Media = nil
	b.ReportAllocs()
	for b.Loop() {
		if err := j.Answered(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	c, at := typical(), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		e, _ := encoders.Get().(*encoder)
		b.SetBytes(int64(len(e.encode(kindEnd, at, c))))
		e.release()
	}
}

// FuzzOpen: whatever stands in the folder, the journal opens and works.
func FuzzOpen(f *testing.F) {
	e, _ := encoders.Get().(*encoder)
	defer e.release()
	line := string(e.encode(kindAnswered, time.Now(), answered("a")))
	f.Add([]byte(line+line[:50]), []byte("x"))
	f.Add([]byte("\n\n{}\n"+line), []byte(line))
	f.Add([]byte(`{"crc":"00000000","type":"end","at":9,"cdr":{}}`+"\n"), make([]byte, 2*slotLen))
	f.Fuzz(func(t *testing.T, segment, slot []byte) {
		dir := t.TempDir()
		for name, content := range map[string][]byte{segmentName(1): segment, "cursor": slot, "heartbeat": slot} {
			if err := os.WriteFile(filepath.Join(dir, name), content, private); err != nil {
				t.Fatal(err)
			}
		}
		j := mustOpen(t, quiet(dir))
		end(t, j, "new")
		s := newShop()
		deliver(t, j, s)
		if ids := s.ids(); len(ids) == 0 || ids[len(ids)-1] != "new" {
			t.Errorf("got %v", ids)
		}
	})
}

// FuzzParse: no bytes make the readers of lines and slots fail in another way than by saying so.
func FuzzParse(f *testing.F) {
	e, _ := encoders.Get().(*encoder)
	defer e.release()
	f.Add(append([]byte(nil), e.encode(kindEnd, time.Now(), ended("a"))...))
	f.Add([]byte(`{"crc":"00000000","type":"end","at":9,"cdr":{}}` + "\n"))
	f.Add(make([]byte, slotLen))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := parseLine(b); err == nil && l.kind == "" {
			t.Errorf("a line without a kind: %q", b)
		}
		_, content, _ := parseSlot(b)
		if p := parseCursor(content, "boot"); p.offset < 0 {
			t.Logf("a cursor before the beginning: %v", p)
		}
		parseHeartbeat(content)
	})
}
