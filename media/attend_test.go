package media

import (
	"testing"
	"time"
)

// Whoever hears an announcement before anybody else answers is heard, too: digits count, and RTCP on the port of RTP is no RTP.
func TestAttendedIsHeard(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.a.o.RTCPMux = true
	heard := make(chan byte, 4)
	r.s.ListenDTMF(func(_ *Party, digit byte, _ time.Duration) { heard <- digit })
	answer, err := r.s.Attend(r.a, r.A.sdp("a=rtcp-mux"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.s.Play(r.a, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	r.A.press(answer, 101, 7)
	select {
	case digit := <-heard:
		if digit != '7' {
			t.Errorf("digit %c", digit)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("no digit")
	}
	r.A.send(r.A.rtp, door(t, answer, 0), []byte{0x80, 201, 0, 1, 0, 0, 0, 42})
	for deadline := time.Now().Add(5 * time.Second); r.s.Stats()[0].RTCPPackets == 0 && time.Now().Before(deadline); {
		r.A.packet()
	}
	if st := r.s.Close(); st[0].Packets != 7 || st[0].RTCPPackets != 1 {
		t.Errorf("figures %+v", st[0])
	}
}

// A fault in what is played ends that, and neither the call nor what others hear.
func TestFaultOfTheVoice(t *testing.T) {
	r := newRig(t, "127.0.0.2", "127.0.0.3")
	r.exchange(r.A.sdp(), r.B.sdp())
	if err := r.s.Play(r.a, &Audio{}, 0, nil); err != nil { // sound that cannot be made
		t.Fatal(err)
	}
	if err := r.s.Play(r.b, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.B.packet()
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		r.s.StopPlaying(r.a)
		r.s.Close()
	}()
	select {
	case <-over:
	case <-time.After(5 * time.Second):
		t.Fatal("the call waits for what it was played")
	}
}
