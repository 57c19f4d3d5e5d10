package register

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// TestList: registrations are listed by rising id, page by page, selected, and taken away.
func TestList(t *testing.T) {
	virtual(t, func(w *world) {
		for i := range 25 {
			w.by(source(fmt.Sprintf("192.0.2.%d:5060", i+1)), fmt.Sprint("user", i), "c", fmt.Sprintf("Contact: <sip:u@192.0.2.%d>", i+1),
				fmt.Sprintf("User-Agent: Phone-%d", i%2)).want(w, 200)
		}
		var all []string
		for after := ""; ; {
			page, next, err := w.Registrations(w.t.Context(), sbc.RegistrationQuery{After: after, Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			for i := range page {
				all = append(all, page[i].ID)
			}
			if after = next; next == "" {
				break
			}
		}
		if len(all) != 25 || !slices.IsSorted(all) {
			t.Errorf("%d, %v", len(all), all)
		}
		yes := true
		for name, c := range map[string]struct {
			q    sbc.RegistrationQuery
			want int
		}{
			"aor": {sbc.RegistrationQuery{AOR: "user3@example.com"}, 1}, "subscriber": {sbc.RegistrationQuery{SubscriberID: "sub_user4"}, 1},
			"source": {sbc.RegistrationQuery{Source: "192.0.2.0/29"}, 7}, "address": {sbc.RegistrationQuery{Source: "192.0.2.3"}, 1},
			"agent": {sbc.RegistrationQuery{UserAgent: "phone-1"}, 12}, "transport": {sbc.RegistrationQuery{Transport: sbc.TransportTCP}, 0},
			"tenant": {sbc.RegistrationQuery{TenantID: "ten_other"}, 0}, "domain": {sbc.RegistrationQuery{DomainID: "dom_1"}, 25},
			"reachable": {sbc.RegistrationQuery{Reachable: &yes}, 25}, "nat": {sbc.RegistrationQuery{NAT: sbc.NATAddress}, 0},
		} {
			if page, _, err := w.Registrations(w.t.Context(), c.q); err != nil || len(page) != c.want {
				t.Errorf("%s: %d, want %d, %v", name, len(page), c.want, err)
			}
		}
		if _, _, err := w.Registrations(w.t.Context(), sbc.RegistrationQuery{Source: "nonsense"}); sbc.CodeOf(err) != sbc.CodeInvalid {
			t.Error(err)
		}
		if _, err := w.Registration(w.t.Context(), "ten_other", all[0]); sbc.CodeOf(err) != sbc.CodeNotFound {
			t.Error(err)
		}
		if err := w.Unregister(w.t.Context(), sbc.DefaultTenantID, all[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Registration(w.t.Context(), "", all[0]); sbc.CodeOf(err) != sbc.CodeNotFound {
			t.Error(err)
		}
		if !slices.Contains(w.happened(), "registration.removed:api") {
			t.Error("not told")
		}
	})
}

// TestAsked: a contact is pinged at once when it is asked for, and what came of it is shown.
func TestAsked(t *testing.T) {
	virtual(t, func(w *world) {
		w.keepAlive(func(p *sbc.KeepAlivePolicy) { p.Mode = sbc.KeepAliveOff })
		w.register(phoneAt, phone).want(w, 200)
		id := w.Contacts("sub_alice")[0].RegistrationID
		w.wire.answers(20 * time.Millisecond)
		x, err := w.RefreshRegistration(w.t.Context(), "", id)
		if err != nil || x.RoundTripMS != 20 || x.PingedAt == nil || !x.Reachable || x.Misses != 0 {
			t.Errorf("%+v %v", x, err)
		}
		w.wire.answers(0)
		if x, err = w.RefreshRegistration(w.t.Context(), "", id); err != nil || x.Misses != 1 || !x.Reachable {
			t.Errorf("%+v %v", x, err)
		}
	})
}
