package media

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/sdp"
	"github.com/sallyport/sallyport/media/tone"
)

const (
	// frame is the time that a packet of ours covers.
	frame = 20 * time.Millisecond
	// rtpFixed is the length of the fixed RTP header (RFC 3550 5.1).
	rtpFixed = 12
	// voiceBuffer holds a packet of ours: a frame of G.711.
	voiceBuffer = rtpFixed + frameSamples
	// endings is how often the end of a digit is sent (RFC 4733 2.5.1.4).
	endings = 3
	// digitLevel is how loud a digit is said to be: -10 dBm0 (RFC 4733 2.3.4).
	digitLevel = 10
	// mostLate is how far the clock may run ahead before what was missed is left out instead of sent in a hurry.
	mostLate = int64(100 * time.Millisecond)
)

// speech is in which formats we can speak to a party on one m-line.
type speech struct {
	law             tone.Law
	pt, eventPT     uint8
	sound, events   bool
	rate, eventRate uint32 // Hz
	// listens says that the party wants to hear something at all.
	listens bool
}

// speechOf reads it off what a party said of itself and was told, in its own numbers.
func speechOf(told, own *sdp.Media) speech {
	sp := speech{listens: own.Direction.Receives() && !own.Zero() && !own.Rejected()}
	clock := 0
	for _, c := range sdp.Agreed(told, own) {
		known := !c.TelephoneEvent() && !c.ComfortNoise()
		if known && clock == 0 {
			clock = c.Clock
		}
		law, ok := lawOf(&c)
		switch {
		case ok && !sp.sound:
			sp.sound, sp.law, sp.pt, sp.rate = true, law, c.PT, tone.Rate
		case c.TelephoneEvent() && c.Clock > 0 && (!sp.events || c.Clock == clock):
			sp.events, sp.eventPT, sp.eventRate = true, c.PT, uint32(c.Clock)
		}
	}
	return sp
}

// voice is what we say to a party on one m-line: digits first, then what is played.
type voice struct {
	out *relay.Outlet
	// busy is false once there is nothing to say; the pacer reads it, in is the pacer's.
	busy atomic.Bool
	in   bool

	mu      sync.Mutex
	speech  speech
	playing bool
	audio   *Audio
	at      int // sample
	left    int // how often still, 0 for ever
	played  func()
	last    bool // its last frame was sent: it is over when that was heard
	digits  []batch
	said    int           // digits of the first batch
	elapsed time.Duration // of the digit, and the gap after it, under way
	ends    int           // how often its end was sent
	next    int64         // when the next packet is due
	silent  bool          // what comes next is the first after a pause
	pcm     [2 * frameSamples]byte
}

// batch is digits that were asked for at once.
type batch struct {
	codes     []byte
	each, gap time.Duration
	done      func()
}

// tune sets the formats.
func (v *voice) tune(sp speech) {
	v.mu.Lock()
	v.speech = sp
	v.mu.Unlock()
}

// play begins to play; what was played is forgotten.
func (v *voice) play(a *Audio, repeat int, done func(), now int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.audio, v.at, v.left, v.played, v.playing, v.last = a, 0, repeat, done, true, false
	v.wake(now)
}

// dial appends digits.
func (v *voice) dial(d batch, now int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.digits = append(v.digits, d)
	v.wake(now)
}

// queued is how many digits wait.
func (v *voice) queued() (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.digits {
		n += len(v.digits[i].codes)
	}
	return n - v.said
}

// wake makes the next packet due. The lock is held.
func (v *voice) wake(now int64) {
	if !v.busy.Swap(true) {
		v.next, v.silent = now, true
	}
}

// hush ends what is played.
func (v *voice) hush() {
	v.mu.Lock()
	v.playing, v.audio, v.played, v.last = false, nil, nil, false
	v.mu.Unlock()
}

