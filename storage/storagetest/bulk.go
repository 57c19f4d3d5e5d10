package storagetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// bulk checks that many resources are written as one would be, one by one.
func bulk(t *testing.T, fresh Fresh) {
	t.Run("write", func(t *testing.T) { bulkWrite(t, fresh) })
	t.Run("refuse", func(t *testing.T) { bulkRefuse(t, fresh) })
	t.Run("delete", func(t *testing.T) { bulkDelete(t, fresh) })
}

// homed makes a domain with what it needs.
func homed(f *fixture, tenantID, name string) *sbc.Domain {
	f.t.Helper()
	realm := newRealm(tenantID, "access of "+name)
	d := sbc.New(sbc.KindDomain).(*sbc.Domain)
	d.Meta, d.RealmID = meta(sbc.KindDomain, tenantID, name), realm.ID
	f.put(realm, d)
	return d
}

func newSubscriber(d *sbc.Domain, username string) *sbc.Subscriber {
	s := sbc.New(sbc.KindSubscriber).(*sbc.Subscriber)
	s.Meta, s.DomainID, s.Username = meta(sbc.KindSubscriber, d.TenantID, username), d.ID, username
	return s
}

func newAlias(d *sbc.Domain, s *sbc.Subscriber, name string) *sbc.Alias {
	a := sbc.New(sbc.KindAlias).(*sbc.Alias)
	a.Meta, a.DomainID, a.SubscriberID = meta(sbc.KindAlias, d.TenantID, name), d.ID, s.ID
	return a
}

// putAll writes and gives what was refused.
func (f *fixture) putAll(list ...sbc.Resource) (refused map[int]error) {
	f.t.Helper()
	f.update(func(tx sbc.Tx) (err error) {
		refused, err = tx.PutAll(list)
		return err
	})
	return refused
}

func bulkWrite(t *testing.T, fresh Fresh) {
	f := open(t, fresh)
	d := homed(f, sbc.DefaultTenantID, "example.com")
	group := sbc.New(sbc.KindGroup)
	*group.Base() = meta(sbc.KindGroup, sbc.DefaultTenantID, "all")
	f.put(group)
	var list []sbc.Resource
	for i := range 1203 { // more than any statement takes
		s := newSubscriber(d, fmt.Sprintf("user%d", i))
		s.ExternalID, s.Labels, s.GroupIDs = fmt.Sprintf("crm-%d", i), map[string]string{"n": fmt.Sprint(i % 7)}, []string{group.Base().ID}
		list = append(list, s)
	}
	list[5].Base().ID = "" // the store makes one
	if refused := f.putAll(list...); len(refused) != 0 {
		t.Fatalf("refused: %v", refused)
	}
	rev := f.revision()
	first := list[7].(*sbc.Subscriber)
	if got := get(f, "", first); got.Revision != rev || got.CreatedAt.IsZero() || got.Labels["n"] != "0" || got.ExternalID != "crm-7" {
		t.Errorf("written: %+v", got)
	}
	if n := len(f.walk(sbc.Query{Kind: sbc.KindSubscriber, Ref: group.Base().ID, Labels: map[string]string{"n": "0"}})); n != 172 {
		t.Errorf("%d of group and label, want 172", n)
	}
	created := get(f, "", first).CreatedAt
	first.Labels, first.GroupIDs, first.DisplayName = nil, []string{}, "Changed"
	if refused := f.putAll(first, newSubscriber(d, "another")); len(refused) != 0 {
		t.Fatalf("refused: %v", refused)
	}
	if got := get(f, "", first); got.DisplayName != "Changed" || !got.CreatedAt.Equal(created) || got.Revision != rev+1 {
		t.Errorf("replaced: %+v", got)
	}
	if n := len(f.walk(sbc.Query{Kind: sbc.KindSubscriber, Ref: group.Base().ID})); n != 1202 {
		t.Errorf("%d of the group, want 1202", n)
	}
	f.update(func(tx sbc.Tx) error {
		for _, l := range []sbc.Lookup{
			{Kind: sbc.KindSubscriber, By: sbc.LookupName, ParentID: d.ID, Values: []string{"user3", "nobody", "user1100"}},
			{Kind: sbc.KindSubscriber, By: sbc.LookupExternalID, TenantID: d.TenantID, Values: []string{"crm-3", "crm-1100"}},
			{Kind: sbc.KindSubscriber, By: sbc.LookupID, Values: []string{list[1100].Base().ID, list[3].Base().ID}},
		} {
			got, err := tx.Find(l)
			if err != nil || len(got) != 2 || got[0].Base().Name != "user3" || got[1].Base().Name != "user1100" {
				t.Errorf("find by %s: %v, %v", l.By, got, err)
			}
		}
		for _, l := range []sbc.Lookup{
			{Kind: sbc.KindAlias, By: sbc.LookupName, Values: []string{"user3"}},
			{Kind: sbc.KindSubscriber, By: sbc.LookupName, TenantID: "ten_other", Values: []string{"user3"}},
			{Kind: sbc.KindSubscriber, By: sbc.LookupName, ParentID: "dom_other", Values: []string{"user3"}},
		} {
			if got, err := tx.Find(l); err != nil || len(got) != 0 {
				t.Errorf("find %+v: %v, %v", l, got, err)
			}
		}
		return nil
	})
}

