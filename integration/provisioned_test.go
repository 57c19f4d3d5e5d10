package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestSubscribersChangeAtOnce: what is written of a subscriber holds for its next call, though no configuration is compiled for it.
func TestSubscribersChangeAtOnce(t *testing.T) {
	h := newHousehold(t, "udp", rest.Object{"digest": rest.Object{"algorithms": []string{"SHA-256"}}})
	group := h.create("/groups", rest.Object{"name": "all but 00", "classes": []string{"local", "national"}})
	id := h.subscriber("alice", "first", nil)
	ctx := patience(t, 20*time.Second)
	write := func(method, path string, body rest.Object) {
		t.Helper()
		if err := h.Client.Do(ctx, method, path, body, nil); err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	// A call that is accepted rings in the east; others get the code at the door.
	try := func(password, number string, want int) {
		t.Helper()
		l, _ := h.dial("alice", password, number, digest.SHA256)
		if want != 200 {
			l.final(want)
			return
		}
		callee := h.east.ring()
		callee.say(callee.invite, 200, "", h.east.sdp())
		l.final(200)
		callee.hear(msg.ACK)
		l.hangup(callee)
	}
	try("first", "4930123", 200)
	write(http.MethodPatch, "/v1/subscribers/"+id, rest.Object{"password": "second"})
	try("first", "4930123", 407)
	try("second", "4930123", 200)
	write(http.MethodPatch, "/v1/subscribers/"+id, rest.Object{"group_ids": []string{group}})
	try("second", "0044123", 403)
	// A change of the group is a change of what every node holds.
	write(http.MethodPatch, "/v1/groups/"+group, rest.Object{"allow": []string{"0044"}})
	try("second", "4930123", 200)
	write(http.MethodPatch, "/v1/subscribers/"+id, rest.Object{"enabled": false})
	try("second", "4930123", 403)
	write(http.MethodDelete, "/v1/subscribers/"+id, nil)
	h.subscriber("alice", "third", nil)
	try("third", "4930123", 200)
	h.quiet()
}

// TestDomainsByREST: a name means one domain in the whole installation, and secrets do not come back.
func TestDomainsByREST(t *testing.T) {
	b := startBorder(t, app.Options{})
	ctx := patience(t, 10*time.Second)
	realm := b.create("/realms", rest.Object{"name": "phones", "trust": "access"})
	domain := b.create("/domains", rest.Object{"name": "example.com", "realm_id": realm, "aliases": []string{"sip.example.com"},
		"push": rest.Object{"url": "https://push.example/x", "secret": "hush"}})
	for _, name := range []string{"EXAMPLE.COM", "sip.example.com"} {
		err := b.Client.Do(ctx, http.MethodPost, "/v1/domains", rest.Object{"name": name, "realm_id": realm}, nil)
		if err == nil || !strings.Contains(err.Error(), "409") {
			t.Errorf("%s twice: %v", name, err)
		}
	}
	before := revision(t, b)
	for _, user := range []string{"alice", "bob"} {
		b.create("/subscribers", rest.Object{"domain_id": domain, "username": user, "password": "sesame"})
	}
	if after := revision(t, b); after != before+2 {
		t.Errorf("revision %d after %d", after, before)
	}
	for _, path := range []string{"/v1/domains/" + domain, "/v1/subscribers", "/v1/audit-events"} {
		var raw any
		if err := b.Client.Get(ctx, path, &raw); err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"hush", "sesame", "ha1"} {
			if strings.Contains(fmt.Sprint(raw), secret) {
				t.Errorf("%s shows %s", path, secret)
			}
		}
	}
}

// revision is the one in service.
func revision(t *testing.T, b *border) int64 {
	t.Helper()
	var s sbc.ConfigStatus
	if err := b.Client.Get(patience(t, 5*time.Second), "/v1/config/status", &s); err != nil {
		t.Fatal(err)
	}
	if s.Active != s.Revision {
		t.Errorf("%+v", s)
	}
	return s.Active
}
