package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func serve(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

func local(t *testing.T) *Client {
	t.Helper()
	c := New(Options{AllowLocal: true})
	t.Cleanup(c.Close)
	return c
}

// TestSignature compares with the example of the Standard Webhooks specification's libraries.
func TestSignature(t *testing.T) {
	got := Signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
		[]byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPost(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || string(body) != `{"a":1}` {
			t.Errorf("%s %v %s", r.Method, r.Header, body)
		}
		want := Signature("secret", "evt_1", r.Header.Get(HeaderTimestamp), body)
		if r.Header.Get(HeaderID) != "evt_1" || r.Header.Get(HeaderSignature) != want {
			t.Errorf("signed %v, want %s", r.Header, want)
		}
		_, _ = io.WriteString(w, `{"b":2}`)
	})
	var answer struct{ B int }
	err := local(t).Do(t.Context(), Post{URL: url, Secret: "secret", ID: "evt_1", Body: map[string]int{"a": 1}, Answer: &answer})
	if err != nil || answer.B != 2 {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   func(error) bool
	}{
		"an error": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
			func(err error) bool { return errors.Is(err, StatusError(403)) }},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		},
			func(err error) bool { return errors.Is(err, StatusError(307)) }},
		"no JSON": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
			func(err error) bool { var s *json.SyntaxError; return errors.As(err, &s) }},
		"endless": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("[", 1<<20)) },
			func(err error) bool { return errors.Is(err, ErrTooLong) }},
		"nothing": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
			func(err error) bool { return err == nil }},
	} {
		t.Run(name, func(t *testing.T) {
			var answer map[string]any
			if err := local(t).Do(t.Context(), Post{URL: serve(t, tt.answer), Body: 1, Answer: &answer}); !tt.want(err) {
				t.Error(err)
			}
		})
	}
}

// TestErrorsTellNoSecrets: an error goes to the log, and what a URL holds besides its host may be a secret.
func TestErrorsTellNoSecrets(t *testing.T) {
	for _, url := range []string{
		"http://127.0.0.1:1/hook?token=c0ffee", "http://bob:c0ffee@127.0.0.1:1/", "ftp://x/c0ffee", "http://x/c0ffee%",
	} {
		if err := New(Options{}).Do(t.Context(), Post{URL: url}); err == nil || strings.Contains(err.Error(), "c0ffee") {
			t.Error(err)
		}
	}
}

// TestLate has a system that never answers: the request ends with the context, and after several of them nobody waits any more.
func TestLate(t *testing.T) {
	release := make(chan struct{})
	url := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	c := local(t)
	for range maxFailures {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if err := c.Do(ctx, Post{URL: url}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		cancel()
	}
	if err := c.Do(t.Context(), Post{URL: url}); !errors.Is(err, ErrResting) {
		t.Errorf("%v, want a rest", err)
	}
}

// TestCrowd has more requests to a slow system than it gets at once: none is lost, and those beyond the bound fail at once.
func TestCrowd(t *testing.T) {
	var most, now atomic.Int64
	release := make(chan struct{})
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release
		now.Add(-1)
	})
	c := local(t)
	const all = maxAtOnce + maxWaiting + 20
	results := make(chan error, all)
	for range all {
		go func() { results <- c.Do(t.Context(), Post{URL: url}) }()
	}
	for range 20 { // the rest is let go only when these have failed
		if err := <-results; !errors.Is(err, ErrCrowded) {
			t.Errorf("%v, want crowded", err)
		}
	}
	close(release)
	for range all - 20 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if most.Load() > maxAtOnce {
		t.Errorf("%d at once", most.Load())
	}
}

func TestLocalAddressesAreRefused(t *testing.T) {
	asked := false
	url := serve(t, func(http.ResponseWriter, *http.Request) { asked = true })
	c := New(Options{})
	defer c.Close()
	if err := c.Do(t.Context(), Post{URL: url}); !errors.Is(err, ErrForbidden) || asked {
		t.Errorf("%v, asked: %v", err, asked)
	}
	for _, bad := range []string{"", "ftp://example.com", "http://", "://", "/path"} {
		if err := c.Do(t.Context(), Post{URL: bad}); err == nil {
			t.Errorf("%q was called", bad)
		}
	}
}

func TestForbidden(t *testing.T) {
	own := []net.Addr{&net.IPNet{IP: net.ParseIP("203.0.113.5"), Mask: net.CIDRMask(24, 32)}}
	for a, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true, "::127.0.0.1": true, "64:ff9b::7f00:1": true,
		"2002:7f00:1::": true, "0.0.0.0": true, "::": true, "0.1.2.3": true, "169.254.169.254": true, "fe80::1": true, "224.0.0.1": true,
		"ff02::1": true, "255.255.255.255": true, "100.100.100.200": true, "fd00:ec2::254": true, "203.0.113.5": true,
		"::ffff:203.0.113.5": true, "64:ff9b::cb00:7105": true, "203.0.113.6": false, "10.0.0.1": false, "192.168.1.1": false,
		"2001:db8::1": false, "fd00::1": false, "64:ff9b::a00:1": false,
	} {
		if got := forbidden(netip.MustParseAddr(a), own); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
}
