package main

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/media/secure"
	"golang.org/x/net/ipv4"
)

// answerTo is what a border answers to an offer of the phase, with a key of its own.
func answerTo(t *testing.T, suite secure.Suite) (answer []byte, keys secure.Keys) {
	t.Helper()
	sdp, keys, err := offered(suite)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("SIP/2.0 200 OK\r\n\r\n"), sdp...), keys
}

func TestPacketsAreSealedAndOpened(t *testing.T) {
	for _, suite := range []secure.Suite{secure.CM128HM80, secure.GCM128} {
		_, caller := answerTo(t, suite)
		answer, border := answerTo(t, suite)
		to := &net.UDPAddr{IP: net.IPv4(127, 0, 71, 1), Port: 10000}
		e := end{to: to}
		var err error
		if e.seal, e.open, err = contexts(caller, answer); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, rtpBytes, rtpBytes+secure.Overhead)
		s := &side{batch: []ipv4.Message{{Buffers: [][]byte{buffer}, Addr: to}}, seals: []*secure.Context{e.seal}}
		s.opens = byPort([]end{e})
		opens, seals := contextOf(t, caller), contextOf(t, border)
		for range 3 {
			s.seq++
			if err := s.fill(0); err != nil {
				t.Fatal(err)
			}
			clear, err := opens.OpenRTP(bytes.Clone(s.batch[0].Buffers[0]))
			if err != nil || len(clear) != rtpBytes || !bytes.Equal(clear[20:], make([]byte, rtpBytes-20)) {
				t.Fatalf("%s: the border cannot read it: %v", suite, err)
			}
			sealed, err := seals.SealRTP(append(make([]byte, 0, 300), clear...))
			if err != nil {
				t.Fatal(err)
			}
			if got := s.opened(bytes.Clone(sealed), &net.UDPAddr{Port: 10002}); got != nil {
				t.Error("opened with another call's key")
			}
			if got := s.opened(sealed, to); !bytes.Equal(got, clear) {
				t.Errorf("%s: %x", suite, got)
			}
		}
		if got := s.opened(make([]byte, rtpBytes), to); got != nil || s.unopened.Load() != 4 {
			t.Error("a packet in the clear counts where it should be encrypted:", s.unopened.Load())
		}
	}
}

func contextOf(t *testing.T, k secure.Keys) *secure.Context {
	t.Helper()
	c, err := secure.New(k)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnswersWithoutTheRightKeyGiveNoFigure(t *testing.T) {
	_, caller := answerTo(t, secure.CM128HM80)
	other, _ := answerTo(t, secure.GCM128)
	same, _ := answerTo(t, secure.CM128HM80)
	for name, answer := range map[string]string{
		"another suite":  string(other),
		"in the clear":   strings.Replace(string(same), "RTP/SAVP", "RTP/AVP", 1),
		"without a key":  "SIP/2.0 200 OK\r\n\r\n" + strings.Replace(string(description(westHost)), "RTP/AVP", "RTP/SAVP", 1),
		"a broken key":   strings.Replace(string(same), "inline:", "inline:AAAA", 1),
		"without audio":  "SIP/2.0 200 OK\r\n\r\nv=0\r\n",
		"without an SDP": "SIP/2.0 200 OK\r\n\r\n",
	} {
		if _, _, err := contexts(caller, []byte(answer)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, _, err := contexts(caller, same); err != nil {
		t.Error(err)
	}
}

func TestWithoutASuiteNothingIsEncrypted(t *testing.T) {
	sdp, _, err := offered("")
	if err != nil || !bytes.Equal(sdp, description(westHost)) || byPort([]end{{to: &net.UDPAddr{Port: 1}}}) != nil {
		t.Errorf("%s, %v", sdp, err)
	}
}
