package integration

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/sbc"
)

// startBaresip runs a baresip on a host: it sends a tone and writes what it hears into its folder.
func startBaresip(t testing.TB, h *host, name string, tone int, commands ...string) (folder string, output *safeBuffer) {
	t.Helper()
	account := fmt.Sprintf("<sip:%s@%s>;regint=0;answermode=auto;outbound=\"sip:%s:5060\"\n", name, h.peer, h.border)
	return startBaresipAs(t, h, name, account, tone, commands...)
}

// startBaresipAs is startBaresip with a line of its file of accounts.
func startBaresipAs(t testing.TB, h *host, name, account string, tone int, commands ...string) (folder string, output *safeBuffer) {
	t.Helper()
	return startBaresipWith(t, h, name, account, "", tone, commands...)
}

// startBaresipWith is startBaresipAs with more lines of its configuration.
func startBaresipWith(
	t testing.TB, h *host, name, account, more string, tone int, commands ...string,
) (folder string, output *safeBuffer) {
	t.Helper()
	folder = t.TempDir()
	modules := "/usr/lib/baresip/modules"
	config := fmt.Sprintf("poll_method epoll\nsip_listen %s:5060\ncall_max_calls 4\naudio_player alsa,null\naudio_source aufile,%s\n"+
		"audio_channels 1\nausrc_channels 1\nauplay_channels 1\nrtp_ports 20000-20100\nsnd_path %s\nmodule_path %s\nmodule uuid.so\nmodule g711.so\nmodule srtp.so\nmodule aufile.so\nmodule alsa.so\n"+
		"module sndfile.so\nmodule_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen 0.0.0.0:4444\n",
		h.peer, filepath.Join(folder, "tone.wav"), folder, modules) + more
	for file, content := range map[string]string{"config": config, "accounts": account, "contacts": "", "tone.wav": wave(tone)} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-f", folder, "-t", "20"}
	for _, c := range commands {
		args = append(args, "-e", c)
	}
	cmd := h.command("baresip", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output = &safeBuffer{}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("baresip %s:\n%s", name, output.String())
		}
	})
	return folder, output
}

// wave is a WAV file with 30 s of a tone: one channel, 8000 samples a second, 16 bits.
func wave(tone int) string {
	const rate, seconds = 8000, 30
	var b bytes.Buffer
	b.WriteString("RIFF")
	for _, part := range []any{
		uint32(36 + 2*rate*seconds), [8]byte([]byte("WAVEfmt ")), uint32(16), uint16(1), uint16(1), uint32(rate), uint32(2 * rate),
		uint16(2), uint16(16), [4]byte([]byte("data")), uint32(2 * rate * seconds),
	} {
		_ = binary.Write(&b, binary.LittleEndian, part) // a buffer takes everything
	}
	for i := range rate * seconds {
		_ = binary.Write(&b, binary.LittleEndian, int16(12000*math.Sin(2*math.Pi*float64(tone*i)/rate)))
	}
	return b.String()
}

// capture lets tshark write what passes an interface into a file until stop is called.
func capture(t testing.TB, iface string) (file string, stop func()) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "capture.pcap")
	cmd := exec.Command("tshark", "-i", iface, "-f", "udp", "-F", "pcap", "-w", file)
	out := &safeBuffer{}
	cmd.Stderr = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for ticker := time.NewTicker(10 * time.Millisecond); !strings.Contains(out.String(), "Capturing on"); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("tshark does not capture: %s", out.String())
		}
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait() // interrupted
		}
	}
	t.Cleanup(stop)
	return file, stop
}

// TestBaresipTalks lets baresip call baresip from one host to another through the border; tshark reads both networks. Each must
// hear the other's tone, no RTP may be lost, and no byte in one network may name the other.
func TestBaresipTalks(t *testing.T) {
	needs(t, "baresip", "tshark")
	west, east := newHost(t), newHost(t)
	b := startBorder(t, app.Options{})
	w := b.connect(sides{west: west.border, westPeer: west.peer, east: east.border, eastPeer: east.peer}, wish{})
	westFile, stopWest := capture(t, west.outside)
	eastFile, stopEast := capture(t, east.outside)

	eastFolder, _ := startBaresip(t, east, "4930123456", 1000)
	westFolder, _ := startBaresip(t, west, "alice", 400, "d sip:4930123456@"+west.border.String())
	b.talked(150)
	record := b.cdrs(1)[0]
	if record.EndReason != sbc.EndAdmin || record.ReleasedBy != sbc.SideSBC || record.IngressTrunkID != w.westTrunk {
		t.Errorf("record %+v", record)
	}
	for _, s := range record.Media {
		if s.Lost != 0 || s.RelayedPackets < 150 || s.Codec == "" {
			t.Errorf("stream %+v", s)
		}
	}
	b.quiet()
	stopWest()
	stopEast()
	if got := heardTone(t, westFolder, 400, 1000); got != 1000 {
		t.Errorf("alice hears %v Hz; bob sends 1000", got)
	}
	if got := heardTone(t, eastFolder, 400, 1000); got != 400 {
		t.Errorf("bob hears %v Hz; alice sends 400", got)
	}
	checkCapture(t, westFile, east.peer.String(), east.border.String())
	checkCapture(t, eastFile, west.peer.String(), west.border.String())
}

// checkCapture asks tshark about one network: two RTP streams without loss, and nothing that names the other network.
func checkCapture(t testing.TB, file string, forbidden ...string) {
	t.Helper()
	out, err := exec.Command("tshark", "-r", file, "-o", "rtp.heuristic_rtp:TRUE", "-q", "-z", "rtp,streams").CombinedOutput()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, out)
	}
	streams := 0
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "g711") {
			continue
		}
		streams++
		if !strings.Contains(line, "(0.0%)") {
			t.Errorf("a stream lost packets: %s", line)
		}
	}
	if streams != 2 {
		t.Errorf("tshark sees %d streams of G.711; one each way was expected\n%s", streams, out)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range forbidden {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("%s of the other network stands in a packet", secret)
		}
	}
}

// heardTone is the strongest of the candidate frequencies in what a baresip decoded.
func heardTone(t testing.TB, folder string, candidates ...float64) float64 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*dec.wav"))
	if err != nil || len(files) == 0 {
		t.Fatalf("baresip wrote no recording in %s: %v", folder, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	const header, rate = 44, 8000
	if len(raw) < header+rate {
		t.Fatalf("the recording has only %d bytes", len(raw))
	}
	return strongest(raw[header:], candidates)
}

// strongest is the strongest of some frequencies in samples of 16 bits, 8,000 a second (Goertzel).
func strongest(samples []byte, candidates []float64) float64 {
	const rate = 8000
	best, most := 0.0, 0.0
	for _, f := range candidates {
		c := 2 * math.Cos(2*math.Pi*f/rate)
		var s1, s2 float64
		for i := 0; i+1 < len(samples); i += 2 {
			s1, s2 = float64(int16(binary.LittleEndian.Uint16(samples[i:])))+c*s1-s2, s1
		}
		if power := s1*s1 + s2*s2 - c*s1*s2; power > most {
			best, most = f, power
		}
	}
	return best
}
