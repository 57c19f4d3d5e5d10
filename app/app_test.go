package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// gormCache is a goroutine that each gorm handle leaves behind: its cache of prepared statements cannot be stopped.
var gormCache = goleak.IgnoreAnyFunction("gorm.io/gorm/internal/lru.NewLRU[...].func1")

func start(t *testing.T, o Options) (*App, rest.Client) {
	t.Helper()
	if o.DataDir == "" {
		o.DataDir = t.TempDir()
	}
	o.APIAddress = "127.0.0.1:0"
	a, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a, rest.Client{URL: a.URL(), Key: a.FirstKey()}
}

// TestStartAndStop leaves nothing behind: no goroutine, no socket, no lock of the data directory.
func TestStartAndStop(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), gormCache)
	dir := t.TempDir()
	key := ""
	for n := range 3 {
		a, err := Start(t.Context(), Options{DataDir: dir, APIAddress: "127.0.0.1:0"})
		if err != nil {
			t.Fatalf("start %d: %v", n, err)
		}
		if first := a.FirstKey(); (first != "") != (n == 0) {
			t.Errorf("start %d printed the key %q; only the first start of all does", n, first)
		} else if n == 0 {
			key = first
		}
		if err := (rest.Client{URL: a.URL(), Key: key}).Get(t.Context(), "/v1/whoami", nil); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
		if err := a.Stop(t.Context()); err != nil {
			t.Errorf("stop %d: %v", n, err)
		}
		if err := a.Stop(t.Context()); err != nil {
			t.Errorf("a second stop: %v", err)
		}
	}
}

