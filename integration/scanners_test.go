package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// disguised runs a tool of sipvicious that says it is a phone, as those in the wild do.
const disguised = `import sys
sys.path.insert(0, "/usr/share/sipvicious")
from sipvicious.libs import svhelper as h
h.makeRequest.__defaults__ = tuple("Yealink SIP-T46U 108.86" if d == "friendly-scanner" else d for d in h.makeRequest.__defaults__)
from sipvicious.%s import main
main()`

// attack runs a tool of sipvicious until enough is true; then it is killed, if it has not given up. It gives what the tool said.
func (b *border) attack(enough func(said string) bool, tool string, args ...string) string {
	b.t.Helper()
	ctx, cancel := context.WithCancel(patience(b.t, wirePatience))
	defer cancel()
	command := append([]string{tool}, args...)
	if name, hides := strings.CutPrefix(tool, "disguised "); hides {
		command = append([]string{"python3", "-c", fmt.Sprintf(disguised, name)}, args...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+b.t.TempDir()) // where it keeps its sessions
	out := &safeBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	if !soon(func() bool { return enough(out.String()) }) {
		b.t.Fatalf("%s %s:\n%s", tool, strings.Join(args, " "), out.String())
	}
	cancel()
	_ = cmd.Wait() // it was killed, or found nobody
	return out.String()
}

// TestSipvicious plays the tools that every public SIP address hears from each day: a scan for devices, one for user names, a guess
// at a password; once under their own name, which is not answered at all, once in disguise: then of users no more is told than of
// nobody, and who guesses is banned, with evidence. A phone goes on registering and calling meanwhile.
func TestSipvicious(t *testing.T) {
	needs(t, "svmap", "svwar", "svcrack")
	t.Parallel()
	h := newHousehold(t, "udp", nil)
	h.subscriber("good", "secret", nil)
	old := h.create("/domains", rest.Object{"name": "old.example", "realm_id": h.w.westRealm, "routing_plan_id": h.w.plan,
		"digest": rest.Object{"algorithms": []string{"MD5"}}}) // svcrack knows no other
	h.create("/subscribers", rest.Object{"domain_id": old, "username": "1000", "password": "difficult"})
	west := h.w.west.String()
	words := filepath.Join(t.TempDir(), "words")
	var list strings.Builder
	for i := range 500 {
		fmt.Fprintf(&list, "guess%d\n", i)
	}
	if err := os.WriteFile(words, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h.want(h.register("good", "secret", "Contact: <sip:good@"+h.phone.addr.String()+">"), 200)
	counted := func(n float64) func(string) bool {
		before := h.metric("sbc_guard_blocked_total", `"scanner"`)
		return func(string) bool { return h.metric("sbc_guard_blocked_total", `"scanner"`) >= before+n }
	}
	if said := h.attack(counted(1), "svmap", west); strings.Contains(said, west) {
		t.Errorf("svmap finds us:\n%s", said)
	}
	h.attack(counted(1), "svwar", "--force", "-e", "1000-1100", west)
	h.attack(counted(1), "svcrack", "-u", "1000", "-d", words, "--domain", "old.example", west)
	if bans := h.bans(); len(bans) != 0 {
		t.Errorf("what one forged packet can do bans: %+v", bans)
	}
	h.attack(func(said string) bool { return strings.Contains(said, "found nothing") }, "disguised svwar", "-e", "1000-1100", "--domain",
		"old.example", west)
	guess := []string{"-u", "1000", "-d", words, "--domain", "old.example", west}
	h.attack(func(string) bool { return h.metric("sbc_guard_blocked_total", `"flood"`) >= 20 }, "disguised svcrack", guess...)
	profile := h.create("/flood-profiles", rest.Object{"name": "fast", "register": 10_000, "account_register": 0})
	h.do("PATCH", "/realms/"+h.w.westRealm, rest.Object{"flood_profile_id": profile}, nil) // else too few are read to be banned for
	h.attack(func(string) bool { return len(h.bans()) == 1 }, "disguised svcrack", guess...)
	if b := h.bans()[0]; b.Reason != sbc.BanAuth || b.Source != "127.0.0.1/32" || !strings.Contains(b.Evidence, "wrong passwords") {
		t.Errorf("%+v", b)
	}
	h.event(sbc.EventSecurityBan, "127.0.0.1")
	h.works()
}

// works sees that a good phone registers and calls.
func (h *household) works() {
	h.t.Helper()
	h.want(h.register("good", "secret", "Contact: <sip:good@"+h.phone.addr.String()+">"), 200)
	l, _ := h.dial("good", "secret", "4930123", digest.SHA256)
	callee := h.east.ring()
	callee.say(callee.invite, 486, "", "")
	l.final(486)
	callee.hear(msg.ACK)
}
