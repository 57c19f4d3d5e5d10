package integration

import (
	"bufio"
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/sallyport/sallyport"

// rule says that a package (or all below a folder, with a trailing slash) is imported only by the packages named.
type rule struct {
	imported string
	by       []string
	why      string
}

var rules = []rule{
	{module + "/storage", []string{"/app", "/storage", "/storage/", "/integration", "/api", "/bench"}, "only app chooses a store (api's tests and the bench open one)"},
	{module + "/api", []string{"/app", "/api", "/api/", "/cmd/sallyport", "/integration", "/bench"}, "only app serves the API; clients use api/client"},
	{module + "/app", []string{"/cmd/sallyport", "/integration"}, "nobody below app knows app"},
	{"gorm.io/", []string{"/storage/sql"}, "rows are a matter of storage/sql"},
	{"github.com/glebarez/", []string{"/storage/sql"}, "rows are a matter of storage/sql"},
	{"github.com/pressly/goose", []string{"/storage/sql"}, "migrations are a matter of storage/sql"},
	{"github.com/emiago/sipgo", []string{"/sbc/msg"}, "one package knows sipgo's types"},
	{"github.com/pion/srtp", []string{"/media/secure"}, "one package knows SRTP"},
	{"github.com/pion/dtls", []string{"/media/secure"}, "one package knows DTLS"},
	{"github.com/coder/websocket", []string{"/sbc/edge", "/integration/phone"}, "SIP over WebSocket ends in edge; the test phone is its peer"},
	{"github.com/pion/stun", []string{"/media/ice"}, "one package knows STUN's form"},
	{"github.com/icholy/digest", nil, "an independent implementation, for tests only"},
	{"github.com/mholt/acmez", []string{"/sbc/certs/acme"}, "one package orders certificates"},
	{"github.com/labstack/echo", []string{"/api", "/api/"}, "HTTP ends in api"},
	{"github.com/miekg/dns", []string{"/sbc/edge"}, "names are resolved in edge"},
}

// closed packages import nothing of ours but what is named.
var closed = map[string][]string{
	"/sbc":              {},
	"/sbc/msg":          {"/sbc"},
	"/sbc/edge":         {"/sbc", "/sbc/msg"},
	"/sbc/identify":     {"/sbc", "/sbc/msg", "/auth/digest"},
	"/sbc/route":        {"/sbc", "/sbc/msg"},
	"/sbc/admit":        {"/sbc"},
	"/sbc/header":       {"/sbc", "/sbc/msg"},
	"/sbc/dialog":       {"/sbc", "/sbc/msg"},
	"/sbc/blob":         {"/sbc"},
	"/sbc/bulk":         {"/sbc"},
	"/sbc/config":       {"/sbc", "/sbc/route", "/sbc/identify", "/sbc/admit", "/sbc/header", "/sbc/timeprofile", "/sbc/dialplan", "/sbc/numberplan", "/sbc/trust"},
	"/sbc/certs":        {"/sbc", "/sbc/trust"},
	"/sbc/certs/acme":   {"/sbc", "/sbc/certs", "/sbc/trust"},
	"/sbc/renew":        {"/sbc", "/sbc/certs"},
	"/sbc/trust":        {"/sbc"},
	"/sbc/timeprofile":  {"/sbc"},
	"/sbc/dialplan":     {"/sbc", "/sbc/timeprofile"},
	"/sbc/numberplan":   {"/sbc"},
	"/sbc/notify":       {"/sbc", "/sbc/msg", "/sbc/header"},
	"/sbc/call":         {"/sbc", "/sbc/config", "/sbc/dialplan", "/sbc/numberplan", "/sbc/dialog", "/sbc/notify", "/sbc/msg", "/sbc/route", "/sbc/identify", "/sbc/admit", "/sbc/header", "/sbc/service", "/auth/digest", "/media", "/media/tone"},
	"/sbc/account":      {"/sbc"},
	"/sbc/subscription": {"/sbc", "/sbc/config", "/sbc/dialog", "/sbc/notify", "/sbc/msg", "/sbc/route", "/sbc/identify", "/sbc/header", "/sbc/prove"},
	"/sbc/prove":        {"/sbc", "/sbc/msg", "/auth/digest"},
	"/sbc/probe":        {"/sbc", "/sbc/msg", "/sbc/prove"},
	"/sbc/register":     {"/auth/digest", "/sbc", "/sbc/config", "/sbc/identify", "/sbc/msg", "/webhook"},
	"/sbc/registrant":   {"/sbc", "/sbc/config", "/sbc/msg", "/auth/digest"},
	"/sbc/guard":        {"/sbc", "/sbc/msg"},
	"/sbc/voicemail":    {"/sbc", "/webhook"},
	"/sbc/mwi":          {"/sbc", "/sbc/msg", "/sbc/dialog", "/sbc/notify"},
	"/sbc/consult":      {"/sbc", "/sbc/msg", "/sbc/route", "/webhook"},
	"/sbc/eventlog":     {"/sbc"},
	"/sbc/directory":    {"/sbc"},
	"/sbc/discover":     {"/sbc"},
	"/sbc/rates":        {"/sbc"},
	"/sbc/quality":      {"/sbc"},
	"/sbc/service":      {"/sbc"},
	"/sbc/template":     {"/sbc"},
	"/media/sdp":        {},
	"/media/port":       {},
	"/media/ice":        {},
	"/media/secure":     {},
	"/media/relay":      {"/media/port", "/media/secure"},
	"/media/tone":       {},
	"/media":            {"/media/sdp", "/media/port", "/media/relay", "/media/ice", "/media/secure", "/media/tone"},
	"/auth/token":       {},
	"/storage/live":     {"/sbc"},
	"/auth/digest":      {},
	"/auth/seal":        {},
	"/webhook":          {},
	"/sbc/access":       {"/sbc", "/sbc/msg", "/sbc/config", "/sbc/identify", "/auth/digest", "/webhook"},
	"/storage/sql":      {"/sbc"},
	"/api":              {"/sbc", "/sbc/bulk", "/sbc/certs", "/sbc/rates", "/sbc/template", "/auth/token", "/api/gen", ""},
	"/api/gen":          {},
	"/api/client":       {},
}

// TestImports keeps the picture of ARCHITECTURE.md true: who may import whom.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		pkg, imports, _ := strings.Cut(lines.Text(), " ")
		name := strings.TrimPrefix(pkg, module)
		seen[name] = true
		for imported := range strings.FieldsSeq(imports) {
			checkRules(t, name, imported)
			checkClosed(t, name, imported)
		}
	}
	for name := range closed {
		if !seen[name] {
			t.Errorf("package %s of the import rules does not exist", name)
		}
	}
}

func checkRules(t *testing.T, name, imported string) {
	t.Helper()
	for _, r := range rules {
		if imported != r.imported && !strings.HasPrefix(imported, strings.TrimSuffix(r.imported, "/")+"/") {
			continue
		}
		allowed := false
		for _, by := range r.by {
			allowed = allowed || name == by || strings.HasSuffix(by, "/") && strings.HasPrefix(name, by) || strings.HasPrefix(name, by+"/")
		}
		if !allowed {
			t.Errorf("%s imports %s: %s", name, imported, r.why)
		}
	}
}

func checkClosed(t *testing.T, name, imported string) {
	t.Helper()
	allowed, ok := closed[name]
	ours, isOurs := strings.CutPrefix(imported, module)
	if !ok || !isOurs {
		return
	}
	for _, a := range allowed {
		if ours == a {
			return
		}
	}
	t.Errorf("%s imports %s; it may import only %q of ours", name, ours, allowed)
}
