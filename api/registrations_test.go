package api

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// contacts are registrations in memory.
type contacts struct {
	mu    sync.Mutex
	list  []sbc.Registration
	asked sbc.RegistrationQuery
	pings int
}

const exampleRegistration = "reg_06bq4v700r2e4g6i8k0m2p4q6s"

// fill puts back what there is at first: a phone of the default tenant, and one of another.
func (c *contacts) fill(other string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	one := sbc.Registration{
		ID: exampleRegistration, TenantID: sbc.DefaultTenantID, DomainID: "dom_x", SubscriberID: "sub_x", AOR: "4940@pbx.example",
		Contact: "sip:4940@192.168.1.20", Q: 1, SIPInterfaceID: "sif_x", Transport: sbc.TransportUDP, Source: "203.0.113.7:1024",
		Connected: true, NAT: sbc.NATAddress, NATTests: []string{"contact_private"}, Reachable: true,
		RegisteredAt: at, RefreshedAt: at, ExpiresAt: at.Add(time.Hour),
	}
	two := one
	two.ID, two.TenantID, two.NAT, two.NATTests = "reg_1", other, sbc.NATNone, []string{}
	c.list, c.pings = []sbc.Registration{one, two}, 0
}

func (c *contacts) Registrations(_ context.Context, q sbc.RegistrationQuery) (page []sbc.Registration, next string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked = q; q.Source == "nonsense" {
		return nil, "", sbc.Invalid([]sbc.Fault{{Parameter: "source", Code: "cidr", Detail: "must be a network"}})
	}
	for _, r := range c.list {
		if r.ID <= q.After || q.TenantID != "" && q.TenantID != r.TenantID {
			continue
		}
		if len(page) == q.Limit {
			return page, page[len(page)-1].ID, nil
		}
		page = append(page, r)
	}
	return page, "", nil
}

func (c *contacts) Registration(_ context.Context, tenant, id string) (*sbc.Registration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.list, func(r sbc.Registration) bool { return r.ID == id && (tenant == "" || tenant == r.TenantID) })
	if i < 0 {
		return nil, sbc.Errorf(sbc.CodeNotFound, "there is no registration %s", id)
	}
	found := c.list[i]
	return &found, nil
}

func (c *contacts) Unregister(_ context.Context, _, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = slices.DeleteFunc(c.list, func(r sbc.Registration) bool { return r.ID == id })
	return nil
}

func (c *contacts) RefreshRegistration(ctx context.Context, tenant, id string) (*sbc.Registration, error) {
	found, err := c.Registration(ctx, tenant, id)
	if err == nil {
		c.mu.Lock()
		c.pings++
		found.RoundTripMS = 12.5
		c.mu.Unlock()
	}
	return found, err
}

// TestRegistrations: keys see the contacts of their tenant, filters reach the registrar, and what is done is in the audit log.
func TestRegistrations(t *testing.T) {
	t.Parallel()
	f := start(t)
	const one = "/v1/registrations/" + exampleRegistration
	page := f.do("GET", "/v1/registrations?limit=1", "").is(200).json()
	if items := page["items"].([]any); len(items) != 1 || items[0].(map[string]any)["id"] != exampleRegistration {
		t.Fatalf("%v", page)
	}
	page = f.do("GET", "/v1/registrations?limit=1&cursor="+page["next_cursor"].(string), "").is(200).json()
	if items := page["items"].([]any); len(items) != 1 || items[0].(map[string]any)["id"] != "reg_1" || page["next_cursor"] != nil {
		t.Errorf("%v", page)
	}
	f.do("GET", "/v1/registrations?domain_id=a&subscriber_id=b&aor=c%40d&source=192.0.2.0/28&user_agent=e&transport=tcp&nat=port&reachable=false",
		"").is(200)
	q := f.contacts.asked
	if q.Reachable == nil || *q.Reachable || q.DomainID != "a" || q.SubscriberID != "b" || q.AOR != "c@d" || q.Source != "192.0.2.0/28" ||
		q.UserAgent != "e" || q.Transport != sbc.TransportTCP || q.NAT != sbc.NATPort {
		t.Errorf("%+v", q)
	}
	f.do("GET", "/v1/registrations?nat=cone", "").problem(400, "invalid_parameter")
	f.do("GET", "/v1/registrations?source=nonsense", "").problem(400, "invalid_parameter")
	f.as(tenantKey, "GET", one, "").problem(404, "not_found")
	f.as(readerKey, "GET", one, "").problem(403, "forbidden")
	f.as(readerKey, "DELETE", one, "").problem(403, "forbidden")
	f.as(tenantKey, "DELETE", one, "").problem(404, "not_found")
	f.as(tenantKey, "GET", "/v1/registrations/reg_1", "").is(200)
	tag := f.do("GET", one, "").is(200).header.Get("ETag")
	f.do("GET", one, "", "If-None-Match", tag).is(304)

	f.do("POST", one+"/refresh?dry_run=true", "").is(200)
	first := f.do("POST", one+"/refresh", "", "Idempotency-Key", "a").is(200)
	again := f.do("POST", one+"/refresh", "", "Idempotency-Key", "a").is(200)
	if f.contacts.pings != 1 || !strings.Contains(string(first.body), "12.5") || string(first.body) != string(again.body) {
		t.Errorf("%d pings: %s, again %s", f.contacts.pings, first.body, again.body)
	}
	f.do("DELETE", one+"?dry_run=true", "").is(204)
	f.do("GET", one, "").is(200)
	f.do("DELETE", one, "").is(204)
	f.do("GET", one, "").problem(404, "not_found")
	f.do("DELETE", one, "").problem(404, "not_found")
	if e := f.event("deleteRegistration"); e["aor"] != "4940@pbx.example" {
		t.Errorf("%v", e)
	}
}
