package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
)

// TestBaresipOutbound lets baresip register as a phone of RFC 5626: the contact has its flow, and is gone when baresip says so
// at its end.
func TestBaresipOutbound(t *testing.T) {
	needs(t, "baresip")
	h := furnish(startBorder(t, app.Options{}), "udp", rest.Object{
		"digest": rest.Object{"algorithms": []string{"MD5"}}, // this baresip knows no other
	})
	h.subscriber("alice", "secret", nil)
	h.phone.close()
	stop := registering(t, h)
	r := h.registrations(1, "")[0]
	if r.AOR != "alice@"+h.name || r.RegID != 1 || !strings.HasPrefix(r.InstanceID, "urn:uuid:") || !r.Reachable || !r.Connected ||
		r.Source != h.phone.addr.String() || !strings.HasPrefix(r.UserAgent, "baresip") {
		t.Errorf("%+v", r)
	}
	stop()
	h.registrations(0, "")
}

// registering runs a baresip that registers as alice at the address of the household's phone. stop ends it as its user does.
func registering(t *testing.T, h *household) (stop func()) {
	t.Helper()
	folder, at := t.TempDir(), h.phone.addr
	for file, content := range map[string]string{
		"config": fmt.Sprintf("poll_method epoll\nsip_listen %s\nmodule_path /usr/lib/baresip/modules\nmodule g711.so\n"+
			"module uuid.so\nmodule_tmp account.so\nmodule_app menu.so\n", at),
		"accounts": fmt.Sprintf("<sip:alice@%s;transport=udp>;auth_user=alice;auth_pass=secret;regint=600;sipnat=outbound;"+
			"outbound=\"sip:%s:5060;transport=udp\"\n", h.name, h.w.west),
		"contacts": "",
	} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("baresip", "-f", folder)
	output := &safeBuffer{}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it ends by a signal
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("baresip:\n%s", output.String())
		}
	})
	return func() { _ = cmd.Process.Signal(syscall.SIGTERM) }
}
