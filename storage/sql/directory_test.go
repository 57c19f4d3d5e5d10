package sql

import (
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// TestChangesOfOlderNodes: a node of a version without subscribers says only that there is a new revision; then it may be anything, also
// after a write of ours.
func TestChangesOfOlderNodes(t *testing.T) {
	s, err := OpenSQLite(t.Context(), ":memory:", Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	put := func(r sbc.Resource, name string) {
		t.Helper()
		r.Base().Name, r.Base().TenantID = name, sbc.DefaultTenantID
		if err := s.Update(t.Context(), func(tx sbc.Tx) error { return tx.Put(r) }); err != nil {
			t.Fatal(err)
		}
	}
	realm, domain := sbc.New(sbc.KindRealm), sbc.New(sbc.KindDomain).(*sbc.Domain)
	put(realm, "west")
	domain.RealmID = realm.Base().ID
	put(domain, "example.com")
	before, err := s.Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check := func(after int64, configured bool) {
		t.Helper()
		if c, err := s.Changes(t.Context(), after); err != nil || c.Configured != configured {
			t.Errorf("after %d: %+v, %v", after, c, err)
		}
	}
	check(before, false)
	if err := setCounter(s.write, counterRevision, before+1); err != nil { // as the older version does
		t.Fatal(err)
	}
	check(before, true)
	sub := sbc.New(sbc.KindSubscriber).(*sbc.Subscriber)
	sub.DomainID, sub.Username = domain.ID, "alice"
	put(sub, "alice")
	check(before, true)
	check(before+2, false)
}
