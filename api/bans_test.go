package api

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sallyport/sallyport/sbc"
)

// jail keeps bans as a guard does.
type jail struct {
	mu   sync.Mutex
	bans []sbc.Ban
}

func (j *jail) Bans(q sbc.BanQuery) (page []sbc.Ban, next string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, b := range j.bans {
		if b.ID > q.After && (q.Source == "" || q.Source == b.Source) && (q.Reason == "" || q.Reason == b.Reason) {
			if q.Limit > 0 && len(page) == q.Limit {
				return page, page[len(page)-1].ID
			}
			page = append(page, b)
		}
	}
	return page, ""
}

func (j *jail) Ban(id string) (*sbc.Ban, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, b := range j.bans {
		if b.ID == id {
			return &b, nil
		}
	}
	return nil, sbc.Errorf(sbc.CodeNotFound, "there is no such ban")
}

func (j *jail) AddBan(b sbc.Ban, dryRun bool) (*sbc.Ban, error) {
	if b.Source == "everybody" {
		return nil, sbc.Invalid([]sbc.Fault{{Pointer: "#/source", Code: "cidr", Detail: "is none"}})
	}
	b.ID, b.Reason, b.Count, b.CreatedAt = sbc.NewID(sbc.PrefixBan), sbc.BanManual, 1, time.Now().UTC()
	if b.ExpiresAt.IsZero() {
		b.ExpiresAt = b.CreatedAt.Add(time.Hour)
	}
	if !dryRun {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.bans = append(j.bans, b)
	}
	return &b, nil
}

func (j *jail) Unban(id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, b := range j.bans {
		if b.ID == id {
			j.bans = append(j.bans[:i:i], j.bans[i+1:]...)
			return nil
		}
	}
	return sbc.Errorf(sbc.CodeNotFound, "there is no such ban")
}

// seededBan is the ban that the examples of the specification name; its times are fixed, for transcripts.
func seededBan(doc *openapi3.T) sbc.Ban {
	at := time.Date(2026, 11, 22, 9, 41, 12, 0, time.UTC)
	return sbc.Ban{ID: exampleID(doc, "BanID"), Source: "192.0.2.1/32", Reason: sbc.BanFlood, CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
}

func TestBans(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.jail.bans = nil
	f.do("POST", "/v1/security/bans?dry_run=true", `{"source":"192.0.2.1"}`).is(201)
	if len(f.jail.bans) != 0 {
		t.Error("a dry run bans")
	}
	made := f.do("POST", "/v1/security/bans", `{"source":"192.0.2.0/28","seconds":60,"evidence":"x"}`).is(201)
	b := f.jail.bans[0]
	if made.header.Get("Location") != "/v1/security/bans/"+b.ID || b.ExpiresAt.Sub(b.CreatedAt) > time.Minute {
		t.Errorf("%v %+v", made.header, b)
	}
	f.do("POST", "/v1/security/bans", `{"source":"everybody"}`).problem(422, "invalid")
	f.do("POST", "/v1/security/bans", `{"source":"192.0.2.1","seconds":0}`).problem(422, "invalid")
	f.do("POST", "/v1/security/bans", `{}`).problem(422, "invalid")
	f.do("GET", "/v1/security/bans/"+b.ID, "").is(200)
	for _, q := range []string{"?reason=manual", "?source=192.0.2.0%2F28", ""} {
		if got := f.do("GET", "/v1/security/bans"+q, "").is(200); !strings.Contains(string(got.body), b.ID) {
			t.Errorf("%s: %s", q, got.body)
		}
	}
	if got := f.do("GET", "/v1/security/bans?format=nft", "").is(200); !strings.Contains(string(got.body), "{ 192.0.2.0/28 timeout 5") ||
		!strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
		t.Errorf("%s %s", got.header.Get("Content-Type"), got.body)
	}
	f.as(tenantKey, "GET", "/v1/security/bans", "").problem(403, "forbidden")
	f.as(readerKey, "POST", "/v1/security/bans", `{"source":"192.0.2.1"}`).problem(403, "forbidden")
	f.do("DELETE", "/v1/security/bans/"+b.ID+"?dry_run=true", "").is(204)
	f.do("DELETE", "/v1/security/bans/"+b.ID, "").is(204)
	f.do("DELETE", "/v1/security/bans/"+b.ID, "").problem(404, "not_found")
}

// TestNFTables has nft read the script, twice, in a network of its own: overlapping bans, IPv6, some that are not to be in it.
func TestNFTables(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var bans []sbc.Ban
	for _, source := range []string{"192.0.2.1/32", "192.0.2.0/24", "198.51.100.7/32", "2001:db8::/64", "2001:db8::/48"} {
		bans = append(bans, sbc.Ban{Source: source, ExpiresAt: now.Add(time.Hour)})
	}
	bans = append(bans, sbc.Ban{Source: "203.0.113.1/32", ExpiresAt: now}, sbc.Ban{Source: "203.0.113.2/32", ExpiresAt: now.Add(time.Hour), Observed: true})
	script := nftables(bans, now)
	for _, no := range []string{"192.0.2.1/32", "2001:db8::/64", "203.0.113"} {
		if strings.Contains(script, no) {
			t.Errorf("%s is in it:\n%s", no, script)
		}
	}
	file := filepath.Join(t.TempDir(), "bans.nft")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("nft"); err != nil || os.Getuid() != 0 {
		t.Skip("needs nft, and to be root")
	}
	out, err := exec.Command("unshare", "-n", "sh", "-c", "nft -f "+file+" && nft -f "+file+" && nft list ruleset").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"192.0.2.0/24", "198.51.100.7", "2001:db8::/48"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is not in the kernel's sets:\n%s", want, out)
		}
	}
}
