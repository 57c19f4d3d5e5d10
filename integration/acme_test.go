package integration

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/trust/trusttest"
)

// pebble runs Let's Encrypt's ACME server for tests, which asks a name server of ours and comes to these ports for challenges. It gives the
// URL of its directory and the anchors that it is believed by.
func pebble(t *testing.T, nameserver string, httpPort, tlsPort int) (directory, anchors string) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "pebble")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/letsencrypt/pebble/v2/cmd/pebble")
	build.Dir = "../tools"
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("pebble cannot be built: %v %s", err, out)
	}
	local := netip.MustParseAddr("127.0.0.1")
	at, managed := fmt.Sprintf("127.0.0.1:%d", freePort(t, local)), fmt.Sprintf("127.0.0.1:%d", freePort(t, local))
	ca := trusttest.NewAuthority(t, "ACME")
	own := ca.Issue(t, nil, "127.0.0.1")
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": at, "managementListenAddress": managed, "certificate": filepath.Join(dir, "cert.pem"),
		"privateKey": filepath.Join(dir, "key.pem"), "httpPort": httpPort, "tlsPort": tlsPort,
		"profiles": map[string]any{"default": map[string]any{"description": "d", "validityPeriod": 7776000}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"cert.pem": own.Chain, "key.pem": own.PEM, "config.json": string(config)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := companion(t, func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, program, "-config", filepath.Join(dir, "config.json"), "-dnsserver", nameserver)
		cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
		return cmd
	}, "pebble")
	waitFor(t, func() bool { return strings.Contains(out.String(), "Listening on: "+at) }, "pebble")
	return "https://" + at + "/dir", ca.PEM()
}

// TestCertificatesByACME: an ACME server gives certificates by either challenge; what it refuses is told, with a reason.
func TestCertificatesByACME(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	server := dnsmasq(t, s.west, map[string]string{"home.example": s.east.String(), "alpn.example": s.east.String()})
	httpPort, tlsPort := freePort(t, s.east), freePort(t, s.east)
	directory, anchors := pebble(t, server, httpPort, tlsPort)
	b := startBorder(t, app.Options{
		ACMEHTTPAddress: netip.AddrPortFrom(s.east, uint16(httpPort)).String(), ACMETLSAddress: netip.AddrPortFrom(s.east, uint16(tlsPort)).String(),
	})
	order := func(name, challenge string) string {
		return b.create("/certificates", rest.Object{"name": name, "source": "acme", "names": []string{name}, "acme": rest.Object{
			"directory_url": directory, "email": "ops@home.example", "terms_agreed": true, "challenge": challenge, "trust_anchors_pem": anchors,
		}})
	}
	ids := map[string]string{"home.example": order("home.example", "http-01"), "alpn.example": order("alpn.example", "tls-alpn-01")}
	for name, id := range ids {
		got := b.certificate(t, id, func(c certificateView) bool { return c.Status.State == sbc.CertificateValid })
		if len(got.Status.Names) != 1 || got.Status.Names[0] != name || !strings.Contains(got.Status.Issuer, "Pebble") || got.Status.RenewalAt == nil {
			t.Errorf("%s: %+v", name, got.Status)
		}
	}
	failed := b.certificate(t, order("nowhere.example", "http-01"), func(c certificateView) bool { return c.Status.State == sbc.CertificateFailed })
	if !strings.Contains(failed.Status.Reason, "nowhere.example") || failed.Status.RenewalAt == nil || !failed.Status.RenewalAt.After(time.Now()) {
		t.Errorf("%+v", failed.Status)
	}
	for _, kind := range []string{"certificate.renewed", "certificate.failed"} {
		if _, err := rest.Until(patience(t, wirePatience), b.Client, "/v1/events?type="+kind, func(p rest.Page[sbc.Event]) bool {
			return len(p.Items) > 0 && p.Items[0].Data["id"] != ""
		}); err != nil {
			t.Error(err)
		}
	}
	// Other names: the certificate stays until the new one is there.
	if err := b.Do(t.Context(), http.MethodPatch, "/v1/certificates/"+ids["home.example"],
		rest.Object{"names": []string{"home.example", "alpn.example"}}, nil); err != nil {
		t.Fatal(err)
	}
	b.certificate(t, ids["home.example"], func(c certificateView) bool { return len(c.Status.Names) == 2 })
}

// certificateView is what is read of a certificate.
type certificateView struct {
	PEM    string                `json:"certificate_pem"`
	Status sbc.CertificateStatus `json:"status"`
}

func (b *border) certificate(t *testing.T, id string, ok func(c certificateView) bool) certificateView {
	t.Helper()
	got, err := rest.Until(patience(t, 20*time.Second), b.Client, "/v1/certificates/"+id, ok)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestACMEServersThatAnswerNonsense: the certificate has failed, and says why; nothing else suffers.
func TestACMEServersThatAnswerNonsense(t *testing.T) {
	t.Parallel()
	answers := map[string]http.HandlerFunc{
		"text":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) },
		"nothing": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"empty":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"newNonce":"` + strings.Repeat("x", 2<<20)))
		},
		"in clear": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"newNonce":"http://127.0.0.1:1/"}`))
		},
	}
	s := newSides(t)
	b := startBorder(t, app.Options{ACMEHTTPAddress: netip.AddrPortFrom(s.east, 8081).String()})
	for name, answer := range answers {
		server := httptest.NewTLSServer(answer)
		t.Cleanup(server.Close)
		id := b.create("/certificates", rest.Object{"name": name, "source": "acme", "names": []string{"a.example"}, "acme": rest.Object{
			"directory_url": server.URL + "/" + strings.ReplaceAll(name, " ", ""), "terms_agreed": true,
			"trust_anchors_pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})),
		}})
		got := b.certificate(t, id, func(c certificateView) bool { return c.Status.State == sbc.CertificateFailed })
		if got.Status.Reason == "" || len(got.Status.Reason) > 600 {
			t.Errorf("%s: %+v", name, got.Status)
		}
	}
	none := b.create("/certificates", rest.Object{"name": "no listener", "source": "acme", "names": []string{"a.example"},
		"acme": rest.Object{"terms_agreed": true, "challenge": "tls-alpn-01"}})
	got := b.certificate(t, none, func(c certificateView) bool { return c.Status.State == sbc.CertificateFailed })
	if !strings.Contains(got.Status.Reason, "nobody listens") {
		t.Errorf("%+v", got.Status)
	}
}
