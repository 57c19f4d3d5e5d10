package integration

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// border is a running border of one test, with its API.
type border struct {
	t   testing.TB
	app *app.App
	rest.Client
}

// startBorder runs the product in this process, on SQLite in a temporary folder unless the options name a database.
func startBorder(t testing.TB, o app.Options) *border {
	t.Helper()
	if o.DataDir == "" {
		o.DataDir = t.TempDir()
	}
	o.APIAddress, o.ValidateResponses, o.Node = "127.0.0.1:0", true, "test"
	o.NoShedding = o.NoShedding || raceEnabled // what a burst costs under the race detector is no measure of overload
	if testing.Verbose() {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	if o.SecretKey == "" && strings.HasPrefix(o.Database, "postgres") { // of several nodes with directories of their own
		o.SecretKey = strings.Repeat("5a", 32)
	}
	key := token.New()
	o.APIKey = key
	a, err := app.Start(t.Context(), o)
	if err != nil {
		t.Fatalf("the border does not start: %v", err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Errorf("the border does not stop: %v", err)
		}
	})
	return &border{t: t, app: a, Client: rest.Client{URL: a.URL(), Key: key}}
}

// create makes a resource or ends the test.
func (b *border) create(path string, body rest.Object) string {
	b.t.Helper()
	id, err := b.Create(b.t.Context(), "/v1"+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// sides are the addresses of one test: two networks, each with an address of the border and one of a peer. All use port 5060.
type sides struct {
	west, westPeer, east, eastPeer netip.Addr
}

var lastSides atomic.Uint32

// newSides gives each test addresses of its own in 127.0.0.0/8, so that tests run side by side, also those of two processes: each
// has a second octet of its own.
func newSides(t testing.TB) sides {
	t.Helper()
	n := lastSides.Add(1)
	addr := func(host int) netip.Addr {
		return netip.AddrFrom4([4]byte{127, byte(100 + os.Getpid()%100), byte(n%250 + 1), byte(host)})
	}
	return sides{west: addr(1), westPeer: addr(2), east: addr(3), eastPeer: addr(4)}
}

// wiring is what connect made, by id.
type wiring struct {
	sides
	westRealm, eastRealm, westTrunk, eastTrunk, plan, list, endpoint string
	eastRule, westPlan, westInterface, eastInterface                 string
}

// wish changes the bodies that connect sends.
type wish struct {
	transport  string // of both sides; "" is udp
	westTrunk  rest.Object
	eastTrunk  rest.Object
	westRealm  rest.Object
	eastRealm  rest.Object
	noEndpoint bool // the test makes its own endpoints
	ports      int  // of each media pool; 0 is 3,000
}

// with adds fields to an object.
func with(o, more rest.Object) rest.Object {
	for k, v := range more {
		o[k] = v
	}
	return o
}

// connect provisions two realms, a trunk in each, and routes from west to east and from east to west for every number.
func (b *border) connect(s sides, w wish) wiring {
	b.t.Helper()
	transport := w.transport
	if transport == "" {
		transport = "udp"
	}
	realm := func(name string, addr netip.Addr, more rest.Object) (id, sip string) {
		id = b.create("/realms", with(rest.Object{"name": name, "trust": "peer"}, more))
		sip = b.create("/sip-interfaces", rest.Object{
			"name": name, "realm_id": id, "transport": transport, "bind_address": addr.String(), "port": 5060,
		})
		b.create("/media-pools", rest.Object{"name": name, "realm_id": id, "address": addr.String(), "port_min": 30000, "port_max": 29999 + cmp.Or(w.ports, 3000)})
		return id, sip
	}
	out := wiring{sides: s}
	out.westRealm, out.westInterface = realm("west", s.west, w.westRealm)
	out.eastRealm, out.eastInterface = realm("east", s.east, w.eastRealm)
	out.plan = b.create("/routing-plans", rest.Object{"name": "from-west"})
	out.westPlan = b.create("/routing-plans", rest.Object{"name": "from-east"})
	out.westTrunk = b.create("/trunks", with(rest.Object{"name": "west", "realm_id": out.westRealm, "routing_plan_id": out.plan}, w.westTrunk))
	out.eastTrunk = b.create("/trunks", with(rest.Object{"name": "east", "realm_id": out.eastRealm, "routing_plan_id": out.westPlan}, w.eastTrunk))
	end := func(trunk string, peer netip.Addr) string {
		b.create("/trunks/"+trunk+"/identities", rest.Object{"name": "peer", "cidr": peer.String() + "/32"})
		if w.noEndpoint {
			return ""
		}
		return b.create("/trunks/"+trunk+"/endpoints", rest.Object{"name": "peer", "address": peer.String(), "port": 5060, "transport": transport})
	}
	out.endpoint = end(out.eastTrunk, s.eastPeer)
	end(out.westTrunk, s.westPeer)
	route := func(name, plan, trunk string) (list, rule string) {
		list = b.create("/route-lists", rest.Object{"name": name})
		b.create("/route-lists/"+list+"/targets", rest.Object{"name": "only", "trunk_id": trunk})
		rule = b.create("/routing-plans/"+plan+"/rules", rest.Object{"name": "default", "prefix": "", "action": "route", "route_list_id": list})
		return list, rule
	}
	out.list, out.eastRule = route("to-east", out.plan, out.eastTrunk)
	route("to-west", out.westPlan, out.westTrunk)
	return out
}

// cdrs waits until there are n records and gives them.
func (b *border) cdrs(n int) []sbc.CDR {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 40*time.Second)
	defer cancel()
	page, err := rest.Until(ctx, b.Client, "/v1/cdrs?limit=1000", func(p rest.Page[sbc.CDR]) bool { return len(p.Items) >= n })
	if err != nil {
		b.t.Fatal(err)
	}
	if len(page.Items) != n {
		b.t.Fatalf("there are %d call records; %d were expected", len(page.Items), n)
	}
	return page.Items
}

// quiet waits until no call is in progress and every media port is back.
func (b *border) quiet() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 40*time.Second)
	defer cancel()
	if _, err := rest.Until(ctx, b.Client, "/v1/calls", func(p rest.Page[sbc.CallInfo]) bool { return len(p.Items) == 0 }); err != nil {
		b.t.Fatal(err)
	}
	type pool struct {
		Status sbc.PoolStatus `json:"status"`
	}
	if _, err := rest.Until(ctx, b.Client, "/v1/media-pools", func(p rest.Page[pool]) bool {
		for _, one := range p.Items {
			if one.Status.InUse != 0 {
				return false
			}
		}
		return true
	}); err != nil {
		b.t.Fatal(err)
	}
}

