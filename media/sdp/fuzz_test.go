package sdp

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// seeds are the descriptions of the golden files.
func seeds(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		for _, c := range readGolden(&testing.T{}, file) {
			for _, s := range c.steps {
				if s.verb == "offer" || s.verb == "answer" {
					f.Add([]byte(strings.Join(trimBlank(s.body), "\r\n")+"\r\n"), uint16(7))
				}
			}
		}
	}
	f.Add([]byte("v=0\ro=\rc=\rm=audio 1/2 a\ra=rtcp:1 ::\r\r\n\x00"), uint16(0xffff))
	f.Add([]byte("m=a 1 udp ::\na=x:::1\ny=1.1.1.1.1\n"), uint16(3))
}

// FuzzParse: no panic; what was read and written reads again as the same; what we send to the other side reads back, keeps
// every m= line and holds no address of this one; the same as an answer to itself.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, body []byte, ports uint16) {
		given := slices.Clone(body)
		d, err := Parse(body)
		if err != nil {
			return
		}
		stable(t, d)
		v := View{Address: netip.MustParseAddr("192.0.2.1"), KeepUnknownLines: ports&1 != 0}
		for i := range d.Media {
			s := Stream{RTCPPort: i * 7, Mux: ports>>(i%16)&1 != 0}
			if ports>>((i+3)%16)&1 != 0 {
				s.Port = 20000 + 2*i
			}
			v.Streams = append(v.Streams, s)
		}
		sent, err := Rewrite(d, v)
		if err != nil {
			t.Fatalf("Rewrite: %v", err)
		}
		promises(t, d, sent, v)
		agreed, _, err := Check(sent, d)
		if err == nil {
			var back *Description
			if back, err = Answer(d, agreed, v); err != nil {
				t.Fatalf("Answer: %v", err)
			}
			promises(t, d, back, v)
			for i := range sent.Media {
				Pair(&sent.Media[i], &agreed.Media[i])
			}
		}
		if !slices.Equal(given, body) {
			t.Fatal("the body was changed")
		}
	})
}

// promises are what must hold of every description we send.
func promises(t *testing.T, from, out *Description, v View) {
	t.Helper()
	body := NewAuthor(1).Say(out)
	back, err := Parse(body)
	if err != nil {
		t.Fatalf("cannot be read: %v\n%q", err, body)
	}
	if len(back.Media) != len(from.Media) || !Equal(back, out) {
		t.Fatalf("reads back differently\n%q", body)
	}
	if a, b := facts(back), facts(out); a != b {
		t.Fatalf("facts differ\n%s\n%s", a, b)
	}
	if Leaks(body, addresses(from, v)) {
		t.Fatalf("leak of %v\n%q\n%q", addresses(from, v), from.AppendTo(nil), body)
	}
}

// FuzzAnswer: any answer to a usual offer is refused or gives a description with the offer's lines and directions.
func FuzzAnswer(f *testing.F) {
	seeds(f)
	offer, err := Parse([]byte(usual))
	if err != nil {
		f.Fatal(err)
	}
	v := View{Address: netip.MustParseAddr("192.0.2.1"), Streams: []Stream{{Port: 20000}, {Port: 20002, Mux: true}}}
	sent, err := Rewrite(offer, v)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, _ uint16) {
		answer, err := Parse(body)
		if err != nil {
			return
		}
		agreed, notes, err := Check(sent, answer)
		if err != nil {
			return
		}
		if len(agreed.Media) != len(sent.Media) || len(notes) > maxNotes {
			t.Fatalf("%d lines, %d notes", len(agreed.Media), len(notes))
		}
		back, err := Answer(offer, agreed, v)
		if err != nil {
			t.Fatal(err)
		}
		for i := range back.Media {
			m, asked := &back.Media[i], &offer.Media[i]
			if m.Kind != asked.Kind || m.Proto != asked.Proto || m.Mux && !asked.Mux {
				t.Fatalf("line %d does not fit: %s %s", i, m.Kind, m.Proto)
			}
			if !m.Rejected() && m.Direction&^asked.Direction.Reverse() != 0 {
				t.Fatalf("line %d: %s answered, %s offered", i, m.Direction, asked.Direction)
			}
			if m.Rejected() {
				continue
			}
			for _, c := range m.Codecs() {
				if !lists(asked, c.PT) {
					t.Fatalf("line %d: type %d was not offered", i, c.PT)
				}
			}
		}
	})
}
