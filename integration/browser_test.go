package integration

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// browser is a headless Chromium on a host of its own, with JsSIP in its page.
type browser struct {
	t      testing.TB
	output *safeBuffer
	orders chan string

	mu    sync.Mutex
	state map[string]int // what the page reported, how often
	tone  float64        // what it hears
	texts []string
}

// startBrowser opens the page on a host; query says who it is. It sends a tone of 400 Hz.
func startBrowser(t testing.TB, h *host, query url.Values) *browser {
	t.Helper()
	b := &browser{t: t, output: &safeBuffer{}, orders: make(chan string, 8), state: map[string]int{}}
	l, err := net.Listen("tcp", netip.AddrPortFrom(h.border, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: b.site(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }() // until it is closed
	t.Cleanup(func() { _ = server.Close() })
	origin := "http://" + l.Addr().String()
	folder := t.TempDir()
	tone := filepath.Join(folder, "tone.wav")
	if err := os.WriteFile(tone, []byte(wave(400)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := h.command("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
		"--user-data-dir="+filepath.Join(folder, "profile"), "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
		"--use-file-for-fake-audio-capture="+tone, "--ignore-certificate-errors", "--unsafely-treat-insecure-origin-as-secure="+origin,
		"--autoplay-policy=no-user-gesture-required", "--disable-background-networking", origin+"/phone.html?"+query.Encode())
	cmd.Env = append(os.Environ(), "HOME="+folder)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = b.output, b.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			b.mu.Lock()
			t.Logf("the page said %v\n%s", b.state, strings.Join(b.texts, "\n"))
			b.mu.Unlock()
		}
	})
	return b
}

// site is the page and where it reports to.
func (b *browser) site() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(filepath.Join("testdata", "browser"))))
	mux.HandleFunc("GET /order", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case o := <-b.orders:
			fmt.Fprint(w, o)
		default:
		}
	})
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		var x struct {
			State, Text string
			Tone, Level float64
		}
		if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<16)).Decode(&x); err != nil {
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.state[x.State]++
		if x.Text != "" {
			b.texts = append(b.texts, x.State+": "+x.Text)
		}
		if b.tone = 0; x.State == "hears" && x.Level > -60 {
			b.tone = x.Tone
		}
	})
	return mux
}

// reports waits until the page has said something.
func (b *browser) reports(state string) {
	b.t.Helper()
	b.until("the page is "+state, func() bool { return b.state[state] > 0 })
}

func (b *browser) until(what string, ok func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for ticker := time.NewTicker(20 * time.Millisecond); ; <-ticker.C {
		b.mu.Lock()
		is, bad := ok(), b.state["error"]+b.state["failed"] > 0
		b.mu.Unlock()
		if is {
			return
		}
		if bad || time.Now().After(deadline) {
			b.t.Fatal("never: " + what)
		}
	}
}

// hears waits until the page hears a tone.
func (b *browser) hears(tone float64) {
	b.t.Helper()
	b.until(fmt.Sprintf("the page hears %v Hz", tone), func() bool { return b.tone > tone-15 && b.tone < tone+15 })
}

// webPhones is a border with browsers in the west, over secure WebSocket, and a trunk of phones in the clear in the east.
type webPhones struct {
	*border
	w     wiring
	host  *host
	phone *phone.Phone
	calls chan *phone.Call
	query url.Values
}

const webDomain = "phones.example"

