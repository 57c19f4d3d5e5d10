package integration

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// strangers is a realm where phones come from anywhere.
func strangers() wish {
	return wish{westRealm: rest.Object{"trust": "access", "unknown_source": "reject"}}
}

// TestThirtyFirst is features.md 13.3: SIPp sends 31 requests within 2 s and the last is dropped; of 29 none is.
func TestThirtyFirst(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), strangers())
	dropped := 0.0
	for i, c := range []struct {
		requests int
		dropped  float64
	}{{29, 0}, {30, 0}, {31, 1}} {
		from := w.stranger().As4()
		from[3] = byte(150 + i)
		err := sipp(patience(t, 20*time.Second), t, "options_blind.xml", "-i", netip.AddrFrom4(from).String(), "-p", "5060", "-m", fmt.Sprint(c.requests),
			"-r", "100", w.west.String()+":5060")
		if err != nil {
			t.Fatal(err)
		}
		seen := func() float64 {
			return b.metric("sbc_sip_requests_total", `direction="in"`, "OPTIONS") + b.metric("sbc_guard_blocked_total", "flood")
		}
		want := float64([]int{29, 59, 90}[i])
		waitFor(t, func() bool { return seen() >= want }, "all requests of SIPp")
		if n := b.metric("sbc_guard_blocked_total", "flood") - dropped; n != c.dropped {
			t.Errorf("of %d requests %v were dropped", c.requests, n)
		}
		dropped += c.dropped
	}
}

// forger sends UDP packets from any source.
type forger struct {
	fd int
	to netip.AddrPort
}

func newForger(t *testing.T, to netip.AddrPort) *forger {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_RAW)
	if err != nil {
		t.Skip("forged packets need a raw socket:", err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	return &forger{fd, to}
}

func (f *forger) send(from netip.AddrPort, payload []byte) error {
	p := make([]byte, 28, 28+len(payload))
	p[0], p[8], p[9] = 0x45, 64, syscall.IPPROTO_UDP
	binary.BigEndian.PutUint16(p[2:], uint16(28+len(payload)))
	src, dst := from.Addr().As4(), f.to.Addr().As4()
	copy(p[12:], src[:])
	copy(p[16:], dst[:])
	binary.BigEndian.PutUint16(p[20:], from.Port())
	binary.BigEndian.PutUint16(p[22:], f.to.Port())
	binary.BigEndian.PutUint16(p[24:], uint16(8+len(payload)))
	return syscall.Sendto(f.fd, append(p, payload...), 0, &syscall.SockaddrInet4{Addr: dst})
}

// TestJunkFromForgedSources is features.md 13.5: while junk and scanners come from tens of thousands of sources as fast as this
// machine makes them, a call in progress loses no packet, calls of exempt peers are answered within a second, memory stays flat,
// and nobody is banned who was only forged.
func TestJunkFromForgedSources(t *testing.T) {
	if raceEnabled {
		t.Skip("measures wall-clock time")
	}
	o := strangers()
	o.ports = 30000
	st := newStage(t, o)
	b, west, east := st.b, st.west, st.east
	f := newForger(t, west.border)
	caller, callee, _ := st.talkWithMedia(t, pcmu)
	both(t, caller, callee, 0)
	runtime.GC()
	heap := heapInUse()
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 200, byte(n >> 8), byte(n)}), uint16(1024+n%60000))
			payload := []byte("\x80junk that is long enough to be looked at")
			switch n % 3 {
			case 1:
				payload = text("INVITE sip:1000@x.invalid SIP/2.0", []string{"Via: SIP/2.0/UDP x;branch=z9hG4bK" + fmt.Sprint(n), "From: <sip:1@x>;tag=1",
					"To: <sip:1@x>", "Call-ID: " + fmt.Sprint(n), "CSeq: 1 INVITE", "User-Agent: friendly-scanner"}, "")
			case 2: // one that is forged again and again
				from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 201, 0, 1}), 5060)
				payload = text("REGISTER sip:x.invalid SIP/2.0", []string{"Via: SIP/2.0/UDP x;branch=z9hG4bK" + fmt.Sprint(n), "From: <sip:1@x>;tag=1",
					"To: <sip:1@x>", "Call-ID: " + fmt.Sprint(n), "CSeq: 1 REGISTER"}, "")
			}
			if err := f.send(from, payload); err != nil {
				t.Errorf("forging: %v", err)
				done <- n
				return
			}
		}
	}()
	worst, calls := time.Duration(0), 0
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); calls++ {
		begun := time.Now()
		line := west.dial(fmt.Sprint("49301", calls), west.sdp())
		called := east.ring()
		called.say(called.invite, 486, "", "")
		line.final(486)
		worst = max(worst, time.Since(begun))
		both(t, caller, callee, 0)
	}
	close(stop)
	sent := <-done
	t.Logf("%d forged packets in 2 s, %d calls meanwhile, the slowest answered after %v", sent, calls, worst)
	if worst > time.Second {
		t.Errorf("a call of an exempt peer waited %v", worst)
	}
	runtime.GC()
	if h := heapInUse(); h > heap+48<<20 { // the tables of the guard are allocated by the first packets
		t.Errorf("%d KiB of heap before, %d after", heap>>10, h>>10)
	}
	var bans struct{ Items []sbc.Ban }
	if err := b.Get(t.Context(), "/v1/security/bans", &bans); err != nil || len(bans.Items) != 0 {
		t.Errorf("forged packets ban: %v %v", bans.Items, err)
	}
	if b.metric("sbc_guard_blocked_total", "scanner") == 0 || b.metric("sbc_guard_blocked_total", "flood") == 0 {
		t.Error("nothing was kept out")
	}
	caller.hangup(callee.line)
	b.quiet()
}

