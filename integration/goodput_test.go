package integration

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport/integration/phone"
)

// TestGoodputOfCalls: whole calls at ten times of what the border can carry. The program has one processor; SIPp, which calls and is
// called, has the other, while capacity is measured and while it is too much, by turns. What else runs on the machine meanwhile is
// taken out: rates are by the second in which the program ran or its processor was idle. Who is not served hears 503. A call that is
// up keeps its audio, and calls for help pass. GOODPUT_BIN measures another program than the one of this source.
func TestGoodputOfCalls(t *testing.T) {
	needs(t, "sipp")
	if raceEnabled || testing.Short() {
		t.Skip("measures calls per second")
	}
	bin := os.Getenv("GOODPUT_BIN")
	if bin == "" {
		bin = buildBinary(t)
	}
	m := newMortal(t, bin)
	apart(t, m.child.cmd.Process.Pid, 0)
	g := &goodput{t: t, m: m, w: m.connect(newSides(t), wish{ports: 20000})}
	ctx, cancel := context.WithCancel(t.Context())
	server := sippListening(ctx, t, "callee.xml", g.w.eastPeer, "-rtp_echo", "-buff_size", "4000000")
	t.Cleanup(func() { cancel(); _ = server.Wait() })
	apart(t, server.Process.Pid, 1)
	alice, err := phone.New(phone.Options{Address: g.w.westPeer, Name: "alice", UserAgent: "a", Tone: 800})
	if err != nil {
		t.Fatal(err)
	}
	defer alice.Close()
	g.up = g.dial(alice, "4930555")

	g.load(time.Second, "-r", "2000", "-l", "50") // what is made once, as connections to the store, is no part of the figures
	can := []carried{g.capacity()}
	var shares []float64
	for range goodputRounds {
		offered := int(10 * can[len(can)-1].byClock)
		helped := make(chan *phone.Call, 1)
		time.AfterFunc(time.Second, func() { helped <- g.dial(alice, "112") })
		much := g.load(2*time.Second, "-r", strconv.Itoa(offered), "-l", "100000")
		if help := <-helped; help.Hangup(patience(t, 10*time.Second)) != nil {
			t.Error("the call for help is not up")
		}
		if all := float64(offered); much.refused < 0.7*all { // a tenth is carried
			t.Errorf("of %.0f calls a second %.0f hear 503", all, much.refused)
		}
		can = append(can, g.capacity())
		before, after := can[len(can)-2], can[len(can)-1]
		shares = append(shares, 2*much.rate/(before.rate+after.rate))
		t.Logf("of ten times what can be carried %.0f %% of it are, by the clock %.0f %%", 100*shares[len(shares)-1],
			200*much.byClock/(before.byClock+after.byClock))
	}
	slices.Sort(shares)
	median := shares[len(shares)/2]
	t.Logf("median %.0f %%", 100*median)
	if median < goodputWanted {
		t.Errorf("of what can be carried %.0f %% are, want %.0f", 100*median, 100*goodputWanted)
	}
	if err := g.up.Hangup(patience(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
}

// goodputWanted is the share of capacity that has to be carried at ten times of it: less than the 70 to 85 % that are reached, for other
// work on the machine cannot be taken out wholly.
const goodputWanted = 0.6

// goodputRounds is how often it is measured: what others do on the machine changes how fast its processors are.
const goodputRounds = 5

// capacity is what is carried where calls come as fast as they are dealt with, and no faster.
func (g *goodput) capacity() carried {
	return g.load(1500*time.Millisecond, "-r", "5000", "-l", "50")
}

// goodput is a border under measurement.
type goodput struct {
	t *testing.T
	m *mortal
	w wiring
	// up is a call that has to hear what it should meanwhile.
	up *phone.Call
}

// dial makes a call, which has to be answered.
func (g *goodput) dial(p *phone.Phone, number string) *phone.Call {
	c, err := p.Dial(number, phoneTarget(g.w.sides))
	if err != nil {
		g.t.Error(err)
		return c
	}
	if code, err := c.Final(patience(g.t, 20*time.Second)); err != nil || code != 200 {
		g.t.Errorf("the call to %s: %d, %v", number, code, err)
	}
	return c
}

// carried is what was carried of a load: whole calls by the second that the program could have, and by the clock; and how many
// heard 503 by the clock.
type carried struct{ rate, byClock, refused float64 }

// load lets SIPp call for a while.
func (g *goodput) load(d time.Duration, args ...string) carried {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.t.Context())
	from, to := g.w.westPeer.String(), g.w.west.String()+":5060"
	cmd := sippCommand(ctx, g.t, "caller_many.xml", append(append([]string{"-i", from, "-p", "5060", "-mi", from, "-s", "4930123456",
		"-d", "0", "-rp", "1000", "-buff_size", "4000000"}, args...), to)...)
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }() // it is killed
	apart(g.t, cmd.Process.Pid, 1)
	<-time.After(d / 4) // until SIPp calls as it should
	ended, refused := g.answers()
	used, idle, began, heard := g.used(), g.idle(), time.Now(), g.up.Heard().Packets
	<-time.After(d * 3 / 4)
	after, busy := g.answers()
	ended, refused, used, idle = after-ended, busy-refused, g.used()-used, g.idle()-idle
	took := time.Since(began)
	if got, want := g.up.Heard().Packets-heard, took.Seconds()*50; float64(got) < want*0.95 {
		g.t.Errorf("the call that was up heard %d packets of %.0f", got, want)
	}
	had := used + min(idle, max(0, took-used))
	c := carried{ended / had.Seconds(), ended / took.Seconds(), refused / took.Seconds()}
	g.t.Logf("%v: %.0f calls and %.0f times 503 in %.2f s, with %.2f s of the processor and %.2f s of it idle: %.0f a second", args,
		ended, refused, took.Seconds(), used.Seconds(), idle.Seconds(), c.rate)
	return c
}

