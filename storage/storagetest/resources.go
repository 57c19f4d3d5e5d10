package storagetest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

func resources(t *testing.T, fresh Fresh) {
	t.Run("default tenant", func(t *testing.T) { defaultTenant(t, open(t, fresh)) })
	t.Run("every kind comes back as it was", func(t *testing.T) { everyKind(t, open(t, fresh)) })
	t.Run("replace", func(t *testing.T) { replace(t, open(t, fresh)) })
	t.Run("names", func(t *testing.T) { names(t, open(t, fresh)) })
	t.Run("external ids", func(t *testing.T) { externalIDs(t, open(t, fresh)) })
	t.Run("references", func(t *testing.T) { references(t, open(t, fresh)) })
	t.Run("tenants", func(t *testing.T) { tenants(t, open(t, fresh)) })
	t.Run("deletion", func(t *testing.T) { deletion(t, open(t, fresh)) })
}

func defaultTenant(t *testing.T, f *fixture) {
	tenant := get(f, "", &sbc.Tenant{Meta: sbc.Meta{ID: sbc.DefaultTenantID}})
	if !tenant.Enabled || tenant.Name != "default" || tenant.Revision < 1 || tenant.Revision != f.revision() {
		t.Errorf("got %+v at revision %d", tenant, f.revision())
	}
	if age := time.Since(tenant.CreatedAt); age < -time.Second || age > patience || !tenant.UpdatedAt.Equal(tenant.CreatedAt) {
		t.Errorf("created %s ago, updated at %s", age, tenant.UpdatedAt)
	}
}

func everyKind(t *testing.T, f *fixture) {
	all := oneOfEach()
	before := time.Now().Add(-time.Second)
	f.put(all...)
	revision := f.revision()
	for _, want := range all {
		m := want.Base()
		if m.Revision != revision || m.CreatedAt.Before(before) || !m.UpdatedAt.Equal(m.CreatedAt) {
			t.Errorf("%s: Put set revision %d (want %d), created %s, updated %s", m.ID, m.Revision, revision, m.CreatedAt, m.UpdatedAt)
		}
		got, err := f.Get(f.ctx, want.Kind(), m.TenantID, m.ID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Get\n got %+v (%v)\nwant %+v", got, err, want)
		}
		got, err = f.ByExternalID(f.ctx, want.Kind(), m.TenantID, m.ExternalID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ByExternalID\n got %+v (%v)\nwant %+v", got, err, want)
		}
	}
	got, at, err := f.All(f.ctx)
	if err != nil || at != revision {
		t.Fatalf("All: revision %d, want %d, %v", at, revision, err)
	}
	found := map[string]sbc.Resource{}
	order := map[sbc.Kind]int{}
	for i, kind := range sbc.Kinds() {
		order[kind] = i
	}
	for i, r := range got {
		found[r.Base().ID] = r
		if i > 0 && (order[got[i-1].Kind()] > order[r.Kind()] || (got[i-1].Kind() == r.Kind() && got[i-1].Base().ID >= r.Base().ID)) {
			t.Errorf("All is out of order at %s", r.Base().ID)
		}
	}
	for _, want := range all {
		if !reflect.DeepEqual(found[want.Base().ID], want) {
			t.Errorf("All\n got %+v\nwant %+v", found[want.Base().ID], want)
		}
	}
	if len(got) != len(all)+1 {
		t.Errorf("All gave %d resources, want %d", len(got), len(all)+1)
	}
}

func replace(t *testing.T, f *fixture) {
	realm := newRealm(sbc.DefaultTenantID, "one")
	realm.Labels = map[string]string{"a": "1", "b": "2"}
	realm.ExternalID = "x1"
	f.put(realm)
	created, first := realm.CreatedAt, realm.Revision
	realm.Name, realm.ExternalID, realm.Enabled = "two", "", false
	realm.Labels = map[string]string{"b": "3"}
	realm.CreatedAt = time.Time{} // the store knows better
	f.put(realm)
	got := get(f, sbc.DefaultTenantID, realm)
	if !got.CreatedAt.Equal(created) || got.UpdatedAt.Before(created) || got.Revision != first+1 ||
		got.Name != "two" || got.Enabled {
		t.Errorf("got %+v, created %s at %d", got, created, first)
	}
	if _, err := f.ByExternalID(f.ctx, sbc.KindRealm, "", "x1"); sbc.CodeOf(err) != sbc.CodeNotFound {
		t.Errorf("the old external id still finds it: %v", err)
	}
	for label, want := range map[string]int{"a=1": 0, "b=2": 0, "b=3": 1} {
		q := sbc.Query{Kind: sbc.KindRealm, Labels: map[string]string{label[:1]: label[2:]}}
		if page, _ := f.page(q); len(page) != want {
			t.Errorf("label %s finds %d, want %d", label, len(page), want)
		}
	}
	other := sbc.New(sbc.KindRoutingPlan)
	*other.Base() = meta(sbc.KindRoutingPlan, sbc.DefaultTenantID, "plan")
	other.Base().ID = realm.ID
	wantCode(t, f.refused(func(tx sbc.Tx) error { return tx.Put(other) }), sbc.CodeConflict)
	fresh := newRealm(sbc.DefaultTenantID, "without an id")
	fresh.ID = ""
	f.put(fresh)
	get(f, "", fresh)
}