// close ends everything: when it returns, nothing more is sent.
func (v *voice) close() {
	v.mu.Lock()
	v.playing, v.audio, v.played, v.last, v.digits = false, nil, nil, false, nil
	v.mu.Unlock()
	v.out.Close()
}

// packet is one of ours, its first octets left to the outlet.
type packet struct {
	b          []byte
	rate, step uint32
	first      bool
}

// turn says what is due, and gives what is to be called because something ended.
func (v *voice) turn(now int64, b []byte) (done func()) {
	for {
		p, done, due := v.due(now, b)
		if !due {
			return nil
		}
		idle := !v.busy.Load()
		if p.b != nil {
			v.out.Say(p.b, p.rate, p.step, p.first, now)
		}
		if idle {
			v.out.Yield()
		}
		if done != nil {
			return done
		}
	}
}

// due makes what is due now, if anything is; busy is false after the last of it.
func (v *voice) due(now int64, b []byte) (p packet, done func(), due bool) {
	v.mu.Lock()
	defer v.mu.Unlock() // whatever happens: who ends a call must not wait for a fault in what it was played
	if now-v.next > mostLate {
		v.next, v.silent = now, true
	}
	if !v.busy.Load() || v.next > now+int64(frame/4) { // a tick that comes a little early is still the right one
		return p, nil, false
	}
	v.next += int64(frame)
	p, done = v.say(b)
	if !v.playing && len(v.digits) == 0 {
		v.busy.Store(false)
	}
	return p, done, true
}

// say makes the packet of one frame, if there is one. The lock is held.
func (v *voice) say(b []byte) (p packet, done func()) {
	if len(v.digits) > 0 {
		return v.digit(b)
	}
	if v.last {
		done = v.played
		v.playing, v.audio, v.played, v.last = false, nil, nil, false
	}
	if !v.playing {
		return packet{}, done
	}
	over := v.audio.frame(b[rtpFixed:], &v.pcm, v.speech.law, v.at)
	v.at += len(b) - rtpFixed
	if v.speech.sound && v.speech.listens {
		b[1] = v.speech.pt
		if v.silent {
			b[1] |= 0x80 // RFC 3551 4.1: the first packet after a pause
		}
		p = packet{b: b, rate: v.speech.rate, step: uint32(len(b) - rtpFixed), first: v.silent}
		v.silent = false
	} else {
		v.silent = true // what cannot be said passes nevertheless
	}
	if !over {
		return p, nil
	}
	v.at, v.last = 0, v.left == 1
	v.left = max(0, v.left-1)
	return p, nil
}

// digit makes the packet of one frame of a digit: first its growing duration, then its end three times, then the gap without any
// (RFC 4733 2.5.1). The lock is held.
func (v *voice) digit(b []byte) (p packet, done func()) {
	d := &v.digits[0]
	first := v.elapsed == 0
	v.elapsed += frame
	if v.speech.events && v.speech.listens && v.ends < endings {
		b = b[:rtpFixed+4]
		b[1], b[rtpFixed], b[rtpFixed+1] = v.speech.eventPT, d.codes[v.said], digitLevel
		if first {
			b[1] |= 0x80 // 2.5.1.1: marks the beginning
		}
		if v.elapsed >= d.each {
			b[rtpFixed+1] |= 0x80
			v.ends++
		}
		ticks := int64(min(v.elapsed, d.each)) * int64(v.speech.eventRate) / int64(time.Second)
		binary.BigEndian.PutUint16(b[rtpFixed+2:], uint16(min(ticks, 0xffff)))
		p = packet{b: b, rate: v.speech.eventRate, first: first}
	}
	v.silent = true
	if v.elapsed < d.each+max(d.gap, (endings-1)*frame) {
		return p, nil
	}
	v.elapsed, v.ends = 0, 0
	if v.said++; v.said == len(d.codes) {
		done = d.done
		v.said, v.digits = 0, v.digits[1:]
	}
	return p, done
}
