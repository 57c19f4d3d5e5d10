package storagetest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func directory(t *testing.T, fresh Fresh) {
	t.Run("all but listed kinds", func(t *testing.T) { allButListed(t, open(t, fresh)) })
	t.Run("find", func(t *testing.T) { find(t, open(t, fresh)) })
	t.Run("page by page", func(t *testing.T) { pageByPage(t, open(t, fresh)) })
	t.Run("one name space", func(t *testing.T) { oneNameSpace(t, open(t, fresh)) })
	t.Run("within the domain", func(t *testing.T) { withinTheDomain(t, open(t, fresh)) })
	t.Run("changes", func(t *testing.T) { changes(t, open(t, fresh)) })
	t.Run("secrets", func(t *testing.T) { secrets(t, open(t, fresh)) })
}

// accessSide is a domain with one resource of each kind around it.
type accessSide struct {
	domain     *sbc.Domain
	subscriber *sbc.Subscriber
	alias      *sbc.Alias
	rest       []sbc.Resource
}

func newDomain(realm *sbc.Realm, name string) *sbc.Domain {
	d := sbc.New(sbc.KindDomain).(*sbc.Domain)
	d.Meta, d.RealmID = meta(sbc.KindDomain, realm.TenantID, name), realm.ID
	return d
}

func newAccessSide(f *fixture, name string) accessSide {
	f.t.Helper()
	realm := newRealm(sbc.DefaultTenantID, name)
	a := accessSide{domain: newDomain(realm, name)}
	group, list := sbc.New(sbc.KindGroup), sbc.New(sbc.KindNumberList)
	*group.Base() = meta(sbc.KindGroup, sbc.DefaultTenantID, name)
	*list.Base() = meta(sbc.KindNumberList, sbc.DefaultTenantID, name)
	flood := sbc.New(sbc.KindFloodProfile)
	*flood.Base() = meta(sbc.KindFloodProfile, sbc.DefaultTenantID, name)
	realm.FloodProfileID = flood.Base().ID
	a.domain.DefaultGroupIDs = []string{group.Base().ID}
	a.subscriber = newSubscriber(a.domain, "alice")
	a.subscriber.IncomingListIDs = []string{list.Base().ID}
	a.subscriber.HA1, a.subscriber.Custom = strings.Repeat("a", 32), map[string]any{"seats": 2.5, "tags": []any{"x"}}
	a.alias = newAlias(a.domain, a.subscriber, "+4930111")
	rule := &sbc.AccessRule{Meta: meta(sbc.KindAccessRule, sbc.DefaultTenantID, name), DomainID: a.domain.ID,
		SubscriberID: a.subscriber.ID, CIDR: "192.0.2.9"}
	a.rest = []sbc.Resource{flood, realm, group, list, a.domain, rule}
	f.put(flood, realm, group, list, a.domain, a.subscriber, a.alias, rule)
	return a
}

// allButListed: whoever loads everything gets what every node holds, also after writes of the rest.
func allButListed(t *testing.T, f *fixture) {
	a := newAccessSide(f, "example.com")
	count := func() (held int) {
		t.Helper()
		all, revision, err := f.All(f.ctx)
		if err != nil || revision != f.revision() {
			t.Fatalf("revision %d, %v", revision, err)
		}
		for _, r := range all {
			if r.Kind().Listed() {
				t.Errorf("%s %s is among all", r.Kind(), r.Base().ID)
			}
		}
		return len(all)
	}
	if n := count(); n != len(a.rest)+1 { // and the default tenant
		t.Errorf("%d resources", n)
	}
	f.update(func(tx sbc.Tx) error {
		if err := tx.Delete(sbc.KindAlias, a.alias.ID); err != nil {
			return err
		}
		if err := tx.Put(newSubscriber(a.domain, "bob")); err != nil {
			return err
		}
		all, err := tx.All()
		if err == nil && len(all) != len(a.rest)+1 {
			t.Errorf("within a transaction there are %d", len(all))
		}
		page, _, err := tx.List(sbc.Query{Kind: sbc.KindSubscriber, Ref: a.domain.ID, Name: "bob", Limit: 1})
		if err != nil || len(page) != 1 {
			t.Errorf("list within a transaction: %v, %v", page, err)
		}
		return err
	})
	if n := count(); n != len(a.rest)+1 {
		t.Errorf("%d resources", n)
	}
}