func newWebPhones(t *testing.T, profile rest.Object) *webPhones {
	t.Helper()
	needs(t, "chromium")
	h, s := newHost(t), newSides(t)
	x := &webPhones{border: startBorder(t, app.Options{}), host: h, calls: make(chan *phone.Call, 4)}
	media := x.create("/media-profiles", with(rest.Object{
		"name": "browsers", "srtp": "required", "srtp_keying": []string{"dtls"}, "ice": "lite", "rtcp_mux": true,
	}, profile))
	x.w = x.connect(sides{west: h.border, westPeer: h.peer.Next(), east: s.east, eastPeer: s.eastPeer}, wish{
		westRealm: rest.Object{"trust": "access", "media_profile_id": media},
	})
	ca := newPKI(t)
	x.create("/sip-interfaces", rest.Object{
		"name": "browsers", "realm_id": x.w.westRealm, "transport": "wss", "bind_address": h.border.String(), "port": 8443,
		"tls_profile_id": ca.profile(x.border, "border", []string{h.border.String()}, nil), "origins": []string{"*"},
	})
	domain := x.create("/domains", rest.Object{"name": webDomain, "realm_id": x.w.westRealm, "routing_plan_id": x.w.plan})
	id := x.create("/subscribers", rest.Object{"domain_id": domain, "username": "web", "password": password})
	x.create("/aliases", rest.Object{"name": "4930555", "domain_id": domain, "subscriber_id": id})
	x.create("/routing-plans/"+x.w.westPlan+"/rules", rest.Object{"name": "web", "prefix": "4930555", "action": "subscriber", "domain_id": domain})
	x.query = url.Values{"ws": {"wss://" + h.border.String() + ":8443/"}, "uri": {"sip:web@" + webDomain}, "password": {password}}
	var err error
	x.phone, err = phone.New(phone.Options{
		Address: s.eastPeer, Port: 5060, Name: "east", UserAgent: "e", Tone: 1000,
		Incoming: func(c *phone.Call) {
			c.Ring()
			if err := c.Answer(); err != nil {
				t.Error(err)
			}
			x.calls <- c
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.phone.Close)
	return x
}

// hears waits until a phone hears the browser's tone.
func (x *webPhones) hears(c *phone.Call) {
	x.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for ticker := time.NewTicker(20 * time.Millisecond); c.Heard().Tone != 400; <-ticker.C {
		if time.Now().After(deadline) {
			x.t.Fatalf("the phone hears %+v", c.Heard())
		}
	}
}

// TestBrowserCallsPhone: a page calls a telephone in the clear; each hears the other's tone.
func TestBrowserCallsPhone(t *testing.T) {
	x := newWebPhones(t, nil)
	x.query.Set("call", "sip:4930123456@"+webDomain)
	page := startBrowser(t, x.host, x.query)
	page.reports("confirmed")
	c := <-x.calls
	page.hears(1000)
	x.hears(c)
	page.orders <- "end"
	<-c.Ended()
	x.recorded()
	for _, secret := range []string{"a=ice-", "candidate", "fingerprint", "BUNDLE", "wss:", "=wss", x.host.peer.String(), "JsSIP"} {
		if strings.Contains(string(x.phone.Received()), secret) {
			t.Errorf("the phone was told %q", secret)
		}
	}
	x.quiet()
}

// credentials are the border's in the last description that the page was given.
func (b *browser) credentials() (fragment string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.texts {
		if sdp, ok := strings.CutPrefix(text, "sdp: remote\n"); ok {
			_, after, _ := strings.Cut(sdp, "a=ice-ufrag:")
			fragment, _, _ = strings.Cut(after, "\r\n")
		}
	}
	return fragment
}

// recorded looks at the one call's record: encrypted with the browser, in the clear with the phone.
func (x *webPhones) recorded() {
	x.t.Helper()
	record := x.cdrs(1)[0]
	if len(record.Media) != 2 {
		x.t.Errorf("record %+v", record)
	}
	for _, s := range record.Media {
		if browser := strings.HasPrefix(s.LocalAddress, x.w.west.String()); browser != (s.SRTP == sbc.SuiteGCM128) || s.RelayedPackets < 5 {
			x.t.Errorf("stream %+v", s)
		}
	}
}

// TestPhoneCallsBrowser: a telephone in the clear calls a page, which takes what the border offers. It holds, comes back, and
// begins ICE anew; each hears the other's tone afterwards.
func TestPhoneCallsBrowser(t *testing.T) {
	x := newWebPhones(t, nil)
	page := startBrowser(t, x.host, x.query)
	page.reports("registered")
	c, err := x.phone.Dial("4930555", netip.AddrPortFrom(x.w.east, 5060))
	if err != nil {
		t.Fatal(err)
	}
	if code, err := c.Final(patience(t, 10*time.Second)); err != nil || code != 200 {
		t.Fatal(code, err)
	}
	page.hears(1000)
	x.hears(c)
	old := page.credentials()
	for _, order := range []string{"hold", "unhold", "restart"} {
		page.orders <- order
		page.reports(order)
	}
	if old == "" || !soon(func() bool { return page.credentials() != old }) { // reports may overtake each other
		t.Errorf("ICE did not begin anew: %q", old)
	}
	before := c.Heard().Packets
	if !soon(func() bool { return c.Heard().Packets > before+50 }) {
		t.Errorf("%d packets after %d", c.Heard().Packets, before)
	}
	page.hears(1000)
	x.hears(c)
	if err := c.Hangup(patience(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	page.reports("ended")
	x.recorded()
	x.quiet()
}

// TestBrowserOffersVideo: a page that wants to see bundles all it has. Sound is taken, the rest is refused, and it is content.
func TestBrowserOffersVideo(t *testing.T) {
	x := newWebPhones(t, nil)
	for name, value := range map[string]string{"call": "sip:4930123456@" + webDomain, "video": "", "bundle": "max-bundle"} {
		x.query.Set(name, value)
	}
	page := startBrowser(t, x.host, x.query)
	page.reports("confirmed")
	c := <-x.calls
	page.hears(1000)
	x.hears(c)
	if err := c.Hangup(patience(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	page.reports("ended")
	x.recorded()
}
