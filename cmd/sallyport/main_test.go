package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDemo runs the main job whole: its own checks are the test.
func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"demo", "-log-level", "error"}, nil, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"✓ good call", "✓ busy call", "✓ cancelled", "✓ failover", "✓ hiding", `"end_reason": "caller_cancel"`, "spk_"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not show %q", want)
		}
	}
}

// TestServePrintsTheKeyOnce starts the server the way people do and stops it like a signal would.
func TestServePrintsTheKeyOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for n, want := range []int{1, 0} {
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- run(ctx, []string{"serve", "-data-dir", dir, "-api-address", "127.0.0.1:0", "-log-level", "error"}, nil, w)
			w.Close()
		}()
		time.AfterFunc(500*time.Millisecond, cancel)
		out, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(out), "spk_"); got != want {
			t.Errorf("start %d printed %d keys; expected %d\n%s", n, got, want, out)
		}
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the data directory is %v, %v; only its owner should read it", info.Mode(), err)
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		name     string
		args     []string
		environ  []string
		fault    string
		database string
	}{
		{name: "defaults"},
		{name: "environment", environ: []string{"SALLYPORT_DATABASE=postgres://a", "PATH=/bin"}, database: "postgres://a"},
		{name: "arguments win", args: []string{"--database", "postgres://b"}, environ: []string{"SALLYPORT_DATABASE=postgres://a"}, database: "postgres://b"},
		{name: "misspelt", environ: []string{"SALLYPORT_DATABSE=x"}, fault: "did you mean SALLYPORT_DATABASE"},
		{name: "tests' own", environ: []string{"SALLYPORT_TEST_POSTGRES=x"}},
		{name: "not a number", environ: []string{"SALLYPORT_MAX_CALLS=many"}, fault: "SALLYPORT_MAX_CALLS"},
		{name: "left over", args: []string{"now"}, fault: `"now" is not understood`},
		{name: "log level", args: []string{"-log-level", "loud"}, fault: "debug, info, warn, error"},
		{name: "log format", args: []string{"-log-format", "xml"}, fault: "text or json"},
	} {
		var s settings
		err := s.parse("serve", c.args, c.environ, io.Discard)
		if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s: %v; want %q", c.name, err, c.fault)
		}
		if s.options.Database != c.database {
			t.Errorf("%s: database %q", c.name, s.options.Database)
		}
	}
}

func TestCommands(t *testing.T) {
	for args, want := range map[string]string{"": "sallyport serve", "help": "sallyport demo", "version": "sallyport 0", "serve -h": "-data-dir"} {
		var out bytes.Buffer
		if err := run(t.Context(), strings.Fields(args), nil, &out); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%q: %v, %q", args, err, out.String())
		}
	}
	if err := run(t.Context(), []string{"fly"}, nil, io.Discard); err == nil || !strings.Contains(err.Error(), `unknown command "fly"`) {
		t.Errorf("an unknown command: %v", err)
	}
	dir := t.TempDir()
	if err := run(t.Context(), []string{"migrate", "-data-dir", dir, "-log-level", "error"}, nil, io.Discard); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "sallyport.db")); err != nil {
		t.Error(err)
	}
}