// find: by username, by alias and by id, each domain for itself.
func find(t *testing.T, f *fixture) {
	a, b := newAccessSide(f, "a.example"), newAccessSide(f, "b.example")
	off := newAlias(a.domain, a.subscriber, "off")
	off.Enabled = false
	second := newAlias(a.domain, a.subscriber, "+4930222")
	f.put(off, second)
	for _, tt := range []struct {
		domain *sbc.Domain
		name   string
		want   *sbc.Subscriber
		via    string
	}{
		{a.domain, "alice", a.subscriber, ""}, {b.domain, "alice", b.subscriber, ""}, {a.domain, "+4930111", a.subscriber, "+4930111"},
		{a.domain, "+4930222", a.subscriber, "+4930222"}, {b.domain, "+4930222", nil, ""}, {a.domain, "off", nil, ""},
		{a.domain, "ALICE", nil, ""}, {a.domain, "", nil, ""}, {a.domain, "nobody", nil, ""},
	} {
		e, err := f.FindSubscriber(f.ctx, tt.domain.ID, tt.name)
		if tt.want == nil {
			wantCode(t, err, sbc.CodeNotFound)
			continue
		}
		if err != nil || e.Subscriber.ID != tt.want.ID || e.Subscriber.HA1 != tt.want.HA1 {
			t.Fatalf("%s in %s: %+v, %v", tt.name, tt.domain.Name, e, err)
		}
		if (e.Via == nil) != (tt.via == "") || e.Via != nil && e.Via.Name != tt.via {
			t.Errorf("%s: via %+v", tt.name, e.Via)
		}
	}
	e, err := f.SubscriberByID(f.ctx, a.subscriber.ID)
	if err != nil || e.Via != nil {
		t.Fatalf("%+v, %v", e, err)
	}
	names := make([]string, len(e.Aliases))
	for i, x := range e.Aliases {
		names[i] = x.Name
	}
	if slices.Sort(names); !slices.Equal(names, []string{"+4930111", "+4930222"}) {
		t.Errorf("aliases %v", names)
	}
	_, err = f.SubscriberByID(f.ctx, a.alias.ID)
	wantCode(t, err, sbc.CodeNotFound)
}

// pageByPage: all subscribers are read, each as it is found by its id.
func pageByPage(t *testing.T, f *fixture) {
	a, b := newAccessSide(f, "a.example"), newAccessSide(f, "b.example")
	off := newAlias(a.domain, a.subscriber, "off")
	off.Enabled = false
	carol := newSubscriber(b.domain, "carol")
	f.put(off, newAlias(a.domain, a.subscriber, "+4930222"), carol)
	for _, limit := range []int{1, 2, 3, 10} {
		var got []string
		for after, more := "", true; more; more = after != "" {
			page, next, err := f.Subscribers(f.ctx, after, limit)
			if err != nil || len(page) > limit {
				t.Fatalf("%d entries, %v", len(page), err)
			}
			for _, e := range page {
				got = append(got, e.Subscriber.ID)
				if want, err := f.SubscriberByID(f.ctx, e.Subscriber.ID); err != nil || !reflect.DeepEqual(e, want) {
					t.Errorf("by page\n%+v\nby id\n%+v, %v", e, want, err)
				}
			}
			after = next
		}
		want := []string{a.subscriber.ID, b.subscriber.ID, carol.ID}
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %v, want %v", limit, got, want)
		}
	}
}