// answers counts the calls that came to their end, and those that were refused.
func (g *goodput) answers() (ended, refused float64) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, g.m.URL+"/metrics", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.m.Key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	count := func(code, method string) float64 {
		_, after, _ := strings.Cut(string(text), `sbc_sip_responses_total{code="`+code+`",direction="out",method="`+method+`"} `)
		line, _, _ := strings.Cut(after, "\n")
		n, _ := strconv.ParseFloat(line, 64) // there is none before the first
		return n
	}
	return count("200", "BYE"), count("503", "INVITE")
}

// used is the processor time of the program, idle that for which its processor had nothing to do.
func (g *goodput) used() time.Duration {
	return g.ticks(filepath.Join("/proc", strconv.Itoa(g.m.child.cmd.Process.Pid), "stat"), ") ", 11, 12)
}

func (g *goodput) idle() time.Duration { return g.ticks("/proc/stat", "\ncpu0 ", 3) }

// ticks adds up some fields of a file of /proc, counted from a mark on.
func (g *goodput) ticks(path, mark string, fields ...int) (sum time.Duration) {
	g.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		g.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), mark)
	all := strings.Fields(rest)
	for _, i := range fields {
		n, err := strconv.ParseInt(all[i], 10, 64)
		if err != nil {
			g.t.Fatal(err)
		}
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum
}

// apart puts all threads of a process on one processor, ahead of what else runs there, where that is permitted.
func apart(t *testing.T, pid, processor int) {
	t.Helper()
	tasks, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
	if err != nil {
		t.Fatal(err)
	}
	group := filepath.Join("/proc", strconv.Itoa(pid), "autogroup") // of the session: within it alone do the priorities below count
	if os.WriteFile(group, []byte("-15"), 0) == nil {
		t.Cleanup(func() { _ = os.WriteFile("/proc/self/autogroup", []byte("0"), 0) })
	}
	var c unix.CPUSet
	c.Set(processor)
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		if err := unix.SchedSetaffinity(id, &c); err != nil {
			t.Skip("has not both processors: ", err)
		}
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, -15)
	}
}
