package integration

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// registrantState is what the API says of a registrant.
type registrantState struct {
	Status      sbc.RegistrantStatus  `json:"status"`
	Credentials sbc.ClientCredentials `json:"credentials"`
}

// registrant waits until a registrant is in a state.
func (b *border) registrant(path string, want sbc.RegistrantState) sbc.RegistrantStatus {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	r, err := rest.Until(ctx, b.Client, path, func(r registrantState) bool { return r.Status.State == want })
	if err != nil {
		b.t.Fatalf("%v: %+v", err, r)
	}
	if r.Credentials.Password != "" {
		b.t.Errorf("the password is shown: %+v", r)
	}
	return r.Status
}

// TestKamailioRegistrar: the border registers with Debian's Kamailio once the password is right; calls from there come in by the contact,
// though no identity knows the address; when the registrant is deleted, Kamailio knows nobody.
func TestKamailioRegistrar(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	at, by := w.east.As4(), w.east.As4()
	at[3], by[3] = 7, 6
	startKamailioAt(t, netip.AddrFrom4(at))
	core := netip.AddrPortFrom(netip.AddrFrom4(at), 5060)
	path := "/v1/trunks/" + w.eastTrunk + "/registrants"
	id := b.create(strings.TrimPrefix(path, "/v1"), rest.Object{
		"name": "carrier", "registrar": core.Addr().String(), "aor_user": "4930555", "credentials": rest.Object{"password": "wrong"},
		"retry_s": 1,
	})
	path += "/" + id
	if s := b.registrant(path, sbc.RegistrantWrongCredentials); s.Code != 401 || s.NextAt != nil {
		t.Errorf("%+v", s)
	}
	if err := b.Do(t.Context(), http.MethodPatch, path, rest.Object{"credentials": rest.Object{"password": password}}, nil); err != nil {
		t.Fatal(err)
	}
	if s := b.registrant(path, sbc.RegistrantRegistered); s.Code != 200 || s.ExpiresAt == nil || s.NextAt == nil || !s.NextAt.Before(*s.ExpiresAt) ||
		!strings.HasSuffix(s.Contact, "@"+w.east.String()+":5060") {
		t.Errorf("%+v", s)
	}
	carol, _ := speaker(t, netip.AddrFrom4(by), "carol", 1000)
	account := phone.Account{Domain: "core.example", User: "carol", Password: password}
	if res, err := carol.Register(patience(t, wirePatience), core, account); err != nil || res.Status != 200 {
		t.Fatalf("%+v, %v", res, err)
	}
	_, wests := speaker(t, w.westPeer, "west", 400)
	talks(t, carol, "4930555", core, wests, 1000, 400)
	if c := b.cdrs(1)[0]; c.IngressTrunkID != w.eastTrunk || c.CalleeNormalised != "4930555" || c.FinalCode != 200 {
		t.Errorf("%+v", c)
	}
	if err := b.Do(t.Context(), http.MethodDelete, path, nil, nil); err != nil {
		t.Fatal(err)
	}
	events, err := rest.Until(patience(t, wirePatience), b.Client, "/v1/events?type=registrant.state", func(p rest.Page[sbc.Event]) bool {
		return len(p.Items) > 0 && p.Items[len(p.Items)-1].Data["state"] == "disabled"
	})
	if err != nil {
		t.Fatalf("%v: %+v", err, events)
	}
	call, err := carol.Dial("4930555", core)
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := call.Final(patience(t, wirePatience)); code != 404 {
		t.Errorf("Kamailio still knows the border: %d", code)
	}
	states := []string{}
	for _, e := range events.Items {
		states = append(states, e.Data["state"])
	}
	if got := strings.Join(states, " "); got != "registering wrong_credentials registered unregistering disabled" {
		t.Errorf("events: %s", got)
	}
	b.quiet()
}

// TestDifficultRegistrar: SIPp says 423, 401, 503 with Retry-After, and then yes; at the end it is told.
func TestDifficultRegistrar(t *testing.T) {
	t.Parallel()
	needs(t, "sipp")
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	carrier := sippListening(patience(t, 30*time.Second), t, "registrar_difficult.xml", w.eastPeer, "-m", "1")
	path := "/v1/trunks/" + w.eastTrunk + "/registrants"
	id := b.create(strings.TrimPrefix(path, "/v1"), rest.Object{
		"name": "carrier", "registrar": w.eastPeer.String(), "aor_user": "4930555", "retry_s": 1,
		"credentials": rest.Object{"username": "border", "password": "open sesame", "realm": "carrier.example"},
	})
	path += "/" + id
	before := time.Now()
	if s := b.registrant(path, sbc.RegistrantRejected); s.Code != 503 || s.NextAt == nil || s.NextAt.Before(before.Add(2*time.Second)) {
		t.Errorf("%+v", s)
	}
	b.registrant(path, sbc.RegistrantRegistered)
	if err := b.Do(t.Context(), http.MethodPatch, path, rest.Object{"enabled": false}, nil); err != nil {
		t.Fatal(err)
	}
	b.registrant(path, sbc.RegistrantDisabled)
	if err := carrier.Wait(); err != nil {
		t.Errorf("the registrar was not content: %v", err)
	}
}

// TestSIPpChallenges: a carrier that challenges INVITE and BYE, and wants the credentials of the INVITE in its ACK; the caller knows nothing of it.
func TestSIPpChallenges(t *testing.T) {
	t.Parallel()
	needs(t, "sipp")
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{eastTrunk: rest.Object{
		"credentials": rest.Object{"username": "border", "password": "open sesame", "realm": "carrier.example"},
	}})
	carrier := sippListening(patience(t, 30*time.Second), t, "callee_challenges.xml", w.eastPeer, "-m", "3")
	if err := sipp(patience(t, 30*time.Second), t, "caller.xml", calling(w.sides, "u1", 3, "-d", "100")...); err != nil {
		t.Fatal(err)
	}
	if err := carrier.Wait(); err != nil {
		t.Errorf("the carrier was not content: %v", err)
	}
	for _, r := range b.cdrs(3) {
		if r.EndReason != sbc.EndCallerBye || r.FinalCode != 200 || len(r.Attempts) != 1 {
			t.Errorf("%+v", r)
		}
	}
	b.quiet()
}
