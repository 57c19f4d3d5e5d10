package integration

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/integration/pgtest"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// child is the real program, run as an operator runs it.
type child struct {
	t    testing.TB
	cmd  *exec.Cmd
	api  rest.Client
	args []string
	bin  string
	key  string
}

// buildBinary makes the program once for a test.
func buildBinary(t testing.TB) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "sallyport")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../cmd/sallyport").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return bin
}

// start runs the program until it says where its API is.
func (c *child) start() {
	c.t.Helper()
	c.cmd = exec.Command(c.bin, c.args...)
	c.cmd.Env = append(os.Environ(), "SALLYPORT_API_KEY="+c.key)
	var complaints strings.Builder
	c.cmd.Stderr = &complaints
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) > 1 && f[0] == "API" {
			c.api = rest.Client{URL: f[1], Key: c.key}
			go func() { // so that the child is never held up by a full pipe
				for lines.Scan() {
					continue
				}
			}()
			return
		}
	}
	_ = c.cmd.Wait()
	c.t.Fatalf("the program did not start: %s", complaints.String())
}

// kill is kill -9.
func (c *child) kill() time.Time {
	c.t.Helper()
	at := time.Now()
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	_ = c.cmd.Wait() // it was killed
	return at
}

// crowd is many calls at once: every call has a number, and what is to become of it stands in its last digit.
type crowd struct {
	t      testing.TB
	caller *wire
	border netip.AddrPort
	mu     sync.Mutex
	// When the caller got what, by number.
	answered, ended map[string]time.Time
	ringing         map[string]bool
	remote          map[string]string // To of the answers
	changed         chan struct{}
}

func (c *crowd) note(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

// until waits for a state of the crowd.
func (c *crowd) until(what string, ok func() bool) {
	c.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		c.mu.Lock()
		done, changed := ok(), c.changed
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			c.t.Fatalf("waited in vain for %s: %d answered, %d ringing, %d ended", what, len(c.answered), len(c.ringing), len(c.ended))
		}
	}
}

// The fates of calls, by the last digit of their numbers.
func fate(number string) string {
	switch number[len(number)-1] {
	case '0', '1', '2', '3', '4':
		return "talks"
	case '5', '6':
		return "rings"
	case '7', '8':
		return "ends"
	}
	return "busy"
}

// heard is what the caller does with a message of the border.
func (c *crowd) heard(m *msg.Message) {
	number := m.To.URI.User
	if m.IsRequest() { // it is let go
		l := &line{p: &peer{wire: c.caller}, callID: m.CallID, local: m.To.String()}
		l.say(m, 200, "", "")
		return
	}
	switch {
	case m.Status < 180:
	case m.CSeq.Method == msg.BYE:
		c.note(func() { c.ended[number] = time.Now() })
	case m.Status < 200:
		c.note(func() { c.ringing[number] = true })
	case m.Status < 300:
		c.caller.send(c.request("ACK", number, 1, m.To.String(), msg.NewBranch()), c.border)
		c.note(func() {
			if _, seen := c.answered[number]; !seen {
				c.answered[number], c.remote[number] = time.Now(), m.To.String()
			}
		})
		if fate(number) == "ends" {
			c.caller.send(c.request("BYE", number, 2, m.To.String(), msg.NewBranch()), c.border)
		}
	default:
		c.caller.send(c.request("ACK", number, 1, m.To.String(), m.Via.Branch()), c.border)
		c.note(func() { c.ended[number] = time.Now() })
	}
}

// request writes a request of the call to a number; its identifiers follow from the number.
func (c *crowd) request(method, number string, seq int, to, branch string) []byte {
	body, headers := "", []string{
		fmt.Sprintf("Via: SIP/2.0/UDP %v;branch=%s;rport", c.caller.addr, branch), "Max-Forwards: 70",
		"From: <sip:+4930111@crowd.invalid>;tag=t" + number, "To: " + to, "Call-ID: crowd-" + number, fmt.Sprintf("CSeq: %d %s", seq, method),
	}
	if method == "INVITE" {
		headers = append(headers, fmt.Sprintf("Contact: <sip:crowd@%v>", c.caller.addr))
		body = fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %v\r\ns=-\r\nc=IN IP4 %v\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n", c.caller.addr.Addr(), c.caller.addr.Addr())
	}
	return text(method+" sip:"+number+"@"+c.border.String()+" SIP/2.0", headers, body)
}

