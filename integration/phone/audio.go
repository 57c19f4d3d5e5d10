package phone

import (
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sallyport/sallyport/media/secure"
)

const (
	sampleRate   = 8000
	frameSamples = 160 // 20 ms
	frameTime    = 20 * time.Millisecond
	headerBytes  = 12 // RTP without extensions (RFC 3550 5.1)
)

// Heard is what a phone received of the other's audio.
type Heard struct {
	// Packets of RTP that came; Lost by their sequence numbers; Sent by this phone.
	Packets, Lost, Sent uint64
	// From is where the last packet came from.
	From netip.AddrPort
	// Tone is the strongest of the candidate frequencies in the last second, in hertz; 0 if there was none.
	Tone float64
	// Now is the strongest one in the last packet, Since when the first of an unbroken row of packets with it came.
	Now   float64
	Since time.Time
}

// tones are the frequencies phones send and listen for, in hertz.
var tones = [...]float64{400, 600, 800, 1000, 1200}

// audio is one RTP socket with a sender and a listener.
type audio struct {
	conn *net.UDPConn
	tone float64

	mu      sync.Mutex
	heard   Heard
	first   bool
	nextSeq uint16
	window  []int16

	cipher *cipher // nil in the clear
	quit   chan struct{}
	once   sync.Once
	wait   sync.WaitGroup
	remote netip.AddrPort
}

// newAudio binds an RTP socket on addr. Nothing is sent before start.
func newAudio(addr netip.Addr, o *Options) (*audio, error) {
	keys, err := newCipher(o)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return nil, fmt.Errorf("phone: cannot bind a port for audio: %w", err)
	}
	a := &audio{conn: conn, tone: o.Tone, cipher: keys, quit: make(chan struct{}), first: true}
	a.wait.Go(a.listen)
	return a, nil
}

// port is the RTP port.
func (a *audio) port() int { return a.conn.LocalAddr().(*net.UDPAddr).Port }

// start begins to send the tone to remote; further calls change the destination.
func (a *audio) start(remote netip.AddrPort) {
	a.mu.Lock()
	running := a.remote.IsValid()
	a.remote = remote
	a.mu.Unlock()
	if !running {
		a.wait.Go(a.send)
	}
}

// stop ends sender and listener; it returns when both are gone.
func (a *audio) stop() {
	a.once.Do(func() {
		close(a.quit)
		a.conn.Close()
		a.cipher.close()
	})
	a.wait.Wait()
}

func (a *audio) send() {
	ticker := time.NewTicker(frameTime)
	defer ticker.Stop()
	var room [headerBytes + frameSamples + secure.Overhead]byte
	packet := room[:headerBytes+frameSamples]
	packet[0] = 2 << 6
	binary.BigEndian.PutUint32(packet[8:], 0x5a11<<16|uint32(a.port()))
	for n := uint32(0); ; n++ {
		packet[1] = 0 // PCMU (RFC 3551 table 4)
		if n == 0 {
			packet[1] |= 0x80
		}
		binary.BigEndian.PutUint16(packet[2:], uint16(n))
		binary.BigEndian.PutUint32(packet[4:], n*frameSamples)
		for i := range frameSamples {
			t := float64(n*frameSamples+uint32(i)) / sampleRate
			packet[headerBytes+i] = encodeMuLaw(int16(12000 * math.Sin(2*math.Pi*a.tone*t)))
		}
		if sealed, ok := a.cipher.seal(packet); ok {
			a.say(sealed)
		}
		select {
		case <-ticker.C:
		case <-a.quit:
			return
		}
	}
}

// say sends a packet and counts it.
func (a *audio) say(packet []byte) {
	a.mu.Lock()
	remote := a.remote
	a.heard.Sent++
	a.mu.Unlock()
	if _, err := a.conn.WriteToUDPAddrPort(packet, remote); err != nil {
		a.mu.Lock()
		a.heard.Sent--
		a.mu.Unlock()
	}
}

func (a *audio) listen() {
	buf := make([]byte, 2048)
	for {
		n, from, err := a.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			select {
			case <-a.quit:
				return
			default:
				continue // a refused port of the other side (ICMP) is no reason to stop listening
			}
		}
		if packet, ok := a.cipher.open(buf[:n], from); ok && len(packet) > headerBytes && packet[0]>>6 == 2 {
			a.take(packet, from)
		}
	}
}

// take counts a packet and keeps its last second of sound.
func (a *audio) take(packet []byte, from netip.AddrPort) {
	seq := binary.BigEndian.Uint16(packet[2:])
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heard.Packets++
	a.heard.From = from
	if gap := seq - a.nextSeq; !a.first && gap < 1<<15 {
		a.heard.Lost += uint64(gap)
	}
	a.first, a.nextSeq = false, seq+1
	begun := len(a.window)
	for _, b := range packet[headerBytes:] {
		a.window = append(a.window, decodeMuLaw(b))
	}
	if now := strongest(a.window[begun:]); now != a.heard.Now || a.heard.Since.IsZero() {
		a.heard.Now, a.heard.Since = now, time.Now()
	}
	if extra := len(a.window) - sampleRate; extra > 0 {
		a.window = append(a.window[:0], a.window[extra:]...)
	}
}

// report gives what was heard so far.
func (a *audio) report() Heard {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.heard
	h.Tone = strongest(a.window)
	return h
}

// strongest finds the tone that holds most of the energy of the samples, by Goertzel's algorithm; 0 if none holds half of it.
func strongest(samples []int16) float64 {
	if len(samples) < frameSamples {
		return 0
	}
	var total float64
	for _, s := range samples {
		total += float64(s) * float64(s)
	}
	best, bestPower := 0.0, 0.0
	for _, f := range tones {
		c := 2 * math.Cos(2*math.Pi*f/sampleRate)
		var s1, s2 float64
		for _, s := range samples {
			s1, s2 = float64(s)+c*s1-s2, s1
		}
		if power := s1*s1 + s2*s2 - c*s1*s2; power > bestPower {
			best, bestPower = f, power
		}
	}
	// A pure tone of amplitude A over N samples has power (A·N/2)² and energy N·A²/2, so their ratio is N/2.
	if bestPower < total*float64(len(samples))/4 {
		return 0
	}
	return best
}
