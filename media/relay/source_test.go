package relay

import (
	"math"
	"testing"
)

const ms = int64(1e6)

// run feeds sequence numbers, one packet per 20 ms of 8 kHz.
func run(s *source, seqs ...uint16) {
	for i, n := range seqs {
		s.packet(rtpHeader{pt: 8, seq: n, ts: uint32(i) * 160, ssrc: 1}, int64(i)*20*ms+1, nil)
	}
}

// RFC 3550 A.3, by hand.
func TestLoss(t *testing.T) {
	for _, c := range []struct {
		name           string
		seqs           []uint16
		lost, expected int64
	}{
		{"none", []uint16{10, 11, 12, 13}, 0, 4},
		{"one packet", []uint16{10}, 0, 1},
		{"two missing", []uint16{10, 11, 14, 15}, 2, 6},
		{"reordered", []uint16{10, 12, 11, 13}, 0, 4},
		{"late after the end", []uint16{10, 11, 13, 12}, 0, 4},
		{"duplicate makes it negative", []uint16{10, 11, 11, 12}, -1, 3},
		{"over the wrap", []uint16{65534, 65535, 0, 1}, 0, 4},
		{"lost over the wrap", []uint16{65534, 1}, 2, 4},
		{"reordered over the wrap", []uint16{65535, 1, 0, 2}, 0, 4},
		{"before the first", []uint16{10, 9, 11}, -1, 2},
		{"jump of 2999", []uint16{0, 2999}, 2998, 3000},
		// A jump of 3000 and more is believed when its successor comes: that one is the new beginning, the first is not counted.
		{"restart", []uint16{0, 1, 30000, 30001, 30002}, 0, 4},
		{"restart with earlier loss", []uint16{0, 3, 30000, 30001, 30002}, 2, 6},
		{"lone jump is not believed", []uint16{0, 1, 30000, 2, 3}, 0, 4},
		{"100 back is a late packet", []uint16{200, 201, 102}, -1, 2},
		{"101 back is not", []uint16{200, 201, 100}, 0, 2},
	} {
		var s source
		run(&s, c.seqs...)
		if s.lost() != c.lost || s.promised() != c.expected {
			t.Errorf("%s: lost %d of %d, want %d of %d", c.name, s.lost(), s.promised(), c.lost, c.expected)
		}
	}
}

func TestNothingHeardLostNothing(t *testing.T) {
	var s source
	if s.lost() != 0 || s.promised() != 0 || s.jitterMS() != 0 {
		t.Error("figures without packets")
	}
}

// An SSRC change is a new source; what the old one lost stays counted.
func TestSSRCChange(t *testing.T) {
	var s source
	for i, p := range []struct {
		ssrc uint32
		seq  uint16
	}{{1, 10}, {1, 12}, {2, 50000}, {2, 50003}, {1, 14}, {1, 15}} {
		s.packet(rtpHeader{pt: 8, seq: p.seq, ts: uint32(i) * 160, ssrc: p.ssrc}, int64(i)*20*ms+1, nil)
	}
	if s.lost() != 1+2+0 || s.promised() != 3+4+2 || s.changes != 2 || s.ssrc != 1 {
		t.Errorf("lost %d of %d, %d changes", s.lost(), s.promised(), s.changes)
	}
}

// RFC 3550 A.8 in its integer form: jitter += d - ((jitter + 8) >> 4), worked out by hand for D = 0, 80, 80, 40 at 8 kHz.
func TestJitter(t *testing.T) {
	var s source
	h := func(seq uint16, at int64) {
		s.packet(rtpHeader{pt: 0, seq: seq, ts: uint32(seq) * 160, ssrc: 1}, at*ms, NewFormats([]Format{{PT: 0, Clock: 8000}}))
	}
	for _, step := range []struct {
		seq  uint16
		at   int64
		want uint32
	}{
		{1, 1000, 0},   // first: no transit to compare with
		{2, 1020, 0},   // D = 0
		{3, 1050, 80},  // 10 ms late: D = 80; 0 + 80 - 0
		{4, 1060, 155}, // on time again: D = -80; 80 + 80 - (88>>4 = 5)
		{5, 1085, 185}, // 5 ms late: D = 40; 155 + 40 - (163>>4 = 10)
	} {
		h(step.seq, step.at)
		if s.jitter != step.want {
			t.Fatalf("packet %d: jitter %d, want %d", step.seq, s.jitter, step.want)
		}
	}
	if got, want := s.jitterMS(), 11*1000.0/8000; got != want { // 185 >> 4 = 11 units
		t.Errorf("%v ms, want %v", got, want)
	}
}

