package media

import (
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
	if pcm := r.End(); len(pcm) != 2*10*tone.Rate || r.End() != nil {
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
	if got := len(loudAt(rec.End())); got != 3 {
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
