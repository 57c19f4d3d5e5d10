package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/sdp"
	"github.com/sallyport/sallyport/media/tone"
)

// sine is some seconds of a tone.
func sine(hertz, seconds float64) []byte {
	pcm := make([]byte, 2*int(seconds*tone.Rate))
	for i := 0; i < len(pcm); i += 2 {
		s := int16(9000 * math.Sin(2*math.Pi*hertz*float64(i/2)/tone.Rate))
		binary.LittleEndian.PutUint16(pcm[i:], uint16(s))
	}
	return pcm
}

// rtp is what a test looks at of a packet.
type rtp struct {
	pt      uint8
	marker  bool
	seq     uint16
	ts      uint32
	ssrc    uint32
	payload []byte
}

func (p *phone) packet() rtp {
	p.t.Helper()
	b, _ := p.hear(p.rtp)
	return rtp{
		pt: b[1] & 0x7f, marker: b[1]&0x80 != 0, seq: binary.BigEndian.Uint16(b[2:]), ts: binary.BigEndian.Uint32(b[4:]),
		ssrc: binary.BigEndian.Uint32(b[8:]), payload: b[12:],
	}
}

// press sends one event of 100 ms as a phone does, under a payload type.
func (p *phone) press(to []byte, pt uint8, code byte) {
	p.t.Helper()
	dest := door(p.t, to, 0)
	start := uint32(p.seq+1) * 160
	for n := 1; n <= 7; n++ {
		p.seq++
		b := []byte{0x80, pt, 0, 0, 0, 0, 0, 0, 0, 0, 0, 42, code, 10, 0, 0}
		binary.BigEndian.PutUint16(b[2:], p.seq)
		binary.BigEndian.PutUint32(b[4:], start)
		binary.BigEndian.PutUint16(b[14:], uint16(160*min(n, 5)))
		if n >= 5 {
			b[13] |= 0x80
		}
		p.send(p.rtp, dest, b)
	}
}

// An announcement is heard sample by sample, in place of the other side, as one source with what was heard before and after.
func TestPlay(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, doorB := r.exchange(r.A.sdp(), r.B.sdp())
	talk(t, r.A, r.B, doorA, doorB)
	audio, done := sound(sine(600, 0.11)), make(chan struct{})
	if err := r.s.Play(r.a, audio, 2, func() { close(done) }); err != nil {
		t.Fatal(err)
	}
	var heard []byte
	last := rtp{seq: 1, ts: 160, ssrc: 42} // what B said in talk
	for n := range 12 {
		r.B.say(doorB) // nobody hears it
		p := r.A.packet()
		if p.pt != 8 || p.ssrc != 42 || p.seq != last.seq+1 || p.marker != (n == 0) || n > 0 && p.ts != last.ts+160 {
			t.Errorf("packet %d: %+v after %+v", n, p, last)
		}
		last = p
		heard = append(heard, p.payload...)
	}
	<-done
	once := make([]byte, 880)
	tone.ALaw.EncodePCM(once, sine(600, 0.11))
	once = append(once, bytes.Repeat([]byte{tone.ALaw.Silence()}, 960-len(once))...)
	if !bytes.Equal(heard, append(bytes.Clone(once), once...)) {
		t.Error("what was heard is not what was played, twice")
	}
	r.B.say(doorB)
	if p := r.A.packet(); p.ssrc != 42 || p.seq != last.seq+1 || p.ts-last.ts > 1600 || !p.marker {
		t.Errorf("B again: %+v after %+v", p, last)
	}
}

func TestPlayUntilStopped(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, _ := r.exchange(r.A.sdp(), r.B.sdp())
	if err := r.s.Play(r.b, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if p := r.B.packet(); p.payload[0] != tone.ALaw.Silence() || len(p.payload) != 160 {
			t.Errorf("no silence: % x", p.payload[:4])
		}
	}
	// A re-INVITE that changes the codec changes what is played.
	x := r.offer(r.b, r.a, bytes.ReplaceAll(r.B.sdp(), []byte("8 101"), []byte("0 8 101")))
	r.answer(x, bytes.ReplaceAll(r.A.sdp(), []byte("8 101"), []byte("0 8 101")))
	for p := r.B.packet(); p.pt != 0; p = r.B.packet() {
	}
	r.s.StopPlaying(r.b)
	for deadline := time.Now().Add(5 * time.Second); ; {
		sent := r.A.say(doorA)
		if err := r.B.rtp.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		var b [2048]byte
		if n, err := r.B.rtp.Read(b[:]); err == nil && bytes.Equal(b[12:n], sent[12:]) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("A is not heard again")
		}
	}
	r.s.Close()
	r.inUse(0)
}