// TestSipsakFlood has sipsak flood while a peer is answered; sipsak hears no more than its budget.
func TestSipsakFlood(t *testing.T) {
	if raceEnabled {
		t.Skip("measures wall-clock time, of a peer whose messages a flood can displace")
	}
	needs(t, "sipsak")
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), strangers())
	west, _ := w.peers(t, false)
	ctx := patience(t, 20*time.Second)
	cmd := exec.CommandContext(ctx, "sipsak", "-F", "-s", "sip:flood@"+w.west.String()+":5060")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return b.metric("sbc_guard_blocked_total", "flood") > 1000 }, "a flood of sipsak that is dropped")
	begun := time.Now()
	west.sync(west.border)
	if took := time.Since(begun); took > time.Second {
		t.Errorf("a peer was answered after %v", took)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
}

// TestSTUNClient asks with coturn's client, on the SIP port and on 3478; where STUN is off nobody answers.
func TestSTUNClient(t *testing.T) {
	needs(t, "turnutils_stunclient")
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	b.do("PATCH", "/sip-interfaces/"+w.westInterface, rest.Object{"stun_port": 3478}, nil)
	for _, port := range []string{"5060", "3478"} {
		out, err := exec.CommandContext(patience(t, 10*time.Second), "turnutils_stunclient", "-p", port, "-L", w.westPeer.String(), w.west.String()).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "UDP reflexive addr: "+w.westPeer.String()) {
			t.Errorf("port %s: %v\n%s", port, err, out)
		}
	}
}

// TestBanByREST bans a peer, a trunk's at that: its requests are unread while others are answered, and lifted is lifted. The ban
// is on disk when it is answered.
func TestBanByREST(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := startBorder(t, app.Options{DataDir: dir})
	w := b.connect(newSides(t), wish{})
	west, east := w.peers(t, false)
	west.sync(west.border)
	id := b.create("/security/bans", rest.Object{"source": w.westPeer.String(), "evidence": "a test", "seconds": 600})
	before := west.count()
	l := &line{p: west, callID: msg.NewTag(), local: "<sip:x@x.invalid>;tag=1", remote: "<sip:y@x.invalid>"}
	west.send(text("OPTIONS sip:y@x.invalid SIP/2.0", l.head("OPTIONS", 1, west.branch()), ""), west.border)
	waitFor(t, func() bool { return b.metric("sbc_guard_blocked_total", "ban") == 1 }, "a message that is kept out")
	east.sync(east.border)
	if n := west.count(); n != before {
		t.Errorf("a banned peer got %d answers", n-before)
	}
	if raw, err := os.ReadFile(dir + "/bans.json"); err != nil || !strings.Contains(string(raw), id) {
		t.Errorf("the ban is not on disk: %v", err)
	}
	b.do("DELETE", "/security/bans/"+id, nil, nil)
	west.sync(west.border)
	b.event(sbc.EventSecurityBan, w.westPeer.String())
	b.event(sbc.EventSecurityUnban, w.westPeer.String())
}

// event waits for an event whose source is this address.
func (b *border) event(kind sbc.EventType, source string) {
	b.t.Helper()
	waitFor(b.t, func() bool {
		var page struct{ Items []sbc.Event }
		if err := b.Get(b.t.Context(), "/v1/events?type="+string(kind), &page); err != nil {
			b.t.Fatal(err)
		}
		for _, e := range page.Items {
			if strings.HasPrefix(e.Data["source"], source) {
				return true
			}
		}
		return false
	}, "the event "+string(kind))
}