// callee answers calls of a crowd by their fate.
func callee(t testing.TB, addr netip.Addr) *wire {
	t.Helper()
	var w *wire
	var mu sync.Mutex // w is set before the border knows of it
	mu.Lock()
	w = newWire(t, addr, 5060, false, func(m *msg.Message) {
		mu.Lock()
		defer mu.Unlock()
		if !m.IsRequest() || m.Method == msg.ACK {
			return
		}
		l := &line{p: &peer{wire: w}, callID: m.CallID, local: m.To.WithTag("callee").String()}
		if m.Method != msg.INVITE {
			l.say(m, 200, "", "")
			return
		}
		switch fate(m.RequestURI.User) {
		case "busy":
			l.say(m, 486, "", "")
		case "rings":
			l.say(m, 180, "", "")
		default:
			l.say(m, 200, "", fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %v\r\ns=-\r\nc=IN IP4 %v\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n", addr, addr))
		}
	})
	mu.Unlock()
	return w
}

// feed reads all records by cursor and checks the order.
func (c *child) feed(least int) []sbc.CDR {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := rest.Until(ctx, c.api, "/v1/cdrs?limit=1000", func(p rest.Page[sbc.CDR]) bool { return len(p.Items) >= least }); err != nil {
		c.t.Fatal(err)
	}
	var all []sbc.CDR
	for cursor := ""; ; {
		path := "/v1/cdrs?limit=37"
		if cursor != "" {
			path += "&after=" + cursor
		}
		var page rest.Page[sbc.CDR]
		if err := c.api.Get(ctx, path, &page); err != nil {
			c.t.Fatal(err)
		}
		if len(page.Items) == 0 {
			break
		}
		all, cursor = append(all, page.Items...), page.NextCursor
	}
	for i, r := range all {
		if r.Sequence != all[0].Sequence+int64(i) {
			c.t.Fatalf("record %d of the feed has sequence %d; the first has %d", i, r.Sequence, all[0].Sequence)
		}
	}
	return all
}

// TestKillInTheMiddle kills the program while 200 calls are in every state, and counts records after its restart.
func TestKillInTheMiddle(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	bin := buildBinary(t)
	for _, c := range []struct{ name, database string }{{"SQLite", ""}, {"PostgreSQL", "postgres"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &child{t: t, bin: bin, key: token.New(), args: []string{
				"serve", "-data-dir", t.TempDir(), "-api-address", "127.0.0.1:0", "-log-level", "warn", "-node", "crash", "-call-persistence", "none"}}
			if c.database != "" {
				p.args = append(p.args, "-database", pgtest.Database(t, pgtest.Start(t)))
			}
			p.start()
			t.Cleanup(func() { _ = p.cmd.Process.Kill() })
			b := &border{t: t, Client: p.api}
			w := b.connect(newSides(t), wish{})
			callee(t, w.eastPeer)
			crowd := newCrowd(t, w.sides)
			for i := range 200 {
				crowd.dial(fmt.Sprint(49000000 + i))
			}
			crowd.until("200 calls in their states", func() bool {
				return len(crowd.answered) >= 140 && len(crowd.ringing) >= 40 && len(crowd.ended) >= 60
			})
			p.feed(60) // a caller hears that its BYE is accepted a moment before the callee's, which ends the call, is
			settled := crowd.snapshot()
			for i := range 60 { // these are caught anywhere
				crowd.dial(fmt.Sprint(49001000 + i))
			}
			crowd.until("some of the late calls", func() bool { return len(crowd.answered) >= 150 })
			killed := p.kill()
			p.start()
			records := p.feed(len(settled.answered) + 20)
			judgeRecords(t, records, settled, killed)
			p.kill()
			p.start()
			if again := p.feed(len(records)); len(again) != len(records) {
				t.Errorf("another restart made %d records of %d", len(again), len(records))
			}
		})
	}
}

func newCrowd(t testing.TB, s sides) *crowd {
	t.Helper()
	c := &crowd{t: t, border: netip.AddrPortFrom(s.west, 5060), answered: map[string]time.Time{}, ended: map[string]time.Time{},
		ringing: map[string]bool{}, remote: map[string]string{}, changed: make(chan struct{})}
	c.mu.Lock()
	c.caller = newWire(t, s.westPeer, 5060, false, c.heard)
	c.mu.Unlock()
	return c
}

func (c *crowd) dial(number string) {
	c.caller.send(c.request("INVITE", number, 1, "<sip:"+number+"@crowd.invalid>", msg.NewBranch()), c.border)
}

// bye hangs up.
func (c *crowd) bye(number string) {
	c.mu.Lock()
	to := c.remote[number]
	c.mu.Unlock()
	c.caller.send(c.request("BYE", number, 2, to, msg.NewBranch()), c.border)
}

// snapshot copies what happened so far.
func (c *crowd) snapshot() *crowd {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &crowd{answered: map[string]time.Time{}, ended: map[string]time.Time{}}
	for n, at := range c.answered {
		s.answered[n] = at
	}
	for n, at := range c.ended {
		s.ended[n] = at
	}
	return s
}

// judgeRecords compares the records with what the caller saw.
func judgeRecords(t *testing.T, records []sbc.CDR, settled *crowd, killed time.Time) {
	t.Helper()
	found := map[string][]sbc.CDR{}
	ids := map[string]bool{}
	for _, r := range records {
		found[r.Callee] = append(found[r.Callee], r)
		if ids[r.ID] {
			t.Errorf("record %s is there twice", r.ID)
		}
		ids[r.ID] = true
	}
	for n, rs := range found {
		if len(rs) != 1 {
			t.Errorf("the call to %s has %d records", n, len(rs))
		}
	}
	for n, at := range settled.answered {
		rs := found[n]
		if len(rs) == 0 {
			t.Errorf("the call to %s was answered and has no record", n)
			continue
		}
		r := rs[0]
		if _, over := settled.ended[n]; over {
			if r.Recovered || r.EndReason != sbc.EndCallerBye {
				t.Errorf("the call to %s had ended; its record says recovered %v, %s", n, r.Recovered, r.EndReason)
			}
			continue
		}
		want := killed.Sub(at)
		if d := time.Duration(r.DurationMS) * time.Millisecond; d < 0 || (want-d).Abs() > 2*time.Second {
			t.Errorf("the call to %s lasted %v until the kill; its record says %v", n, want, d)
		}
		if !r.Recovered || r.EndReason != sbc.EndNodeFailure || r.FinalCode != 200 || r.Disposition != sbc.DispositionAnswered {
			t.Errorf("the call to %s was cut off; its record says recovered %v, %s, %d, %s", n, r.Recovered, r.EndReason, r.FinalCode, r.Disposition)
		}
	}
	for n := range settled.ended {
		if rs := found[n]; len(rs) != 1 || rs[0].Recovered {
			t.Errorf("the call to %s had ended; there are %d records, the first %+v", n, len(rs), rs)
		}
	}
}
