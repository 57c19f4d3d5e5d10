package integration

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc/msg"
)

// TestRFC3665 plays the registrations of RFC 3665 by their sections: each is challenged and proven first (F1 to F3 there). Its
// sessions are in sbc/call.
func TestRFC3665(t *testing.T) {
	t.Parallel()
	h := newHousehold(t, "udp", nil)
	h.subscriber("bob", "secret", nil)
	const first, second = "sip:bob@10.9.8.7:5062", "sip:bob@10.9.8.8:5064"
	bound := func(t *testing.T, res *msg.Message, contacts ...string) {
		t.Helper()
		list := strings.Join(res.GetAll("Contact"), ", ")
		for _, c := range []string{first, second} {
			want := false
			for _, w := range contacts {
				want = want || w == c
			}
			if strings.Contains(list, c) != want {
				t.Errorf("bound are %s, want %q", list, contacts)
			}
		}
		h.registrations(len(contacts), "aor=bob@"+h.name)
	}
	ask := func(t *testing.T, headers ...string) *msg.Message {
		t.Helper()
		return h.want(h.register("bob", "secret", headers...), 200)
	}
	t.Run("2.1 successful new registration", func(t *testing.T) {
		bound(t, ask(t, "Contact: <"+first+">", "Expires: 600"), first)
	})
	t.Run("2.2 update of contact list", func(t *testing.T) {
		bound(t, ask(t, "Contact: <"+second+">", "Expires: 600"), first, second)
	})
	t.Run("2.3 request for current contact list", func(t *testing.T) {
		bound(t, ask(t), first, second)
	})
	t.Run("2.4 cancellation of registration", func(t *testing.T) {
		bound(t, ask(t, "Contact: <"+first+">", "Expires: 0"), second)
		bound(t, ask(t, "Contact: *", "Expires: 0"))
	})
	t.Run("2.5 unsuccessful registration", func(t *testing.T) {
		res := h.register("bob", "wrong", "Contact: <"+first+">", "Expires: 600")
		if res.Status != 401 || res.Get("WWW-Authenticate") == "" || res.Has("Contact") {
			t.Errorf("a wrong password was answered with\n%s", res.AppendTo(nil))
		}
		h.registrations(0, "")
	})
}