func names(t *testing.T, f *fixture) {
	realm := newRealm(sbc.DefaultTenantID, "core")
	one, two := newTrunk(realm, "one"), newTrunk(realm, "two")
	f.put(realm, one, two, newEndpoint(one, "a"), newEndpoint(two, "a"))
	e := f.refused(func(tx sbc.Tx) error { return tx.Put(newTrunk(realm, "one")) })
	wantCode(t, e, sbc.CodeConflict)
	if got := fault(t, e, "#/name"); got.Code != "taken" {
		t.Errorf("got %+v", got)
	}
	fault(t, f.refused(func(tx sbc.Tx) error { return tx.Put(newEndpoint(one, "a")) }), "#/name")
	renamed := get(f, "", two)
	renamed.Name = "one"
	fault(t, f.refused(func(tx sbc.Tx) error { return tx.Put(renamed) }), "#/name")
	fault(t, f.refused(func(tx sbc.Tx) error { // within one transaction
		if err := tx.Put(newRealm(sbc.DefaultTenantID, "twice")); err != nil {
			return err
		}
		return tx.Put(newRealm(sbc.DefaultTenantID, "twice"))
	}), "#/name")
	f.update(func(tx sbc.Tx) error { // a refused Put does not spoil its transaction, and a freed name is free
		if err := tx.Put(newTrunk(realm, "one")); sbc.CodeOf(err) != sbc.CodeConflict {
			t.Errorf("got %v", err)
		}
		one.Name = "three"
		return errors.Join(tx.Put(one), tx.Put(newTrunk(realm, "one")))
	})
}

func externalIDs(t *testing.T, f *fixture) {
	other := newTenant("other")
	a, b, c := newRealm(sbc.DefaultTenantID, "a"), newRealm(sbc.DefaultTenantID, "b"), newRealm(other.ID, "a")
	trunk := newTrunk(a, "t")
	a.ExternalID, c.ExternalID, trunk.ExternalID = "42", "42", "42"
	f.put(other, a, c, trunk)
	b.ExternalID, b.Name = "42", "a"
	e := f.refused(func(tx sbc.Tx) error { return tx.Put(b) })
	wantCode(t, e, sbc.CodeConflict)
	fault(t, e, "#/external_id")
	fault(t, e, "#/name") // both at once
	for tenantID, want := range map[string]string{"": a.ID, sbc.DefaultTenantID: a.ID, other.ID: c.ID} {
		got, err := f.ByExternalID(f.ctx, sbc.KindRealm, tenantID, "42")
		if err != nil || got.Base().ID != want {
			t.Errorf("tenant %q: got %v, %v", tenantID, got, err)
		}
	}
	f.update(func(tx sbc.Tx) error {
		got, err := tx.ByExternalID(sbc.KindTrunk, sbc.DefaultTenantID, "42")
		if err != nil || got.Base().ID != trunk.ID {
			t.Errorf("in a transaction: got %v, %v", got, err)
		}
		return nil
	})
	b.ExternalID, b.Name = "", "b"
	d := newRealm(sbc.DefaultTenantID, "d") // any number may have none
	f.put(b, d)
	_, err := f.ByExternalID(f.ctx, sbc.KindRealm, "", "")
	wantCode(t, err, sbc.CodeNotFound)
}

func references(t *testing.T, f *fixture) {
	realm, plan := newRealm(sbc.DefaultTenantID, "r"), &sbc.RoutingPlan{Meta: meta(sbc.KindRoutingPlan, sbc.DefaultTenantID, "p")}
	other := newTenant("other")
	foreign := newRealm(other.ID, "theirs")
	f.put(realm, plan, other, foreign)
	for name, c := range map[string]struct {
		realm, plan string
		pointers    []string
	}{
		"to nothing":           {"rlm_nothing", "", []string{"#/realm_id"}},
		"to another kind":      {plan.ID, "", []string{"#/realm_id"}},
		"to another tenant":    {foreign.ID, "", []string{"#/realm_id"}},
		"several faults":       {"x'; --", "y", []string{"#/realm_id", "#/routing_plan_id"}},
		"one right, one wrong": {realm.ID, realm.ID, []string{"#/routing_plan_id"}},
	} {
		trunk := newTrunk(realm, name)
		trunk.RealmID, trunk.RoutingPlanID = c.realm, c.plan
		e := f.refused(func(tx sbc.Tx) error { return tx.Put(trunk) })
		wantCode(t, e, sbc.CodeInvalid)
		if len(e.Faults) != len(c.pointers) {
			t.Errorf("%s: got %v", name, e)
		}
		for _, p := range c.pointers {
			fault(t, e, p)
		}
	}
	orphan := newRealm("ten_nobody", "x")
	fault(t, f.refused(func(tx sbc.Tx) error { return tx.Put(orphan) }), "#/tenant_id")
	f.update(func(tx sbc.Tx) error { // what the same transaction wrote can be referred to
		r := newRealm(sbc.DefaultTenantID, "new")
		return errors.Join(tx.Put(r), tx.Put(newTrunk(r, "new")))
	})
}