// TestFailedStartUndoesItself begins with each thing that can be wrong before the API is up.
func TestFailedStartUndoesItself(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), gormCache)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, o := range map[string]Options{
		"unknown database":  {Database: "oracle://nowhere"},
		"store unreachable": {Database: "postgres://nobody@127.0.0.1:1/nothing?connect_timeout=1"},
		"API port taken":    {APIAddress: taken.Addr().String()},
		"bad API key":       {APIKey: "hunter2"},
		"bad DNS server":    {DNSServers: []string{"not an address"}},
	} {
		o.DataDir = t.TempDir()
		if o.APIAddress == "" {
			o.APIAddress = "127.0.0.1:0"
		}
		if a, err := Start(t.Context(), o); err == nil {
			t.Errorf("%s: it started", name)
			_ = a.Stop(t.Context())
			continue
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
		// What was opened before the failure is closed: the same directory can be used at once.
		a, err := Start(t.Context(), Options{DataDir: o.DataDir, APIAddress: "127.0.0.1:0"})
		if err != nil {
			t.Errorf("%s: after the failed start: %v", name, err)
			continue
		}
		if err := a.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestTwoAtOnce runs two borders in one process; they share nothing, and no two may share a data directory.
func TestTwoAtOnce(t *testing.T) {
	_, one := start(t, Options{})
	a, two := start(t, Options{})
	if err := one.Get(t.Context(), "/v1/realms", nil); err != nil {
		t.Error(err)
	}
	if err := (rest.Client{URL: two.URL, Key: one.Key}).Get(t.Context(), "/v1/realms", nil); err == nil {
		t.Error("the key of one border opens the other")
	}
	if _, err := Start(t.Context(), Options{DataDir: a.o.DataDir, APIAddress: "127.0.0.1:0"}); err == nil {
		t.Error("two borders share a data directory")
	}
}

// TestInterfaceThatCannotBeBound: a write that asks for it is refused and changes nothing; a node that finds it in its store
// starts all the same, says so, and serves it as soon as it can.
func TestInterfaceThatCannotBeBound(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := taken.LocalAddr().(*net.UDPAddr).Port
	a, err := Start(t.Context(), Options{DataDir: dir, APIAddress: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	c := rest.Client{URL: a.URL(), Key: a.FirstKey()}
	realm, err := c.Create(t.Context(), "/v1/realms", rest.Object{"name": "west"})
	if err != nil {
		t.Fatal(err)
	}
	body := rest.Object{"name": "udp", "realm_id": realm, "transport": "udp", "bind_address": "127.0.0.1", "port": port}
	_, err = c.Create(t.Context(), "/v1/sip-interfaces", body)
	var status *rest.StatusError
	if !errors.As(err, &status) || status.Status != http.StatusConflict || !strings.Contains(status.Body, "#/bind_address") {
		t.Fatalf("a taken port is answered with %v; 409 with a pointer was expected", err)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	id, err := c.Create(t.Context(), "/v1/sip-interfaces", body)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	if taken, err = net.ListenPacket("udp", taken.LocalAddr().String()); err != nil {
		t.Fatal(err)
	}
	_, again := start(t, Options{DataDir: dir})
	again.Key = c.Key
	state := func() string {
		var i struct {
			Status sbc.InterfaceStatus `json:"status"`
		}
		if err := again.Get(t.Context(), "/v1/sip-interfaces/"+id, &i); err != nil {
			t.Fatal(err)
		}
		return i.Status.State
	}
	if s := state(); s != "down" {
		t.Errorf("the state of an interface that cannot be bound is %q", s)
	}
	if err := again.Get(t.Context(), "/readyz", nil); err == nil {
		t.Error("the node says that it is ready")
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	// Another change is not refused for it.
	if _, err := again.Create(t.Context(), "/v1/realms", rest.Object{"name": "east"}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := rest.Until(ctx, again, "/readyz", func(r struct{ Ready bool }) bool { return r.Ready }); err != nil {
		t.Error(err)
	}
	if s := state(); s != "listening" {
		t.Errorf("once it can be bound its state is %q", s)
	}
}

// TestLifecycleStopsInReverse and goes on when a part fails or panics.
func TestLifecycleStopsInReverse(t *testing.T) {
	l := lifecycle{log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	var order []string
	stop := func(name string, f func() error) {
		l.onStop(name, func(context.Context) error {
			order = append(order, name)
			return f()
		})
	}
	broken := errors.New("broken")
	stop("first", func() error { return nil })
	stop("second", func() error { panic("third never") })
	stop("third", func() error { return broken })
	ran := make(chan struct{})
	l.background("worker", func(ctx context.Context) { close(ran); <-ctx.Done() })
	<-ran
	err := l.stop(t.Context())
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "third never") {
		t.Errorf("the error is %v", err)
	}
	if !slices.Equal(order, []string{"third", "second", "first"}) {
		t.Errorf("stopped in the order %v", order)
	}
	if err := l.stop(t.Context()); err != nil {
		t.Errorf("a second stop: %v", err)
	}
}

// TestConfigurationSurvives a restart, byte for byte.
func TestConfigurationSurvives(t *testing.T) {
	dir := t.TempDir()
	a, err := Start(t.Context(), Options{DataDir: dir, APIAddress: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	c := rest.Client{URL: a.URL(), Key: a.FirstKey()}
	id, err := c.Create(t.Context(), "/v1/realms", rest.Object{"name": "west", "labels": rest.Object{"a": "b"}, "external_id": "x-1"})
	if err != nil {
		t.Fatal(err)
	}
	var before, after json.RawMessage
	if err := c.Get(t.Context(), "/v1/realms/"+id, &before); err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, again := start(t, Options{DataDir: dir})
	again.Key = c.Key
	if err := again.Get(t.Context(), "/v1/realms/"+id, &after); err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Errorf("before %s\nafter %s", before, after)
	}
}

// TestMigrate brings a database to this version and stops; the file is then ready to serve.
func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	o := Options{DataDir: dir, Database: "sqlite://" + filepath.Join(dir, "x.db")}
	for range 2 {
		if err := Migrate(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if err := Migrate(ctx, Options{DataDir: dir, Database: "postgres://nobody@127.0.0.1:1/x"}); err == nil {
		t.Error("a database that is not there was migrated")
	}
}