func TestPlayRefuses(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	if err := r.s.Play(r.a, nil, 0, nil); !errors.Is(err, ErrNoVoice) {
		t.Errorf("before an exchange: %v", err)
	}
	g729 := func(p *phone) []byte {
		return []byte(strings.NewReplacer("8 101", "18", "a=rtpmap:8 PCMA/8000\r\n", "", "a=rtpmap:101 telephone-event/8000\r\n", "").
			Replace(string(p.sdp())))
	}
	r.exchange(g729(r.A), g729(r.B))
	if err := r.s.Play(r.a, nil, 0, nil); !errors.Is(err, ErrNoVoice) {
		t.Errorf("with G.729: %v", err)
	}
	if err := r.s.SendDTMF(r.a, "1", 100*time.Millisecond, 0, nil); !errors.Is(err, ErrNoVoice) {
		t.Errorf("without events: %v", err)
	}
	if sound, events := r.s.Speaks(r.a); sound || events {
		t.Error("speaks")
	}
	if err := r.s.SendDTMF(r.a, "1x", 100*time.Millisecond, 0, nil); err == nil {
		t.Error("x is a digit")
	}
	r.s.Close()
	if err := r.s.Play(r.a, nil, 0, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// Digits go out under the number the receiver gave to telephone-events, those of the other side too.
func TestDTMFPayloadTypes(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	var heard = make(chan string, 8)
	r.s.o.OnDTMF = func(from *Party, digit byte, d time.Duration) {
		who := "A"
		if from == r.b {
			who = "B"
		}
		heard <- who + string(digit) + d.String()
	}
	r.a.report(r.s.o.OnDTMF)
	r.b.report(r.s.o.OnDTMF)
	x := r.offer(r.a, r.b, r.A.sdp())
	back := r.answer(x, []byte(strings.NewReplacer(" 101", " 96", ":101", ":96").Replace(string(r.B.sdp()))))
	if !bytes.Contains(back, []byte("a=rtpmap:101 telephone-event")) {
		t.Errorf("A is told\n%s", back)
	}
	r.A.press(back, 101, 5)
	for n := range 7 {
		if p := r.B.packet(); p.pt != 96 || p.payload[0] != 5 {
			t.Errorf("packet %d to B: %+v", n, p)
		}
	}
	r.B.press(x.Offer(), 96, 11)
	for n := range 7 {
		if p := r.A.packet(); p.pt != 101 || p.payload[0] != 11 {
			t.Errorf("packet %d to A: %+v", n, p)
		}
	}
	if got := <-heard + " " + <-heard; got != "A5100ms B#100ms" {
		t.Errorf("heard %q", got)
	}
	if !r.s.SentDigits(r.a) {
		t.Error("A sent no digits")
	}
	r.sendDigits(t)
}

// sendDigits sends two digits to B and looks at each packet.
func (r *rig) sendDigits(t *testing.T) {
	t.Helper()
	done := make(chan struct{})
	if err := r.s.SendDTMF(r.b, "1#", 100*time.Millisecond, 70*time.Millisecond, func() { close(done) }); err != nil {
		t.Fatal(err)
	}
	var last rtp
	for _, code := range []byte{1, 11} {
		for n := 1; n <= 7; n++ {
			p := r.B.packet()
			duration := binary.BigEndian.Uint16(p.payload[2:])
			if p.pt != 96 || p.payload[0] != code || p.marker != (n == 1) || p.payload[1]&0x80 != 0 != (n >= 5) {
				t.Errorf("digit %d, packet %d: %+v", code, n, p)
			}
			if duration != uint16(160*min(n, 5)) || last.seq != 0 && p.seq != last.seq+1 || n > 1 && p.ts != last.ts {
				t.Errorf("digit %d, packet %d: duration %d, %+v after %+v", code, n, duration, p, last)
			}
			last = p
		}
	}
	<-done
}

// A party that is told digits by signalling hears of no telephone-events; the other one may send them and is heard.
func TestDTMFSignalled(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	heard := make(chan byte, 8)
	r.s.o.OnDTMF = func(_ *Party, digit byte, _ time.Duration) { heard <- digit }
	r.a = r.s.Party(PartyOptions{Pools: r.a.o.Pools, Signalling: r.A.ip})
	r.b = r.s.Party(PartyOptions{Pools: r.b.o.Pools, Signalling: r.B.ip, DTMF: DTMFSignalled})
	x := r.offer(r.a, r.b, r.A.sdp())
	if bytes.Contains(x.Offer(), []byte(" 101\r\n")) || bytes.Contains(x.Offer(), []byte(":101 ")) {
		t.Errorf("B is offered\n%s", x.Offer())
	}
	plain := strings.NewReplacer(" 101", "", "a=rtpmap:101 telephone-event/8000\r\n", "").Replace(string(r.B.sdp()))
	back := r.answer(x, []byte(plain))
	if d, err := sdp.Parse(back); err != nil || len(d.Media[0].Codecs()) != 2 || !d.Media[0].Codecs()[1].TelephoneEvent() {
		t.Errorf("A is told\n%s", back)
	}
	r.A.press(back, 101, 7)
	if got := <-heard; got != '7' {
		t.Errorf("heard %c", got)
	}
	sent := r.A.say(door(t, back, 0))
	if got, _ := r.B.hear(r.B.rtp); !bytes.Equal(got[12:], sent[12:]) {
		t.Errorf("B hears % x", got)
	}
	if err := r.s.SendDTMF(r.a, "9", 40*time.Millisecond, 0, nil); err != nil {
		t.Error(err)
	}
	if p := r.A.packet(); p.pt != 101 || p.payload[0] != 9 {
		t.Errorf("A hears %+v", p)
	}
}

// A party that wants telephone-events gets them offered though the other one does not know them.
func TestDTMFEvents(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.b = r.s.Party(PartyOptions{Pools: r.b.o.Pools, Signalling: r.B.ip, DTMF: DTMFEvents})
	plain := strings.NewReplacer(" 101", "", "a=rtpmap:101 telephone-event/8000\r\n", "").Replace(string(r.A.sdp()))
	x := r.offer(r.a, r.b, []byte(plain))
	if !bytes.Contains(x.Offer(), []byte("RTP/AVP 8 101\r\n")) ||
		!bytes.Contains(x.Offer(), []byte("a=rtpmap:101 telephone-event/8000\r\n")) {
		t.Errorf("B is offered\n%s", x.Offer())
	}
	back := r.answer(x, r.B.sdp())
	if bytes.Contains(back, []byte("telephone-event")) {
		t.Errorf("A is told\n%s", back)
	}
	if err := r.s.SendDTMF(r.b, "0", 40*time.Millisecond, 0, nil); err != nil {
		t.Fatal(err)
	}
	if p := r.B.packet(); p.pt != 101 {
		t.Errorf("B hears %+v", p)
	}
	if err := r.s.SendDTMF(r.a, "0", 40*time.Millisecond, 0, nil); !errors.Is(err, ErrNoVoice) {
		t.Errorf("A knows no events: %v", err)
	}
	r.B.press(x.Offer(), 101, 3) // A would not know what that is
	sent := r.B.say(door(t, x.Offer(), 0))
	if p := r.A.packet(); !bytes.Equal(p.payload, sent[12:]) {
		t.Errorf("A hears %+v", p)
	}
}

// A caller whom nobody answers is answered by us, and hears an announcement from the port it was told.
func TestAttend(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	x := r.offer(r.a, r.b, r.A.sdp("m=video 5004 RTP/AVP 96"))
	x.Reject()
	r.s.Drop(r.b)
	r.inUse(0)
	answer, err := r.s.Attend(r.a, r.A.sdp("m=video 5004 RTP/AVP 96"))
	if err != nil {
		t.Fatal(err)
	}
	r.inUse(1)
	d, err := sdp.Parse(answer)
	if err != nil || len(d.Media) != 2 || d.Media[0].Rejected() || !d.Media[1].Rejected() ||
		bytes.Contains(answer, []byte("192.0.2.1")) {
		t.Errorf("answer %v\n%s", err, answer)
	}
	done := make(chan struct{})
	if err := r.s.Play(r.a, sound(sine(400, 0.04)), 1, func() { close(done) }); err != nil {
		t.Fatal(err)
	}
	b, from := r.A.hear(r.A.rtp)
	if from != door(t, answer, 0) || b[1]&0x7f != 8 {
		t.Errorf("%d octets of type %d from %v", len(b), b[1]&0x7f, from)
	}
	<-done
	r.s.Close()
	r.inUse(0)
	if _, err := r.s.Attend(r.a, r.A.sdp()); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// Early media was heard before its attempt failed: the announcement comes by the same port.
func TestPlayAfterDrop(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	doorA, _ := r.exchange(r.A.sdp(), r.B.sdp())
	r.s.Drop(r.b)
	if sound, events := r.s.Speaks(r.a); !sound || !events {
		t.Error("A cannot be spoken to")
	}
	if err := r.s.Play(r.a, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, from := r.A.hear(r.A.rtp); from != doorA {
		t.Errorf("from %v, want %v", from, doorA)
	}
}

// turns lets a voice speak against a wire that drops everything, to see when it is due.
func TestVoiceKeepsTime(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.exchange(r.A.sdp(), r.B.sdp())
	e := r.a.ends[0]
	v := &voice{out: relay.NewOutlet(e.pair.RTP, e.stream, nil), speech: r.a.speech(0)}
	var buf [voiceBuffer]byte
	calls := 0
	v.play(sound(sine(400, 1)), 1, func() { calls++ }, 1e9)
	frames := func() int { return v.at / 160 }
	for _, s := range []struct {
		ms   int64
		want int
	}{{0, 1}, {10, 1}, {19, 2}, {41, 3}, {60, 4}, {140, 8}, {400, 9}, {420, 10}} {
		v.turn(1e9+s.ms*1e6, buf[:])
		if frames() != s.want {
			t.Errorf("after %d ms %d frames, want %d", s.ms, frames(), s.want)
		}
	}
	for now := int64(2e9); v.busy.Load() && now < 10e9; now += 20e6 {
		if done := v.turn(now, buf[:]); done != nil {
			done()
		}
	}
	if calls != 1 {
		t.Errorf("done was called %d times", calls)
	}
}

func TestPacerSleepsAndSurvives(t *testing.T) {
	panics := 0
	p := newPacer(func() int64 { return 1 }, func(any) { panics++ })
	v := &voice{} // no outlet: it will panic
	v.dial(batch{codes: []byte{1}, each: time.Second}, 1)
	v.speech = speech{events: true, listens: true, eventRate: 8000}
	p.add(v)
	if p.turn(1) || panics != 1 || len(p.voices) != 0 {
		t.Errorf("%d panics, %d voices left", panics, len(p.voices))
	}
}

// Whoever is put on hold with "inactive" by a party that has music goes on listening; the party is answered "inactive".
func TestAudibleHold(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.a = r.s.Party(PartyOptions{Pools: r.a.o.Pools, Signalling: r.A.ip, Audible: true})
	x := r.offer(r.a, r.b, r.A.sdp("a=inactive"))
	if !bytes.Contains(x.Offer(), []byte("a=sendonly\r\n")) {
		t.Errorf("B is offered\n%s", x.Offer())
	}
	if back := r.answer(x, r.B.sdp("a=recvonly")); !bytes.Contains(back, []byte("a=inactive\r\n")) {
		t.Errorf("A is told\n%s", back)
	}
	if err := r.s.Play(r.b, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	r.B.packet()
}

// sound makes sound of samples in memory.
func sound(pcm []byte) *Audio { return NewAudio(bytes.NewReader(pcm), int64(len(pcm))) }

// failing is a disk that breaks.
type failing struct{ good int64 }

func (f failing) ReadAt(b []byte, at int64) (int, error) {
	if at >= f.good {
		return 0, errors.New("broken")
	}
	return len(b), nil
}

// What cannot be read any more ends as if it had been played.
func TestSoundThatBreaksOff(t *testing.T) {
	var b [frameSamples]byte
	var pcm [2 * frameSamples]byte
	a := NewAudio(failing{640}, 1<<20)
	for at, over := range []bool{false, false, true} {
		if got := a.frame(b[:], &pcm, tone.ALaw, at*frameSamples); got != over {
			t.Errorf("frame %d: over is %v", at, got)
		}
	}
	if b[0] != tone.ALaw.Silence() {
		t.Error("something is heard of what could not be read")
	}
	if n := testing.AllocsPerRun(100, func() { a.frame(b[:], &pcm, tone.MuLaw, 0) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// BenchmarkFrame: one packet of sound that is read from a file.
func BenchmarkFrame(b *testing.B) {
	path := filepath.Join(b.TempDir(), "x")
	pcm := sine(400, 1)
	if err := os.WriteFile(path, pcm, 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	a := NewAudio(f, int64(len(pcm)))
	var out [frameSamples]byte
	var raw [2 * frameSamples]byte
	b.ReportAllocs()
	for i := range b.N {
		a.frame(out[:], &raw, tone.ALaw, i%49*frameSamples)
	}
}