// needs skips a test whose peer is not installed; tools/test.sh installs them all where it may.
func needs(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed: run tools/test.sh as root on Debian", p)
		}
	}
}

// sipp runs SIPp with a scenario of testdata until it ends; arguments are SIPp's own.
func sipp(ctx context.Context, t testing.TB, scenario string, args ...string) error {
	t.Helper()
	cmd := sippCommand(ctx, t, scenario, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("sipp %s %s: %w\n%s", scenario, strings.Join(args, " "), err, out[:min(len(out), 3000)])
	}
	return nil
}

// sippCommand prepares a SIPp: its logs go to a folder of the test, nothing is read from the terminal.
func sippCommand(ctx context.Context, t testing.TB, scenario string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "sipp", scenario))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "sipp", append([]string{"-sf", path, "-nostdin", "-skip_rlimit"}, args...)...)
	cmd.Dir = t.TempDir()
	return cmd
}

// sippServer starts a SIPp that answers calls on an address until the test ends, and waits until it is there.
func sippServer(t testing.TB, scenario string, addr netip.Addr, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel) // also if it never listens
	cmd := sippListening(ctx, t, scenario, addr, args...)
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
}

// sippListening starts a SIPp that answers calls on an address, and waits until it is there. Who gives it a number of calls (-m) waits
// for its end: only its exit tells whether all its checks were fulfilled.
func sippListening(ctx context.Context, t testing.TB, scenario string, addr netip.Addr, args ...string) *exec.Cmd {
	t.Helper()
	cmd := sippCommand(ctx, t, scenario, append([]string{"-i", addr.String(), "-p", "5060", "-mi", addr.String()}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	bound := fmt.Sprintf("%02X%02X%02X%02X:13C4", addr.As4()[3], addr.As4()[2], addr.As4()[1], addr.As4()[0])
	deadline := time.Now().Add(30 * time.Second)
	for ticker := time.NewTicker(10 * time.Millisecond); ; <-ticker.C {
		for _, table := range []string{"/proc/net/udp", "/proc/net/tcp"} {
			if raw, err := os.ReadFile(table); err == nil && strings.Contains(string(raw), bound) {
				ticker.Stop()
				return cmd
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("SIPp does not listen on %s", addr)
		}
	}
}