func bulkRefuse(t *testing.T, fresh Fresh) {
	f := open(t, fresh)
	d, other := homed(f, sbc.DefaultTenantID, "example.com"), homed(f, sbc.DefaultTenantID, "example.org")
	anna := newSubscriber(d, "anna")
	anna.ExternalID = "crm-1"
	f.put(anna, newAlias(d, anna, "100"))
	nowhere := newSubscriber(d, "nowhere")
	nowhere.DomainID = "dom_none"
	sameExternal := newSubscriber(other, "berta")
	sameExternal.ExternalID = "crm-1"
	noGroup := newSubscriber(d, "nogroup")
	noGroup.GroupIDs = []string{"grp_none"}
	twice := newSubscriber(d, "clara")
	sameID := newSubscriber(d, "dora")
	sameID.ID = twice.ID
	wants := []struct {
		r       sbc.Resource
		code    sbc.Code
		pointer string
	}{
		{newSubscriber(d, "anna"), sbc.CodeConflict, "#/username"},
		{newSubscriber(other, "anna"), "", ""},
		{newSubscriber(d, "100"), sbc.CodeConflict, "#/username"},
		{nowhere, sbc.CodeInvalid, "#/domain_id"},
		{sameExternal, sbc.CodeConflict, "#/external_id"},
		{noGroup, sbc.CodeInvalid, "#/group_ids/0"},
		{twice, "", ""},
		{sameID, sbc.CodeConflict, ""},
		{newSubscriber(d, "clara"), sbc.CodeConflict, "#/username"},
	}
	var list []sbc.Resource
	for _, w := range wants {
		list = append(list, w.r)
	}
	refused := f.putAll(list...)
	for i, w := range wants {
		if w.code == "" {
			if refused[i] != nil {
				t.Errorf("%d: refused: %v", i, refused[i])
			}
			continue
		}
		wantCode(t, refused[i], w.code)
		if w.pointer != "" {
			fault(t, refused[i].(*sbc.Error), w.pointer)
		}
	}
	names := []string{}
	got, _ := f.page(sbc.Query{Kind: sbc.KindSubscriber})
	for _, r := range got {
		names = append(names, r.Base().Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"anna", "anna", "clara"}) {
		t.Errorf("there are %v", names)
	}
	foreign := newAlias(other, anna, "200")
	refused = f.putAll(newAlias(d, anna, "anna"), foreign, newAlias(d, anna, "201"))
	if len(refused) != 2 {
		t.Fatalf("aliases refused: %v", refused)
	}
	fault(t, refused[0].(*sbc.Error), "#/name")
	fault(t, refused[1].(*sbc.Error), "#/subscriber_id")
}

func bulkDelete(t *testing.T, fresh Fresh) {
	f := open(t, fresh)
	d := homed(f, sbc.DefaultTenantID, "example.com")
	anna, berta, clara := newSubscriber(d, "anna"), newSubscriber(d, "berta"), newSubscriber(d, "clara")
	alias := newAlias(d, berta, "100")
	f.put(anna, berta, clara, alias)
	f.update(func(tx sbc.Tx) error {
		refused, err := tx.DeleteAll(sbc.KindSubscriber, []string{anna.ID, berta.ID, "sub_none", clara.ID})
		if err != nil || len(refused) != 2 {
			t.Fatalf("refused %v, %v", refused, err)
		}
		wantCode(t, refused[2], sbc.CodeNotFound)
		wantCode(t, refused[1], sbc.CodeReferenced)
		if who := refused[1].(*sbc.Error).Referrers; len(who) != 1 || who[0].ID != alias.ID {
			t.Errorf("referrers %v", who)
		}
		return nil
	})
	if got := f.walk(sbc.Query{Kind: sbc.KindSubscriber}); !slices.Equal(got, []string{berta.ID}) {
		t.Errorf("left are %v", got)
	}
}
