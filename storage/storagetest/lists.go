package storagetest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func lists(t *testing.T, fresh Fresh) {
	t.Run("filters", func(t *testing.T) { filters(t, open(t, fresh)) })
	t.Run("pages", func(t *testing.T) { pages(t, open(t, fresh)) })
	t.Run("pages hold while others write", func(t *testing.T) { stability(t, open(t, fresh)) })
}

func filters(t *testing.T, f *fixture) {
	r1, r2 := newRealm(sbc.DefaultTenantID, "one"), newRealm(sbc.DefaultTenantID, "two")
	r1.Labels, r2.Labels = map[string]string{"env": "live", "site": "a"}, map[string]string{"env": "live", "site": "b"}
	r2.Enabled, r2.ExternalID = false, "x"
	t1, t2 := newTrunk(r1, "t1"), newTrunk(r2, "t2")
	e1, e2, e3 := newEndpoint(t1, "a"), newEndpoint(t1, "b"), newEndpoint(t2, "a")
	f.put(r1, r2, t1, t2, e1, e2, e3)
	yes, no := true, false
	ids := func(rs ...sbc.Resource) (out []string) {
		for _, r := range rs {
			out = append(out, r.Base().ID)
		}
		return out
	}
	for name, c := range map[string]struct {
		q    sbc.Query
		want []string
	}{
		"kind":            {sbc.Query{Kind: sbc.KindRealm}, ids(r1, r2)},
		"name":            {sbc.Query{Kind: sbc.KindRealm, Name: "two"}, ids(r2)},
		"name, of many":   {sbc.Query{Kind: sbc.KindEndpoint, Name: "a"}, ids(e1, e3)},
		"external id":     {sbc.Query{Kind: sbc.KindRealm, ExternalID: "x"}, ids(r2)},
		"enabled":         {sbc.Query{Kind: sbc.KindRealm, Enabled: &yes}, ids(r1)},
		"disabled":        {sbc.Query{Kind: sbc.KindRealm, Enabled: &no}, ids(r2)},
		"label":           {sbc.Query{Kind: sbc.KindRealm, Labels: map[string]string{"env": "live"}}, ids(r1, r2)},
		"all labels":      {sbc.Query{Kind: sbc.KindRealm, Labels: map[string]string{"env": "live", "site": "b"}}, ids(r2)},
		"wrong label":     {sbc.Query{Kind: sbc.KindRealm, Labels: map[string]string{"env": "a"}}, nil},
		"injected label":  {sbc.Query{Kind: sbc.KindRealm, Labels: map[string]string{"env": "' OR 1=1 --"}}, nil},
		"parent":          {sbc.Query{Kind: sbc.KindEndpoint, Ref: t1.ID}, ids(e1, e2)},
		"parent and name": {sbc.Query{Kind: sbc.KindEndpoint, Ref: t1.ID, Name: "b"}, ids(e2)},
		"reference":       {sbc.Query{Kind: sbc.KindTrunk, Ref: r2.ID}, ids(t2)},
		"no reference":    {sbc.Query{Kind: sbc.KindTrunk, Ref: t1.ID}, nil},
		"foreign tenant":  {sbc.Query{Kind: sbc.KindTrunk, TenantID: "ten_x"}, nil},
		"after":           {sbc.Query{Kind: sbc.KindRealm, After: r1.ID}, ids(r2)},
		"after the end":   {sbc.Query{Kind: sbc.KindRealm, After: "rlm_zzz"}, nil},
	} {
		if got := f.walk(c.q); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// manyRealms writes realms in one transaction and gives their ids by rising id.
func manyRealms(f *fixture, n int) []string {
	f.t.Helper()
	realms := make([]sbc.Resource, n)
	ids := make([]string, n)
	for i := range realms {
		realms[i] = newRealm(sbc.DefaultTenantID, fmt.Sprintf("realm %d", i))
		ids[i] = realms[i].Base().ID
	}
	f.put(realms...)
	return ids
}

func pages(t *testing.T, f *fixture) {
	want := manyRealms(f, 250)
	for _, limit := range []int{250, 251, 249, 7, 0} {
		if got := f.walk(sbc.Query{Kind: sbc.KindRealm, Limit: limit}); !slices.Equal(got, want) {
			t.Errorf("limit %d: got %d ids, want %d in order", limit, len(got), len(want))
		}
	}
	page, next := f.page(sbc.Query{Kind: sbc.KindRealm, Limit: 250})
	if len(page) != 250 || next != "" {
		t.Errorf("a page that holds all: %d and next %q", len(page), next)
	}
	if page, next = f.page(sbc.Query{Kind: sbc.KindRealm}); len(page) != 100 || next != want[99] {
		t.Errorf("a page of no given size: %d and next %q", len(page), next)
	}
	for i, r := range page {
		if !reflect.DeepEqual(r, get(f, "", r)) {
			t.Errorf("entry %d differs from Get", i)
		}
	}
}

// stability: rows that come and go between pages change nothing about the others: each is seen once.
func stability(t *testing.T, f *fixture) {
	want := manyRealms(f, 50)
	var seen []string
	q := sbc.Query{Kind: sbc.KindRealm, Limit: 10}
	for {
		page, next := f.page(q)
		for _, r := range page {
			seen = append(seen, r.Base().ID)
		}
		if next == "" {
			break
		}
		q.After = next
		gone := page[9].Base() // what the cursor names is deleted
		early := newRealm(sbc.DefaultTenantID, "early "+next)
		early.ID = want[0][:len(want[0])-2] + fmt.Sprintf("%02d", len(seen)/10) // and others come in before it
		if slices.Contains(want, early.ID) {
			t.Fatal("unlucky id")
		}
		f.update(func(tx sbc.Tx) error {
			if err := tx.Delete(sbc.KindRealm, gone.ID); err != nil {
				return err
			}
			return tx.Put(early)
		})
	}
	if !slices.Equal(seen, want) {
		t.Errorf("saw %d ids, want the %d that were there throughout", len(seen), len(want))
	}
}