// oneNameSpace: a username is not an alias, and the other way round; in another domain it may be.
func oneNameSpace(t *testing.T, f *fixture) {
	a, b := newAccessSide(f, "a.example"), newAccessSide(f, "b.example")
	for _, tt := range []struct {
		r       sbc.Resource
		pointer string
	}{
		{newAlias(a.domain, a.subscriber, "alice"), "#/name"}, {newAlias(a.domain, a.subscriber, "+4930111"), "#/name"},
		{newSubscriber(a.domain, "+4930111"), "#/username"}, {newSubscriber(a.domain, "alice"), "#/username"},
	} {
		e := f.refused(func(tx sbc.Tx) error { return tx.Put(tt.r) })
		if e.Code != sbc.CodeConflict || len(e.Faults) != 1 || e.Faults[0].Pointer != tt.pointer {
			t.Errorf("%s %s: %v", tt.r.Kind(), tt.r.Base().Name, e)
		}
	}
	f.put(newAlias(b.domain, b.subscriber, "bob"), newSubscriber(a.domain, "bob"))
}

// withinTheDomain: an alias or an access rule is of a subscriber of its own domain.
func withinTheDomain(t *testing.T, f *fixture) {
	a, b := newAccessSide(f, "a.example"), newAccessSide(f, "b.example")
	stray := newAlias(b.domain, b.subscriber, "x")
	stray.DomainID = a.domain.ID
	rule := &sbc.AccessRule{Meta: meta(sbc.KindAccessRule, sbc.DefaultTenantID, "x"), DomainID: a.domain.ID,
		SubscriberID: b.subscriber.ID, CIDR: "192.0.2.9"}
	for _, r := range []sbc.Resource{stray, rule} {
		e := f.refused(func(tx sbc.Tx) error { return tx.Put(r) })
		if e.Code != sbc.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Pointer != "#/subscriber_id" {
			t.Errorf("%s: %v", r.Kind(), e)
		}
	}
}

// changes: what is of listed kinds is told one by one, the rest by a mark.
func changes(t *testing.T, f *fixture) {
	a := newAccessSide(f, "a.example")
	check := func(after int64, configured bool, want ...string) {
		t.Helper()
		c, err := f.Changes(f.ctx, after)
		if err != nil || c.Revision != f.revision() || c.Configured != configured || c.Listed == nil {
			t.Fatalf("%+v, %v", c, err)
		}
		got := make([]string, len(c.Listed))
		for i, x := range c.Listed {
			got[i] = fmt.Sprint(x.ID, " ", x.DomainID, " ", x.Name, " ", x.SubscriberID)
		}
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("after %d: %q, want %q", after, got, want)
		}
	}
	first := f.revision()
	check(first, false)
	bob := newSubscriber(a.domain, "bob")
	f.put(bob)
	bobs := fmt.Sprint(bob.ID, " ", a.domain.ID, " bob ")
	check(first, false, bobs)
	second := f.revision()
	f.update(func(tx sbc.Tx) error { return tx.Delete(sbc.KindAlias, a.alias.ID) })
	check(first, false, bobs, a.alias.ID+"   ")
	check(second, false, a.alias.ID+"   ")
	f.put(newRealm(sbc.DefaultTenantID, "r"))
	check(second, true, a.alias.ID+"   ")
	check(f.revision(), false)
	alias := newAlias(a.domain, bob, "100")
	f.put(alias)
	check(f.revision()-1, false, fmt.Sprint(alias.ID, " ", a.domain.ID, " 100 ", bob.ID))
}

// secrets are made once and are the same for every node.
func secrets(t *testing.T, f *fixture) {
	one, err := f.Secret(f.ctx, "nonce")
	if err != nil || len(one) != 32 {
		t.Fatalf("%x, %v", one, err)
	}
	node := f
	if f.url != Lonely {
		node = openURL(t, f.url)
	}
	again, err := node.Secret(f.ctx, "nonce")
	if err != nil || !bytes.Equal(one, again) {
		t.Errorf("%x, then %x, %v", one, again, err)
	}
	if other, err := f.Secret(f.ctx, "gruu"); err != nil || bytes.Equal(one, other) {
		t.Errorf("another name has the same secret, or none: %v", err)
	}
}
