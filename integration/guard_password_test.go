package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// guessing is a household whose realm lets a source send as fast as it likes, so that only wrong passwords count.
func guessing(t *testing.T) *household {
	h := newHousehold(t, "udp", rest.Object{"digest": rest.Object{"algorithms": []string{"MD5"}}})
	profile := h.create("/flood-profiles", rest.Object{"name": "fast", "invite": 10_000, "other": 10_000})
	h.do("PATCH", "/realms/"+h.w.westRealm, rest.Object{"flood_profile_id": profile}, nil)
	h.subscriber("good", "secret", nil)
	h.subscriber("victim", "difficult", nil)
	return h
}

func (h *household) bans() []sbc.Ban {
	h.t.Helper()
	var page struct{ Items []sbc.Ban }
	if err := h.Get(h.t.Context(), "/v1/security/bans", &page); err != nil {
		h.t.Fatal(err)
	}
	return page.Items
}

// TestPasswordGuessing: of 100 wrong passwords 20 are heard, then the source is banned, with evidence and an event; others go on.
func TestPasswordGuessing(t *testing.T) {
	t.Parallel()
	h := guessing(t)
	for n := range 20 {
		if bans := h.bans(); len(bans) != 0 {
			t.Fatalf("after %d wrong passwords there is %+v", n, bans)
		}
		l, _ := h.dial(fmt.Sprint("victim", n%3), "guess", "123", digest.MD5)
		l.final(407)
	}
	bans := h.bans()
	if len(bans) != 1 || bans[0].Reason != sbc.BanAuth || !strings.HasPrefix(bans[0].Source, h.phone.addr.Addr().String()+"/32") ||
		!strings.Contains(bans[0].Evidence, "20 wrong passwords") {
		t.Fatalf("the bans are %+v", bans)
	}
	heard := h.phone.count()
	for range 80 {
		h.line("victim", "123").start(h.phone.sdp())
	}
	waitFor(t, func() bool { return h.metric("sbc_guard_blocked_total", `"ban"`) >= 80 }, "80 requests that are kept out")
	h.east.sync(h.east.border)
	if n := h.phone.count(); n != heard {
		t.Errorf("the banned source heard %d messages", n-heard)
	}
	h.event(sbc.EventSecurityBan, h.phone.addr.Addr().String())
	h.do("DELETE", "/security/bans/"+bans[0].ID, nil, nil)
	l, _ := h.dial("good", "secret", "4930123", digest.MD5)
	callee := h.east.ring()
	callee.say(callee.invite, 486, "", "")
	l.final(486)
}

// TestPasswordGuessingBehindNAT: where somebody with a good password is behind the same address, it is not banned; the account
// that is guessed at is barred there after ten, its right password included.
func TestPasswordGuessingBehindNAT(t *testing.T) {
	t.Parallel()
	h := guessing(t)
	call := func() {
		t.Helper()
		l, _ := h.dial("good", "secret", "4930123", digest.MD5)
		callee := h.east.ring()
		callee.say(callee.invite, 486, "", "")
		l.final(486)
	}
	call()
	for range 30 {
		l, _ := h.dial("victim", "guess", "123", digest.MD5)
		l.final(407)
	}
	if bans := h.bans(); len(bans) != 0 {
		t.Errorf("the address is banned: %+v", bans)
	}
	l, _ := h.dial("victim", "difficult", "123", digest.MD5)
	l.final(407)
	if n := h.metric("sbc_guard_blocked_total", `"auth"`); n < 20 {
		t.Errorf("%v tries of a barred account are counted", n)
	}
	call()
	h.east.nothing("a call of the barred account", func(m *msg.Message) bool { return m.Method == msg.INVITE && m.RequestURI.User == "123" })
}
