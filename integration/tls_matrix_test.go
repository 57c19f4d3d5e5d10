package integration

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc/trust/trusttest"
)

// sclient makes a handshake with openssl and gives all that it says; the error is openssl's.
func sclient(t *testing.T, at string, args ...string) (string, error) {
	t.Helper()
	needs(t, "openssl")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", append([]string{"s_client", "-connect", at, "-ign_eof"}, args...)...)
	// Nonsense ends the connection, after a certificate that is refused has been refused: in TLS 1.3 that comes late.
	cmd.Stdin = strings.NewReader("OPTIONS\r\n\r\n")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestHandshakesOfOpenSSL is features.md 13.8: openssl s_client meets what a TLS profile says: names, versions, suites, client certificates
// of every kind; a certificate that is exchanged is shown in the next handshake; and no key is seen anywhere.
func TestHandshakesOfOpenSSL(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	root, dir := trusttest.NewAuthority(t, "root"), t.TempDir()
	a, w, phone, lost := root.Issue(t, nil, "a.example"), root.Issue(t, nil, "*.w.example"), root.Issue(t, nil, "p.example"), root.Issue(t, nil, "l.example")
	foreign := trusttest.NewAuthority(t, "foreign").Issue(t, nil, "p.example")
	for name, i := range map[string]trusttest.Issued{"phone": phone, "lost": lost, "foreign": foreign} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(i.Chain+i.PEM), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	logs := &safeBuffer{}
	b := startBorder(t, app.Options{Log: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	upload := func(name string, i trusttest.Issued) string {
		return b.create("/certificates", rest.Object{"name": name, "certificate_pem": i.Chain, "private_key_pem": i.PEM})
	}
	ids := []string{upload("a", a), upload("w", w)}
	realm := b.create("/realms", rest.Object{"name": "west"})
	listen := func(port int, fields rest.Object) string {
		name := fmt.Sprint("profile ", port)
		profile := rest.Object{"name": name, "certificate_ids": ids, "trust_system": false, "trust_anchors_pem": root.PEM(), "revoked_pem": root.Revoke(t, lost.Cert)}
		for k, v := range fields {
			profile[k] = v
		}
		b.create("/sip-interfaces", rest.Object{"name": name, "realm_id": realm, "transport": "tls", "bind_address": s.west.String(), "port": port,
			"tls_profile_id": b.create("/tls-profiles", profile)})
		return fmt.Sprintf("%s:%d", s.west, port)
	}
	plain := listen(5061, rest.Object{"cipher_suites": []string{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"}})
	new13 := listen(5062, rest.Object{"min_version": "1.3"})
	asks, wants := listen(5063, rest.Object{"client_auth": "request"}), listen(5064, rest.Object{"client_auth": "require"})
	cert := func(name string) []string {
		return []string{"-cert", filepath.Join(dir, name), "-key", filepath.Join(dir, name)}
	}
	for _, tt := range []struct {
		name, at string
		args     []string
		want     string // in what openssl says
	}{
		{"SNI", plain, []string{"-servername", "a.example"}, hexSerial(a)},
		{"SNI of a wildcard", plain, []string{"-servername", "x.w.example"}, hexSerial(w)},
		{"SNI of nobody", plain, []string{"-servername", "nobody.example"}, hexSerial(a)},
		{"1.1", plain, []string{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, "alert protocol version"},
		{"1.2", plain, []string{"-tls1_2"}, "ECDHE-ECDSA-AES256-GCM-SHA384"},
		{"1.2, another suite", plain, []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}, "alert handshake failure"},
		{"1.3", plain, []string{"-tls1_3"}, "TLSv1.3"},
		{"1.2 where 1.3 is wanted", new13, []string{"-tls1_2"}, "alert protocol version"},
		{"asked, none", asks, nil, "Acceptable client certificate CA names"},
		{"asked, good", asks, cert("phone"), "TLSv1.3"},
		{"asked, foreign", asks, cert("foreign"), "alert"},
		{"wanted, none", wants, nil, "alert"},
		{"wanted, none, 1.2", wants, []string{"-tls1_2"}, "alert"},
		{"wanted, good", wants, cert("phone"), "TLSv1.3"},
		{"wanted, good, 1.2", wants, append(cert("phone"), "-tls1_2"), "TLSv1.2"},
		{"wanted, foreign", wants, cert("foreign"), "alert"},
		{"wanted, revoked", wants, cert("lost"), "alert"},
		{"wanted, revoked, 1.2", wants, append(cert("lost"), "-tls1_2"), "alert"},
	} {
		out, _ := sclient(t, tt.at, append(tt.args, "-showcerts")...)
		if strings.HasPrefix(tt.want, "serial ") {
			if want := strings.TrimPrefix(tt.want, "serial "); !strings.Contains(out, want) {
				t.Errorf("%s: another certificate was shown:\n%s", tt.name, out)
			}
			continue
		}
		if !strings.Contains(out, tt.want) || strings.Contains(out, "alert") != strings.Contains(tt.want, "alert") {
			t.Errorf("%s: want %q:\n%s", tt.name, tt.want, out)
		}
	}
	fresh := root.Issue(t, nil, "a.example")
	mixed := rest.Object{"private_key_pem": fresh.PEM}
	err := b.Do(t.Context(), http.MethodPatch, "/v1/certificates/"+ids[0], mixed, nil)
	if err == nil || !strings.Contains(err.Error(), "#/private_key_pem") {
		t.Errorf("a key that does not fit: %v", err)
	}
	noKey(t, err.Error(), fresh.PEM)
	if err := b.Do(t.Context(), http.MethodPatch, "/v1/certificates/"+ids[0],
		rest.Object{"certificate_pem": fresh.Chain, "private_key_pem": fresh.PEM}, nil); err != nil {
		t.Fatal(err)
	}
	if out, _ := sclient(t, plain, "-servername", "a.example", "-showcerts"); !strings.Contains(out, strings.TrimPrefix(hexSerial(fresh), "serial ")) {
		t.Errorf("the new certificate is not shown:\n%s", out)
	}
	var dry any
	if err := b.Do(t.Context(), http.MethodPost, "/v1/certificates?dry_run=true",
		rest.Object{"name": "dry", "certificate_pem": a.Chain, "private_key_pem": a.PEM}, &dry); err != nil {
		t.Fatal(err)
	}
	noKey(t, fmt.Sprint(dry)+logs.String(), a.PEM, w.PEM, fresh.PEM)
	for _, path := range []string{"/v1/certificates", "/v1/certificates/" + ids[0], "/v1/certificates?limit=1", "/v1/audit-events", "/v1/events", "/v1/tls-profiles"} {
		var raw any
		if err := b.Get(t.Context(), path, &raw); err != nil {
			t.Fatal(err)
		}
		noKey(t, fmt.Sprint(raw), a.PEM, w.PEM, fresh.PEM)
	}
}

// hexSerial is what of a certificate is looked for in PEM: its first line, which holds the serial number.
func hexSerial(i trusttest.Issued) string { return "serial " + strings.Split(i.Chain, "\n")[1] }

// noKey checks that no line of a key is in a text.
func noKey(t *testing.T, text string, keys ...string) {
	t.Helper()
	for _, k := range keys {
		for line := range bytes.Lines([]byte(k)) {
			if l := strings.TrimSpace(string(line)); !strings.HasPrefix(l, "-") && strings.Contains(text, l) {
				t.Errorf("a key is shown in %.200s", text)
			}
		}
	}
	if strings.Contains(text, "PRIVATE KEY") {
		t.Errorf("a key is shown in %.200s", text)
	}
}