// A steady 2 ms to and fro must settle at about 2 ms whatever the clock.
func TestJitterConverges(t *testing.T) {
	for _, hz := range []uint32{8000, 16000, 48000, 90000} {
		var s source
		f := NewFormats([]Format{{PT: 96, Clock: hz}})
		for i := range 500 {
			at := int64(i)*20*ms + 1e15 + int64(i%2)*2*ms
			s.packet(rtpHeader{pt: 96, seq: uint16(i), ts: uint32(i) * hz / 50, ssrc: 1}, at, f)
		}
		if math.Abs(s.jitterMS()-2) > 0.15 {
			t.Errorf("%d Hz: %v ms", hz, s.jitterMS())
		}
	}
}

// The timestamp of a telephone-event stands still while the key is down (RFC 4733 2.3): no jitter.
func TestTelephoneEventIsNoJitter(t *testing.T) {
	var s source
	f := NewFormats([]Format{{PT: 8, Clock: 8000}, {PT: 101, Clock: 8000, Event: true}})
	for i := range 50 {
		h := rtpHeader{pt: 8, seq: uint16(i), ts: uint32(i) * 160, ssrc: 1}
		if i >= 20 && i < 30 {
			h.pt, h.ts = 101, 20*160
		}
		s.packet(h, int64(i)*20*ms+1, f)
	}
	if s.jitter != 0 {
		t.Errorf("jitter %v ms", s.jitterMS())
	}
	if s.lost() != 0 || s.received != 50 {
		t.Errorf("lost %d, received %d", s.lost(), s.received)
	}
}

func TestClockSetAnewIsNoJitter(t *testing.T) {
	var s source
	run(&s, 1, 2, 3)
	s.packet(rtpHeader{pt: 8, seq: 4, ts: 3_000_000_000, ssrc: 1}, 60*ms+1, nil)
	s.packet(rtpHeader{pt: 8, seq: 5, ts: 3_000_000_160, ssrc: 1}, 80*ms+1, nil)
	if s.jitter != 0 {
		t.Errorf("jitter %v ms", s.jitterMS())
	}
}

// Years of a steady clock must not overflow.
func TestJitterAfterYears(t *testing.T) {
	var s source
	f := NewFormats([]Format{{PT: 96, Clock: 90000}})
	const years = int64(50 * 365 * 24 * 3600 * 1e9)
	for i := range 100 {
		s.packet(rtpHeader{pt: 96, seq: uint16(i), ts: uint32(i) * 1800, ssrc: 1}, years+int64(i)*20*ms, f)
	}
	if s.jitterMS() > 0.05 {
		t.Errorf("jitter %v ms", s.jitterMS())
	}
}

// ITU-T G.107: R and MOS by hand.
func TestMOS(t *testing.T) {
	for _, c := range []struct {
		name               string
		codec              string
		loss, jitter, trip float64
		want               float64
	}{
		// delay 20: Id = 0.48; R = 92.72; 1 + 3.2452 + 92.72*32.72*7.28*7e-6 = 4.3998
		{"G.711, perfect", "PCMA", 0, 0, 0, 4.400},
		// delay 120: Id = 2.88; R = 90.32; 1 + 3.1612 + 90.32*30.32*9.68*7e-6 = 4.3468
		{"G.711, 200 ms", "pcmu", 0, 0, 200, 4.347},
		// delay 220: Id = 5.28 + 0.11*42.7 = 9.977; R = 83.223; 1 + 2.9128 + 83.223*23.223*16.777*7e-6 = 4.1398
		{"G.711, 400 ms", "PCMU", 0, 0, 400, 4.140},
		// Ie-eff = 95*5/30.1 = 15.781; R = 76.939; 1 + 2.6929 + 76.939*16.939*23.061*7e-6 = 3.9033
		{"G.711, 5 % lost", "PCMA", 5, 0, 0, 3.903},
		// Ie-eff = 11 + 84*1/20 = 15.2; delay 40: Id = 0.96; R = 77.04; 1 + 2.6964 + 77.04*17.04*22.96*7e-6 = 3.9074
		{"G.729, 1 % lost, 10 ms jitter", "G729", 1, 10, 0, 3.907},
		// Ie-eff = 95*100/125.1 = 75.94; R = 16.78: 1 + 0.5873 + 16.78*(-43.22)*83.22*7e-6 = 1.1648
		{"all lost", "PCMA", 100, 0, 0, 1.165},
		{"negative loss is none", "PCMA", -3, 0, 0, 4.400},
		{"R below 0", "PCMA", 100, 2000, 4000, 1},
	} {
		if got := MOS(c.codec, c.loss, c.jitter, c.trip); math.Abs(got-c.want) > 0.001 {
			t.Errorf("%s: %.4f, want %.3f", c.name, got, c.want)
		}
	}
	for r := -20.0; r <= 120; r++ {
		if m := rating(r); m < 1 || m > 4.5 {
			t.Errorf("R %v gives %v", r, m)
		}
	}
}