func tenants(t *testing.T, f *fixture) {
	a, b := newTenant("a"), newTenant("b")
	ra, rb := newRealm(a.ID, "same name"), newRealm(b.ID, "same name")
	f.put(a, b, ra, rb)
	_, err := f.Get(f.ctx, sbc.KindRealm, a.ID, rb.ID)
	wantCode(t, err, sbc.CodeNotFound)
	_, err = f.Get(f.ctx, sbc.KindTrunk, b.ID, rb.ID)
	wantCode(t, err, sbc.CodeNotFound)
	f.update(func(tx sbc.Tx) error {
		_, err := tx.Get(sbc.KindRealm, a.ID, rb.ID)
		wantCode(t, err, sbc.CodeNotFound)
		_, err = tx.Get(sbc.KindRealm, "", rb.ID)
		return err
	})
	if got := f.walk(sbc.Query{Kind: sbc.KindRealm, TenantID: a.ID}); !reflect.DeepEqual(got, []string{ra.ID}) {
		t.Errorf("tenant a sees %v", got)
	}
	if got := f.walk(sbc.Query{Kind: sbc.KindRealm}); len(got) != 2 {
		t.Errorf("all tenants see %v", got)
	}
	moved := get(f, "", ra)
	moved.TenantID = b.ID
	fault(t, f.refused(func(tx sbc.Tx) error { return tx.Put(moved) }), "#/tenant_id")
	nobodys := newRealm("", "nobody's")
	fault(t, f.refused(func(tx sbc.Tx) error { return tx.Put(nobodys) }), "#/tenant_id")
	nested := newTenant("nested")
	nested.TenantID = a.ID
	fault(t, f.refused(func(tx sbc.Tx) error { return tx.Put(nested) }), "#/tenant_id")
	f.put(&sbc.APIKey{Meta: meta(sbc.KindAPIKey, "", "for all"), Scopes: []sbc.Scope{sbc.ScopeAdmin}})
}

func deletion(t *testing.T, f *fixture) {
	tenant := newTenant("gone soon")
	realm := newRealm(tenant.ID, "r")
	trunk := newTrunk(realm, "t")
	endpoint := newEndpoint(trunk, "e")
	f.put(tenant, realm, trunk, endpoint)
	e := f.refused(func(tx sbc.Tx) error { return tx.Delete(sbc.KindRealm, realm.ID) })
	wantCode(t, e, sbc.CodeReferenced)
	if want := []sbc.Referrer{{Kind: sbc.KindTrunk, ID: trunk.ID, Name: "t"}}; !reflect.DeepEqual(e.Referrers, want) {
		t.Errorf("got %+v, want %+v", e.Referrers, want)
	}
	e = f.refused(func(tx sbc.Tx) error { return tx.Delete(sbc.KindTenant, tenant.ID) })
	if len(e.Referrers) != 3 {
		t.Errorf("got %+v", e.Referrers)
	}
	wantCode(t, f.refused(func(tx sbc.Tx) error { return tx.Delete(sbc.KindTrunk, realm.ID) }), sbc.CodeNotFound)
	wantCode(t, f.refused(func(tx sbc.Tx) error { return tx.Delete(sbc.KindRealm, "rlm_none") }), sbc.CodeNotFound)
	before := f.revision()
	f.update(func(tx sbc.Tx) error {
		for _, r := range []sbc.Resource{endpoint, trunk, realm, tenant} {
			if err := tx.Delete(r.Kind(), r.Base().ID); err != nil {
				return err
			}
			if _, err := tx.Get(r.Kind(), "", r.Base().ID); sbc.CodeOf(err) != sbc.CodeNotFound {
				t.Errorf("%s is still there: %v", r.Base().ID, err)
			}
		}
		return nil
	})
	if got := f.revision(); got != before+1 {
		t.Errorf("revision %d after %d", got, before)
	}
	f.put(tenant, realm) // all names are free again
}
