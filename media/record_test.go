package media

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/sallyport/sallyport/media/tone"
)

// spoken makes a packet of 20 ms at full voice.
func spoken(law tone.Law) []byte {
	b := make([]byte, frameSamples)
	for i := range b {
		b[i] = law.Encode(int16(8000 * (1 - 2*(i%2))))
	}
	return b
}

// loudAt gives which 20 ms of a recording are not silence.
func loudAt(pcm []byte) (frames []int) {
	for i := 0; i+2 <= len(pcm); i += 320 {
		if v := int16(binary.LittleEndian.Uint16(pcm[i:])); v > 1000 || v < -1000 {
			frames = append(frames, i/320)
		}
	}
	return frames
}

// Packets stand where their timestamps say, in whatever order they come; what is lost is silence, and who jumps begins anew.
func TestRecordingInOrder(t *testing.T) {
	now := int64(0)
	r := &Recording{clock: func() int64 { return now }, longest: 10 * tone.Rate, law: tone.MuLaw, pt: 96}
	at := func(ms int64, pt uint8, ts uint32, payload []byte) {
		now = ms * int64(time.Millisecond)
		r.Take(pt, ts, payload)
	}
	first := uint32(0xffffff00) // the timestamps go round
	at(0, 96, first, spoken(tone.MuLaw))
	at(60, 8, first+3*160, spoken(tone.ALaw)) // before the second
	at(61, 0, first+160, spoken(tone.MuLaw))
	at(80, 18, first+4*160, spoken(tone.MuLaw)) // no format of ours
	at(3000, 0, 7, spoken(tone.MuLaw))          // begun anew
	if got := loudAt(r.peek()); len(got) != 4 || got[0] != 0 || got[1] != 1 || got[2] != 3 || got[3] != 150 {
		t.Errorf("heard at %v", got)
	}
	now = int64(5 * time.Second)
	if r.Silence() != 2*time.Second || !r.Voiced() || r.Length() != 5*time.Second {
		t.Errorf("silent for %s, %s long", r.Silence(), r.Length())
	}
	at(60_000, 0, 7+58*8000, spoken(tone.MuLaw)) // too late for so short a recording
	pcm, _ := r.End()
	if again, _ := r.End(); len(pcm) != 2*10*tone.Rate || again != nil {
		t.Errorf("%d octets", len(pcm))
	}
	r.Take(0, 0, spoken(tone.MuLaw))
}

// peek is what there is so far.
func (r *Recording) peek() []byte {
	pcm := make([]byte, 2*r.n)
	for i, c := range r.chunks {
		copy(pcm[i*chunk:], c)
	}
	return pcm
}

// An attended party is recorded, also after it has described itself anew; the packets of others are not.
func TestRecord(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	if _, err := r.s.Record(r.a, time.Minute); err == nil {
		t.Error("somebody is recorded who said nothing")
	}
	answer, err := r.s.Attend(r.a, r.A.sdp())
	if err != nil {
		t.Fatal(err)
	}
	rec, err := r.s.Record(r.a, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.s.Play(r.a, nil, 0, nil); err != nil { // it hears silence meanwhile, which is the test's clock
		t.Fatal(err)
	}
	say := func(ph *phone, n uint32, body []byte) {
		b := append(make([]byte, 12), spoken(tone.ALaw)...)
		b[0], b[1] = 0x80, 8
		binary.BigEndian.PutUint16(b[2:], uint16(n))
		binary.BigEndian.PutUint32(b[4:], n*160)
		ph.send(ph.rtp, door(t, body, 0), b)
	}
	samples := func() int {
		rec.mu.Lock()
		defer rec.mu.Unlock()
		return len(loudAt(rec.peek()))
	}
	until := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); samples() != want; {
			if time.Now().After(deadline) {
				t.Fatalf("%d frames are recorded, want %d", samples(), want)
			}
			r.A.packet()
		}
	}
	say(r.A, 1, answer)
	say(r.A, 2, answer)
	until(2)
	say(r.B, 3, answer)
	if answer, err = r.s.Attend(r.a, r.A.sdp()); err != nil {
		t.Fatal(err)
	}
	say(r.A, 4, answer)
	until(3)
	r.s.Close()
	said, _ := rec.End()
	if got := len(loudAt(said)); got != 3 {
		t.Errorf("%d frames", got)
	}
}

// What is recorded costs the thread that moves packets next to nothing.
func BenchmarkRecording(b *testing.B) {
	b.ReportAllocs()
	now := int64(0)
	r := &Recording{clock: func() int64 { return now }, longest: 60 * tone.Rate}
	payload, n := spoken(tone.MuLaw), uint32(0)
	for b.Loop() {
		n, now = n+1, now+int64(frame)
		if n == 3000 {
			r.n, r.began, r.based, n = 0, now, false, 0
		}
		r.Take(0, n*160, payload)
	}
}

// TestRecordingDrained: what is taken out while it goes on and what is left at the end are the same as all of it at the end; little stays in
// memory, and packets that come late are in time.
func TestRecordingDrained(t *testing.T) {
	now := int64(0)
	clock := func() int64 { return now }
	whole := &Recording{clock: clock, longest: 30 * tone.Rate, law: tone.MuLaw, pt: 0}
	r := &Recording{clock: clock, longest: 30 * tone.Rate, law: tone.MuLaw, pt: 0}
	var got []byte
	for i := range uint32(45 * 50) { // 45 s
		now = int64(i) * int64(20*time.Millisecond)
		if i%7 == 3 || i/50 == 12 { // lost, and a second of nothing
			continue
		}
		late := i
		if i%50 == 9 { // two packets of the same time change places with some of long ago
			late = i - min(i, 90)
		}
		for _, r := range []*Recording{whole, r} {
			r.Take(0, 160*late, spoken(tone.MuLaw))
		}
		if i%50 == 0 {
			got = append(got, r.Drain()...)
			if len(r.chunks) > 4 {
				t.Fatalf("%d s are in memory after %d s", len(r.chunks), i/50)
			}
		}
	}
	rest, drained := r.End()
	if drained != len(got) || drained == 0 || r.Drain() != nil {
		t.Errorf("%d octets were drained, it says %d", len(got), drained)
	}
	all, none := whole.End()
	if none != 0 || !bytes.Equal(all, append(got, rest...)) {
		t.Errorf("%d octets in pieces, %d at once", len(got)+len(rest), len(all))
	}
}
